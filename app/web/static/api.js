// Calls of the public API. What may be repeated waits for the server to come back and is sent again.

import { recovered, watched } from "./connection.js";
import { pause } from "./dom.js";

const TIMEOUT = 30_000;
const BUSY = [429, 502, 503, 504];
const UNKNOWN = "The server does not answer; it is not known whether it got this.";

// A refusal: `message` says what was wrong, as the server put it.
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `The server answered ${status}.`);
    this.status = status;
    this.body = body;
  }
}

const timeout = (signal) => AbortSignal.any([AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])]);

async function attempt(path, { method, headers, body, signal }) {
  const answer = await watched(fetch(path, { method, headers, body, signal: timeout(signal) }));
  if (answer.status === 204) return { answer, content: null };
  const json = (answer.headers.get("content-type") ?? "").includes("json");
  return { answer, content: json ? await answer.json() : await answer.text() };
}

// Answers {content, headers}. `again`: whether repeating the request does no harm. Throws Problem.
export async function call(path, options = {}) {
  const { method = "GET", json, again = method === "GET", signal } = options;
  let { headers = {} } = options;
  const body = json === undefined ? undefined : JSON.stringify(json);
  if (body) headers = { ...headers, "Content-Type": "application/json" };
  for (;;) {
    let given;
    try {
      given = await attempt(path, { method, headers, body, signal });
    } catch {
      signal?.throwIfAborted();
      const back = recovered();
      if (!again) throw new Problem(0, { detail: UNKNOWN });
      await back;
      continue;
    }
    const { answer, content } = given;
    if (again && BUSY.includes(answer.status)) await busy(answer);
    else if (!answer.ok) throw new Problem(answer.status, content);
    else return { content, headers: answer.headers };
  }
}

async function busy(answer) {
  const seconds = Number(answer.headers.get("retry-after")) || 1;
  await watched(pause(1000 * Math.min(seconds, 60)));
}

export const get = async (path, options) => (await call(path, options)).content;

// A page of a list, and the address of the next one (from the Link header) or null.
export async function page(path, options) {
  const { content, headers } = await call(path, options);
  const next = /<([^>]+)>;\s*rel="next"/.exec(headers.get("link") ?? "");
  return { items: content, next: next?.[1] ?? null };
}

// Random and unguessable also where crypto.randomUUID is missing (plain http on another host).
export const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

// Starts something once, however often it has to be sent.
export const start = async (path) =>
  (await call(path, { method: "POST", again: true, headers: { "Idempotency-Key": newKey() } })).content;

// A path with the parameters that have a value.
export function address(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of [value].flat()) {
      if (one !== "" && one !== null && one !== undefined) query.append(name, one);
    }
  }
  return query.size ? `${path}?${query}` : path;
}
