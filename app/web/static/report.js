// The report of an import: counts, rejected rows, undo.

import { call, get, start } from "./api.js";
import { button, element, find, guarded, show } from "./dom.js";
import { number, plural } from "./format.js";
import { authorization } from "./login.js";
import { withUser } from "./user.js";

const COUNTS = [
  ["read", "rows read"], ["new", "new"], ["replaced", "replaced"], ["unchanged", "unchanged"],
  ["older", "older than what is there"], ["duplicate", "twice in the file"], ["rejected", "rejected"],
];

function counts(result) {
  return COUNTS.filter(([name]) => typeof result[name] === "number").flatMap(([name, label]) => [
    element("div", { class: name === "rejected" && result[name] ? "bad" : "" }, element("dt", {}, label), element("dd", {}, number(result[name]))),
  ]);
}

const COLUMNS = ["line", "column", "value", "reason"];

function rejectTable(rejects) {
  const cell = (row, name) => element("td", { class: name }, element("bdi", {}, row[name] === null || row[name] === "" ? "–" : String(row[name])));
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rejected rows" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...COLUMNS.map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rejects.map((row) => element("tr", {}, ...COLUMNS.map((name) => cell(row, name))))),
    ),
  );
}

// With a login a plain link would lack it: fetched first then.
function download(id) {
  const path = `/imports/${id}/rejects`;
  const link = element("a", { class: "button", href: path, download: `rejects-${id}.csv` }, "Download all rejected rows");
  link.onclick = guarded(async (event) => {
    if (!authorization().Authorization || link.href.startsWith("blob:")) return;
    event.preventDefault();
    link.href = URL.createObjectURL(new Blob([await get(path)], { type: "text/csv" }));
    link.click();
  });
  return link;
}

function rejected(task) {
  const { rejected: count = 0, rejects = [] } = task.result;
  if (!count) return [];
  const shown = rejects.length < count ? `The first ${rejects.length} of ${plural(count, "rejected row")}.` : "";
  return [
    element("h3", {}, "Rejected rows"),
    shown ? element("p", { class: "note" }, shown) : null,
    rejects.length ? rejectTable(rejects) : null,
    element("p", {}, download(task.task_id)),
  ].filter(Boolean);
}

function undo(task, watch) {
  const act = guarded(async () => {
    const { content } = await call(`/imports/${task.task_id}/undo`, { method: "POST" });
    await watch(content.task_id, "Undo");
  });
  return button("Undo this import", act);
}

const rebuild = guarded(async () => {
  const { task_id: id } = await start("/recommender/rebuild");
  location.assign(withUser(`/activity/${id}`));
});

export function showReport(task, { watch, again }) {
  const result = task.result ?? {};
  show(find("report"));
  find("report-note").textContent = result.dry_run ? "Only checked: nothing was written." : result.undone ? "The import was undone." : "";
  find("counts").replaceChildren(...counts(result));
  find("rejects").replaceChildren(...rejected(task));
  const changed = (result.new ?? 0) + (result.replaced ?? 0) > 0 && !result.dry_run;
  find("report-actions").replaceChildren(
    ...(changed ? [button("Rebuild the model with it", rebuild, { class: "primary" }), undo(task, watch)] : []),
    again(),
  );
  find("report-title").tabIndex = -1;
  find("report-title").focus();
}
