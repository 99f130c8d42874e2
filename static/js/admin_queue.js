// The queue of the admin by keyboard, with the keys of the site's review page; without it every button works by itself.

import { listenToKeys } from "./review-keys.js";

const form = document.getElementById("facet-queue");
const live = document.getElementById("facet-queue-live");
const rows = [...(form?.querySelectorAll("[data-row]") ?? [])];
let current = 0;

function show(place) {
  if (!rows.length) return;
  current = Math.min(Math.max(place, 0), rows.length - 1);
  rows.forEach((row, number) => row.classList.toggle("is-current", number === current));
  rows[current].focus({ preventScroll: true });
  rows[current].scrollIntoView({ block: "nearest" });
}

async function keep(button) {
  const row = button.closest("[data-row]");
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.querySelector("[name=csrfmiddlewaretoken]").value);
  body.append("say", button.value);
  show(rows.indexOf(row) + 1);
  let told;
  try {
    const answer = await fetch(location.href, { method: "POST", body, headers: { Accept: "application/json" } });
    const found = await answer.json();
    told = found.said ?? `Not kept: ${found.refused}`;
    row.classList.toggle("is-said", answer.ok);
  } catch {
    told = "Not kept: the server did not answer. Press again.";
    row.classList.remove("is-said");
  }
  row.querySelector("[data-kept]").textContent = told;
  live.textContent = told;
}

function press(selector) {
  const button = rows[current]?.querySelector(selector);
  if (button) keep(button);
}

if (rows.length) {
  form.addEventListener("submit", (event) => {
    if (event.submitter?.name !== "say") return;
    event.preventDefault();
    keep(event.submitter);
  });
  for (const hidden of form.querySelectorAll("[hidden]")) hidden.hidden = false;
  form.querySelector("[data-choose-all]")?.addEventListener("click", () => {
    const boxes = [...form.querySelectorAll("input[name=face]")];
    const are = boxes.every((box) => box.checked);
    for (const box of boxes) box.checked = !are;
  });
  listenToKeys({
    page: document.getElementById("content-main"),
    digit: (digit) => press(`[data-digit="${digit}"]`),
    acts: {
      agree: () => press("[data-act=agree]"),
      not_a_face: () => press("[data-act=not_a_face]"),
      skip: () => show(current + 1),
      undo: () => show(current - 1),
      context: () => rows[current].querySelector("[data-context]").click(),
    },
  });
  show(0);
}
