// Import: choose a file, follow the import, read its report, undo it.

import { address, get, newKey, start } from "./api.js";
import { announce, button, find, guarded, show } from "./dom.js";
import { bytes, plainly, sentence } from "./format.js";
import { isPersonal } from "./preview.js";
import { ask, isQuestion } from "./question.js";
import { showReport, undoButton } from "./report.js";
import { login } from "./session.js";
import { actionBar, ended, followTask, progressView, remains } from "./tasks.js";
import { upload } from "./upload.js";
import { NO_USER, parseUser, setParameters, user, withUser } from "./user.js";

const form = find("upload");
const drop = find("drop");
const view = progressView();
find("progress").replaceChildren(view.node);

function say(text, ...buttons) {
  show(find("problem"), text !== "");
  find("problem-text").textContent = text;
  find("problem-actions").replaceChildren(...buttons);
}

let sent = null; // the file that is being imported, and what was answered of it

async function parameters(file = null, answers = {}) {
  const owner = find("owner")?.value.trim() ?? login; // a viewer imports for themselves
  if (owner && parseUser(owner) === null) throw new Error(NO_USER);
  const creates = file && find("create")?.checked && (await isPersonal(file));
  const create = creates ? "missing" : "";
  return { user_id: owner, dry_run: find("dry-run").checked ? "true" : "", create, ...answers };
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

// Leaving the page during `job` would lose the file: the browser asks first.
async function staying(job) {
  const ask = (event) => event.preventDefault();
  addEventListener("beforeunload", ask);
  try {
    return await job();
  } finally {
    removeEventListener("beforeunload", ask);
  }
}

// A file is kept until it has arrived: it is sent again under the same key, so it is imported once.
const sendFile = guarded(async (file, { path: before, key: known, answers = {} } = {}) => {
  say("");
  show(find("report"), false);
  show(find("question"), false);
  sent = { file, answers };
  const sending = { answers };
  try {
    if (!file.size) throw new Error(`${file.name} is empty. Choose a file with a header and rows.`);
    sending.path = address("/imports", await parameters(file, answers));
    sending.key = sending.path === before ? known : newKey();
    if (login !== null) await get(`/users/${login}`); // without a session the file would be sent for nothing
    const { signal, stop } = stoppable();
    const job = () => upload(sending.path, file, sending.key, showSending(file, stop), signal);
    const task = await staying(job);
    await watch(task.task_id, file.name);
  } catch (problem) {
    show(find("running"), false);
    if (await isQuestion(problem.body, file)) return askAbout(problem.body);
    show(find("choose"));
    const resend = button(`Send ${file.name} again`, () => sendFile(file, sending));
    say(reason(problem), ...(file.size ? [resend] : []));
  }
});

// Asks what the file does not say, and sends it again with that.
function askAbout(problem) {
  const { file, answers } = sent;
  return ask(file, problem, answers, (said) => sendFile(file, { answers: said }));
}

function reason(problem) {
  const ownerless = problem.body?.errors?.some(({ parameter }) => parameter === "user_id");
  if (!ownerless || !find("owner")) return plainly(problem.message) || problem.message;
  find("owner").focus();
  return "This file holds one person’s ratings and does not say whose. Fill in “Whose ratings”, then send it again.";
}

function stoppable() {
  const controller = new AbortController();
  return { signal: controller.signal, stop: () => controller.abort() };
}

// Follows an import, or the undo of one, to its report; the address names the task, for a reload.
async function watch(id, name = "") {
  say("");
  setParameters({ task: id });
  show(find("choose"), false);
  show(find("report"), false);
  show(find("running"));
  const retry = (queued) => queued.status === "queued" && watch(queued.task_id, name);
  const showActions = actionBar(find("running-actions"), retry);
  const task = await followTask(id, (now) => {
    find("running-title").textContent = name || now.params.filename || sentence(now.kind);
    find("running-note").textContent = ended(now) ? "" : "You may leave this page: it goes on by itself.";
    view.update(now);
    showActions(now);
  });
  if (task.status !== "complete") {
    if (sent && (await isQuestion(task.error, sent.file))) {
      show(find("running"), false);
      return askAbout(task.error);
    }
    announce(remains(task));
    find("running-actions").append(...(task.written ? [undoButton(id, watch)] : []), again());
    return;
  }
  show(find("running"), false);
  showReport(task, { watch, again });
}

const again = () => button("Import another file", () => location.assign(withUser("/import")));

find("file").onchange = ({ target }) => {
  if (target.files.length) sendFile(target.files[0]);
  target.value = "";
};
find("sample")?.addEventListener("click", guarded(async () => {
  const { task_id: id } = await start(address("/imports", await parameters()));
  await watch(id, "The sample");
}));
form.addEventListener("submit", (event) => event.preventDefault());
drop.ondragover = (event) => {
  event.preventDefault();
  drop.classList.add("over");
};
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.ondrop = (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const { files } = event.dataTransfer;
  if (files.length === 1) sendFile(files[0]);
  else say("Drop one file at a time.");
};

find("question-other").addEventListener("click", () => location.assign(withUser("/import")));
if (find("owner")) find("owner").value ||= user ?? "";
const given = new URLSearchParams(location.search).get("task");
if (given) await guarded(() => watch(given))();
