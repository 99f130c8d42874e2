// The keys of the review pages: single letters, which can be switched off for those whose tools send letters.

const SILENT = "facet-review-keys-off";

function areOn() {
  try {
    return localStorage.getItem(SILENT) === null;
  } catch {
    return true;
  }
}

function startSwitch(page) {
  const box = page.querySelector("[data-keys-switch]");
  if (!box) return;
  const show = () => {
    page.classList.toggle("has-no-keys", !box.checked);
    for (const button of page.querySelectorAll("[data-key]")) {
      if (box.checked) button.setAttribute("aria-keyshortcuts", button.dataset.key);
      else button.removeAttribute("aria-keyshortcuts");
    }
  };
  box.checked = areOn();
  show();
  page.addEventListener("keys-changed", show);
  box.addEventListener("change", () => {
    try {
      if (box.checked) localStorage.removeItem(SILENT);
      else localStorage.setItem(SILENT, "1");
    } catch {
      // It holds for this page.
    }
    show();
  });
}

function startDialogs(page) {
  for (const opener of page.querySelectorAll("[data-dialog]")) {
    opener.addEventListener("click", () => document.getElementById(opener.dataset.dialog).showModal());
  }
}

// `acts` by their names; `digit` gets 0 to 9.
export function listenToKeys({ page, digit, acts, comment }) {
  const keys = { n: "not_a_face", s: "skip", u: "undo", Backspace: "undo", c: "context", a: "agree" };
  const open = (id) => document.getElementById(id)?.showModal();
  startSwitch(page);
  startDialogs(page);

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.repeat || document.querySelector("dialog[open]")) return;
    if (event.target === comment && event.key === "Escape") return comment.blur();
    if (event.target.closest("input:not([type=checkbox], [type=image]), select, textarea")) return;
    if (event.key === "?") return open("review-keys");
    if (page.classList.contains("has-no-keys") || page.matches(".is-closed")) return;
    const act = keys[event.key];
    if (/^[0-9]$/.test(event.key)) digit?.(Number(event.key));
    else if (act && acts[act]) acts[act]();
    else if (event.key === "h") open("review-codebook");
    else if (event.key === "t" && comment) {
      comment.closest("details").open = true;
      comment.focus();
    } else return;
    event.preventDefault();
  });
}
