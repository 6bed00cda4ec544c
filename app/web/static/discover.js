// Discover: who you are, what to rate, what is recommended.

import { get } from "./api.js";
import { announce, find, guarded, onReturn } from "./dom.js";
import { loadRatings, rate, resumed, scoreOf } from "./ratings.js";
import { onFilter, setUpFilters, showRecommendations } from "./recommendations.js";
import { setUpShelf, showShelf, sync } from "./shelf.js";
import { NO_USER, parseUser, switchUser, user } from "./user.js";

const field = find("user-id");
const refresh = () => showRecommendations(rateFilm, known);

const rateFilm = guarded(async (film, score) => {
  try {
    if (!(await rate(film.id, score))) return; // a newer one was stored, and says so
    if (score === null) announce(`Your rating of ${film.title} is taken back.`);
    else announce(`${film.title}: ${score}. The recommendations are new.`);
  } finally {
    sync(film.id, scoreOf(film.id));
    await refresh();
  }
});

// Everything listens at once; what is chosen before your ratings are known is shown when they are.
const known = Promise.all([get("/genres"), loadRatings()]);
onFilter(refresh);
setUpShelf(rateFilm, known);

const prepare = guarded(async () => {
  const [genres] = await known;
  setUpFilters(genres);
  await Promise.all([refresh(), showShelf()]);
  if (await resumed) await Promise.all([refresh(), showShelf()]);
});

const switchTo = guarded(async (id) => {
  await prepared;
  switchUser(id);
  await loadRatings();
  await Promise.all([refresh(), showShelf()]);
});

onReturn(
  guarded(async () => {
    await loadRatings();
    await Promise.all([refresh(), showShelf()]);
  }),
);

find("user").onsubmit = (event) => {
  event.preventDefault();
  const id = parseUser(field.value);
  field.setAttribute("aria-invalid", String(id === null));
  find("user-note").textContent = id === null ? NO_USER : "";
  if (id !== null) switchTo(id);
};

field.value ||= user ?? "";
const prepared = prepare();
