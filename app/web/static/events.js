// Server-sent events through fetch, since an EventSource cannot be paused.

import { recovered } from "./connection.js";
import { at, visible } from "./dom.js";
import { refused } from "./session.js";

const SILENCE = 45_000; // ms; the server sends at least a comment every 15 s

// Yields {id, type, data} (WHATWG HTML, 9.2.6); aborts a stream that is silent for too long.
async function* parse(stream, controller) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const silence = setTimeout(() => controller.abort(), SILENCE);
    const { value, done } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield read(block);
  }
}

function read(block) {
  const event = { id: null, type: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (name === "id") event.id = Number(value);
    else if (name === "event") event.type = value;
    else if (name === "data") event.data += event.data ? `\n${value}` : value;
  }
  return event;
}

// Returns a controller that aborts when the page is hidden.
function whileVisible() {
  const controller = new AbortController();
  document.addEventListener("visibilitychange", () => document.hidden && controller.abort(), {
    signal: controller.signal,
  });
  return controller;
}

async function open(path, last, signal) {
  const headers = { Accept: "text/event-stream" };
  if (last !== null) headers["Last-Event-ID"] = String(last);
  const answer = await fetch(at(path), { headers, signal, cache: "no-store" });
  if (!answer.ok) await refused(answer.status);
  return answer.ok ? answer.body : null;
}

// Calls onEvent(type, data) once for every event, in order, until the stream sends `end`. The stream is paused
// while the page is hidden; then, and after a lost connection, it resumes after the last event that was received.
export async function follow(path, onEvent) {
  let last = null;
  for (;;) {
    await visible();
    const controller = whileVisible();
    try {
      const body = await open(path, last, controller.signal);
      for await (const { id, type, data } of body ? parse(body, controller) : []) {
        if (id !== null && last !== null && id <= last) continue;
        last = id ?? last;
        if (type === "end") return;
        if (data) onEvent(type, JSON.parse(data));
      }
    } catch (error) {
      if (error.name !== "AbortError" && error.name !== "TypeError") throw error;
    }
    const left = controller.signal.aborted;
    controller.abort();
    if (!left) await recovered();
  }
}
