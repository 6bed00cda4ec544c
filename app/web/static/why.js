// Why a movie is recommended or not: place, preference, largest contributions, what excludes it.

import { get } from "./api.js";
import { element } from "./dom.js";
import { number, plural } from "./format.js";

const SHOWN = 6;
const LEVELS = [[0.8, "very likely one for you"], [0.5, "likely one for you"], [0.2, "perhaps one for you"]];
const EXCLUDED = {
  liked: "It is not in your list, since you like it already.",
  marked: "It is not in your list, since you watched it or are not interested.",
  not_in_model: "No model knows it yet: it needs some ratings, then a new model.",
};

const words = (preference) => LEVELS.find(([least]) => preference >= least)?.[1] ?? "hardly one for you";

function excluded({ reason, detail }, score) {
  if (reason === "rated") return `It is not in your list, since you rated it${score ? ` ${score}` : ""}.`;
  return EXCLUDED[reason] ?? detail;
}

function place({ rank, listed, preference, excluded_by: by }) {
  if (preference === null || by.some(({ reason }) => reason === "not_in_model")) return null;
  const where = rank === null ? "" : `, ${by.length ? "else " : ""}place ${number(rank)} of ${number(listed)}`;
  return element("p", {}, element("strong", {}, `Preference ${preference.toFixed(2)}`), `: ${words(preference)}${where}.`);
}

function part({ movie, score, contribution }) {
  const signed = `${contribution < 0 ? "−" : "+"}${Math.abs(contribution).toFixed(2)}`;
  const given = element("span", {}, element("bdi", { class: "rated" }, movie.title), ` ${score}`);
  return element("li", {}, given, element("span", { class: contribution < 0 ? "note" : "" }, signed));
}

function rest({ ratings, contribution }) {
  if (!ratings) return null;
  const signed = `${contribution < 0 ? "−" : "+"}${Math.abs(contribution).toFixed(2)}`;
  return element("li", { class: "note" }, `${plural(ratings, "other rating")} of yours`, element("span", {}, signed));
}

// Returns the parts of the section, for a user and the score that they gave.
export async function explain(user, movieId, score) {
  const found = await get(`/users/${user}/movies/${movieId}/explanation?limit=${SHOWN}`);
  const parts = found.because.filter(({ contribution }) => Math.abs(contribution) >= 0.005);
  const known = found.preference !== null;
  return [
    ...found.excluded_by.map((one) => element("p", {}, excluded(one, score))),
    place(found),
    known || found.excluded_by.length ? null : element("p", { class: "note" }, "Rate a few films, and this says how it fits you."),
    parts.length ? element("p", { class: "note" }, "What your ratings add to it:") : null,
    parts.length ? element("ul", { class: "parts" }, ...parts.map(part), rest(found.rest)) : null,
  ].filter(Boolean);
}
