// The questions about a face: what was said of it so far, which one is next, and what the model guessed where it is told.

export function makeQuestions(form) {
  const all = [...form.querySelectorAll("[data-question]")];
  const undo = form.querySelector("[data-act=undo]");
  const nameOf = (question) => question.dataset.question;
  let given = {}; // attribute -> what was said, in the order of saying
  let canUndo = () => false;

  const next = () => all.find((question) => !(nameOf(question) in given));

  function mark() {
    const active = next();
    for (const question of all) {
      const said = given[nameOf(question)];
      question.classList.toggle("is-active", question === active);
      question.classList.toggle("is-answered", said !== undefined);
      for (const button of question.querySelectorAll("[data-label]")) {
        button.setAttribute("aria-pressed", String(button.dataset.label === said));
        // Digits answer the question that is lit: `review-keys.js` tells them to those who hear the page.
        button.toggleAttribute("data-key", question === active);
        if (question === active) button.dataset.key = button.dataset.digit;
        else button.removeAttribute("aria-keyshortcuts");
      }
      tell(question, { isActive: question === active });
    }
    undo.disabled = !Object.keys(given).length && !canUndo();
    form.dispatchEvent(new Event("keys-changed", { bubbles: true }));
  }

  function tell(question, { isActive }) {
    const told = form.querySelector(`[data-told="${nameOf(question)}"]`);
    if (!told) return;
    const pressed = question.querySelector('[aria-pressed="true"] .answer-word');
    told.classList.toggle("is-active", isActive);
    told.querySelector(".told-answer").textContent = pressed ? pressed.textContent : "–";
  }

  function showGuess(guess) {
    for (const question of all) {
      const label = guess?.[nameOf(question)]?.label ?? null;
      for (const button of question.querySelectorAll("[data-label]")) {
        button.classList.toggle("is-guess", button.dataset.label === label);
        button.querySelector(".guess-word")?.toggleAttribute("hidden", button.dataset.label !== label);
      }
    }
  }

  function answer(question, label) {
    delete given[nameOf(question)]; // said anew: it is the last step then
    given[nameOf(question)] = label;
  }

  // Say of each open question what the model guessed.
  function agree(guess) {
    for (const question of all) {
      const told = guess[nameOf(question)];
      if (told && !(nameOf(question) in given)) given[nameOf(question)] = told.label;
    }
  }

  function forget(attribute) {
    delete given[attribute];
    mark();
  }

  function set(answers) {
    given = { ...answers };
  }

  // Whoever works with the form's own buttons is led on to the next question; others keep the place they are at.
  function lead() {
    if (form.contains(document.activeElement)) next()?.querySelector("legend").focus({ preventScroll: true });
  }

  return {
    next,
    mark,
    showGuess,
    answer,
    agree,
    forget,
    set,
    lead,
    given: () => given,
    last: () => Object.keys(given).at(-1),
    title: () => next()?.dataset.title ?? "",
    whenUndo: (asks) => (canUndo = asks),
  };
}
