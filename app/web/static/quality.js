// Quality: rebuild with live progress, activate a version. The chart and the table come from the server.

import { call, get, start } from "./api.js";
import { announce, find, guarded, onReturn, show } from "./dom.js";
import { refresh } from "./live.js";
import { actionBar, followTask, progressView } from "./tasks.js";
import { may } from "./session.js";
import "./user.js";

const view = progressView();
find("progress").replaceChildren(view.node);

async function watch(id) {
  if (may("editor")) find("rebuild").disabled = true;
  show(find("running"));
  const showActions = actionBar(find("running-actions"), (task) => task.status === "queued" && run(task.task_id));
  await followTask(id, (task) => {
    view.update(task);
    showActions(task);
  });
  await refresh();
  if (may("editor")) find("rebuild").disabled = false;
}

const run = guarded(watch);

const rebuild = guarded(async () => watch((await start("/recommender/rebuild")).task_id));

find("rebuild")?.addEventListener("click", rebuild);

find("models").onclick = guarded(async ({ target }) => {
  const { version } = target.dataset;
  if (!version) return;
  await call(`/models/${version}/activate`, { method: "POST", again: true });
  await refresh();
  announce(`Version ${version} is served now.`);
  find(`version-${version}`)?.focus();
});

onReturn(guarded(refresh));

// A rebuild that is under way already.
const [running] = await get("/tasks?kind=rebuild_model&limit=1");
if (running && !running.finished_at) await run(running.task_id);
