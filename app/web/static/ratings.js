// Your ratings: loaded once, changed on the page first and on the server after that.
//
// The last choice for a movie is kept in this browser until the server has stored it, so a reload resumes it.
// Requests for a movie never overlap: a choice that a newer one replaced is neither sent nor repeated, so the
// newest choice is the last one that the server gets.

import { address, call, newKey, page } from "./api.js";
import { guarded, pause } from "./dom.js";
import { login } from "./session.js";
import { user } from "./user.js";

const MOST = 5000;
const PATIENCE = 8_000; // ms; more than the server lets a request wait
const TOO_OLD = 86_400_000; // ms; the server keeps idempotency keys for a day
const PREFIX = "matinee.rating.";

const scores = new Map(); // by movie id: what the server has stored
const jobs = new Map(); // by place (user/movie): what is being sent
const hurry = new Map(); // by place: aborts the request once PATIENCE is over
let stores = 0; // choices that the server has stored since the page was opened

const placeOf = (movieId) => `${user}/${movieId}`;
const keep = (place, choice) => localStorage.setItem(PREFIX + place, JSON.stringify(choice));
const read = (place) => JSON.parse(localStorage.getItem(PREFIX + place));

// What one person has left unsent, another who logs in here neither sees nor sends.
const isMine = (place, { by }) => login === null || (by ?? place.split("/")[0]) === login;

function kept(place) {
  const choice = read(place);
  return choice && isMine(place, choice) ? choice : null;
}

const isNewest = (place, choice) => kept(place)?.id === choice.id;

export const ratedCount = () => scores.size;

// Returns the score to show: of a choice that is not stored yet, else the stored one.
export function scoreOf(movieId, stored = scores.get(movieId) ?? null) {
  const choice = kept(placeOf(movieId));
  return choice ? choice.score : stored;
}

// Returns what `read` returns; reads again if a choice was stored meanwhile, since that read may be older.
async function current(read) {
  for (;;) {
    const before = stores;
    const result = await read();
    if (before === stores) return result;
  }
}

export const loadRatings = () => current(readRatings);

async function readRatings() {
  scores.clear();
  if (user === null) return;
  let next = `/users/${user}/ratings?limit=1000`;
  while (next && scores.size < MOST) {
    const { items, next: further } = await page(next);
    for (const { movie, score } of items) note(String(movie.id), score);
    next = further;
  }
}

// Returns one movie's score, or null.
export async function loadRating(movieId) {
  if (user === null) return null;
  note(movieId, await current(() => stored(placeOf(movieId))));
  return scoreOf(movieId);
}

async function stored(place) {
  const [user_id, movie_id] = place.split("/");
  const { items } = await page(address("/ratings", { user_id, movie_id }));
  return items[0]?.score ?? null;
}

function note(movieId, score) {
  if (score === null) scores.delete(movieId);
  else scores.set(movieId, score);
}

// Gives a rating, or takes it back with null. Returns whether it was stored; false: a newer choice was.
// Throws Problem if the server refuses; the stored score is then valid again.
export async function rate(movieId, score) {
  const place = placeOf(movieId);
  const key = newKey();
  keep(place, { id: key, key, score, at: Date.now(), by: login });
  hurry.get(place)?.();
  return (await sent(place)) === key;
}

// Resolves with the id of the choice that was stored, when there is nothing left to send for this place.
function sent(place) {
  if (!jobs.has(place)) jobs.set(place, alone(place, () => send(place)).finally(() => jobs.delete(place)));
  return jobs.get(place);
}

// Runs `job` in one tab at a time, where the browser has locks (not on plain http from another host).
const alone = (place, job) => (navigator.locks ? navigator.locks.request(PREFIX + place, job) : job());

async function send(place) {
  let doubtful = false; // a request was aborted, and may or may not have been carried out
  for (;;) {
    const choice = kept(place);
    if (!choice) return null;
    try {
      await request(place, choice);
      if (doubtful && (await stored(place)) !== choice.score && isNewest(place, choice)) {
        doubtful = false;
        keep(place, { ...choice, key: newKey() });
        continue;
      }
    } catch (problem) {
      if (isNewest(place, choice)) {
        localStorage.removeItem(PREFIX + place);
        throw problem;
      }
      doubtful ||= !problem.status;
    }
    if (!isNewest(place, choice)) continue;
    const [owner, movieId] = place.split("/");
    if (owner === user) note(movieId, choice.score);
    stores += 1;
    localStorage.removeItem(PREFIX + place);
    return choice.id;
  }
}

async function request(place, choice) {
  const [owner, movieId] = place.split("/");
  const controller = new AbortController();
  const patience = pause(PATIENCE);
  hurry.set(place, () => patience.then(() => controller.abort()));
  const options = {
    headers: { "Idempotency-Key": choice.key },
    again: () => isNewest(place, choice),
    signal: controller.signal,
  };
  if (choice.score !== null) {
    // Ids are text here: written as numbers digit by digit, never rounded.
    const json = `{"user_id":${owner},"movie_id":${movieId},"score":${choice.score}}`;
    await call("/ratings", { method: "POST", json, ...options });
    return;
  }
  try {
    await call(`/ratings/${owner}/${movieId}`, { method: "DELETE", ...options });
  } catch (problem) {
    if (problem.status !== 404) throw problem; // 404: it is deleted already
  }
}

function unsent() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  const places = names.map((name) => name.slice(PREFIX.length));
  const old = (place) => Date.now() - read(place).at > TOO_OLD;
  for (const place of places.filter(old)) localStorage.removeItem(PREFIX + place);
  return places.filter((place) => kept(place));
}

// Sends what an earlier page left unsent; resolves with whether there was anything.
export const resumed = Promise.all(unsent().map(guarded(sent))).then((results) => results.length > 0);
