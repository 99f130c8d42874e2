// A report's page: printing, and tables that stay open while the numbers in them are replaced.

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) print();
});

const openDetails = (root) => [...root.querySelectorAll("details")].map((details) => details.open);

let opened = [];
document.addEventListener("htmx:beforeSwap", (event) => (opened = openDetails(event.detail.target)));
document.addEventListener("htmx:afterSettle", (event) => {
  for (const [place, details] of event.detail.elt.querySelectorAll("details").entries()) {
    if (opened[place]) details.open = true;
  }
  opened = [];
});

// What is not chosen need not stand in the address that is sent to others.
document.addEventListener("formdata", (event) => {
  if (!event.target.matches("form[data-short-address]")) return;
  for (const [name, value] of [...event.formData]) {
    if (value === "") event.formData.delete(name);
  }
});
