// One face after the other: a key or a click answers, the answer is kept and sent, the next face stands there already.
//
// The buttons are those of the form that works without scripts; here they answer at once.

import { ask, makeKey, openOutbox } from "./review-outbox.js";
import { listenToKeys } from "./review-keys.js";
import { makePicture } from "./review-picture.js";
import { makeQuestions } from "./review-questions.js";
import { makeTelling } from "./review-telling.js";

const AHEAD = 5; // faces that are loaded before their turn
const LONGEST_PAUSE_S = 120; // who was away for longer was not looking
const TOLD_EVERY = 10; // answers between two looks at the width of the interval

const page = document.getElementById("review");
const form = document.getElementById("review-form");
const { who, source, nextAddress, answerAddress, undoAddress, progressAddress } = page.dataset;
const questions = makeQuestions(form);
const { say, notice, close, ...telling } = makeTelling(page);
const comment = form.querySelector("[name=comment]");
const end = page.querySelector(".review-end");
const picture = makePicture(form.querySelector(".review-picture"));
const channel = "BroadcastChannel" in window ? new BroadcastChannel(`facet-review ${who} ${source}`) : null;

const passed = new Set(); // put off in a queue, which keeps no such thing
let current = null;
let ahead = [];
let past = []; // { face, given, key }: what undo goes back to
let seenAt = 0;
let counts = JSON.parse(document.getElementById("review-counts").textContent);
let isAsking = false;
let isOver = false;
let steps = 0; // answers and undos: what the server counted before one of them is out of date
let haveComeAgain = false; // the faces that were put off

const outbox = openOutbox({ who, source, onSent: takeAnswer, onRefused: takeRefusal, onState: tellState });
const tellCounts = () => telling.tellCounts(counts);

// The face and its questions

function show(face, { answers = {} } = {}) {
  const hadFocus = form.contains(document.activeElement) && !isOver;
  current = face;
  questions.set(answers);
  seenAt = performance.now();
  isOver = false;
  form.hidden = false;
  end.hidden = true;
  comment.value = "";
  form.querySelector(".review-comment").open = false;
  form.elements.face.value = face.uid;
  picture.show(face);
  questions.showGuess(face.guess);
  questions.mark();
  if (hadFocus) questions.lead();
  tellCounts();
}

// Answering

function answer(question, label) {
  if (!current || !picture.isShown()) return;
  questions.answer(question, label);
  if (!questions.next()) return finish({ answers: questions.given() });
  questions.mark();
  questions.lead();
  say(questions.title());
}

function finish(words) {
  const key = makeKey();
  const seconds = Math.min((performance.now() - seenAt) / 1000, LONGEST_PAUSE_S).toFixed(1);
  const body = { key, face: current.uid, seconds: Number(seconds), comment: comment.value.trim(), ...words };
  past.push({ face: current, given: words.answers ?? {}, key, counted: !words.skipped });
  channel?.postMessage({ answered: current.uid });
  steps += 1;
  counts.answered += words.skipped ? 0 : 1;
  counts.can_undo = true;
  if (words.skipped && !undoAddress) passed.add(current.uid);
  else outbox.add(answerAddress, body);
  goOn();
}

function goOn() {
  const next = ahead.shift();
  if (next) {
    show(next);
    tellFace();
    fill();
  } else {
    wait();
    fill();
  }
}

function tellFace() {
  say(`Saved. Face ${counts.answered + 1}. ${questions.title()}`);
}

function agree() {
  if (!current?.guess || !picture.isShown()) return;
  questions.agree(current.guess);
  if (questions.next()) questions.mark();
  else finish({ answers: questions.given() });
}

async function undo() {
  if (questions.last()) {
    questions.forget(questions.last());
    questions.lead();
    return say(`Taken back. ${questions.title()}`);
  }
  const before = past.pop();
  steps += 1;
  if (before) {
    // Outside of draws nothing is taken back: the next answer takes its place.
    if (!outbox.takeBack(before.key) && undoAddress) outbox.add(undoAddress, { key: makeKey(), face: before.face.uid });
    passed.delete(before.face.uid);
    if (current) ahead.unshift(current);
    counts.answered -= before.counted ? 1 : 0;
    goBack(before.face, before.given);
  } else if (counts.can_undo) {
    if (outbox.size()) return say("What was answered before is still on its way.");
    const { ok, data } = await ask(undoAddress, { key: makeKey() });
    if (!ok || !data.face) return say("There is nothing more to take back.");
    if (current) ahead.unshift(current);
    counts = { ...counts, ...data.counts };
    goBack(data.face, data.answers);
  }
}

function goBack(face, answers) {
  const kept = Object.entries(answers).slice(0, -1); // the last step is what was taken back
  show(face, { answers: Object.fromEntries(kept) });
  say(`Back at the face before. ${questions.title()}`);
}

// The faces to come

async function fill() {
  if (isAsking || ahead.length >= AHEAD) return;
  isAsking = true;
  const mine = [current?.uid, ...ahead.map(({ uid }) => uid), ...passed].filter(Boolean);
  // Answers on their way are still open for the server.
  const before = past.slice(-40).filter(({ comesAgain }) => !comesAgain);
  const address = new URL(nextAddress, location.href);
  for (const uid of new Set([...mine, ...before.map(({ face }) => face.uid)])) address.searchParams.append("not", uid);
  address.searchParams.set("count", String(AHEAD + 1 - ahead.length));
  const [stepsThen, wasAllSent] = [steps, !outbox.size()];
  const { ok, status, data } = await ask(address);
  isAsking = false;
  if (!ok) {
    if (status === 404 || (status === 409 && data.error)) return close(data.error?.message);
    if (!current) setTimeout(fill, 3_000);
    return;
  }
  const known = new Set([current?.uid, ...ahead.map(({ uid }) => uid)]);
  const fresh = data.faces.filter(({ uid }) => !known.has(uid));
  ahead.push(...fresh);
  for (const face of fresh) picture.load(face);
  if (undoAddress) {
    counts.total = data.counts.total;
    if (wasAllSent && steps === stepsThen) counts.answered = data.counts.answered;
  }
  tellCounts();
  if (current) return;
  if (ahead.length) {
    show(ahead.shift());
    return tellFace();
  }
  if (outbox.size()) return setTimeout(fill, 400);
  if (undoAddress && !haveComeAgain) {
    haveComeAgain = true;
    for (const entry of past) entry.comesAgain = !entry.counted;
    return fill();
  }
  over();
}

function wait() {
  current = null;
  questions.set({});
  picture.wait();
  questions.mark();
}

function over() {
  isOver = true;
  form.hidden = true;
  end.hidden = false;
  end.querySelector("h2").focus();
  say(end.querySelector("h2").textContent);
}

// Another window answered it: nobody is asked twice.
function drop(uid) {
  ahead = ahead.filter((face) => face.uid !== uid);
  if (current?.uid === uid) {
    current = null;
    goOn();
    say("You answered this face in another window. Here is the next one.");
  }
}

channel?.addEventListener("message", ({ data }) => data.answered && drop(data.answered));
picture.onGone((face) => {
  ahead = ahead.filter(({ uid }) => uid !== face.uid);
  if (current?.uid !== face.uid) return;
  current = null;
  notice("A face was deleted meanwhile and is left out.");
  goOn();
});

// What the server said, and what is told of it

let sinceTold = 0;
function takeAnswer(entry, data) {
  if (data.message) notice(data.message);
  tellCounts();
  sinceTold += 1;
  if (sinceTold >= TOLD_EVERY) tellProgress();
}

function takeRefusal(entry, error) {
  if (error.closes) return close(error.message);
  notice(error.message);
  if (error.code === "face_gone") drop(entry.body.face);
}

function tellState(state) {
  telling.tellState(state);
  if (state.trouble === "gone") close();
}

async function tellProgress() {
  sinceTold = 0;
  if (!progressAddress) return;
  const { ok, data } = await ask(progressAddress);
  if (ok) document.getElementById("review-width").textContent = data.words;
}

// Buttons and keys

const acts = {
  not_a_face: () => current && picture.isShown() && finish({ not_a_face: true }),
  skip: () => current && finish({ skipped: true }),
  undo,
  agree,
  context: () => picture.toggleContext(),
};

form.addEventListener("submit", (event) => event.preventDefault());
page.addEventListener("click", (event) => {
  const button = event.target.closest("[data-label], [data-act]");
  if (!button) return;
  event.preventDefault();
  const isSecond = event.detail > 1 && performance.now() - seenAt < 300; // half of a double click, on a face hardly seen
  if (isSecond && button.dataset.act !== "undo") return;
  if (button.dataset.label !== undefined) answer(button.closest("[data-question]"), button.dataset.label);
  else acts[button.dataset.act]?.();
});
for (const told of form.querySelectorAll("[data-told]")) {
  told.addEventListener("click", () => questions.forget(told.dataset.told));
}

questions.whenUndo(() => past.length > 0 || counts.can_undo);
listenToKeys({
  page,
  digit(number) {
    const question = questions.next();
    const button = question?.querySelector(`[data-digit="${number}"]`);
    if (button) answer(question, button.dataset.label);
  },
  acts,
  comment,
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  outbox.send(); // whoever logged in again did so in another window
  fill();
});
addEventListener("online", () => fill());

const first = JSON.parse(document.getElementById("review-faces").textContent);
ahead = first.slice(1);
for (const face of ahead) picture.load(face);
outbox.tell();
if (outbox.size()) {
  // From before the connection was lost; what they answer is not asked again.
  current = null;
  picture.wait();
  outbox.send();
  ahead = [];
  setTimeout(fill, 400);
} else if (first.length) {
  show(first[0], { answers: JSON.parse(document.getElementById("review-given").textContent) });
  fill();
} else if (page.querySelector(".review-closed").hidden) {
  over();
} else {
  page.classList.add("is-closed");
}
