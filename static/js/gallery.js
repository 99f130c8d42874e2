// The gallery: a card, in its own column, on the face that is pointed at, tapped or focused; and the selection.

import "./live_gallery.js";

const gallery = document.getElementById("gallery");
const card = document.getElementById("face-card");
const selection = document.getElementById("selection");
const answers = new Map(); // address -> promise of the card's HTML
let shown = null;
let closing = 0;

async function fetchCard(address) {
  const separator = address.includes("?") ? "&" : "?";
  const response = await fetch(`${address}${separator}card`, { headers: { "HX-Request": "true" } });
  const logIn = response.headers.get("HX-Redirect");
  if (logIn) location.assign(logIn);
  if (!response.ok) throw new Error(String(response.status));
  return response.text();
}

async function show(face) {
  clearTimeout(closing);
  if (shown === face) return;
  hide();
  shown = face;
  face.classList.add("is-shown");
  const address = face.getAttribute("href");
  if (!answers.has(address)) answers.set(address, fetchCard(address));
  try {
    const html = await answers.get(address);
    if (shown !== face) return;
    card.innerHTML = html;
  } catch {
    answers.delete(address);
    if (shown !== face) return;
    card.textContent = "What the model says of this face could not be fetched. Try again in a moment.";
  }
  card.hidden = false;
  // On a phone the card is a sheet over the lower end of the page.
  if (matchMedia("(max-width: 1000px)").matches) face.scrollIntoView({ block: "nearest" });
}

function hide() {
  clearTimeout(closing);
  shown?.classList.remove("is-shown");
  shown = null;
  card.hidden = true;
}

function hideSoon() {
  clearTimeout(closing);
  closing = setTimeout(hide, 180);
}

const faceAt = (event) => event.target.closest?.("a.face");

gallery.addEventListener("pointerover", (event) => {
  const face = faceAt(event);
  if (face && event.pointerType === "mouse") show(face);
});
gallery.addEventListener("pointerout", (event) => {
  if (faceAt(event) && event.pointerType === "mouse") hideSoon();
});
card.addEventListener("pointerenter", () => clearTimeout(closing));
card.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hideSoon());
gallery.addEventListener("focusin", (event) => {
  const face = faceAt(event);
  if (face?.matches(":focus-visible")) show(face);
});
gallery.addEventListener("focusout", (event) => faceAt(event) && hideSoon());
card.addEventListener("focusin", () => clearTimeout(closing));
card.addEventListener("focusout", hideSoon);
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

// A finger has no hover: the first tap shows the card, whose link opens the photo.
let touched = false;
gallery.addEventListener("pointerdown", (event) => (touched = event.pointerType === "touch"));
gallery.addEventListener("click", (event) => {
  const face = faceAt(event);
  if (!face || !touched) return;
  event.preventDefault();
  show(face);
});
document.addEventListener("pointerdown", (event) => {
  if (!event.target.closest("#face-card, a.face")) hide();
});

// The selection
const ticked = () => gallery.querySelectorAll(".tile-check :checked");

function tellSelection() {
  const count = ticked().length;
  gallery.classList.toggle("has-selection", count > 0);
  selection.classList.toggle("is-active", count > 0);
  selection.querySelector(".selection-count").textContent = count ? `${count} selected` : "";
}

if (selection) {
  gallery.addEventListener("change", tellSelection);
  document.body.addEventListener("facet:gallery", tellSelection);
  selection.querySelector("[data-select=none]").addEventListener("click", () => {
    for (const box of ticked()) box.checked = false;
    tellSelection();
  });
  tellSelection();
}
