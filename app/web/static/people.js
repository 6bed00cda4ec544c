// Who you are: one of the people there are, a new person, or an id that has ratings already. Who is logged in may
// choose another person as an editor; the page has the forms that the role may use.

import { call, get, newKey, page } from "./api.js";
import { announce, button, element, find, guarded, show } from "./dom.js";
import { login } from "./session.js";
import { NO_USER, nameOf, parseUser, rememberName, switchUser, user } from "./user.js";

const MOST = 1000; // as many as the server lists at once

let switchTo = switchUser;

// `onSwitch(id)` is called with the id of another person.
export function setUpPeople(onSwitch) {
  if (!find("chooser")) return; // a viewer is who they are
  switchTo = onSwitch;
  find("change").onclick = guarded(choose);
  find("new-person")?.addEventListener("submit", submitted(begin));
  find("naming")?.addEventListener("submit", submitted(nameYourself));
  find("user").addEventListener("submit", submitted(useId));
  guarded(user === null ? choose : showYou)();
}

// A form's listener; a second click while the first is under way does nothing.
function submitted(job) {
  let sending = false;
  return async (event) => {
    event.preventDefault();
    if (sending) return;
    sending = true;
    await guarded(job)().finally(() => (sending = false));
  };
}

async function choose() {
  show(find("chooser"));
  show(find("you"), false);
  showNaming(false);
  if (user !== null) find("chooser-title").focus();
  const { items, next } = await page(`/users?limit=${MOST}`);
  const known = ({ id, name }) => element("li", {}, button(name, guarded(() => become(String(id), name))));
  find("people").replaceChildren(...items.map(known));
  if (next) find("people").append(element("li", { class: "note" }, "More people are here: give your user id."));
}

function showNaming(visible) {
  if (find("naming")) show(find("naming"), visible);
}

async function become(id, name) {
  rememberName(id, name);
  await switchTo(id);
  await showYou();
  announce(login === null ? `You are ${nameOf(id)}.` : `You rate for ${nameOf(id)}.`);
}

// The person of this id, or null: it has neither a name nor ratings.
async function person(id) {
  const [found = null] = await get(`/users?id=${id}`);
  return found;
}

async function showYou() {
  show(find("chooser"), false);
  show(find("you"));
  find("you-are").textContent = nameOf(user);
  const name = (await person(user))?.name ?? null;
  rememberName(user, name);
  find("you-are").textContent = nameOf(user);
  showNaming(name === null);
}

// Sends a name; a refusal is shown beside its field. Returns the person, or null.
async function send(field, note, path, method) {
  const json = JSON.stringify({ name: find(field).value });
  find(note).textContent = "";
  find(field).setAttribute("aria-invalid", "false");
  try {
    const headers = { "Idempotency-Key": newKey() };
    return (await call(path, { method, json, headers, again: true })).content;
  } catch (problem) {
    if (![409, 422].includes(problem.status)) throw problem;
    find(field).setAttribute("aria-invalid", "true");
    find(note).textContent = problem.status === 409 ? TAKEN : "A name has 1 to 100 characters.";
    find(field).focus();
    return null;
  }
}

const TAKEN = "That name is taken here. Take another one, or choose it above.";

async function begin() {
  const made = await send("new-name", "new-note", "/users", "POST");
  if (!made) return;
  find("new-person").reset();
  await become(String(made.id), made.name);
}

// A name for the id that this browser remembers; without ratings there is nothing to keep under it.
async function nameYourself() {
  const known = await person(user);
  const [path, method] = known ? [`/users/${user}`, "PATCH"] : ["/users", "POST"];
  const named = await send("own-name", "naming-note", path, method);
  if (named) await become(String(named.id), named.name);
}

async function useId() {
  const id = parseUser(find("user-id").value);
  const [note, mine] = [find("user-note"), find("mine")];
  find("user-id").setAttribute("aria-invalid", String(id === null));
  note.textContent = id === null ? NO_USER : "";
  show(mine, false);
  if (id === null) return;
  const known = await person(id);
  if (!known || known.name !== null) {
    await become(id, known?.name ?? null);
    return;
  }
  note.textContent = `User ${id} has ${known.rating_count} ratings already. Yours would be mixed into them.`;
  mine.onclick = guarded(() => become(id, null));
  show(mine);
}
