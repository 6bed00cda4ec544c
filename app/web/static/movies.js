// A movie in a list: title, year, genres, reasons, stars.

import { button, element } from "./dom.js";
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

function movieTitle(movie) {
  const href = withUser(`/movie/${movie.id}`);
  const link = element("a", { class: "movie-title", href }, element("bdi", {}, movie.title));
  return movie.year ? [link, " ", element("span", { class: "year" }, String(movie.year))] : [link];
}

// Returns a row of any list of the API as a movie, its id as text, with what the row says of it.
export const asMovie = ({ movie, ...row }) => {
  const whole = { ...row, ...movie };
  return { ...whole, id: String(whole.id) };
};

// `onRate(movie, score)`, or null for no stars; without `onHide` no button hides the movie.
export function movieItem(movie, score, { onRate, onHide = null }) {
  const hide = { class: "quiet hide", "aria-label": `Hide ${movie.title}` };
  const meta = element("p", { class: "meta" }, movie.genres.join(" · "));
  return element(
    "li",
    { class: "movie", "data-id": movie.id },
    element("div", {}, ...movieTitle(movie), meta, reasons(movie.because)),
    element(
      "div",
      { class: "movie-actions" },
      onRate ? stars(movie.title, score, (given) => onRate(movie, given)) : null,
      onHide ? button("Hide", () => onHide(movie), hide) : null,
    ),
  );
}

// Returns an item that says why a list is empty.
export const noMovies = (text) => element("li", { class: "empty" }, text);
