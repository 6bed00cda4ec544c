// Uploads through XMLHttpRequest, since fetch does not report how much was sent.

import { Problem } from "./api.js";
import { at } from "./dom.js";
import { changing } from "./session.js";

const TYPES = { gz: "application/gzip", zip: "application/zip" };

const BROKEN =
  "The connection broke while the file was being sent. Send it again: nothing is imported twice.";

const STOPPED = "Stopped. If the file had arrived whole by then, Activity shows its import.";

const typeOf = (name) => TYPES[name.split(".").pop().toLowerCase()] ?? "text/csv";
const headerSafe = (name) => name.replace(/[^\x20-\x7e]/g, "_");

function send(path, file, headers, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", at(path));
    for (const [name, value] of Object.entries(changing(headers))) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(new Problem(0, { detail: BROKEN })));
    request.addEventListener("abort", () => reject(new Problem(0, { detail: STOPPED })));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

// Returns the task that was started. A second upload with the same `key` returns the same task.
export async function upload(path, file, key, onProgress, signal) {
  const headers = {
    "Content-Type": typeOf(file.name),
    "X-Filename": headerSafe(file.name),
    "Idempotency-Key": key,
  };
  const { status, response } = await send(path, file, headers, onProgress, signal);
  if (status !== 202) throw new Problem(status, response);
  return response;
}
