// Sends photos a few at a time, tells what became of each file, and loses nothing when a request fails.

import { filesOfDrop, filesOfInput, folderOf, isReadable, pathOf } from "./files.js";
import { refresh } from "./live_gallery.js";

const form = document.getElementById("upload");
const sending = document.getElementById("sending");
const bar = document.getElementById("sending-bar");
const text = document.getElementById("sending-text");
const status = document.getElementById("sending-status");
const error = document.getElementById("sending-error");
const outcomes = document.getElementById("outcomes");

const PART_BYTES = 2048; // what a form adds to each file
const REST_BYTES = 65_536; // and to itself
const MAX_FILE_BYTES = Number(sending?.dataset.fileBytes);
const MAX_REQUEST_BYTES = Number(sending?.dataset.requestBytes) - REST_BYTES;
// Small requests show progress and lose little when they fail, however much the site would take at once.
const MAX_FILES = Math.min(20, Number(sending?.dataset.files));
const MAX_BYTES = Math.min(60 * 1024 ** 2, MAX_REQUEST_BYTES);
const WORDS = { accepted: "added", duplicate: "already here", refused: "refused", unsent: "not sent" };

let queue = []; // files that are not with the server yet, in order
let totalBytes = 0;
let sentBytes = 0;
let counts = { accepted: 0, duplicate: 0, refused: 0, unsent: 0 };
let busy = false;

const sentSize = (file) => file.size + PART_BYTES;

function takeBatch() {
  const batch = [];
  let bytes = 0;
  for (const file of queue) {
    if (batch.length && (batch.length === MAX_FILES || bytes + sentSize(file) > MAX_BYTES)) break;
    batch.push(file);
    bytes += sentSize(file);
  }
  return batch;
}

function send(batch, onProgress) {
  return new Promise((resolve, reject) => {
    const data = new FormData(form);
    data.delete("images");
    for (const file of batch) {
      data.append("images", file);
      data.append("folder", folderOf(file));
    }
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("HX-Request", "true");
    request.setRequestHeader("HX-Current-URL", location.href);
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => reject(new Error("network")));
    request.addEventListener("abort", () => reject(new Error("network")));
    request.send(data);
  });
}

function sentenceFor(request) {
  const left = `${queue.length} ${queue.length === 1 ? "file is" : "files are"} still here and not sent.`;
  if (!request) return `Facet cannot be reached. ${left} Look at your connection and try again.`;
  const logIn = request.getResponseHeader("HX-Redirect");
  if (logIn) return { words: `You were logged out. ${left} Log in in another tab, then try again.`, link: logIn };
  const said = request.getResponseHeader("X-Code") ? request.responseText : "";
  if (request.status === 413) return `${said || "The request was too large for this server."} ${left}`;
  if (request.status === 403) return `This page is too old to send from. ${left} Open it again in another tab, then try again.`;
  if (request.status === 503 || request.status === 507) return `${said || "Facet is too busy to take photos just now."} ${left} Try again later.`;
  return `${said || `Facet answered with an error (${request.status}).`} ${left}`;
}

function fail(request) {
  const told = sentenceFor(request);
  const [words] = error.children;
  words.textContent = told.words ?? told;
  if (told.words) {
    const link = document.createElement("a");
    Object.assign(link, { href: told.link, target: "_blank", textContent: "Log in" });
    words.append(" ", link);
  }
  error.hidden = false;
  document.getElementById("sending-again").focus();
}

function receive(request) {
  const holder = document.createElement("div");
  holder.innerHTML = request.responseText;
  const found = holder.querySelector("[data-outcomes]");
  for (const name of ["accepted", "duplicate", "refused"]) counts[name] += Number(found.dataset[name]);
  if (found.querySelector("li")) outcomes.append(...found.querySelectorAll(".outcome-list"));
  document.body.dispatchEvent(new Event("facet:uploaded"));
  return refresh();
}

function tell(loaded = 0) {
  const told = Object.entries(counts).filter(([, count]) => count).map(([name, count]) => `${count} ${WORDS[name]}`);
  const here = queue.length ? `${queue.length} to send` : "all sent";
  bar.max = Math.max(totalBytes, 1);
  bar.value = queue.length ? Math.min(sentBytes + loaded, totalBytes) : bar.max;
  bar.hidden = !queue.length;
  text.textContent = [here, ...told].join(" · ");
  return text.textContent;
}

async function run() {
  if (busy) return;
  busy = true;
  error.hidden = true;
  sending.hidden = false;
  while (queue.length) {
    const batch = takeBatch();
    let request = null;
    try {
      request = await send(batch, tell);
    } catch {
      // Nothing came back: the files stay in the queue. What did arrive is told as a duplicate next time.
      if (await dropUnreadable(batch)) continue;
    }
    if (request?.status !== 200) {
      fail(request);
      break;
    }
    queue = queue.slice(batch.length);
    for (const file of batch) sentBytes += file.size;
    const shown = receive(request);
    if (!queue.length) await shown; // what is told as sent can be seen
    status.textContent = tell();
  }
  busy = false;
  tell();
}

function add(files) {
  if (!files.length) return;
  if (!queue.length && !busy) {
    totalBytes = sentBytes = 0;
    counts = { accepted: 0, duplicate: 0, refused: 0, unsent: 0 };
    outcomes.replaceChildren();
  }
  const most = Math.min(MAX_FILE_BYTES, MAX_REQUEST_BYTES - PART_BYTES);
  for (const file of files) {
    if (file.size > most) {
      tellUnsent(pathOf(file), `${megabytes(file.size)} MB, and a photo may have ${megabytes(most)} MB at most.`);
    } else {
      queue.push(file);
      totalBytes += file.size;
    }
  }
  sending.hidden = false;
  tell();
  run();
}

const megabytes = (bytes) => Math.round(bytes / 1024 ** 2);

// A file that was moved or changed after it was chosen breaks its request off: without it the rest goes on.
async function dropUnreadable(batch) {
  const lost = [];
  for (const file of batch) {
    if (!(await isReadable(file))) lost.push(file);
  }
  for (const file of lost) {
    totalBytes -= file.size;
    tellUnsent(pathOf(file), "it was moved or changed since it was chosen. Choose it again.");
  }
  queue = [...batch.filter((file) => !lost.includes(file)), ...queue.slice(batch.length)];
  return lost.length > 0;
}

function tellUnsent(fileName, reason) {
  counts.unsent += 1;
  const list = document.createElement("ul");
  list.className = "outcome-list";
  const words = list.appendChild(document.createElement("li")).appendChild(document.createElement("span"));
  words.appendChild(document.createElement("b")).textContent = fileName;
  words.append(` was not sent: ${reason}`);
  outcomes.append(list);
  sending.hidden = false;
}

if (form) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", (event) => {
    add(filesOfInput(event.target));
    event.target.value = "";
  });
  document.getElementById("sending-again").addEventListener("click", run);
  addEventListener("beforeunload", (event) => queue.length && event.preventDefault());
  // Whoever was logged out keeps the page while it holds files that are not sent; the upload says so itself.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (queue.length && event.detail.xhr.getResponseHeader("HX-Redirect")) event.preventDefault();
  });

  // The whole page takes a drop: nobody has to aim.
  let depth = 0;
  const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const over = (change) => form.classList.toggle("is-over", (depth = Math.max(depth + change, 0)) > 0);
  document.addEventListener("dragenter", (event) => holdsFiles(event) && over(1));
  document.addEventListener("dragleave", (event) => holdsFiles(event) && over(-1));
  document.addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
  document.addEventListener("drop", async (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    over(-depth);
    const unreadable = [];
    add(await filesOfDrop(event.dataTransfer, unreadable));
    for (const name of unreadable) tellUnsent(name, "it cannot be read.");
    if (unreadable.length) tell();
  });
}
