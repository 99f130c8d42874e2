// Settling disagreements: the digits and letters press the buttons of the form.

import { listenToKeys } from "./review-keys.js";

const page = document.getElementById("review");
const form = document.getElementById("review-form");

listenToKeys({
  page,
  comment: form?.querySelector("[name=comment]"),
  digit: (number) => form?.querySelector(`.is-active [data-digit="${number}"]`)?.click(),
  acts: {
    not_a_face: () => form?.querySelector("[value=not_a_face]")?.click(),
    undo: () => form?.querySelector("[value=undo]")?.click(),
  },
});

// Each press loads the page anew: whoever came from here goes on with the question that is next.
if (document.referrer === location.href) form?.querySelector(".is-active legend")?.focus({ preventScroll: true });
