// A gallery that fills while somebody looks is the one that a reload shows: its page is asked for again and taken over.

let asked = 0;
let pending = Promise.resolve();

// Several calls while one answer is under way ask once more, not once each.
export function refresh() {
  const mine = ++asked;
  pending = pending.then(() => (mine === asked ? takeOver() : undefined));
  return pending;
}

async function takeOver() {
  try {
    const address = location.pathname + location.search;
    const response = await fetch(address, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } });
    if (!response.ok) return;
    const holder = document.createElement("div");
    holder.innerHTML = await response.text();
    const photos = document.getElementById("photos");
    keepTiles(photos, holder);
    photos.replaceChildren(...holder.children);
    htmx.process(photos);
    document.querySelector(".inspector")?.classList.toggle("is-empty", !photos.querySelector(".tile"));
    document.body.dispatchEvent(new Event("facet:gallery"));
  } catch {
    // Not reached: the next call, or a reload, shows it.
  }
}

// Tiles that are there already stay as they are, with their picture, tick and focus; only what is in them is new.
function keepTiles(old, fresh) {
  const list = old.querySelector("#gallery");
  const wanted = fresh.querySelector("#gallery");
  for (const tile of [...wanted.children]) {
    const kept = document.getElementById(tile.id);
    if (!kept) continue;
    const [before, after] = [kept, tile].map((each) => each.querySelector(".tile-body"));
    if (before.outerHTML !== after.outerHTML && !before.contains(document.activeElement)) before.replaceWith(after);
    tile.replaceWith(kept);
  }
  // Moving a list into another place would take the focus from it: the old one stays, with new children.
  for (const [place, tile] of [...wanted.children].entries()) {
    if (list.children[place] !== tile) list.insertBefore(tile, list.children[place] ?? null);
  }
  wanted.replaceWith(list);
}
