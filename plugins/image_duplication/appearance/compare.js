/* Two pictures compared: side by side, one over the other with a slider, or their difference.

   Markup, which without this script shows the two side by side:

     <div class="compare" data-overlay="1 0 0 0 1 0 0 0 1" data-names="Picture 1|Picture 3">
       <figure><img src="…" alt="Picture 1"><figcaption>…</figcaption></figure>   stays in place
       <figure><img src="…" alt="Picture 3"><figcaption>…</figcaption></figure>   is laid over it
     </div>

   data-overlay  nine numbers, row by row: the matrix that takes points of the second picture to the
                 first, in shares of width and height (image_duplication.overlays). Left out when
                 it is not known: then there is nothing but side by side.
   data-names    what the two are called in the controls, parted by a bar; may be left out.

   Every .compare in the page is set up when the page is loaded; `ImageCompare.setUp(element)` sets
   up one that was added later, and `ImageCompare.show(element, mode)` chooses "side", "slider" or
   "difference". The element has data-mode. Needs compare.css; no inline style attributes or
   handlers, so that a strict Content-Security-Policy holds. Pictures may come from file:// as well,
   for nothing reads their pixels: the browser transforms and blends them. */

"use strict";

window.ImageCompare = (() => {
  const MODES = [["side", "Side by side"], ["slider", "Slider"], ["difference", "Difference"]];
  const NOTES = {
    slider: "Drag across the picture, or use the slider with the arrow keys.",
    difference: "Black: the two agree. Bright: they differ. Hatched: only one of them shows it.",
  };
  const STAGE_PX = 420;
  const states = new WeakMap();
  let count = 0;

  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.textContent = text;
    return element;
  };

  const labelled = (input, text) => {
    const label = make("label");
    label.append(input, make("span", "", text));
    return label;
  };

  const readOverlay = (element) => {
    const numbers = (element.dataset.overlay || "").trim().split(/\s+/).map(Number);
    return numbers.length === 9 && numbers.every(Number.isFinite) ? numbers : null;
  };

  /* The matrix for a stage of a size in px, as CSS takes it: columns first, with a z of its own. */
  const toCss = ([a, b, c, d, e, f, g, h, i], width, height) => {
    const matrix = [
      a, (d * height) / width, 0, g / width,
      (b * width) / height, e, 0, h / height,
      0, 0, 1, 0,
      c * width, f * height, 0, i,
    ];
    return `matrix3d(${matrix.map((value) => value.toFixed(9)).join(",")})`;
  };

  /* The second picture's outline on the stage, as a clip path. */
  const toOutline = ([a, b, c, d, e, f, g, h, i]) => {
    const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([x, y]) => {
      const w = g * x + h * y + i;
      return [(a * x + b * y + c) / w, (d * x + e * y + f) / w];
    });
    const places = corners.map(([x, y]) => `${(x * 100).toFixed(3)}% ${(y * 100).toFixed(3)}%`);
    return `polygon(${places.join(",")})`;
  };

  const makeStage = (state) => {
    const stage = make("div", "compare-stage");
    const group = make("div", "compare-group");
    const below = make("div", "compare-layer");
    const above = make("div", "compare-layer compare-above-layer");
    const line = make("div", "compare-line");
    const [first, second] = state.pictures.map((picture) => {
      const copy = make("img");
      copy.src = picture.currentSrc || picture.src;
      copy.alt = "";
      copy.draggable = false;
      return copy;
    });
    below.append(first);
    above.append(second);
    group.append(below, above);
    stage.append(group, line);
    stage.setAttribute("role", "img");
    Object.assign(state, { stage, group, below, above, line, first, second });

    const follow = (event) => {
      const box = stage.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      state.range.value = String(Math.round(Math.min(1, Math.max(0, share)) * 100));
      place(state);
    };
    stage.addEventListener("pointerdown", (event) => {
      if (state.mode !== "slider") return;
      stage.setPointerCapture(event.pointerId);
      follow(event);
    });
    stage.addEventListener("pointermove", (event) => {
      if (state.mode === "slider" && stage.hasPointerCapture(event.pointerId)) follow(event);
    });
    first.addEventListener("load", () => fit(state));
    new ResizeObserver(() => fit(state)).observe(state.element);
    return stage;
  };

  /* The stage takes the first picture's form, as large as there is room for. */
  const fit = (state) => {
    const { naturalWidth, naturalHeight } = state.first;
    if (!naturalWidth || state.mode === "side") return;
    const room = Math.min(state.element.clientWidth, STAGE_PX * 1.5);
    const scale = Math.min(room / naturalWidth, STAGE_PX / naturalHeight);
    const width = Math.round(naturalWidth * scale);
    const height = Math.round(naturalHeight * scale);
    state.stage.style.width = `${width}px`;
    state.stage.style.height = `${height}px`;
    state.second.style.transform = toCss(state.overlay, state.group.clientWidth || width,
      state.group.clientHeight || height);
    place(state);
  };

  const place = (state) => {
    const isSlider = state.mode === "slider";
    const share = `${state.range.value}%`;
    state.above.style.clipPath = isSlider ? `inset(0 0 0 ${share})` : "";
    state.below.style.clipPath = isSlider ? "" : toOutline(state.overlay);
    state.line.style.left = share;
  };

  const show = (element, mode) => {
    const state = states.get(element);
    if (!state || (mode !== "side" && !state.overlay)) return;
    state.mode = mode;
    element.dataset.mode = mode;
    for (const figure of state.figures) figure.hidden = mode !== "side";
    if (!state.overlay) return;
    if (mode !== "side" && !state.stage) element.insertBefore(makeStage(state), state.note);
    for (const radio of state.radios) radio.checked = radio.value === mode;
    state.rangeLabel.hidden = mode !== "slider";
    state.amplifyLabel.hidden = mode !== "difference";
    state.note.hidden = mode === "side";
    state.note.textContent = NOTES[mode] || "";
    if (!state.stage) return;
    state.stage.hidden = mode === "side";
    const [first, second] = state.names;
    state.stage.setAttribute("aria-label", mode === "slider"
      ? `${second} laid over ${first}; the slider uncovers it`
      : `Difference of ${first} and ${second}: black where they agree`);
    fit(state);
  };

  const setUp = (element) => {
    if (states.has(element)) return;
    const figures = [...element.querySelectorAll(":scope > figure")];
    const pictures = figures.map((figure) => figure.querySelector("img"));
    const names = (element.dataset.names || "Left|Right").split("|");
    const overlay = pictures.length === 2 && pictures.every(Boolean) ? readOverlay(element) : null;
    const state = { element, figures, pictures, names, overlay, mode: "side" };
    states.set(element, state);
    element.dataset.mode = "side";
    if (!overlay) return;

    count += 1;
    const bar = make("fieldset", "compare-bar");
    bar.append(make("legend", "visually-hidden", `Compare ${names[0]} with ${names[1]}`));
    const modes = make("div", "compare-modes");
    state.radios = MODES.map(([mode, text]) => {
      const radio = make("input");
      radio.type = "radio";
      radio.name = `compare-${count}`;
      radio.value = mode;
      radio.checked = mode === "side";
      radio.addEventListener("change", () => show(element, mode));
      modes.append(labelled(radio, text));
      return radio;
    });
    state.range = make("input");
    Object.assign(state.range, { type: "range", min: "0", max: "100", value: "50" });
    state.range.addEventListener("input", () => place(state));
    state.rangeLabel = labelled(state.range, names[1]);
    state.rangeLabel.prepend(make("span", "", names[0]));
    const amplify = make("input");
    amplify.type = "checkbox";
    amplify.addEventListener("change", () => {
      state.group.classList.toggle("amplified", amplify.checked);
    });
    state.amplifyLabel = labelled(amplify, "Four times brighter");
    state.rangeLabel.hidden = true;
    state.amplifyLabel.hidden = true;
    bar.append(modes, state.rangeLabel, state.amplifyLabel);
    state.note = make("p", "compare-note");
    state.note.hidden = true;
    element.prepend(bar);
    element.append(state.note);
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".compare").forEach(setUp);
  });
  return { setUp, show };
})();
