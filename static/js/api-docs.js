// The list of addresses: Swagger UI in a frame that screen readers and keyboards get along with.

// Its own frame brings a second <main>, and each button of an operation holds a link to the same place.
globalThis.facetPlugin = ({ React: { createElement: make } }) => ({
  components: {
    FacetLayout({ getComponent, specSelectors, errSelectors }) {
      const part = (name, properties) => make(getComponent(name, true), properties);
      const shown = [part("SvgAssets"), part("errors")];
      if (specSelectors.loadingStatus() === "success") {
        shown.push(make("div", { className: "scheme-container" }, part("AuthorizeBtnContainer")), part("operations"));
      } else if (!errSelectors.lastError()) {
        shown.push(make("p", { role: "status" }, "The list is on its way…"));
      }
      return make("div", { className: "swagger-ui" }, ...shown);
    },
  },
  wrapComponents: {
    DeepLink: () => ({ text }) => make("span", { className: "nostyle" }, text),
  },
});

// What it builds anew at each click, and gives neither names nor a way in for the keyboard.
function mend() {
  for (const code of document.querySelectorAll("#swagger-ui pre.microlight:not([tabindex])")) code.tabIndex = 0;
  for (const select of document.querySelectorAll("#swagger-ui .examples-select-element:not([aria-label])")) {
    select.setAttribute("aria-label", "Example");
  }
}

new MutationObserver(mend).observe(document.getElementById("swagger-ui"), { childList: true, subtree: true });

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
