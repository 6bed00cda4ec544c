// Elements and events of the document. Text becomes a text node: a title with markup stays a title.

// Returns an address of this service with the prefix below which a proxy serves it, if there is one.
const root = document.documentElement.dataset.root ?? "";
export const at = (path) => (!path.startsWith("/") || `${path}/`.startsWith(`${root}/`) ? path : root + path);

export const find = (id) => document.getElementById(id);

// Makes an element. Functions are listeners (`onclick`), booleans and `value` properties; null is left out.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean" || name === "value") made[name] = value;
    else made.setAttribute(name, name === "href" ? at(value) : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const button = (text, onclick, attributes = {}) =>
  element("button", { type: "button", onclick, ...attributes }, text);

// Announces to screen readers.
export function announce(text) {
  find("news").textContent = text;
}

export function show(target, visible = true) {
  target.hidden = !visible;
}

// Resolves when the page is visible.
export function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const seen = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", seen);
      resolve();
    };
    document.addEventListener("visibilitychange", seen);
  });
}

// Calls `job` when the Back button restores this page as it was left.
export const onReturn = (job) => addEventListener("pageshow", (event) => event.persisted && job());

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Shows what was refused, until it is dismissed; "" hides it.
function trouble(text) {
  find("trouble-text").textContent = text;
  show(find("trouble"), text !== "");
}

find("trouble-dismiss").addEventListener("click", () => trouble(""));

// Returns an event handler that shows the error of `handler`, if there is one.
export const guarded = (handler) => async (...given) => {
  try {
    trouble("");
    await handler(...given);
  } catch (error) {
    if (error.name === "AbortError") return;
    trouble(error.message);
    if (!("status" in error)) throw error;
  }
};

// Marks `target` as busy during `job`; if that fails, its text "Loading …" is replaced.
export async function loading(target, job) {
  target.setAttribute("aria-busy", "true");
  try {
    await job();
  } catch (error) {
    if (error.name === "AbortError") throw error; // a later job keeps it busy
    target.querySelector(".loading")?.replaceChildren("This could not be loaded.");
    target.setAttribute("aria-busy", "false");
    throw error;
  }
  target.setAttribute("aria-busy", "false");
}

// Returns a guarded function that calls `job(signal, ...)`; each call aborts the one before.
export function latest(job) {
  let controller = null;
  return guarded((...given) => {
    controller?.abort();
    controller = new AbortController();
    return job(controller.signal, ...given);
  });
}
