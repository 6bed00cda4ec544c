// Your ratings: loaded once, changed at once on the page and then at the server.

import { address, call, page } from "./api.js";
import { user } from "./user.js";

const MOST = 5000;
const scores = new Map();

export const scoreOf = (filmId) => scores.get(filmId) ?? null;
export const ratedCount = () => scores.size;

export async function loadRatings() {
  scores.clear();
  if (user === null) return;
  let next = `/users/${user}/ratings?limit=1000`;
  while (next && scores.size < MOST) {
    const { items, next: further } = await page(next);
    for (const { movie_id, score } of items) scores.set(movie_id, score);
    next = further;
  }
}

// One film's score, or null.
export async function loadRating(filmId) {
  if (user === null) return null;
  const { items } = await page(address("/ratings", { user_id: user, movie_id: filmId }));
  if (items.length) scores.set(filmId, items[0].score);
  return scoreOf(filmId);
}

// Give a rating, or take it back with null. On a refusal the earlier one stands again and Problem is thrown.
export async function rate(filmId, score) {
  const before = scoreOf(filmId);
  put(filmId, score);
  try {
    if (score === null) await call(`/ratings/${user}/${filmId}`, { method: "DELETE", again: true });
    else {
      const json = { user_id: user, movie_id: filmId, score };
      await call("/ratings", { method: "POST", json, again: true }); // harmless: the last one wins
    }
  } catch (problem) {
    if (score === null && problem.status === 404) return; // gone already
    put(filmId, before);
    throw problem;
  }
}

function put(filmId, score) {
  if (score === null) scores.delete(filmId);
  else scores.set(filmId, score);
}
