// The login: a bearer token for as long as the tab is open, asked for when the server wants one.

import { find } from "./dom.js";

const KEY = "matinee.token";
let asked = null;

export function authorization() {
  const token = sessionStorage.getItem(KEY);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function submit(form) {
  const answer = await fetch("/token", { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (answer.status >= 500) throw new Error("The server cannot log you in now.");
  if (!answer.ok) throw new Error("Name or password is wrong.");
  sessionStorage.setItem(KEY, (await answer.json()).access_token);
}

// Resolves after a login; callers that ask at the same time share one dialog.
export function login() {
  asked ??= new Promise((resolve) => {
    const dialog = find("login");
    const form = find("login-form");
    sessionStorage.removeItem(KEY);
    dialog.oncancel = (event) => event.preventDefault();
    form.onsubmit = async (event) => {
      event.preventDefault();
      find("login-error").textContent = "";
      try {
        await submit(form);
      } catch (error) {
        find("login-error").textContent = error.message;
        return;
      }
      form.reset();
      dialog.close();
      asked = null;
      resolve();
    };
    dialog.showModal();
  });
  return asked;
}
