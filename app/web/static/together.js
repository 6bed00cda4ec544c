// One list for you and others: who is there with you, what each gets out of a film, and why.

import { call } from "./api.js";
import { element, find, guarded, loading, show } from "./dom.js";
import { movieTitle } from "./movies.js";
import { login } from "./session.js";
import { user } from "./user.js";

const MOST = 7;
const boxes = () => [...find("others").querySelectorAll("input")];
const chosen = () => boxes().filter((box) => box.checked && box.value !== user);

function bound() {
  const isFull = chosen().length >= MOST;
  for (const box of boxes()) {
    show(box.parentNode, box.value !== user);
    box.disabled = isFull && !box.checked;
  }
}

function part({ user_id: id, share, because }) {
  const box = chosen().find(({ value }) => value === String(id));
  const name = element("bdi", {}, box ? box.parentNode.textContent.trim() : "You");
  const why = because ? [", because of ", element("bdi", { class: "rated" }, because.movie.title), ` ${because.score}`] : [];
  const amount = share === null ? "not known yet" : `${Math.round(100 * share)} %`;
  return element("li", {}, element("span", {}, name, ...why), element("span", {}, amount));
}

const item = ({ movie, parts }) =>
  element("li", { class: "movie" }, element("div", {}, ...movieTitle(movie)), element("ul", { class: "parts" }, ...parts.map(part)));

async function showCommon() {
  const others = chosen().map(({ value }) => value);
  if (user === null || !others.length) return tell("Say who you are, and who is with you.", []);
  const json = `{"users":[${[user, ...others]}]}`;
  const { content } = await call("/recommendations/together", { method: "POST", json, again: true });
  const known = content.source === "personal";
  tell(known ? "How much of their best each gets." : "What most people rated.", content.recommendations.map(item));
}

function tell(text, rows) {
  find("common-note").textContent = text;
  find("common").replaceChildren(...rows);
}

export function setUpTogether() {
  find("together").addEventListener("toggle", bound);
  find("others").addEventListener("change", bound);
  find("company").addEventListener("submit", (event) => {
    event.preventDefault();
    guarded(() => loading(find("common"), showCommon))();
  });
  find("allow")?.addEventListener("change", guarded(({ target }) =>
    call(`/users/${login}/together`, { method: "PUT", json: `{"allowed":${target.checked}}`, again: true })));
}
