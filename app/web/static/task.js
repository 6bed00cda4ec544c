// One task: its progress, its actions, and the timeline of its attempts, phases and log.

import { element, find, guarded, show } from "./dom.js";
import { date, time } from "./format.js";
import { undoButton } from "./report.js";
import { may } from "./session.js";
import { actionBar, badge, ended, followTask, noun, progressText, progressView } from "./tasks.js";
import { withUser } from "./user.js";

const { id } = find("task").dataset;
const view = progressView();
find("progress").replaceChildren(view.node);

const showActions = actionBar(find("actions"), onDone, links);
let phase = null; // the current phase: its line of the timeline, and its last progress

function line(data, kind, ...content) {
  const at = element("time", { datetime: date(data.at).toISOString() }, time(data.at));
  return element("li", { class: kind }, at, element("div", {}, ...content));
}

const add = (node) => (find("timeline").append(node), node);

// Shows the phase as complete: another one has begun, or the task is complete.
function endPhase() {
  if (!phase) return;
  const { phase: name, total, unit } = phase.data;
  phase.node.lastChild.textContent = progressText({ phase: name, done: total, unit });
  phase = null;
}

function onStatus(data) {
  if (data.status === "complete") endPhase();
  phase = null;
  const by = data.worker ? ` · ${data.worker}` : "";
  const attempt = data.attempt > 0 ? ` attempt ${data.attempt}${by}` : "";
  add(line(data, "status", badge(data.status), element("span", { class: "note" }, attempt)));
}

function onProgress(data) {
  if (phase && phase.data.phase !== data.phase) endPhase();
  phase ??= { node: add(line(data, "phase", "")) };
  phase.data = data;
  phase.node.lastChild.textContent = progressText(data);
}

function onLog(data) {
  add(line(data, `log ${String(data.level).toLowerCase()}`, data.text));
}

function onEvent(type, data) {
  if (type === "status") onStatus(data);
  else if (type === "progress") onProgress(data);
  else if (type === "log") onLog(data);
}

function links(task) {
  if (task.status !== "complete" && !task.written) return [];
  const link = (path, text) => element("a", { class: "button", href: withUser(path) }, text);
  const follow = (undo) => location.assign(withUser(`/activity/${undo}`));
  if (task.kind.startsWith("merge_")) return [undoButton(id, follow, noun(task.kind))];
  if (task.kind === "dump_recommendations") {
    const file = { class: "button", href: `/tasks/${id}/result`, download: "" };
    return may("editor") ? [element("a", file, "Download the file")] : [];
  }
  if (task.kind === "back_up") return [];
  if (task.kind.endsWith("_model")) return [link("/quality", "See the model")];
  return [link(`/import?task=${id}`, task.status === "complete" ? "See the report" : "Undo this import")];
}

function onChange(task) {
  view.update(task);
  find("panel").setAttribute("aria-busy", "false");
  find("live").textContent = ended(task) ? "" : "Live";
  show(find("problem"), task.status === "failed");
  const { title = "Failed", detail = "" } = task.error ?? {};
  find("problem").textContent = `${title}. ${detail}`;
  showActions(task);
}

// The events show a cancel; a retry queues the same task again or another one.
function onDone(task) {
  if (task.task_id !== id) location.assign(withUser(`/activity/${task.task_id}`));
  else if (task.status === "queued") run();
}

const run = guarded(async () => {
  phase = null;
  find("timeline").replaceChildren();
  await followTask(id, onChange, onEvent);
});

await run();
