// Rating by stars: a radio group of half steps, for mouse, touch and keyboard.

import { button, element } from "./dom.js";

const SCORES = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5];
const SETTLE = 600; // ms; arrow keys pass over scores that are not meant
let groups = 0;

// What the arrow keys chose, until it is sent: after a pause, or when the focus leaves or the page closes.
let waiting = null;
let timer = 0;

function decide() {
  clearTimeout(timer);
  const job = waiting;
  waiting = null;
  job?.();
}

addEventListener("pagehide", decide);

const spoken = (score) => `${score} ${score === 1 ? "star" : "stars"}`;

// `onRate(score)` is called with a score, or null to take the rating back.
export function stars(title, score, onRate) {
  const name = `stars-${++groups}`;
  let byArrow = false;
  const legend = element("legend", { class: "unseen" }, `Your rating of ${title}`);
  const group = element(
    "fieldset",
    { class: "stars", onkeydown: onKey, onpointerdown: () => (byArrow = false), onfocusout: onLeave },
    legend,
  );
  const label = `Take back your rating of ${title}`;
  const clear = button("×", () => choose(null, true), { class: "clear", "aria-label": label });

  function choose(chosen, now) {
    clear.hidden = chosen === null;
    if (chosen === null) for (const input of group.querySelectorAll("input")) input.checked = false;
    waiting = () => onRate(chosen);
    clearTimeout(timer);
    if (now) decide();
    else timer = setTimeout(decide, SETTLE);
  }

  function onLeave({ relatedTarget }) {
    if (!group.contains(relatedTarget)) decide();
  }

  function onKey({ key, target }) {
    byArrow = key.startsWith("Arrow");
    if (key !== "Enter") return;
    target.click(); // chooses this score, if it is not chosen yet
    decide();
  }

  for (const value of SCORES) {
    group.append(
      element("input", {
        type: "radio", name, value: String(value), "aria-label": spoken(value), title: spoken(value),
        checked: value === score, onchange: () => choose(value, !byArrow),
      }),
    );
  }
  clear.hidden = score === null;
  return element("div", { class: "rating" }, group, clear);
}

// Shows another score, without calling `onRate`.
export function setStars(rating, score) {
  for (const input of rating.querySelectorAll("input")) input.checked = Number(input.value) === score;
  rating.querySelector(".clear").hidden = score === null;
}
