// Pages around reviews send what a lost connection left in this browser, and say so.

import { openOutbox } from "./review-outbox.js";

for (const place of document.querySelectorAll("[data-outbox]")) {
  const words = place.querySelector("[data-outbox-words]");
  const { who, outbox } = place.dataset;
  let refused = 0;
  let hadSome = false;

  const tell = ({ waiting, trouble }) => {
    hadSome ||= waiting > 0;
    place.hidden = !hadSome;
    const answers = waiting === 1 ? "1 answer" : `${waiting} answers`;
    if (waiting && trouble === "gone") words.textContent = `${answers} in this browser cannot be saved: you may not review this any more.`;
    else if (waiting) words.textContent = `${answers} from before are kept in this browser and are sent as soon as the connection holds.`;
    else words.textContent = refused ? `What was kept in this browser was sent; ${refused} of it was not taken.` : "The answers that were kept in this browser have been sent.";
  };
  const box = openOutbox({ who, source: outbox, onSent: () => {}, onRefused: () => (refused += 1), onState: tell });
  if (box.size()) {
    box.tell();
    box.send();
  }
}
