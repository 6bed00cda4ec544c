// The connection to the server: a banner while it is lost or slow, and waiting for it to come back.

import { at, find, pause, show } from "./dom.js";

const LONGEST = 30_000;
const SLOW = 4_000;

let recovery = null;
let waiting = 0;
let tryNow = () => {};

find("connection-now").addEventListener("click", () => tryNow());
addEventListener("online", () => tryNow());
document.addEventListener("visibilitychange", () => document.hidden || tryNow());

function say(text, button = false) {
  find("connection-text").textContent = text;
  show(find("connection-now"), button);
  show(find("connection"), text !== "");
}

async function healthy() {
  try {
    return (await fetch(at("/health"), { cache: "no-store", signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    return false;
  }
}

async function recover() {
  for (let wait = 1000; ; wait = Math.min(2 * wait, LONGEST)) {
    const jittered = wait * (0.75 + Math.random() / 2);
    const when = wait < 2000 ? "now" : `in ${Math.round(jittered / 1000)} s`;
    say(`The server does not answer. Trying again ${when} …`, true);
    await Promise.race([pause(jittered), new Promise((resolve) => (tryNow = resolve))]);
    if (await healthy()) break;
  }
  say("");
  recovery = null;
}

// Resolves when the server answers again; all callers share the attempts.
export function recovered() {
  recovery ??= recover();
  return recovery;
}

// Returns what `promise` resolves with; the banner shows while that takes long.
export async function watched(promise) {
  const timer = setTimeout(() => {
    waiting += 1;
    if (!recovery) say("The server is slow to answer …");
  }, SLOW);
  const before = waiting;
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    if (waiting > before) waiting -= 1;
    if (!waiting && !recovery) say("");
  }
}
