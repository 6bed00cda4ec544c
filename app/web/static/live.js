// The parts of a page that the server makes: figures, charts, tables.

import { call } from "./api.js";

// Fetches this page again and replaces the content of every element with `data-live`, by its id.
export async function refresh(options) {
  const { content } = await call(location.href, options);
  const fresh = new DOMParser().parseFromString(content, "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const made = fresh.getElementById(old.id);
    if (made) old.replaceChildren(...document.adoptNode(made).childNodes);
  }
}
