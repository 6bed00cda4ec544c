// Rows that wait for their film: each is given one of its candidates, another film, a new one, or up.

import { address, call, newKey, page } from "./api.js";
import { announce, button, element, find, guarded, latest, loading } from "./dom.js";
import { plural, sentence } from "./format.js";
import { movieTitle } from "./movies.js";
import { showNext } from "./paging.js";
import { may } from "./session.js";
import { user } from "./user.js";

const SHOWN = 20;
const FOUND = 6;
const SETTLE = 150;
const list = find("waiting");

const pathOf = (row) => `/users/${user}/waiting/${row.number}`;
const named = ({ title, year }) => (year ? `${title} (${year})` : title || "a film without a title");
const empty = (...content) => list.replaceChildren(element("li", { class: "empty" }, ...content));

function count(more) {
  const rows = list.querySelectorAll(".wait").length;
  find("waiting-note").textContent = rows ? `${plural(rows, "row")}${more ? " or more" : ""} to go.` : "";
}

// Takes a row off the list; the keyboard goes on at the next one.
async function done(row, item, text) {
  const next = item.nextElementSibling ?? item.previousElementSibling;
  item.remove();
  announce(text);
  const more = !find("more").hidden;
  if (next) next.querySelector("button, summary").focus();
  else await showRows();
  if (next) count(more);
  else find("main").focus();
}

async function choose(row, item, movie) {
  const json = `{"movie_id":${movie.id}}`;
  await call(pathOf(row), { method: "PUT", json, again: true, headers: { "Idempotency-Key": newKey() } });
  await done(row, item, `${named(row)} is ${named(movie)}.`);
}

const made = new Map(); // by number of a row: the film that was added for it, also if its choice failed

async function add(row, item) {
  if (!made.has(row.number)) {
    const told = ["title", "year", "imdb_id", "tmdb_id"].filter((name) => row[name] != null);
    const json = JSON.stringify(Object.fromEntries(told.map((name) => [name, row[name]])));
    const headers = { "Idempotency-Key": newKey() };
    made.set(row.number, (await call("/movies", { method: "POST", json, again: true, headers })).content);
  }
  try {
    await choose(row, item, made.get(row.number));
  } catch (error) {
    if (error.status !== 404) throw error; // it ended when its film was added
    await done(row, item, `${named(row)} is added.`);
  }
}

async function drop(row, item) {
  if (!confirm(`Give up ${named(row)}? Its score and marks are deleted.`)) return;
  await call(pathOf(row), { method: "DELETE" });
  await done(row, item, `${named(row)} is given up.`);
}

function filmItem(row, item, movie, why = "") {
  const label = `${named(row)} is ${named(movie)}`;
  return element(
    "li",
    {},
    element("div", {}, ...movieTitle(movie), why ? element("p", { class: "because" }, sentence(why)) : null),
    button("This one", guarded(() => choose(row, item, movie)), { "aria-label": label }),
  );
}

// A search for another film; its results are chosen as candidates are.
function search(row, item) {
  const results = element("ul", { class: "rows" });
  const note = element("p", { class: "note", role: "status" });
  const input = element("input", { type: "search", value: row.title.split(/[(\[:,]/)[0].trim(), maxlength: "200", autocomplete: "off" });
  const run = latest(async (signal) => {
    const query = input.value.trim();
    const { items } = query ? await page(address("/movies", { query, limit: FOUND }), { signal }) : { items: [] };
    note.textContent = query && !items.length ? `No title has “${query}”.` : "";
    results.replaceChildren(...items.map((movie) => filmItem(row, item, movie)));
  });
  let timer = 0;
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(run, SETTLE);
  });
  return element(
    "details",
    { ontoggle: ({ target }) => target.open && (input.focus(), run()) },
    element("summary", {}, "Another film"),
    element("label", { class: "stack" }, element("span", { class: "note" }, "Search titles"), input),
    note,
    results,
  );
}

function said({ score, marks, reason }) {
  const set = Object.keys(marks).filter((mark) => marks[mark].value).map((mark) => mark.replaceAll("_", " "));
  return [score === null ? null : `your score ${score}`, ...set, reason].filter(Boolean).join(" · ");
}

function rowItem(row) {
  const year = row.year ? [" ", element("span", { class: "year" }, String(row.year))] : [];
  const title = element("h2", {}, element("bdi", {}, row.title || "No title"), ...year);
  const item = element("li", { class: "wait panel" }, title, element("p", { class: "note" }, sentence(said(row))));
  const candidates = row.candidates.map(({ movie, why }) => filmItem(row, item, movie, why));
  const act = (text, job, label) => button(text, guarded(() => job(row, item)), { "aria-label": label });
  const canAdd = may("editor") && row.title;
  item.append(
    ...(candidates.length ? [element("ul", { class: "rows" }, ...candidates)] : []),
    search(row, item),
    element(
      "div",
      { class: "actions" },
      canAdd ? act("Add it as a new film", add, `Add ${named(row)} as a new film`) : null,
      act("Give it up", drop, `Give up ${named(row)}`),
    ),
  );
  return item;
}

async function showRows() {
  if (user === null) return empty(element("a", { href: "/" }, "Say who you are"), " to see your rows.");
  const { items, next } = await page(`/users/${user}/waiting?limit=${SHOWN}`);
  if (items.length) list.replaceChildren(...items.map(rowItem));
  else empty("No row waits. What an import cannot match for certain comes here.");
  const showMore = (address) =>
    showNext(address, (rows) => {
      const added = rows.map(rowItem);
      list.append(...added);
      added[0]?.querySelector("button, summary").focus();
      count(false);
    });
  showMore(next);
  count(next !== null);
}

await guarded(() => loading(list, showRows))();
