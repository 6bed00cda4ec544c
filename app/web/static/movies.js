// A movie in a list: title, year, genres, reasons, stars.

import { button, element } from "./dom.js";
import { markButton } from "./marks.js";
import { withUser } from "./user.js";
import { stars } from "./stars.js";

function reasons(because) {
  if (!because?.length) return null;
  const parts = because.flatMap(({ movie, score }, i) => [
    i === 0 ? "" : i === because.length - 1 ? " and " : ", ",
    element("bdi", { class: "rated" }, movie.title),
    ` ${score}`,
  ]);
  return element("p", { class: "because" }, "because you gave ", ...parts);
}

export function movieTitle(movie) {
  const href = withUser(`/movie/${movie.id}`);
  const link = element("a", { class: "movie-title", href }, element("bdi", {}, movie.title));
  return movie.year ? [link, " ", element("span", { class: "year" }, String(movie.year))] : [link];
}

// Returns a row of any list of the API as a movie, its id as text, with what the row says of it.
export const asMovie = ({ movie, ...row }) => {
  const whole = { ...row, ...movie };
  return { ...whole, id: String(whole.id) };
};

// `onRate(movie, score)`, or null for no stars; without `onHide` no button hides the movie; `watchlist`: the ids of
// those on it, null for no button.
export function movieItem(movie, score, { onRate, onHide = null, watchlist = null }) {
  const hide = { class: "quiet hide", "aria-label": `Not interested in ${movie.title}` };
  const marks = [
    watchlist ? markButton(movie, "watchlist", watchlist.has(movie.id)) : null,
    onHide ? button("Not interested", () => onHide(movie), hide) : null,
  ].filter(Boolean);
  const meta = element("p", { class: "meta" }, movie.genres.join(" · "));
  return element(
    "li",
    { class: "movie", "data-id": movie.id },
    element("div", {}, ...movieTitle(movie), meta, reasons(movie.because)),
    element(
      "div",
      { class: "movie-actions" },
      onRate ? stars(movie.title, score, (given) => onRate(movie, given)) : null,
      marks.length ? element("div", { class: "marks" }, ...marks) : null,
    ),
  );
}

// Returns an item that says why a list is empty.
export const noMovies = (text) => element("li", { class: "empty" }, text);
