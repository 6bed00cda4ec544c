// System: the figures, fetched again and again while the page is visible.

import { find, guarded, onReturn, pause, visible } from "./dom.js";
import { time } from "./format.js";
import { refresh } from "./live.js";
import "./user.js";

const EVERY = 5000;

onReturn(guarded(refresh));

for (;;) {
  await pause(EVERY);
  await visible();
  await guarded(refresh)();
  find("updated").textContent = `As of ${time(Date.now() / 1000)}.`;
}
