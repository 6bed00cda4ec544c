// Your ratings: loaded once, changed at once on the page and then at the server.
//
// What was chosen last for a film is kept in this browser until the server has it, so a reload goes on with it.
// A request goes out when the one before has ended; what was chosen in between is never sent, and what was
// overtaken is not repeated. So the newest is the last that the server gets.

import { address, call, newKey, page } from "./api.js";
import { guarded, pause } from "./dom.js";
import { user } from "./user.js";

const MOST = 5000;
const PATIENCE = 8_000; // ms; longer than the server lets a request wait
const TOO_OLD = 86_400_000; // ms; the server knows a repetition for a day
const PREFIX = "matinee.rating.";

const scores = new Map(); // by film id: what the server has
const jobs = new Map(); // by place: what is being sent
const hurry = new Map(); // by place: gives the request up once it has had its time
let stores = 0; // choices that the server has stored since the page was opened

const placeOf = (filmId) => `${user}/${filmId}`;
const keep = (place, choice) => localStorage.setItem(PREFIX + place, JSON.stringify(choice));
const kept = (place) => JSON.parse(localStorage.getItem(PREFIX + place));
const isNewest = (place, choice) => kept(place)?.id === choice.id;

export const ratedCount = () => scores.size;

// What to show: the choice that the server does not have yet, else what it has.
export function scoreOf(filmId, stored = scores.get(filmId) ?? null) {
  const choice = kept(placeOf(filmId));
  return choice ? choice.score : stored;
}

// What `read` returns, read again if a choice was stored meanwhile: the answer may be older than that.
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
    for (const { movie_id, score } of items) note(String(movie_id), score);
    next = further;
  }
}

// One film's score, or null.
export async function loadRating(filmId) {
  if (user === null) return null;
  note(filmId, await current(() => stored(placeOf(filmId))));
  return scoreOf(filmId);
}

async function stored(place) {
  const [user_id, movie_id] = place.split("/");
  const { items } = await page(address("/ratings", { user_id, movie_id }));
  return items[0]?.score ?? null;
}

function note(filmId, score) {
  if (score === null) scores.delete(filmId);
  else scores.set(filmId, score);
}

// Give a rating, or take it back with null. Returns whether it was stored; false: a newer choice was.
// On a refusal the earlier one stands again and Problem is thrown.
export async function rate(filmId, score) {
  const place = placeOf(filmId);
  const key = newKey();
  keep(place, { id: key, key, score, at: Date.now() });
  hurry.get(place)?.();
  return (await sent(place)) === key;
}

// Resolves when nothing is left to be sent for this place, with the id of the choice that was stored.
function sent(place) {
  if (!jobs.has(place)) jobs.set(place, alone(place, () => send(place)).finally(() => jobs.delete(place)));
  return jobs.get(place);
}

// One tab at a time, where the browser has locks (not on plain http from another host).
const alone = (place, job) => (navigator.locks ? navigator.locks.request(PREFIX + place, job) : job());

async function send(place) {
  let doubtful = false; // a request was given up, and what it did is not known
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
    const [owner, filmId] = place.split("/");
    if (owner === user) note(filmId, choice.score);
    stores += 1;
    localStorage.removeItem(PREFIX + place);
    return choice.id;
  }
}

async function request(place, choice) {
  const [owner, filmId] = place.split("/");
  const controller = new AbortController();
  const patience = pause(PATIENCE);
  hurry.set(place, () => patience.then(() => controller.abort()));
  const options = {
    headers: { "Idempotency-Key": choice.key },
    again: () => isNewest(place, choice),
    signal: controller.signal,
  };
  if (choice.score !== null) {
    // Ids are text here and numbers there: written as they are, never rounded.
    const json = `{"user_id":${owner},"movie_id":${filmId},"score":${choice.score}}`;
    await call("/ratings", { method: "POST", json, ...options });
    return;
  }
  try {
    await call(`/ratings/${owner}/${filmId}`, { method: "DELETE", ...options });
  } catch (problem) {
    if (problem.status !== 404) throw problem; // else it is gone already
  }
}

function left() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  const places = names.map((name) => name.slice(PREFIX.length));
  const old = (place) => Date.now() - kept(place).at > TOO_OLD;
  for (const place of places.filter(old)) localStorage.removeItem(PREFIX + place);
  return places.filter((place) => kept(place));
}

// Sends what an earlier page has left; resolves with whether there was anything.
export const resumed = Promise.all(left().map(guarded(sent))).then((results) => results.length > 0);
