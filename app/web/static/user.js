// Whose ratings these are: yours where you are logged in, and you may choose others if your role lets you.
// With the door closed, a user id in the address, remembered in this browser and added to the links.

import { at, find, show } from "./dom.js";
import { confined, login, loginName } from "./session.js";

const KEY = "matinee.user";
const NAME = "matinee.name.";

const LARGEST = 2n ** 63n - 1n;

export const NO_USER = `A user id is a whole number, such as 7, at most ${LARGEST}.`;

// Returns the id as text, since a number would round a large one; null if the text is no id.
export function parseUser(text) {
  if (!/^\s*\d+\s*$/.test(text)) return null;
  const id = BigInt(text);
  return id <= LARGEST ? String(id) : null;
}

const inAddress = parseUser(new URLSearchParams(location.search).get("user") ?? "");

export let user = confined ? login : inAddress ?? login ?? parseUser(localStorage.getItem(KEY) ?? "");

// Changes the query of the address, without loading a page.
export function setParameters(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  history.replaceState(null, "", url);
}

// What to call a user: by the name that this browser knows, else by the id.
export const nameOf = (id) =>
  (id === login ? loginName : null) ?? localStorage.getItem(NAME + id) ?? `user ${id}`;

// Remembers a user's name, or with null that there is none.
export function rememberName(id, name) {
  if (name === null) localStorage.removeItem(NAME + id);
  else localStorage.setItem(NAME + id, name);
  remember();
}

export function switchUser(id) {
  user = id;
  setParameters({ user: id === login ? null : id });
  remember();
}

export const withUser = (path) => {
  const url = new URL(at(path), location.origin);
  if (user !== login) url.searchParams.set("user", user);
  return url.pathname + url.search + url.hash;
};

function keepUserInLinks() {
  for (const link of document.querySelectorAll("a[data-user-link]")) {
    link.setAttribute("href", withUser(link.getAttribute("href")));
  }
}

function remember() {
  if (user !== null && login === null) localStorage.setItem(KEY, user);
  const who = find("who"); // with the door closed
  if (who) {
    who.textContent = nameOf(user);
    show(who, user !== null);
  }
  keepUserInLinks();
}

remember();
