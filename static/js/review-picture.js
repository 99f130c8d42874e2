// The picture of a face in its fixed frame, its photo on demand, and those of the faces to come, loaded before their turn.

const KEPT = 12; // loaded pictures

export function makePicture(frame) {
  const image = frame.querySelector("img");
  const ticks = frame.querySelector(".review-ticks");
  const context = frame.querySelector(".review-context");
  const button = frame.querySelector("[data-act=context]");
  const loaded = new Map(); // address -> promise of a loaded image
  let face = null;
  let isShown = false;
  let whenGone = () => {};

  function fetchImage(address) {
    const picture = new Image();
    picture.src = address;
    return picture.decode().then(() => picture);
  }

  function load({ crop }) {
    if (!loaded.has(crop)) {
      const promise = fetchImage(crop);
      promise.catch(() => loaded.delete(crop)); // tried again in its turn
      loaded.set(crop, promise);
      if (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
    }
    return loaded.get(crop);
  }

  function placeTicks([x1, y1, x2, y2]) {
    const [width, height] = [x2 - x1, y2 - y1];
    const arm = Math.min(width, height) / 7;
    ticks.setAttribute(
      "d",
      `M${x1} ${y1 + arm}V${y1}h${arm} M${x2 - arm} ${y1}H${x2}v${arm} M${x2} ${y2 - arm}V${y2}h${-arm} M${x1 + arm} ${y2}H${x1}v${-arm}`,
    );
  }

  async function show(next) {
    face = next;
    isShown = false;
    frame.classList.add("is-loading");
    closeContext();
    for (let tries = 0; face === next; tries += 1) {
      try {
        await load(next);
        break;
      } catch {
        if (await isGone(next)) return whenGone(next);
        await new Promise((resolve) => setTimeout(resolve, Math.min(1_000 * 2 ** tries, 10_000)));
      }
    }
    if (face !== next) return;
    image.src = next.crop;
    image.alt = next.words;
    placeTicks(next.box);
    image.hidden = false;
    frame.classList.remove("is-loading");
    isShown = true;
  }

  // A picture that does not load is waited for, unless the server says that there is none.
  async function isGone({ crop }) {
    try {
      const { status } = await fetch(crop, { method: "HEAD", headers: { "HX-Request": "true" } });
      return status === 404;
    } catch {
      return false;
    }
  }

  function wait() {
    face = null;
    isShown = false;
    image.hidden = true;
    closeContext();
    frame.classList.add("is-loading");
  }

  function toggleContext() {
    if (!face) return;
    if (frame.classList.contains("has-context")) return closeContext();
    const { src, width, height, box } = face.photo;
    context.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const whole = context.querySelector("image");
    whole.setAttribute("href", src);
    whole.setAttribute("width", width);
    whole.setAttribute("height", height);
    for (const rect of context.querySelectorAll("rect")) {
      const [x1, y1, x2, y2] = box;
      for (const [name, value] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 })) rect.setAttribute(name, value);
    }
    frame.classList.add("has-context");
    button.setAttribute("aria-pressed", "true");
  }

  function closeContext() {
    frame.classList.remove("has-context");
    button.setAttribute("aria-pressed", "false");
  }

  return { show, load, wait, toggleContext, isShown: () => isShown, onGone: (then) => (whenGone = then) };
}
