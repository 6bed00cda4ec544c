// The button under a list that fetches its next page.

import { page } from "./api.js";
import { find, guarded, show } from "./dom.js";

// `next`: the address of the next page, or null. `add(items)` puts its items into the list.
export function showNext(next, add) {
  const more = find("more");
  show(more, next !== null);
  more.onclick = guarded(async () => {
    const further = await page(next);
    add(further.items);
    showNext(further.next, add);
  });
}
