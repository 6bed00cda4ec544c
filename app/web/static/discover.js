// Discover: who you are, what to rate, what is recommended.

import { get } from "./api.js";
import { announce, find, guarded, onReturn, show } from "./dom.js";
import { setUpPeople } from "./people.js";
import { loadRatings, rate, resumed, scoreOf } from "./ratings.js";
import { setUpFilters, setUpRecommendations, showRecommendations } from "./recommendations.js";
import { setUpShelf, showShelf, sync } from "./shelf.js";
import { setUpTogether } from "./together.js";
import { switchUser, user } from "./user.js";

const showLists = () => Promise.all([showRecommendations(), showShelf(), showWaiting()]);

// Whether rows of imported files wait for a choice.
const showWaiting = guarded(async () => {
  show(find("waiting"), user !== null && (await get(`/users/${user}/waiting?limit=1`)).length > 0);
});

const rateMovie = guarded(async (movie, score) => {
  try {
    if (!(await rate(movie.id, score))) return; // a newer one was stored and is announced
    if (score === null) announce(`Your rating of ${movie.title} is taken back.`);
    else announce(`${movie.title}: ${score}. The recommendations are new.`);
  } finally {
    sync(movie.id, scoreOf(movie.id));
    await showRecommendations();
  }
});

// Everything listens at once; what is chosen before your ratings are loaded is shown when they are.
const known = Promise.all([get("/genres"), loadRatings()]);
setUpRecommendations(rateMovie, known);
setUpShelf(rateMovie, known);
setUpTogether();

const prepare = guarded(async () => {
  const [genres] = await known;
  setUpFilters(genres);
  await showLists();
  if (await resumed) await showLists();
});

const reload = guarded(async () => {
  await loadRatings();
  await showLists();
});

async function switchTo(id) {
  await prepared;
  switchUser(id);
  await reload();
}

onReturn(reload);
setUpPeople(switchTo);
const prepared = prepare();
