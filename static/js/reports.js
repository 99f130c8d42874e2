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
