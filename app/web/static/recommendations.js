// The list "For you": filtered, with reasons, updated after every rating.

import { address, get } from "./api.js";
import { announce, element, find, guarded, latest, loading, show } from "./dom.js";
import { plural } from "./format.js";
import { marked, setMark } from "./marks.js";
import { asMovie, movieItem, noMovies } from "./movies.js";
import { ratedCount } from "./ratings.js";
import { may } from "./session.js";
import { setParameters, user } from "./user.js";

const SHOWN = 15;
const CHOOSE_USER =
  "Say who you are above. What you rate is kept under your name, and this list becomes yours.";
const list = find("recommendations");
const filters = find("filters");
let onRate = null;
let ready = null;
let hidden = null; // the movie that was marked last as one of no interest

const onHide = guarded(async (movie) => {
  await setMark(movie.id, "not_interested", true);
  hidden = movie;
  announce(`${movie.title} is recommended no more.`);
  await showRecommendations();
});

const unhide = guarded(async () => {
  await setMark(hidden.id, "not_interested", false);
  hidden = null;
  await showRecommendations();
});

const KNOBS = ["popularity", "diversity", "decade"];

function chosen() {
  const { genre, from, to, watchlist } = filters.elements;
  const years = { year_from: from.value, year_to: to.value };
  return { genre: genre.value, ...years, watchlist: watchlist.value, ...knobs() };
}

// What is chosen under "More", by name; "" is as it comes.
const knobs = () => Object.fromEntries(KNOBS.map((name) => [name, filters.elements[name].value]));

// Chooses what the address asks for, as far as it is there to choose, and shows what is not as it comes.
function setKnobs(given) {
  for (const name of KNOBS) {
    const select = filters.elements[name];
    const wanted = given.get(name);
    if ([...select.options].some((option) => option.value === wanted)) select.value = wanted;
  }
  find("knobs").open = Object.values(knobs()).some((value) => value !== "");
}

// Returns what is wrong with the years, or "".
function unfitYears() {
  const { from, to } = filters.elements;
  const unfit = [from, to].filter((input) => !input.validity.valid);
  const reversed = from.value && to.value && Number(from.value) > Number(to.value);
  for (const input of [from, to]) {
    input.setAttribute("aria-invalid", String(unfit.includes(input) || (!unfit.length && reversed)));
  }
  if (unfit.length) return `A year is a whole number from ${from.min} to ${from.max}.`;
  if (!reversed) return "";
  return `From ${from.value} to ${to.value}: the years are the wrong way round.`;
}

export function setUpFilters(genres) {
  const given = new URLSearchParams(location.search);
  const { genre, from, to, watchlist } = filters.elements;
  genre.append(...genres.map((name) => element("option", {}, name)));
  genre.value = genres.includes(given.get("genre")) ? given.get("genre") : "";
  from.value ||= given.get("from") ?? "";
  to.value ||= given.get("to") ?? "";
  if (["only", "without"].includes(given.get("watchlist"))) watchlist.value = given.get("watchlist");
  setKnobs(given);
}

function empty() {
  if (Object.values(chosen()).some(Boolean)) return "Nothing is left with these filters. Loosen them to see more.";
  return `There is nothing to recommend yet. ${may("editor") ? "Import some films first." : "There are no films."}`;
}

function source(answer) {
  const { source: from, model_version: version } = answer;
  if (from === "personal") return `From ${plural(ratedCount(), "rating")} of yours · model ${version}`;
  const why = !version
    ? may("editor") ? "There is no model yet: import ratings, then build one under Quality." : "There is no model yet."
    : ratedCount()
      ? "The model knows no film yet that you liked; rate some that you like."
      : "Rate a few films and this list becomes yours.";
  return `What most people rated. ${why}`;
}

// Returns the index of the item that has the focus, or -1.
const focused = () => [...list.children].findIndex((item) => item.contains(document.activeElement));

function place(items) {
  const before = new Set([...list.querySelectorAll(".movie")].map((item) => item.dataset.id));
  const at = focused();
  for (const item of items) if (before.size && !before.has(item.dataset.id)) item.classList.add("fresh");
  list.replaceChildren(...items);
  if (at >= 0) list.children[Math.min(at, items.length - 1)]?.querySelector("a")?.focus();
}

export const showRecommendations = latest((signal) =>
  loading(list, async () => {
    await ready;
    showUnhide();
    const unfit = user === null ? CHOOSE_USER : unfitYears();
    if (unfit) return say(unfit);
    const path = address(`/users/${user}/recommendations`, { ...chosen(), limit: SHOWN });
    const [answer, watchlist] = await Promise.all([get(path, { signal }), marked("watchlist")]);
    const options = { onRate, onHide, watchlist };
    const items = answer.recommendations.map((row) => movieItem(asMovie(row), null, options));
    place(items.length ? items : [noMovies(empty())]);
    find("source").textContent = source(answer);
  }),
);

function showUnhide() {
  show(find("unhide"), hidden !== null);
  find("unhide").textContent = `Bring back ${hidden?.title}`;
}

// Shows a text in place of the list.
function say(text) {
  find("source").textContent = "";
  list.replaceChildren(noMovies(text));
}

// `known`: resolves when your ratings are loaded.
export function setUpRecommendations(rateMovie, known) {
  onRate = rateMovie;
  ready = known;
  find("unhide").addEventListener("click", unhide);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.onchange = () => {
    const { genre, year_from: from, year_to: to, watchlist } = chosen();
    setParameters({ genre, from, to, watchlist, ...knobs() });
    showRecommendations();
  };
}
