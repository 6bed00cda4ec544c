// Parts of a page that the server makes (charts, tables): fetched again as a page, and put in place.

import { call } from "./api.js";

// Replaces every element with `data-live` by the one of the same id in a fresh copy of this page.
export async function refresh(options) {
  const { content } = await call(location.href, options);
  const fresh = new DOMParser().parseFromString(content, "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const made = fresh.getElementById(old.id);
    if (made) old.replaceChildren(...document.adoptNode(made).childNodes);
  }
}
