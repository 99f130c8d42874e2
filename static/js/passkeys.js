// The forms that use a passkey: allauth's functions do the work, what goes wrong is said on the page.

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const [button, credential] = [form.querySelector("#passkey"), form.querySelector("[name=credential]")];
  const passwordless = form.querySelector("[name=passwordless]");
  window.allauth.webauthn.forms[form.dataset.passkey]({
    ids: {add: button.id, authenticate: button.id, login: button.id, credential: credential.id, passwordless: passwordless?.id},
    data: form.dataset.options && JSON.parse(form.dataset.options),
  });
}

const REASONS = {
  NotAllowedError: "No passkey was used: it was cancelled, took too long, or there is none for this site here.",
  InvalidStateError: "This device has a passkey for your account already.",
  SecurityError: "Passkeys need an address with a name and https://, or http://localhost. This site's address has not.",
};

function tell(text) {
  for (const place of document.querySelectorAll("[data-passkey-problem]")) {
    const line = document.createElement("p");
    line.textContent = text;
    place.replaceChildren(line);
    place.hidden = false;
  }
}

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const {exception} = event.detail;
  const isMissing = !window.PublicKeyCredential || !window.isSecureContext;
  tell(isMissing ? REASONS.SecurityError : (REASONS[exception.name] ?? "The passkey could not be used. Try again, or use a code."));
});
