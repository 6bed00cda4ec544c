// The shelf of movies to rate: popular, new, your own, or what a search finds, page by page.

import { address, page } from "./api.js";
import { announce, find, latest, loading } from "./dom.js";
import { number } from "./format.js";
import { asMovie, movieItem, noMovies } from "./movies.js";
import { showNext } from "./paging.js";
import { scoreOf } from "./ratings.js";
import { may } from "./session.js";
import { setStars } from "./stars.js";
import { user } from "./user.js";

const SHOWN = 20;
const SETTLE = 150;
const list = find("shelf-movies");
const query = find("query");
const tabs = [...document.querySelectorAll("[role=tab]")];
let tab = "popular";
let onRate = null;
let ready = null;

const NONE = `There are no films yet.${may("editor") ? " Import some to begin." : ""}`;
const EMPTY = {
  popular: NONE,
  new: NONE,
  rated: "You have rated nothing yet. Start with something popular.",
};

function path() {
  const words = query.value.trim();
  if (words) return address("/movies", { query: words, limit: SHOWN });
  if (tab === "rated") return `/users/${user}/ratings?limit=${SHOWN}`;
  return `/movies/${tab}?limit=${SHOWN}`;
}

function items(rows) {
  const options = { onRate: user === null ? null : onRate };
  return rows.map(asMovie).map((movie) => movieItem(movie, scoreOf(movie.id, movie.score), options));
}

function note(count, next) {
  const words = query.value.trim();
  if (words && !count) return `No title has “${words}”. Try fewer or other words.`;
  if (words) return `${number(count)}${next ? " or more" : ""} found, most rated first.`;
  return count ? "" : EMPTY[tab];
}

function add(rows) {
  const added = items(rows);
  list.append(...added);
  added[0]?.querySelector("a").focus();
  announce(`${added.length} more films.`);
}

export const showShelf = latest((signal) =>
  loading(list, async () => {
    await ready;
    if (tab === "rated" && user === null && !query.value.trim()) {
      list.replaceChildren(noMovies("Say who you are above to see what you rated."));
      find("shelf-note").textContent = "";
      return showNext(null, add);
    }
    const found = await page(path(), { signal });
    list.replaceChildren(...items(found.items));
    find("shelf-note").textContent = note(found.items.length, found.next);
    showNext(found.next, add);
  }),
);

function choose(chosen) {
  tab = chosen.dataset.tab;
  query.value = "";
  for (const one of tabs) {
    one.setAttribute("aria-selected", String(one === chosen));
    one.tabIndex = one === chosen ? 0 : -1;
  }
  find("shelf").setAttribute("aria-labelledby", chosen.id);
  showShelf();
}

function byArrow(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step) return;
  const next = tabs[(tabs.indexOf(event.target) + step + tabs.length) % tabs.length];
  next.focus();
  choose(next);
}

// Shows a score that was given elsewhere on the page.
export function sync(movieId, score) {
  if (tab === "rated" && !query.value.trim() && !list.contains(document.activeElement)) return showShelf();
  const rating = list.querySelector(`[data-id="${movieId}"] .rating`);
  if (rating) setStars(rating, score);
}

// `known`: resolves when your ratings are loaded.
export function setUpShelf(rateMovie, known) {
  onRate = rateMovie;
  ready = known;
  let timer = 0;
  query.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(showShelf, SETTLE);
  };
  for (const one of tabs) {
    one.addEventListener("click", () => choose(one));
    one.addEventListener("keydown", byArrow);
  }
}
