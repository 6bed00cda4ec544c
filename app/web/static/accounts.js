// People: accounts and their roles, links that set a password, API keys, the audit.

import { address, call, newKey, page } from "./api.js";
import { announce, element, find, guarded, loading, onReturn } from "./dom.js";
import { sentence, time } from "./format.js";
import { refresh } from "./live.js";
import { showOnce } from "./once.js";
import { showNext } from "./paging.js";
import { root } from "./session.js";
import "./user.js";

const json = (body) => JSON.stringify(body);
const once = () => ({ "Idempotency-Key": newKey() });
const post = async (path, body) => (await call(path, { method: "POST", json: body, headers: once() })).content;

const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

async function invite(id, name, role) {
  const body = role ? json({ role }) : undefined;
  const { path } = await post(`/users/${id}/invite`, body);
  const elsewhere = isLocal ? ` For another device, put this machine’s name in place of ${location.hostname}.` : "";
  const note = `Send it to ${name}. It works once, within a day, and is shown only now.${elsewhere}`;
  showOnce(`A link for ${name} to choose a password`, note, location.origin + root + path);
  await changed();
}

async function setRole(id, name, role) {
  await call(`/users/${id}/account`, { method: "PUT", json: json({ role }) });
  announce(`${name} is ${role} now.`);
}

async function remove(id, name) {
  if (!confirm(`Remove the account of ${name}? They can log in no more; their ratings stay.`)) return;
  await call(`/users/${id}/account`, { method: "DELETE" });
  announce(`The account of ${name} is removed.`);
}

async function revoke(prefix, name) {
  if (!confirm(`Revoke the key ${name}? What uses it is refused from then on.`)) return;
  await call(`/keys/${prefix}`, { method: "DELETE" });
  announce(`The key ${name} is revoked.`);
}

const changed = () => Promise.all([refresh(), showAudit()]);

find("accounts").addEventListener("click", guarded(async ({ target }) => {
  const job = target.closest("[data-do]")?.dataset.do;
  if (!job) return;
  const { id, name } = target.closest("li").dataset;
  if (job === "invite") return invite(id, name);
  await remove(id, name);
  await changed();
}));

find("accounts").addEventListener("change", guarded(async ({ target }) => {
  const { id, name } = target.closest("li").dataset;
  try {
    await setRole(id, name, target.value);
  } finally {
    await changed();
    find(target.id)?.focus();
  }
}));

find("keys")?.addEventListener("click", guarded(async ({ target }) => {
  if (!target.closest("[data-do]")) return;
  const { prefix, name } = target.closest("li").dataset;
  await revoke(prefix, name);
  await changed();
}));

// A form's listener: `job` returns what is wrong, and in which field, or nothing.
function submitted(form, note, job) {
  let sending = false;
  form?.addEventListener("submit", guarded(async (event) => {
    event.preventDefault();
    if (sending) return;
    sending = true;
    find(note).textContent = "";
    for (const input of form.querySelectorAll("input")) input.setAttribute("aria-invalid", "false");
    try {
      const [field, wrong] = (await job()) ?? [];
      if (!field) return form.reset();
      find(field).setAttribute("aria-invalid", "true");
      find(field).focus();
      find(note).textContent = wrong;
    } finally {
      sending = false;
    }
  }));
}

const UNNAMED = "A name has 1 to 100 characters.";

submitted(find("new-account"), "account-note", async () => {
  const name = find("account-name").value.trim();
  if (!name) return ["account-name", UNNAMED];
  try {
    const { id } = await post("/users", json({ name }));
    await invite(id, name, find("account-role").value);
  } catch (problem) {
    if (problem.status !== 409) throw problem;
    return ["account-name", "That name is taken here. Invite them in the list above, or take another name."];
  }
});

submitted(find("new-key"), "key-note", async () => {
  const name = find("key-name").value.trim();
  const days = find("key-days").value.trim();
  if (!name) return ["key-name", UNNAMED];
  if (days && !(/^\d+$/.test(days) && Number(days) > 0)) return ["key-days", "Days are a whole number, such as 90."];
  const wish = { name, role: find("key-role").value, ...(days ? { expires_days: Number(days) } : {}) };
  try {
    const { key } = await post("/keys", `${json(wish).slice(0, -1)},"user_id":${find("key-owner").value}}`);
    showOnce(`The key ${name}`, "A script sends it as Authorization: Bearer. It is shown only now.", key);
    await changed();
  } catch (problem) {
    if (problem.status !== 422) throw problem;
    return ["key-role", "A key cannot have a higher role than its owner."];
  }
});

const nameOf = (id) => document.querySelector(`#accounts li[data-id="${id}"]`)?.dataset.name ?? `user ${id}`;

function who({ user_id: id, key }) {
  if (id === null) return "this machine";
  return key ? `${nameOf(id)}, key ${key}` : nameOf(id);
}

const entry = (one) =>
  element("tr", {}, ...[time(one.at), who(one), sentence(one.action), one.target, one.address ?? "command line"]
    .map((text) => element("td", {}, element("bdi", {}, text))));

const addEntries = (entries) => find("audit").append(...entries.map(entry));

async function showAudit() {
  const { items, next } = await page(address("/audit", { limit: 25 }));
  find("audit").replaceChildren();
  addEntries(items);
  if (!items.length) find("audit").append(element("tr", {}, element("td", { colspan: "5" }, "Nothing yet.")));
  showNext(next, addEntries);
}

onReturn(guarded(changed));
await guarded(() => loading(find("audit"), showAudit))();
