// One movie: your stars and marks, and why it is for you.

import { announce, element, find, guarded, loading, onReturn, show } from "./dom.js";
import { refresh } from "./live.js";
import { markButtons, marksOf } from "./marks.js";
import { loadRating, rate, resumed } from "./ratings.js";
import { stars } from "./stars.js";
import { user } from "./user.js";
import { explain } from "./why.js";

const { id, title } = find("movie").dataset;
const own = find("own");

const rateMovie = guarded(async (score) => {
  try {
    if (!(await rate(id, score))) return; // a newer one was stored and is announced
    announce(score === null ? "Your rating is taken back." : `You gave ${score}.`);
    await Promise.all([refresh(), showWhy()]);
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
  const [score, marks] = await Promise.all([loadRating(id), marksOf(id)]);
  const rating = [element("span", { class: "note" }, "Your rating"), stars(title, score, rateMovie)];
  own.replaceChildren(...rating, markButtons({ id, title }, marks, showWhy));
  await showWhy();
}

async function showWhy() {
  find("why-text").replaceChildren(...(await explain(user, id, await loadRating(id))));
  show(find("why"));
}

onReturn(guarded(() => Promise.all([showOwn(), refresh()])));

await guarded(() => loading(own, showOwn))();
if (await resumed) await guarded(refresh)();
