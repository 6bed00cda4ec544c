// Who you are: a user id in the address, remembered in this browser. Links keep it.

import { find, show } from "./dom.js";

const KEY = "matinee.user";

// Answers the id as a number, or null if the text is none.
export function parseUser(text) {
  return /^\d{1,15}$/.test(text.trim()) ? Number(text) : null;
}

const inAddress = parseUser(new URLSearchParams(location.search).get("user") ?? "");

export let user = inAddress ?? parseUser(localStorage.getItem(KEY) ?? "");

// Change what stands in the address behind `?`, without a new page.
export function setParameters(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  history.replaceState(null, "", url);
}

export function switchUser(id) {
  user = id;
  setParameters({ user: id });
  remember();
}

export const withUser = (path) => {
  const url = new URL(path, location.origin);
  if (user !== null) url.searchParams.set("user", user);
  return url.pathname + url.search + url.hash;
};

export function keepUserInLinks() {
  for (const link of document.querySelectorAll("a[data-user-link]")) {
    link.setAttribute("href", withUser(link.getAttribute("href")));
  }
}

function remember() {
  if (user !== null) localStorage.setItem(KEY, String(user));
  const who = find("who");
  who.textContent = `User ${user}`;
  show(who, user !== null);
  keepUserInLinks();
}

remember();
