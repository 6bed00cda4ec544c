// The session of this page: who is logged in, with which role, and what to do when that has ended.

const given = (name) => document.querySelector(`meta[name="${name}"]`)?.content ?? null;

export const root = document.documentElement.dataset.root ?? ""; // below which a proxy serves this
const ROLES = ["viewer", "editor", "admin"];
const NAMES = ["role", "login", "csrf-token"];

// The id of who is logged in, as text; null with the door closed.
export const login = given("login");
export const loginName = given("login-name");

// Whether the page offers what needs that role.
export const may = (role) => ROLES.indexOf(given("role")) >= ROLES.indexOf(role);

// A viewer reads and changes their own alone.
export const confined = login !== null && !may("editor");

// The headers of a request that changes something: a page of another site does not know the token.
export const changing = (headers = {}) =>
  given("csrf-token") === null ? headers : { ...headers, "X-CSRF-Token": given("csrf-token") };

const left = () => new Promise(() => {}); // the page is being left

// Goes to the login, which leads back to this page.
export function logIn() {
  const here = location.pathname.slice(root.length) + location.search;
  location.assign(`${root}/login?next=${encodeURIComponent(here)}`);
  return left();
}

// Whether this page would be made for the same session again.
async function isCurrent() {
  const answer = await fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-store" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  return NAMES.every((name) => (fresh.querySelector(`meta[name="${name}"]`)?.content ?? null) === given(name));
}

// After a refusal: without a session this goes to the login, with another one than this page was made for it
// loads the page again. Resolves if the refusal is meant for this page.
export async function refused(status) {
  if (status === 401) await logIn();
  if (status !== 403 || (await isCurrent().catch(() => true))) return;
  location.reload();
  await left();
}

const post = (path) => fetch(root + path, { method: "POST", headers: changing() }).catch(() => null);

document.getElementById("log-out")?.addEventListener("click", async () => {
  await post("/logout");
  location.assign(`${root}/login`);
});

if (document.querySelector("meta[data-ageing]")) post("/session");
