// What a page of review says besides the picture: aloud, in its notice, how many are answered, whether all is saved.

const TROUBLE = ["offline", "logged_out", "gone"];

export function makeTelling(page) {
  const live = document.getElementById("review-live");
  const place = document.getElementById("review-notice");
  const saved = document.getElementById("review-saved");
  const bar = document.getElementById("review-bar");
  const count = document.getElementById("review-count");
  let hadTrouble = false;

  function say(words) {
    live.textContent = "";
    requestAnimationFrame(() => (live.textContent = words));
  }

  function notice(words) {
    place.querySelector("span").textContent = words;
    place.hidden = false;
  }

  function tellCounts({ answered, total }) {
    bar.max = Math.max(total, 1);
    bar.value = answered;
    count.textContent = `${answered.toLocaleString("en")} of ${total.toLocaleString("en")}`;
  }

  // Seen at any time, said aloud only when something goes wrong or is well again: an answer is news enough.
  function tellState({ waiting, trouble, isStored }) {
    const answers = waiting === 1 ? "1 answer" : `${waiting} answers`;
    const kept = isStored ? "kept in this browser" : "kept while this page stays open";
    const state = trouble || (waiting ? "sending" : "saved");
    const words = {
      saved: "all saved",
      sending: "saving",
      offline: `no connection: ${answers} ${kept}, sent as soon as it is back`,
      logged_out: `logged out: ${answers} ${kept}`,
      gone: waiting ? `${answers} cannot be saved` : "this review is no longer open to you",
    }[state];
    const isNews = TROUBLE.includes(state) ? saved.dataset.state !== state : hadTrouble && state === "saved";
    hadTrouble = TROUBLE.includes(state) || (hadTrouble && state !== "saved");
    saved.dataset.state = state;
    saved.querySelector("span").textContent = words;
    saved.querySelector("a").hidden = state !== "logged_out";
    if (isNews) say(words);
  }

  // It cannot go on: no longer allowed to, switched off, deleted.
  function close(words) {
    page.classList.add("is-closed");
    document.getElementById("review-form").hidden = true;
    page.querySelector(".review-end").hidden = true;
    const closed = page.querySelector(".review-closed");
    closed.hidden = false;
    closed.querySelector("p").textContent = words || "This review is no longer open to you: it was deleted, or you are no longer one of its reviewers.";
    closed.querySelector("h2").focus();
  }

  return { say, notice, tellCounts, tellState, close };
}
