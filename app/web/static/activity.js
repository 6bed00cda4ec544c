// Activity: the list of tasks, live while the page is visible.

import { address, page } from "./api.js";
import { element, find, latest, loading, pause, visible } from "./dom.js";
import { date, duration, sentence, time } from "./format.js";
import { showNext } from "./paging.js";
import { may } from "./session.js";
import { actionBar, ended, progressView } from "./tasks.js";
import { setParameters, withUser } from "./user.js";

const SHOWN = 25;
const EVERY = 1500;
const list = find("tasks");
const filters = find("filters");
const rows = new Map();

function when(task) {
  const created = time(task.created_at);
  if (!task.finished_at || !task.started_at) return created;
  return `${created} · took ${duration((date(task.finished_at) - date(task.started_at)) / 1000)}`;
}

function makeRow(task) {
  const view = progressView();
  const buttons = element("div", { class: "actions" });
  const at = element("p", { class: "meta" });
  const href = withUser(`/activity/${task.task_id}`);
  const link = element("a", { class: "task-title", href }, sentence(task.kind));
  if (task.params.filename) link.append(" ", element("bdi", { class: "file" }, task.params.filename));
  const head = element("div", { class: "task-head" }, link, at);
  const node = element("li", { class: "task", "data-id": task.task_id }, head, view.node, buttons);
  const showActions = actionBar(buttons, () => refresh());
  function update(now) {
    view.update(now);
    at.textContent = when(now);
    showActions(now);
  }
  return { node, update };
}

function nodeOf(task) {
  if (!rows.has(task.task_id)) rows.set(task.task_id, makeRow(task));
  const row = rows.get(task.task_id);
  row.update(task);
  return row.node;
}

const add = (tasks) => list.append(...tasks.map(nodeOf));

const chosen = () => ({ kind: filters.elements.kind.value, status: filters.elements.status.value });

function note(tasks) {
  if (tasks.length) return "";
  const { kind, status } = chosen();
  if (kind || status) return "No task matches these filters.";
  if (!may("editor")) return "Nothing of yours has run yet. Import a file of your ratings.";
  return "Nothing has run yet. Import a file, or rebuild the model under Quality.";
}

let first = true;
const refresh = latest((signal) => (first ? loading(list, () => load(signal)) : load(signal)));

async function load(signal) {
  const { items, next } = await page(address("/tasks", { ...chosen(), limit: SHOWN }), { signal });
  if (first) {
    list.replaceChildren();
    showNext(next, add);
    first = false;
  }
  const here = new Set(items.map((task) => task.task_id));
  const { status } = chosen();
  for (const [id, row] of rows) if (status && !here.has(id) && row.node.isConnected) row.node.remove();
  const nodes = items.map(nodeOf);
  if (nodes.some((node, i) => list.children[i] !== node)) list.prepend(...nodes);
  find("note").textContent = note(items);
  busy = items.some((task) => !ended(task));
}

let busy = true;

filters.addEventListener("submit", (event) => event.preventDefault());
filters.onchange = () => {
  setParameters(chosen());
  first = true;
  refresh();
};
const given = new URLSearchParams(location.search);
for (const name of ["kind", "status"]) filters.elements[name].value = given.get(name) ?? "";

for (;;) {
  await visible();
  await refresh();
  await pause(busy ? EVERY : 2 * EVERY);
}
