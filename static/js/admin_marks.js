// What Django's own pages leave unsaid for screen readers. Its lists are built when the page has loaded: so is this.

addEventListener("load", () => {
  for (const hint of document.querySelectorAll("span.help-tooltip[aria-label]")) hint.setAttribute("role", "img");
  for (const head of document.querySelectorAll("th:empty")) head.outerHTML = `<td class="${head.className}"></td>`;
});
