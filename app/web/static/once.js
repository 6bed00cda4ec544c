// A secret that is in no other answer: shown once, to be copied.

import { find, show } from "./dom.js";

export function showOnce(title, note, text) {
  find("once-title").textContent = title;
  find("once-note").textContent = note;
  find("once-text").value = text;
  find("copied").textContent = "";
  show(find("once"));
  find("once-title").focus();
}

// Without a permission, and on plain http, the clipboard takes what is selected.
find("copy").onclick = () => {
  find("once-text").focus();
  find("once-text").select();
  const done = document.execCommand("copy");
  find("copied").textContent = done ? "Copied." : "It is selected: copy it with Ctrl+C, or by a long press.";
};

find("once-done").onclick = () => {
  find("once-text").value = "";
  show(find("once"), false);
};
