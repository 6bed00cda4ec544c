// Discover: who you are, what to rate, what is recommended.

import { get } from "./api.js";
import { announce, find, guarded } from "./dom.js";
import { loadRatings, rate, scoreOf } from "./ratings.js";
import { onFilter, setUpFilters, showRecommendations } from "./recommendations.js";
import { setUpShelf, showShelf, sync } from "./shelf.js";
import { parseUser, switchUser, user } from "./user.js";

const field = find("user-id");
const refresh = () => showRecommendations(rateFilm);

const rateFilm = guarded(async (film, score) => {
  try {
    await rate(film.id, score);
    if (score === null) announce(`Your rating of ${film.title} is taken back.`);
    else announce(`${film.title}: ${score}. The recommendations are new.`);
  } finally {
    sync(film.id, scoreOf(film.id));
    await refresh();
  }
});

// The shelf listens when your ratings are known; what was typed until then is read at that moment.
const prepare = guarded(async () => {
  const [genres] = await Promise.all([get("/genres"), loadRatings()]);
  setUpFilters(genres);
  onFilter(refresh);
  setUpShelf(rateFilm);
  await Promise.all([refresh(), showShelf()]);
});

const switchTo = guarded(async (id) => {
  await prepared;
  switchUser(id);
  await loadRatings();
  await Promise.all([refresh(), showShelf()]);
});

find("user").onsubmit = (event) => {
  event.preventDefault();
  const id = parseUser(field.value);
  field.setAttribute("aria-invalid", String(id === null));
  find("user-note").textContent = id === null ? "A user id is a whole number, such as 7." : "";
  if (id !== null) switchTo(id);
};

field.value ||= user ?? "";
const prepared = prepare();
