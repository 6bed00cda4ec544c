// A task: its progress and outcome in words, and what can be done with it.

import { call, get } from "./api.js";
import { button, element, guarded } from "./dom.js";
import { follow } from "./events.js";
import { duration, number, plainly, plural, sentence } from "./format.js";

export const ended = (task) => ["complete", "failed", "cancelled"].includes(task.status);
export const badge = (status) => element("span", { class: `badge ${status}` }, status);

export function progressText({ phase, done, total, unit, rate, eta_seconds: left, message }) {
  const amount = total ? `${number(done)} of ${number(total)}` : done ? number(done) : "";
  const parts = [
    phase ? sentence(phase) : null,
    amount ? `${amount} ${unit ?? ""}`.trim() : null,
    rate ? `${number(rate < 10 ? Number(rate.toFixed(1)) : Math.round(rate))} a second` : null,
    left === null || left === undefined ? null : `${duration(left)} left`,
  ];
  return parts.filter(Boolean).join(" · ") || message || "";
}

// The part that is done, 0 to 1; undefined: not known; null: the task does not run.
function share(task) {
  if (task.status === "queued" || ended(task)) return null;
  const { done, total } = task.progress;
  return total ? done / total : undefined;
}

function outcome({ result, progress }) {
  const names = [
    "read", "moved", "new", "replaced", "unchanged", "older", "duplicate", "rejected", "deleted", "restored",
    "kept", "left", "users", "recommendations",
  ];
  const counts = names.filter((name) => result?.[name]).map((name) => `${number(result[name])} ${name}`);
  return counts.length && !progress.message ? sentence(`${counts.join(", ")}.`) : progress.message ?? "Done.";
}

// What an undo takes back.
export const noun = (kind) => (kind.startsWith("merge_") ? "this merge" : "this import");

// Says what a task that did not complete has left, and what to do.
export function remains({ kind, status, attempt, written, error }) {
  const why = status === "cancelled" ? "Cancelled." : (error && plainly(error.detail)) || "Failed.";
  if (kind.endsWith("_model")) return `${why} The model that is served stays as it is.`;
  if (kind === "dump_recommendations") return `${why} No file is kept; Retry writes it from the start.`;
  if (kind === "back_up") return `${why} No backup was made; those that are there stay.`;
  if (kind === "undo_import") {
    return attempt ? `${why} What it put back until then stays; Retry does the rest.` : `${why} It had not begun.`;
  }
  if (!written) return `${why} Nothing was written.`;
  const rows = `${plural(written, "row")} ${written === 1 ? "was" : "were"} written and stay`;
  return `${why} ${rows} until you undo ${noun(kind)}; Retry ${kind.startsWith("merge_") ? "moves" : "imports"} the rest.`;
}

function words(task) {
  if (task.status === "queued") return task.attempt ? "Waits for its next attempt." : "Waits for its turn.";
  if (task.status === "complete") return outcome(task);
  if (ended(task)) return remains(task);
  return progressText(task.progress);
}

// Returns a progress bar with a line of text, and a function that updates both.
export function progressView() {
  const bar = element("progress", { max: "1", "aria-label": "Progress" });
  const status = element("span", {});
  const text = element("span", { class: "progress-text loading" }, "Loading …");
  const line = element("p", { class: "progress-line" }, status, " ", text);
  const node = element("div", { class: "progress" }, line, bar);
  bar.hidden = true;
  function update(task) {
    const part = share(task);
    text.classList.remove("loading");
    if (status.textContent !== task.status) status.replaceChildren(badge(task.status));
    text.textContent = words(task);
    bar.hidden = part === null;
    if (part === undefined) bar.removeAttribute("value");
    else bar.value = part ?? 0;
  }
  return { node, update };
}

// Follows a task to its end: calls onEvent(type, data), then onChange(task) for each event. Returns the ended task.
export async function followTask(id, onChange, onEvent = () => {}) {
  let task = await get(`/tasks/${id}`);
  onChange(task);
  await follow(`/tasks/${id}/events`, (type, data) => {
    onEvent(type, data);
    if (ended(task)) return; // its events are replayed
    if (type === "progress") task = { ...task, progress: { ...task.progress, ...data } };
    else if (type === "status" && !ended(data)) {
      task = { ...task, status: data.status, attempt: data.attempt };
    }
    onChange(task);
  });
  task = await get(`/tasks/${id}`);
  onChange(task);
  return task;
}

// Cancel before the end, Retry after a failure or a cancel; `done(task)` is called after either.
function actions(task, done) {
  const post = (verb) =>
    guarded(async () => {
      const { content } = await call(`/tasks/${task.task_id}/${verb}`, { method: "POST" });
      done(content);
    });
  if (["queued", "running"].includes(task.status)) return [button("Cancel", post("cancel"))];
  if (["failed", "cancelled"].includes(task.status)) return [button("Retry", post("retry"))];
  return [];
}

// Returns a function that shows the actions of a task in `bar`, with those of `more(task)`. It changes them with the
// status only, so that a button that is being pressed stays.
export function actionBar(bar, done, more = () => []) {
  let shown = "";
  return (task) => {
    if (shown !== task.status) bar.replaceChildren(...actions(task, done), ...more(task));
    shown = task.status;
  };
}
