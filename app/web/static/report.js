// The report of an import: counts, rejected rows, undo.

import { address, start } from "./api.js";
import { button, element, find, guarded, show } from "./dom.js";
import { number, plural, sentence } from "./format.js";
import { login, may } from "./session.js";
import { withUser } from "./user.js";

const COUNTS = [
  ["read", "rows read"], ["new", "new"], ["replaced", "replaced"], ["unchanged", "unchanged"],
  ["older", "older than what is there"], ["duplicate", "twice in the file"], ["waiting", "waiting"], ["marks", "marks"],
  ["rejected", "rejected"],
  ["deleted", "deleted"], ["restored", "put back"], ["kept", "kept, changed since"], ["made", "films added"],
  ["taken_over", "films made here that are now imported ones"], ["arrived", "waited, and have their film now"],
];
const RARE = ["taken_over", "arrived"]; // shown if there are any

function counts(result) {
  const known = COUNTS.filter(([name]) => typeof result[name] === "number" && (result[name] || !RARE.includes(name)));
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
  return left?.length ? leftOut(left) : "";
}

// What the reader took for granted of one of the files.
function assumption({ file, encoding, separator, columns = {}, decimals, scale, dates, left_out: left = [] }) {
  const from = Object.entries(columns).map(([role, name]) => `${role.replaceAll("_", " ")} from “${name}”`);
  const parts = [
    from.join(", "), encoding ? `written in ${encoding}` : "", separator ? `separated by ${separator}` : "",
    decimals ? `decimals after a ${decimals}` : "",
    scale ? `scores on the scale ${scale}` : "", dates ? `dates with the ${dates} first` : "",
    left.length ? `columns left out: ${left.join(", ")}` : "",
  ];
  return element("li", {}, element("bdi", { class: "row-title" }, file ?? "The file"), `: ${parts.filter(Boolean).join("; ")}.`);
}

function assumed({ assumed: files = [], left_out: left = [], dry_run: dry, undo_of: undone }) {
  const rows = files.map(assumption);
  if (left.length && (dry || undone)) rows.push(element("li", {}, leftOut(left)));
  if (!rows.length) return [];
  return [element("h3", {}, "How it was read"), element("ul", { class: "note stack" }, ...rows)];
}

const leftOut = (left) => `Left out: ${left.join(", ")}.`;

// The page of the rows that wait, of the person whose import it was.
function waitingLink({ result, params }) {
  if (!result.waiting || result.dry_run || result.undo_of) return [];
  const path = address("/waiting", { user: String(params.user_id ?? "") === login ? "" : params.user_id });
  const text = `Say which films ${result.waiting === 1 ? "one row means" : `${number(result.waiting)} rows mean`}`;
  return [element("a", { class: "button primary", href: path }, text)];
}

export function showReport(task, { watch, again }) {
  const result = task.result ?? {};
  show(find("report"));
  find("report-note").textContent = note(result);
  find("counts").replaceChildren(...counts(result));
  find("assumed").replaceChildren(...assumed(result));
  find("rejects").replaceChildren(...rejected(task));
  const some = ["new", "replaced", "marks", "waiting", "made", "taken_over", "arrived"].some((name) => result[name]);
  const changed = some && !result.dry_run && !result.undo_of;
  const waits = waitingLink(task);
  const train = may("editor") ? [button("Rebuild the model with it", rebuild, { class: waits.length ? "" : "primary" })] : [];
  const further = [...train, undoButton(task.task_id, watch)];
  find("report-actions").replaceChildren(...waits, ...(changed ? further : []), again());
  find("report-title").tabIndex = -1;
  find("report-title").focus();
}
