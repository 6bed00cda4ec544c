// One movie: your stars; the server puts the histogram and the similar movies into the page.

import { announce, element, find, guarded, loading, onReturn } from "./dom.js";
import { refresh } from "./live.js";
import { loadRating, rate, resumed } from "./ratings.js";
import { stars } from "./stars.js";
import { user } from "./user.js";

const { id, title } = find("movie").dataset;
const own = find("own");

const rateMovie = guarded(async (score) => {
  try {
    if (!(await rate(id, score))) return; // a newer one was stored and is announced
    announce(score === null ? "Your rating is taken back." : `You gave ${score}.`);
    await refresh();
  } catch (problem) {
    await showOwn();
    throw problem;
  }
});

async function showOwn() {
  if (user === null) {
    const link = element("a", { href: "/" }, "Say who you are");
    own.replaceChildren(element("p", { class: "note" }, link, " to rate this film."));
    return;
  }
  const score = await loadRating(id);
  own.replaceChildren(element("span", { class: "note" }, "Your rating"), stars(title, score, rateMovie));
}

onReturn(guarded(() => Promise.all([showOwn(), refresh()])));

await guarded(() => loading(own, showOwn))();
if (await resumed) await guarded(refresh)();
