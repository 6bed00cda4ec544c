// The reference: a link to a type or an operation opens it; each operation can be copied as a command and called.

import { at, button, element, find, guarded, show } from "./dom.js";
import { changing, login } from "./session.js";
import { user } from "./user.js";

const SHOWN = 20_000; // characters of an answer

function open() {
  const target = location.hash.length > 1 ? find(decodeURIComponent(location.hash.slice(1))) : null;
  for (let one = target; one; one = one.parentElement?.closest("details")) if (one.tagName === "DETAILS") one.open = true;
  target?.scrollIntoView();
}

addEventListener("hashchange", open);

const inputs = (form, place) => [...form.querySelectorAll(`[data-in="${place}"]`)];
const value = (input) => input.value.trim();
const several = (input) => ("repeated" in input.dataset ? value(input).split(/\s+/) : [value(input)]);

// Returns what the form asks for: {method, path, headers, body}.
function asked(form) {
  const { method } = form.dataset;
  let { path } = form.dataset;
  for (const input of inputs(form, "path")) {
    if (value(input)) path = path.replace(`{${input.name}}`, encodeURIComponent(value(input)));
  }
  const query = new URLSearchParams();
  for (const input of inputs(form, "query").filter(value)) {
    for (const one of several(input)) query.append(input.name, one);
  }
  const headers = Object.fromEntries(inputs(form, "header").filter(value).map((input) => [input.name, value(input)]));
  const [kind] = inputs(form, "kind").map(value);
  return { method, path: query.size ? `${path}?${query}` : path, headers, ...body(form, kind, headers) };
}

function body(form, kind, headers) {
  const [text, file] = ["body", "file"].map((place) => inputs(form, place)[0]);
  if (!kind || (isText(kind) ? !value(text) : !file.files.length)) return { file: kind && !isText(kind) };
  if (isText(kind)) return { body: text.value, headers: { ...headers, "Content-Type": kind } };
  if (!kind.startsWith("multipart/")) return { body: file.files[0], file: true, headers: { ...headers, "Content-Type": kind } };
  const parts = new FormData();
  parts.append("file", file.files[0]);
  return { body: parts, file: true };
}

const isText = (kind) => /json|text\/|urlencoded/.test(kind);
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// Returns the command line that asks for the same.
function curl(form) {
  const { method, path, headers, body: sent, file } = asked(form);
  const url = location.origin + at(path);
  const parts = ["curl", ...(method === "GET" ? [] : ["-X", method]), quoted(url)];
  if (login !== null) parts.push("-H", '"Authorization: Bearer $TOKEN"');
  for (const [name, text] of Object.entries(headers)) parts.push("-H", quoted(`${name}: ${text}`));
  if (file) parts.push(...(sent instanceof FormData ? ["-F", "file=@FILE"] : ["--data-binary", "@FILE"]));
  else if (sent !== undefined) parts.push("--data-binary", quoted(sent));
  return parts.join(" ");
}

async function send(form, given) {
  const { method, path, headers, body: sent } = asked(form);
  const started = performance.now();
  const answer = await fetch(at(path), { method, body: sent, headers: method === "GET" ? headers : changing(headers) });
  const text = await answer.text();
  const took = Math.round(performance.now() - started);
  const fields = [...answer.headers].map(([name, one]) => `${name}: ${one}`).join("\n");
  given.replaceChildren(
    element("p", {}, element("strong", {}, `${answer.status} ${answer.statusText}`), ` after ${took} ms`),
    element("pre", { tabindex: 0 }, element("code", {}, `${fields}\n\n${pretty(text, answer)}`)),
  );
}

function pretty(text, answer) {
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const shown = isJson && text.length < SHOWN ? indented(text) : text;
  return shown.length > SHOWN ? `${shown.slice(0, SHOWN)}\n… ${shown.length - SHOWN} characters more` : shown;
}

// Not by way of numbers, which would round a large id.
const indented = (text) => (/\d{16}/.test(text) ? text : JSON.stringify(JSON.parse(text), null, 2));

function setUp(form) {
  const command = form.parentElement.querySelector(".command code");
  const update = () => {
    const [kind] = inputs(form, "kind").map(value);
    for (const [place, visible] of [["body", isText(kind ?? "")], ["file", !isText(kind ?? "")]]) {
      for (const input of inputs(form, place)) show(input.closest("label"), visible);
    }
    command.textContent = curl(form);
  };
  for (const input of inputs(form, "path").concat(inputs(form, "query"))) {
    if (input.name === "user_id" && (user !== null) && (input.required || login !== null)) input.value ||= user;
  }
  const example = form.parentElement.querySelector(".bodies pre");
  for (const text of inputs(form, "body")) text.value ||= example?.textContent ?? "";
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(send)(form, form.querySelector(".given"));
  });
  update();
  show(form);
}

for (const box of document.querySelectorAll(".command")) {
  const copy = button("Copy", () => navigator.clipboard?.writeText(box.querySelector("code").textContent), { class: "quiet" });
  if (navigator.clipboard) box.append(copy);
}

// A form is set up when its operation is opened: there are many.
for (const details of document.querySelectorAll(".reference > details")) {
  details.addEventListener("toggle", () => {
    const form = details.querySelector("form.try[hidden]");
    if (details.open && form) setUp(form);
  });
}

open();
