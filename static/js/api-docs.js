// Swagger UI has a dark dress of its own, which it wears when <html> has this class: keep it in step with the theme.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

function dress() {
  const theme = root.dataset.theme ?? (system.matches ? "dark" : "light");
  root.classList.toggle("dark-mode", theme === "dark");
}

dress();
system.addEventListener("change", dress);
new MutationObserver(dress).observe(root, { attributeFilter: ["data-theme"] });
