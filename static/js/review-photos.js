// Photos in which faces were missed: a click on each, then on to the next. By keys, a cross goes where the arrows say.

import { ask, makeKey, openOutbox } from "./review-outbox.js";
import { listenToKeys } from "./review-keys.js";
import { makeTelling } from "./review-telling.js";

const AHEAD = 2;
const NEAR = 0.03; // of the photo's longer side: a click so near to a mark takes it away
const STEP = 0.02;
const STRIDE = 0.1; // with the shift key

const page = document.getElementById("review");
const form = document.getElementById("review-form");
const svg = form.querySelector(".marking svg");
const picture = form.querySelector(".marking input[type=image]");
const marksList = document.getElementById("marks");
const comment = form.querySelector("[name=comment]");
const end = page.querySelector(".review-end");
const { who, source, nextAddress, answerAddress, undoAddress } = page.dataset;
let counts = JSON.parse(document.getElementById("review-counts").textContent);
let ahead = JSON.parse(document.getElementById("review-photos").textContent);
let current = null;
let marks = [];
let past = [];
let cross = null;
let seenAt = 0;
let isAsking = false;

const { say, notice, close, ...telling } = makeTelling(page);
const tellCounts = () => telling.tellCounts(counts);
const outbox = openOutbox({ who, source, onSent: tellCounts, onRefused: takeRefusal, onState: tellState });

function make(name, attributes, words = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = words;
  return element;
}

function draw() {
  const { width, height, boxes } = current;
  const size = Math.max(width, height);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  for (const box of boxes) svg.append(make("rect", { ...box, class: "box-edge" }), make("rect", { ...box, class: "box" }));
  marks.forEach(([x, y], index) => {
    svg.append(make("circle", { cx: x * width, cy: y * height, r: size / 60, class: "spot" }));
    svg.append(make("text", { x: x * width, y: y * height, "font-size": size / 50, dy: "0.35em" }, String(index + 1)));
  });
  if (cross) {
    const [x, y] = [cross[0] * width, cross[1] * height];
    const arm = size / 25;
    const path = `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}`;
    svg.append(make("path", { d: path, class: "cross-edge" }), make("path", { d: path, class: "cross" }));
  }
  marksList.replaceChildren(
    ...marks.map((mark, index) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button small";
      button.textContent = `Remove mark ${index + 1}`;
      button.addEventListener("click", () => {
        toggle(mark);
        (marksList.querySelector("button") ?? form.querySelector("[value=save]")).focus();
      });
      item.append(button);
      return item;
    }),
  );
  marksList.hidden = !marks.length;
  form.querySelector("[value=save] span").textContent = marks.length
    ? `${marks.length === 1 ? "1 face was" : `${marks.length} faces were`} missed: next`
    : "None was missed: next";
  form.querySelector("[value=undo]").disabled = !marks.length && !past.length && !counts.can_undo;
}

function show(photo, found = []) {
  current = photo;
  page.classList.remove("is-waiting");
  marks = found.map((mark) => [...mark]);
  cross = null;
  seenAt = performance.now();
  comment.value = "";
  form.hidden = false;
  end.hidden = true;
  picture.src = photo.src;
  picture.width = photo.shown_width;
  picture.height = photo.shown_height;
  picture.alt = `A photo with ${photo.boxes.length} found ${photo.boxes.length === 1 ? "face" : "faces"}: click on each that has no box`;
  form.querySelector(".marking").style.setProperty("--aspect", photo.width / photo.height);
  draw();
  tellCounts();
  for (const next of ahead.slice(0, AHEAD)) new Image().src = next.src;
}

// A click on a mark takes it away.
function toggle([x, y]) {
  const { width, height } = current;
  const size = Math.max(width, height);
  const at = marks.findIndex((mark) => Math.hypot((mark[0] - x) * width, (mark[1] - y) * height) / size < NEAR);
  if (at >= 0) marks.splice(at, 1);
  else marks.push([Math.min(Math.max(x, 0), 1), Math.min(Math.max(y, 0), 1)]);
  draw();
  say(at >= 0 ? `Mark removed, ${marks.length} left` : `Mark ${marks.length} set`);
}

function finish(words) {
  if (!current) return;
  const key = makeKey();
  const seconds = Number(Math.min((performance.now() - seenAt) / 1000, 600).toFixed(1));
  past.push({ photo: current, marks, key, counted: !words.skipped });
  counts.answered += words.skipped ? 0 : 1;
  counts.can_undo = true;
  outbox.add(answerAddress, { key, photo: current.uid, seconds, comment: comment.value.trim(), ...words });
  goOn();
}

function goOn() {
  current = null;
  page.classList.toggle("is-waiting", !ahead.length);
  if (ahead.length) {
    show(ahead.shift());
    say(`Saved. Photo ${counts.answered + 1} of ${counts.total}, ${current.boxes.length} faces found.`);
  }
  fill();
}

async function undo() {
  if (marks.length && current) {
    marks.pop();
    draw();
    return say(`Mark removed, ${marks.length} left`);
  }
  const before = past.at(-1);
  // One that was put off is still open: its answer takes the place of that.
  if (before && (outbox.takeBack(before.key) || !before.counted)) {
    past.pop();
    counts.answered -= before.counted ? 1 : 0;
    if (current) ahead.unshift(current);
    show(before.photo, before.marks);
    return say("Back at the photo before");
  }
  const { ok, data } = await ask(undoAddress, { key: makeKey(), photo: before?.photo.uid });
  if (!ok) return say("That could not be taken back now.");
  past.pop();
  counts = { ...counts, ...data.counts };
  if (current) ahead.unshift(current);
  ahead = ahead.filter(({ uid }) => uid !== data.photo.uid);
  show(data.photo, data.marks);
  say("Back at the photo before");
}

async function fill() {
  if (isAsking || ahead.length >= AHEAD) return;
  isAsking = true;
  const address = new URL(nextAddress, location.href);
  const mine = [current, ...ahead, ...past.slice(-20).map(({ photo }) => photo)].filter(Boolean);
  for (const uid of new Set(mine.map((photo) => photo.uid))) address.searchParams.append("not", uid);
  const { ok, status, data } = await ask(address);
  isAsking = false;
  if (!ok) {
    if (status === 404 || (status === 409 && data.error)) return close(data.error?.message);
    if (!current) setTimeout(fill, 3_000);
    return;
  }
  const known = new Set([current, ...ahead].filter(Boolean).map(({ uid }) => uid));
  ahead.push(...data.photos.filter(({ uid }) => !known.has(uid)));
  counts.total = data.counts.total;
  tellCounts();
  if (current) return;
  if (ahead.length) return show(ahead.shift());
  if (outbox.size()) return setTimeout(fill, 400);
  if (past.some(({ counted }) => !counted)) {
    past = []; // what was put off comes again
    return fill();
  }
  form.hidden = true;
  end.hidden = false;
  end.querySelector("h2").focus();
}

function tellState(state) {
  telling.tellState(state);
  if (state.trouble === "gone") close();
}

function takeRefusal(entry, error) {
  if (error.closes) close(error.message);
  else notice(error.message);
}

function moveCross(event) {
  const step = event.shiftKey ? STRIDE : STEP;
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const [x, y] = cross ?? [0.5, 0.5];
  cross = [Math.min(Math.max(x + dx * step, 0), 1), Math.min(Math.max(y + dy * step, 0), 1)];
  draw();
  const [across, down] = cross.map((value) => Math.round(value * 100));
  say(`${across} per cent across, ${down} per cent down`);
}

form.addEventListener("submit", (event) => event.preventDefault());
picture.addEventListener("click", (event) => {
  event.preventDefault();
  if (!current || (event.detail === 0 && event.clientX === 0)) return; // pressed by a key: the cross has keys of its own
  const area = picture.getBoundingClientRect();
  toggle([(event.clientX - area.left) / area.width, (event.clientY - area.top) / area.height]);
});

const acts = {
  save: () => current && finish({ marks: marks.map(([x, y]) => [Number(x.toFixed(4)), Number(y.toFixed(4))]) }),
  skip: () => current && finish({ skipped: true }),
  undo,
};
page.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=act]");
  if (!button) return;
  event.preventDefault();
  acts[button.value]?.();
});
document.addEventListener("keydown", (event) => {
  const isFree = !event.target.closest("input:not([type=image]), textarea, select, button, a, summary, dialog");
  if (event.altKey || event.ctrlKey || event.metaKey || !current || page.classList.contains("has-no-keys")) return;
  if (event.key.startsWith("Arrow") && !event.target.closest("textarea")) moveCross(event);
  else if (event.key === " " && cross && isFree) toggle(cross);
  else if (event.key === "Enter" && isFree) acts.save();
  else return;
  event.preventDefault();
});
listenToKeys({ page, digit: (number) => number === 0 && !marks.length && acts.save(), acts, comment });

outbox.tell();
if (outbox.size()) {
  outbox.send();
  ahead = [];
  setTimeout(fill, 400);
} else if (ahead.length) show(ahead.shift());
