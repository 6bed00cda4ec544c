// A film in a list: title, year, genres, reasons, stars.

import { button, element } from "./dom.js";
import { withUser } from "./user.js";
import { stars } from "./stars.js";

const genres = (film) => (film.genre ? film.genre.split("|").join(" · ") : "");

function reasons(because) {
  if (!because?.length) return null;
  const parts = because.flatMap(({ title, score }, i) => [
    i === 0 ? "" : i === because.length - 1 ? " and " : ", ",
    element("bdi", { class: "rated" }, title),
    ` ${score}`,
  ]);
  return element("p", { class: "because" }, "because you gave ", ...parts);
}

function filmTitle(film) {
  const href = withUser(`/film/${film.id}`);
  const link = element("a", { class: "film-title", href }, element("bdi", {}, film.title));
  return film.year ? [link, " ", element("span", { class: "year" }, String(film.year))] : [link];
}

// `film`: {id (as text), title, year, genre, because?}. `onRate(film, score)`; without `onHide` no button hides it.
export function filmItem(film, score, { onRate, onHide = null }) {
  const hide = { class: "quiet hide", "aria-label": `Hide ${film.title}` };
  return element(
    "li",
    { class: "film", "data-id": film.id },
    element(
      "div",
      { class: "film-text" },
      ...filmTitle(film),
      element("p", { class: "meta" }, genres(film)),
      reasons(film.because),
    ),
    element(
      "div",
      { class: "film-actions" },
      onRate ? stars(film.title, score, (given) => onRate(film, given)) : null,
      onHide ? button("Hide", () => onHide(film), hide) : null,
    ),
  );
}
