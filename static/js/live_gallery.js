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
  if (!document.getElementById("photos")) return; // a collection that keeps no photos has no gallery
  try {
    const address = location.pathname + location.search;
    const response = await fetch(address, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } });
    if (!response.ok) return;
    const holder = document.createElement("div");
    holder.innerHTML = await response.text();
    const photos = document.getElementById("photos");
    takeTiles(photos, holder);
    htmx.process(photos);
    const isEmpty = !photos.querySelector(".tile");
    for (const each of document.querySelectorAll(".inspector, .gallery-bar")) each.classList.toggle("is-empty", isEmpty);
    document.getElementById("upload")?.classList.toggle("is-slim", !isEmpty);
    document.body.dispatchEvent(new Event("facet:gallery"));
  } catch {
    // Not reached: the next call, or a reload, shows it.
  }
}

// Tiles that are there already stay as they are, with their picture, tick and focus; only what is in them is new.
function takeTiles(old, fresh) {
  const list = old.querySelector("#gallery");
  const wanted = fresh.querySelector("#gallery");
  const tiles = [...wanted.children].map((tile) => {
    const kept = document.getElementById(tile.id);
    if (kept) renew(kept, tile);
    return kept ?? tile;
  });
  // Only what stands elsewhere is moved: a move would take the focus from it.
  for (const [place, tile] of tiles.entries()) {
    if (list.children[place] !== tile) list.insertBefore(tile, list.children[place] ?? null);
  }
  while (list.children.length > tiles.length) list.lastElementChild.remove();
  wanted.remove();
  for (const each of [...old.children]) if (each !== list) each.remove();
  old.append(...fresh.children);
}

function renew(kept, tile) {
  const [before, after] = [kept, tile].map((each) => each.querySelector(".tile-body"));
  if (before.outerHTML !== after.outerHTML && !before.contains(document.activeElement)) before.replaceWith(after);
}

// Tiles follow the worker one by one (see _progress.html). What a filter keeps, or where an order by faces puts it, is
// asked anew whenever more photos are finished; of other galleries once, with the last one.
let finished = document.getElementById("progress").dataset.finished;
document.body.addEventListener("htmx:afterSettle", () => {
  const progress = document.getElementById("progress");
  if (progress.dataset.finished === finished) return;
  finished = progress.dataset.finished;
  const photos = document.getElementById("photos");
  const follows = photos && "follows" in photos.dataset;
  if (follows || !("pending" in progress.dataset)) refresh();
});
