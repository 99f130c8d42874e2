// Answers on their way: each is kept in this browser, under its own key, until the server has it.
//
// An entry belongs to one person and one draw, so that whoever logs in next in this browser sends nothing of theirs.
// Sending anything twice does no harm: the server knows an answer by its key.

const PATIENCE_MS = 20_000;
const WAITS_MS = [1_000, 2_000, 5_000, 10_000, 30_000];
const REFUSED_FOR_GOOD = [400, 409, 410, 422];
const memory = new Map(); // where the browser stores nothing

// crypto.randomUUID exists only where the page came by TLS.
export function makeKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

function readCookie(name) {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
}

// Ask the server as a script does: it then says 401 instead of sending the log-in page.
export async function ask(address, body) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  const headers = { "HX-Request": "true", Accept: "application/json" };
  const request = { headers, signal: stop.signal, credentials: "same-origin", cache: "no-store" };
  if (body) {
    Object.assign(headers, { "Content-Type": "application/json", "X-CSRFToken": readCookie("csrftoken") });
    Object.assign(request, { method: "POST", body: JSON.stringify(body), keepalive: true });
  }
  try {
    const response = await fetch(address, request);
    const isJson = (response.headers.get("Content-Type") ?? "").startsWith("application/json");
    const data = isJson ? await response.json() : {};
    return { status: response.status, ok: response.ok && isJson, data, headers: response.headers };
  } catch {
    return { status: 0, ok: false, data: {}, headers: new Headers() };
  } finally {
    clearTimeout(timer);
  }
}

// `onSent` gets an entry and the server's answer, `onRefused` what will never be taken, `onState` the state below.
export function openOutbox({ who, source, onSent, onRefused, onState }) {
  const prefix = `facet-review ${who} ${source} `;
  let isSending = false;
  let inFlight = null;
  let failures = 0;
  let timer = 0;
  let trouble = ""; // "", "offline", "logged_out", "gone"
  let isStored = true;

  function keep(name, text) {
    try {
      localStorage.setItem(name, text);
    } catch {
      isStored = false;
      memory.set(name, text);
    }
  }

  function remove(name) {
    memory.delete(name);
    try {
      localStorage.removeItem(name);
    } catch {
      // Nothing is stored here.
    }
    tell();
  }

  function list() {
    const found = new Map([...memory].filter(([name]) => name.startsWith(prefix)));
    try {
      for (const name of Object.keys(localStorage)) {
        if (name.startsWith(prefix)) found.set(name, localStorage.getItem(name));
      }
    } catch {
      // What is in memory is all there is.
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => ({ name, ...JSON.parse(text) }));
  }

  const tell = () => onState({ waiting: list().length, trouble, isStored });

  let last = 0;
  function add(address, body) {
    last = Math.max(Date.now(), last + 1); // names sort in the order of the answers, also within a millisecond
    keep(`${prefix}${last.toString(36).padStart(9, "0")} ${body.key}`, JSON.stringify({ address, body }));
    tell();
    send();
  }

  // Take back what was not sent yet; false where it is under way or gone already.
  function takeBack(key) {
    const entry = list().find(({ body }) => body.key === key);
    if (!entry || inFlight === key) return false;
    remove(entry.name);
    return true;
  }

  function wait(seconds) {
    clearTimeout(timer);
    const pause = seconds ? seconds * 1000 : WAITS_MS[Math.min(failures, WAITS_MS.length) - 1];
    timer = setTimeout(send, pause);
  }

  async function sendAll() {
    for (let entry = list()[0]; entry; entry = list()[0]) {
      inFlight = entry.body.key;
      const { status, ok, data, headers } = await ask(entry.address, entry.body);
      inFlight = null;
      if (ok) {
        failures = 0;
        trouble = "";
        remove(entry.name);
        onSent(entry, data);
      } else if (REFUSED_FOR_GOOD.includes(status) && data.error) {
        remove(entry.name);
        onRefused(entry, data.error);
      } else {
        failures += 1;
        trouble = { 401: "logged_out", 403: "logged_out", 404: "gone" }[status] ?? "offline";
        tell();
        if (trouble === "offline") wait(Number(headers.get("Retry-After")));
        return;
      }
    }
    trouble = "";
    tell();
  }

  async function send() {
    if (isSending || !list().length) return;
    isSending = true;
    clearTimeout(timer);
    try {
      // One window at a time, so that answers arrive in their order; without TLS there are no locks, and keys do.
      await (navigator.locks ? navigator.locks.request(prefix, sendAll) : sendAll());
    } finally {
      isSending = false;
    }
  }

  function sendAgain() {
    failures = 0;
    send();
  }

  function forgetAll() {
    for (const { name } of list()) remove(name);
    trouble = "";
    tell();
  }

  addEventListener("online", sendAgain);
  addEventListener("pagehide", () => clearTimeout(timer));
  addEventListener("beforeunload", (event) => {
    if (!isStored && list().length) event.preventDefault(); // these would be lost
  });
  return { add, takeBack, send: sendAgain, forgetAll, tell, size: () => list().length };
}
