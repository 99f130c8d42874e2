// A new draw: whoever writes a number chooses it, and whoever chooses another lets it go.

const form = document.getElementById("draw-form");

form.addEventListener("input", ({ target }) => {
  const other = form.querySelector("[name=other]");
  if (target.name === "other") form.querySelector("[name=size][value=other]").checked = true;
  else if (target.name === "size" && target.value !== "other" && other) other.value = "";
});
