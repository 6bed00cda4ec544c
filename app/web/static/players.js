// Addresses with a secret: those that players report to, and those of your list.

import { call, newKey } from "./api.js";
import { announce, find, guarded, onReturn, show } from "./dom.js";
import { refresh } from "./live.js";
import { showOnce } from "./once.js";
import { root } from "./session.js";
import { setParameters, user } from "./user.js";

async function make({ dataset: { path }, elements: [{ value, selectedOptions }] }) {
  const json = `{${path === "/hooks" ? `"player":"${value}",` : ""}"user_id":${user}}`;
  const { content } = await call(path, { method: "POST", json, headers: { "Idempotency-Key": newKey() } });
  const made = content.address ?? content.addresses[value];
  showOnce(`The address for ${selectedOptions[0].text}`, "It is shown only now.", location.origin + root + made);
  await refresh();
}

// A button says what it asks for; focus goes to the heading.
find("main").addEventListener("click", guarded(async ({ target }) => {
  const { path, json } = target.dataset;
  if (!path) return;
  if (!json && !confirm(`${target.textContent}? It leads nowhere from then on.`)) return;
  const title = target.closest("section").querySelector("h2");
  await call(path, { method: json ? "PUT" : "DELETE", json });
  announce(`${target.textContent}: done.`);
  await refresh();
  title.focus();
}));

for (const form of document.forms) {
  show(form, user !== null);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(make)(form);
  });
}

onReturn(guarded(refresh));
if (user !== null) {
  setParameters({ user });
  await guarded(refresh)();
}
