// The report of an import: counts, rejected rows, undo.

import { start } from "./api.js";
import { button, element, find, guarded, show } from "./dom.js";
import { number, plural, sentence } from "./format.js";
import { may } from "./session.js";
import { withUser } from "./user.js";

const COUNTS = [
  ["read", "rows read"], ["new", "new"], ["replaced", "replaced"], ["unchanged", "unchanged"],
  ["older", "older than what is there"], ["duplicate", "twice in the file"], ["marks", "marks"],
  ["rejected", "rejected"],
  ["deleted", "deleted"], ["restored", "put back"], ["kept", "kept, changed since"],
];

function counts(result) {
  const known = COUNTS.filter(([name]) => typeof result[name] === "number");
  return known.map(([name, label]) => {
    const kind = !result[name] ? "none" : name === "rejected" ? "bad" : "";
    return element("div", { class: kind }, element("dt", {}, label), element("dd", {}, number(result[name])));
  });
}

const COLUMNS = ["line", "column", "value", "reason"];

function rejectTable(rejects) {
  const text = (value) => element("bdi", {}, String(value ?? "") || "–");
  const cell = (row, name) => element("td", { class: name }, text(row[name]));
  const head = COLUMNS.map((name) => element("th", { scope: "col" }, name));
  const rows = rejects.map((row) => element("tr", {}, ...COLUMNS.map((name) => cell(row, name))));
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Rejected rows" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}

const download = (id, text) =>
  element("a", { class: "button", href: `/imports/${id}/rejects`, download: `rejects-${id}.csv` }, text);

function rejected(task) {
  const { rejected = 0, kept = 0, rejects = [] } = task.result;
  const count = rejected + kept;
  if (!count) return [];
  const rows = kept ? "kept row" : "rejected row";
  const shown = rejects.length < count ? `The first ${rejects.length} of ${plural(count, rows)}.` : "";
  return [
    element("h3", {}, sentence(`${rows}s`)),
    shown ? element("p", { class: "note" }, shown) : null,
    rejects.length ? rejectTable(rejects) : null,
    element("p", {}, download(task.task_id, `Download all ${rows}s`)),
  ].filter(Boolean);
}

// Also for what was cancelled or failed; the server refuses if there is nothing to undo.
export function undoButton(id, watch, what = "this import") {
  return button(`Undo ${what}`, guarded(async () => watch((await start(`/tasks/${id}/undo`)).task_id)));
}

const rebuild = guarded(async () => {
  const { task_id: id } = await start("/recommender/rebuild");
  location.assign(withUser(`/activity/${id}`));
});

function note({ dry_run: dry, undo_of: undone, left_out: left }) {
  if (dry) return "Only checked: nothing was written.";
  if (undone) return "The import was undone.";
  return left?.length ? `Left out: ${left.join(", ")}.` : "";
}

export function showReport(task, { watch, again }) {
  const result = task.result ?? {};
  show(find("report"));
  find("report-note").textContent = note(result);
  find("counts").replaceChildren(...counts(result));
  find("rejects").replaceChildren(...rejected(task));
  const changed = (result.new ?? 0) + (result.replaced ?? 0) > 0 && !result.dry_run;
  const train = may("editor") ? [button("Rebuild the model with it", rebuild, { class: "primary" })] : [];
  const further = [...train, undoButton(task.task_id, watch)];
  find("report-actions").replaceChildren(...(changed ? further : []), again());
  find("report-title").tabIndex = -1;
  find("report-title").focus();
}
