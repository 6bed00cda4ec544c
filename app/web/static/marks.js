// Your marks beside a score: watched, watchlist, like, not interested.

import { address, call, page } from "./api.js";
import { announce, button, element, guarded } from "./dom.js";
import { user } from "./user.js";

export const MARKS = { watched: "Watched", watchlist: "Watchlist", like: "Like", not_interested: "Not interested" };
const OPPOSITE = { like: "not_interested", not_interested: "like" };

// Returns the ids, as text, of the movies with that mark (the first 1,000).
export async function marked(mark) {
  if (user === null) return new Set();
  const { items } = await page(address(`/users/${user}/feedback`, { mark, limit: 1000 }));
  return new Set(items.map((row) => String(row.movie.id)));
}

// Returns the names of one movie's marks.
export async function marksOf(movieId) {
  const { items } = await page(address(`/users/${user}/feedback`, { movie_id: movieId }));
  return Object.keys(MARKS).filter((mark) => items[0]?.[mark]?.value);
}

export async function setMark(movieId, mark, value) {
  const json = JSON.stringify({ [mark]: value });
  await call(`/users/${user}/feedback/${movieId}`, { method: "PUT", json, again: true });
}

// A button that is pressed while the mark is set. `changed(value)` is called when the server has it.
export function markButton(movie, mark, isSet, changed = () => {}) {
  const toggle = button(MARKS[mark], guarded(press), {
    class: "mark", "aria-pressed": String(isSet), "aria-label": `${MARKS[mark]}: ${movie.title}`,
  });
  async function press() {
    const value = toggle.getAttribute("aria-pressed") !== "true";
    await setMark(movie.id, mark, value);
    toggle.setAttribute("aria-pressed", String(value));
    announce(`${movie.title}: ${value ? "" : "no longer "}${MARKS[mark].toLowerCase()}.`);
    await changed(value);
  }
  return toggle;
}

// All four of a movie; `changed()` is called after each change.
export function markButtons(movie, set, changed) {
  const buttons = {};
  for (const mark of Object.keys(MARKS)) {
    buttons[mark] = markButton(movie, mark, set.includes(mark), (value) => {
      if (value && OPPOSITE[mark]) buttons[OPPOSITE[mark]].setAttribute("aria-pressed", "false");
      return changed();
    });
  }
  return element("div", { class: "marks", role: "group", "aria-label": "Your marks" }, ...Object.values(buttons));
}
