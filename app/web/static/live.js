// Parts of a page that the server makes.

import { call } from "./api.js";

// Fetches this page again and replaces every element with `data-live` that changed, by its id. Focus stays.
export async function refresh(options) {
  const { content } = await call(location.href, options);
  const fresh = new DOMParser().parseFromString(content, "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const made = fresh.getElementById(old.id);
    if (!made || made.isEqualNode(old)) continue;
    const { activeElement: had } = document;
    old.replaceChildren(...document.adoptNode(made).childNodes);
    if (!had.isConnected) [...old.querySelectorAll(had.localName)].find((one) => one.isEqualNode(had))?.focus();
  }
}
