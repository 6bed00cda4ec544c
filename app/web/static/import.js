// Import: choose a file, watch it go in, read the report, undo.

import { address, newKey, start } from "./api.js";
import { button, element, find, guarded, show } from "./dom.js";
import { bytes, duration, sentence } from "./format.js";
import { showReport, undoButton } from "./report.js";
import { actions, followTask, progressView } from "./tasks.js";
import { upload } from "./upload.js";
import { NO_USER, parseUser, setParameters, withUser } from "./user.js";

const form = find("upload");
const drop = find("drop");
const view = progressView();
find("progress").replaceChildren(view.node);

function say(problem) {
  show(find("problem"), problem !== null);
  find("problem").textContent = problem ?? "";
}

function parameters() {
  const owner = find("owner").value.trim();
  if (owner && parseUser(owner) === null) throw new Error(NO_USER);
  return { user_id: owner, dry_run: find("dry-run").checked ? "true" : "" };
}

function showSending(file, stop) {
  const began = performance.now();
  show(find("running"));
  find("running-title").textContent = file.name;
  find("running-note").textContent = bytes(file.size);
  find("running-actions").replaceChildren(button("Stop", stop));
  return (sent) => {
    const rate = sent / Math.max((performance.now() - began) / 1000, 0.001);
    const progress = { phase: "send", done: sent, total: file.size, unit: "bytes" };
    view.update({ status: "running", progress: { ...progress, eta_seconds: (file.size - sent) / rate } });
  };
}

// Leaving the page now would lose the file: the browser asks first.
async function staying(job) {
  const ask = (event) => event.preventDefault();
  addEventListener("beforeunload", ask);
  try {
    return await job();
  } finally {
    removeEventListener("beforeunload", ask);
  }
}

const sendFile = guarded(async (file) => {
  say(null);
  show(find("report"), false);
  try {
    if (!file.size) throw new Error(`${file.name} is empty. Choose a file with a header and rows.`);
    const path = address("/imports", parameters());
    const { signal, stop } = stoppable();
    const task = await staying(() => upload(path, file, newKey(), showSending(file, stop), signal));
    await watch(task.task_id, file.name);
  } catch (problem) {
    show(find("running"), false);
    say(problem.message);
  }
});

function stoppable() {
  const controller = new AbortController();
  return { signal: controller.signal, stop: () => controller.abort() };
}

// Follow an import (or the undo of one) to its report; the address then leads here again.
async function watch(id, name = "") {
  say(null);
  setParameters({ task: id });
  show(find("choose"), false);
  show(find("report"), false);
  show(find("running"));
  find("running-note").textContent = "You may leave this page: it goes on by itself.";
  const retry = (task) => task.status === "queued" && watch(task.task_id, name);
  let shown = "";
  const task = await followTask(id, (now) => {
    find("running-title").textContent = name || sentence(now.kind);
    view.update(now);
    if (shown !== now.status) find("running-actions").replaceChildren(...actions(now, retry));
    shown = now.status;
  });
  if (task.status !== "complete") {
    if (task.error) say(task.error.detail);
    if (task.kind === "import_ratings") find("running-actions").append(undoButton(id, watch));
    find("running-actions").append(again());
    return;
  }
  show(find("running"), false);
  showReport(task, { watch, again });
}

const again = () =>
  button("Import another file", () => location.assign(withUser("/import")), { class: "" });

find("file").onchange = ({ target }) => {
  if (target.files.length) sendFile(target.files[0]);
  target.value = "";
};
find("sample").onclick = guarded(async () => {
  const { task_id: id } = await start(address("/imports", parameters()));
  await watch(id, "The sample");
});
form.onsubmit = (event) => event.preventDefault();
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
drop.ondragleave = () => drop.classList.remove("over");
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const { files } = event.dataTransfer;
  if (files.length === 1) sendFile(files[0]);
  else say("Drop one file at a time.");
};

const given = new URLSearchParams(location.search).get("task");
if (given) await guarded(() => watch(given))();
