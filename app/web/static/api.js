// Calls of the public API. A request that may be repeated waits for the server to come back and is sent again.

import { recovered, watched } from "./connection.js";
import { at, pause } from "./dom.js";
import { changing, refused } from "./session.js";

const TIMEOUT = 30_000;
const BUSY = [429, 502, 503, 504];
const UNKNOWN = "The server does not answer. It may or may not have received this.";

// A refused request: `message` says what was wrong, in the server's words.
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `The server answered ${status}.`);
    this.status = status;
    this.body = body;
  }
}

const timeout = (signal) => AbortSignal.any([AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])]);

// Parses JSON; integers that a number would round become text.
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const rounded = (token) => /^-?\d{16,}$/.test(token);
const parse = (text) => JSON.parse(text.replace(TOKEN, (token) => (rounded(token) ? `"${token}"` : token)));

// `no-cache`: what the browser has kept is revalidated each time, also after the Back button.
async function attempt(path, { signal, ...init }) {
  const answer = await watched(fetch(at(path), { ...init, cache: "no-cache", signal: timeout(signal) }));
  return { answer, text: await answer.text() };
}

const contentOf = ({ answer, text }) =>
  text && (answer.headers.get("content-type") ?? "").includes("json") ? parse(text) : text;

// Returns {content, headers}. `json`: the body, as text. `again`: whether the request may be repeated,
// a boolean or a function that is called each time. Throws Problem.
export async function call(path, { method = "GET", headers = {}, json, again = method === "GET", signal } = {}) {
  const allowed = typeof again === "function" ? again : () => again;
  if (json) headers = { ...headers, "Content-Type": "application/json" };
  if (method !== "GET") headers = changing(headers);
  do {
    const given = await attempt(path, { method, headers, body: json, signal }).catch(() => null);
    signal?.throwIfAborted();
    if (given?.answer.ok) return { content: contentOf(given), headers: given.answer.headers };
    if (!given) {
      const back = recovered();
      if (allowed()) await back;
    } else if (allowed() && isBusy(given.answer)) await busy(given.answer);
    else {
      await refused(given.answer.status);
      throw new Problem(given.answer.status, contentOf(given));
    }
  } while (allowed());
  throw new Problem(0, { detail: UNKNOWN });
}

// 409 with Retry-After: the first sending of this request is still under way.
const isBusy = ({ status, headers }) => BUSY.includes(status) || (status === 409 && headers.has("retry-after"));

async function busy(answer) {
  const seconds = Number(answer.headers.get("retry-after")) || 1;
  await watched(pause(1000 * Math.min(seconds, 60)));
}

export const get = async (path, options) => (await call(path, options)).content;

// Returns a page of a list, and the address of the next page (from the Link header) or null.
export async function page(path, options) {
  const { content, headers } = await call(path, options);
  const next = /<([^>]+)>;\s*rel="next"/.exec(headers.get("link") ?? "");
  return { items: content, next: next?.[1] ?? null };
}

// An unguessable key, also where crypto.randomUUID is missing (plain http from another host).
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

// Starts a task once, however often the request is sent.
export const start = async (path) =>
  (await call(path, { method: "POST", again: true, headers: { "Idempotency-Key": newKey() } })).content;

// Returns the path with those parameters that have a value.
export function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) {
      if (one !== "" && one !== null && one !== undefined) query.append(name, one);
    }
  }
  return query.size ? `${path}?${query}` : path;
}
