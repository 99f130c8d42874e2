// A photo's page: arrows go from face to face, z zooms to the chosen one, e asks what mattered for its guesses.

const svg = document.querySelector("#picture > svg");
const panel = document.getElementById("face-panel");
const zoomButton = document.getElementById("zoom");
const WIDTH = Number(svg.dataset.width);
const HEIGHT = Number(svg.dataset.height);
const FACE_SHARE = 0.36; // how much of the view's smaller side a face takes when zoomed in
const TURN_MS = 220;
let zoomed = false;
let view = [0, 0, WIDTH, HEIGHT];
let turning = 0;

const STEPS = new Map([["ArrowRight", "face-next"], ["ArrowLeft", "face-previous"]]);

const chosen = () => svg.querySelector("a.face[aria-current]");

function measure() {
  // Photo pixels per CSS pixel: letters keep their size however far in.
  const { clientWidth, clientHeight } = svg;
  svg.style.setProperty("--unit", Math.max(view[2] / clientWidth, view[3] / clientHeight).toFixed(4));
}

function setView(next) {
  view = next;
  svg.setAttribute("viewBox", view.map((value) => value.toFixed(2)).join(" "));
  measure();
}

function targetView() {
  const box = zoomed && chosen()?.querySelector(".box").getBBox();
  if (!box) return [0, 0, WIDTH, HEIGHT];
  const scale = Math.min(1, Math.max(box.width / WIDTH, box.height / HEIGHT) / FACE_SHARE);
  const width = WIDTH * scale;
  const height = HEIGHT * scale;
  const x = Math.min(Math.max(box.x + box.width / 2 - width / 2, 0), WIDTH - width);
  const y = Math.min(Math.max(box.y + box.height / 2 - height / 2, 0), HEIGHT - height);
  return [x, y, width, height];
}

function move() {
  cancelAnimationFrame(turning);
  const from = view;
  const to = targetView();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return setView(to);
  const begin = performance.now();
  const step = (now) => {
    const part = Math.min((now - begin) / TURN_MS, 1);
    const eased = 1 - (1 - part) ** 3;
    setView(from.map((value, index) => value + (to[index] - value) * eased));
    if (part < 1) turning = requestAnimationFrame(step);
  };
  turning = requestAnimationFrame(step);
}

function toggleZoom() {
  zoomed = !zoomed;
  zoomButton?.setAttribute("aria-pressed", String(zoomed));
  move();
}

// The panel was exchanged: mark its face in the picture.
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== panel) return;
  const number = panel.querySelector("[data-face]")?.dataset.face;
  for (const face of svg.querySelectorAll("a.face")) {
    if (face.dataset.number === number) face.setAttribute("aria-current", "true");
    else face.removeAttribute("aria-current");
  }
  if (zoomed) move();
});

// A question that gets no answer says so; one that waits goes on waiting, unless what it asks about is gone.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.body.addEventListener(failure, (event) => {
    const explanation = event.target.closest(".explanation");
    if (!explanation) return;
    const waits = event.detail.requestConfig.verb === "get" && event.detail.xhr.status !== 404;
    if (waits) return;
    explanation.querySelector("[role=status]").textContent = "That did not work. Load the page anew, then ask again.";
    explanation.querySelector(".explanation-answer").replaceChildren();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
  const step = STEPS.get(event.key);
  if (step) {
    const link = document.getElementById(step);
    if (!link) return;
    event.preventDefault();
    link.click();
  } else if (event.key === "z" || (event.key === "Escape" && zoomed)) {
    if (chosen()) toggleZoom();
  } else if (event.key === "e") {
    const closed = panel.querySelector("details.explain:not([open]) > summary");
    if (!closed) return;
    closed.click();
    closed.focus();
    closed.scrollIntoView({ block: "nearest" });
  }
});

// htmx leaves the browser's own way with links inside SVG alone, so it is stopped here; a new tab stays possible.
svg.addEventListener(
  "click",
  (event) => {
    if (!event.target.closest("a.face")) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey) event.stopPropagation();
    else event.preventDefault();
  },
  { capture: true },
);

zoomButton?.addEventListener("click", toggleZoom);
new ResizeObserver(measure).observe(svg);
