// One task: progress, what can be done, and the timeline of its attempts, phases and log.

import { element, find, guarded, show } from "./dom.js";
import { date, sentence, time } from "./format.js";
import { actions, badge, ended, followTask, progressText, progressView } from "./tasks.js";
import { withUser } from "./user.js";

const { id } = find("task").dataset;
const view = progressView();
find("progress").replaceChildren(view.node);

let phase = null; // the timeline's line of the phase that goes on, and its last progress
let shown = "";

const line = (data, kind, ...content) =>
  element("li", { class: kind }, element("time", { datetime: date(data.at).toISOString() }, time(data.at)), element("div", {}, ...content));

const add = (node) => (find("timeline").append(node), node);

// A phase that was passed has done all it had to.
function pass() {
  if (!phase) return;
  const { phase: name, total, unit } = phase.data;
  phase.node.lastChild.textContent = progressText({ phase: name, done: total, unit });
  phase = null;
}

function onStatus(data) {
  if (data.status === "complete") pass();
  phase = null;
  const by = data.worker ? ` · ${data.worker}` : "";
  const attempt = data.attempt > 0 ? ` attempt ${data.attempt}${by}` : "";
  add(line(data, "status", badge(data.status), element("span", { class: "note" }, attempt)));
}

function onProgress(data) {
  if (phase && phase.data.phase !== data.phase) pass();
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
  if (task.status !== "complete") return [];
  if (task.kind.endsWith("_import") || task.kind === "import_ratings") return [element("a", { class: "button", href: withUser(`/import?task=${id}`) }, "See the report")];
  if (task.kind === "rebuild_model") return [element("a", { class: "button", href: withUser("/quality") }, "See the model")];
  return [];
}

function onChange(task) {
  view.update(task);
  find("live").textContent = ended(task) ? "" : "Live";
  show(find("problem"), task.status === "failed");
  find("problem").textContent = task.error?.title ? `${task.error.title}. ${task.error.detail ?? ""}` : sentence(task.status);
  if (shown === task.status) return;
  shown = task.status;
  find("actions").replaceChildren(...actions(task, onDone), ...links(task));
}

// A cancel shows by itself; a retry may be the same task again or another one.
function onDone(answer) {
  if (answer.task_id !== id) location.assign(withUser(`/activity/${answer.task_id}`));
  else if (answer.status === "queued") run();
}

const run = guarded(async () => {
  phase = null;
  find("timeline").replaceChildren();
  await followTask(id, onChange, onEvent);
});

await run();
