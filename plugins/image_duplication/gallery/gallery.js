/* A category's gallery: shows its variants as one scrolls, those that the filters let through.

   The page holds two lists as JSON. A variant of #variants:
     id catalogue seller url   as the source says; url only if a browser may open it
     verdict says              the verdict's code, and why it was given
     images                    in order: id, thumbnail (its place in #thumbnails, or null), role, base
                               and keeper (places among the images, or null), size (width and height
                               in px, bytes, format), notes (codes)
     findings                  base duplicate keeper removes (places), relation, kinds, sentence,
                               distance, engine, why (the keeper is kept), overlay (as compare.js
                               takes it, or null), evidence (figures, in the order of FIGURES)
   #thumbnails: JPEG as base64, null where one is missing; or content hashes, when the thumbnails lie
   in the folder that body's data-thumbnails names.

   Whatever the lists say is set as text, never as markup. */

"use strict";

(() => {
  const CHUNK = 12;
  const KINDS = {
    identical: "Identical file", same_picture: "Same picture", transformed: "Turned or mirrored",
    cropped: "Cropped", bordered: "Border added", overlaid: "Overlaid", recoloured: "Recoloured",
    composed: "Set in another",
  };
  const VERDICTS = { short: "Short of pictures", undecided: "Undecided", compliant: "Compliant" };
  const FIGURES = [
    ["Mean squared error, as difPy compares", 1], ["Rotation of that, degrees", 1],
    ["Correlation of thumbnails", 1], ["Of the left picture seen in the right", 100],
    ["Of the right picture seen in the left", 100], ["Texture that agrees", 100],
    ["Edges found in both", 100], ["Keypoints that agree", 1],
  ];

  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const variants = read("variants");
  const thumbnails = read("thumbnails");
  const folder = document.body.dataset.thumbnails;

  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== "") element.textContent = text;
    return element;
  };
  const chip = (text, name, value) => {
    const element = make("span", "chip", text);
    element.dataset[name] = value;
    return element;
  };
  const inWords = (code) => code.replaceAll("_", " ");
  const groupOf = (verdict) => verdict.split("_", 1)[0];
  const formatted = (number) => number.toLocaleString("en");
  const counted = (number, noun) => `${formatted(number)} ${noun}${number === 1 ? "" : "s"}`;
  const nameVerdict = (verdict) => {
    const lacking = /^short_by_(\d+)$/.exec(verdict);
    return lacking ? `Short by ${lacking[1]}` : VERDICTS[verdict] || inWords(verdict);
  };
  const namePicture = (place) => `Picture ${place + 1}`;

  /* Pictures ----------------------------------------------------------------------------------- */

  const noPicture = (image) => {
    const words = image.notes.length ? inWords(image.notes[image.notes.length - 1]) : "not kept";
    return make("span", "placeholder", image.thumbnail === null ? words : "no thumbnail");
  };

  const makePicture = (image, alt) => {
    const content = image.thumbnail === null ? null : thumbnails[image.thumbnail];
    if (!content) return noPicture(image);
    const picture = make("img");
    picture.alt = alt;
    if (folder) {
      picture.loading = "lazy";
      picture.addEventListener("error", () => picture.replaceWith(noPicture(image)));
      picture.src = `${folder}${encodeURIComponent(content)}.jpg`;
    } else {
      picture.src = `data:image/jpeg;base64,${content}`;
    }
    return picture;
  };

  const describeSize = ({ size: [width, height, bytes, format] }) => {
    const parts = [];
    if (width && height) parts.push(`${width} × ${height} px`);
    if (format) parts.push(format);
    if (bytes) parts.push(`${formatted(Math.max(1, Math.round(bytes / 1000)))} kB`);
    return parts.join(" · ");
  };

  const makeTile = (variant, place) => {
    const image = variant.images[place];
    const entry = make("li");
    const tile = make("div", "tile");
    tile.append(makePicture(image, ""), make("span", "place", String(place + 1)));
    const isInGroup = variant.images.some(
      (other) => other.role === "duplicate" && other.base === image.base);
    let role = image.role === "unjudged" ? "not judged" : "";
    if (isInGroup && image.keeper === place) {
      role = "kept";
      entry.className = "is-kept";
    } else if (image.role === "duplicate") {
      role = `repeats ${image.base + 1}`;
      entry.className = "is-duplicate";
    } else if (isInGroup) {
      role = "repeated";
      entry.className = "is-duplicate";
    }
    const notes = image.notes.map(inWords).join(", ");
    entry.append(tile, make("span", "role", [role, notes].filter(Boolean).join(": ") || "different"));
    entry.title = [image.id, describeSize(image)].filter(Boolean).join("\n");
    return entry;
  };

  /* Findings ----------------------------------------------------------------------------------- */

  const makeFigure = (variant, finding, place) => {
    const image = variant.images[place];
    const figure = make("figure");
    const caption = make("figcaption");
    const title = make("b", "", namePicture(place));
    if (place === finding.keeper) title.append(" · ", make("span", "is-kept", "kept"));
    if (place === finding.removes) title.append(" · ", make("span", "is-redundant", "redundant"));
    caption.append(title, make("span", "muted", describeSize(image)));
    figure.append(makePicture(image, `${namePicture(place)} of variant ${variant.id}`), caption);
    return figure;
  };

  const makeKeeping = (finding) => {
    const box = make("p", "keeps");
    if (finding.relation !== "duplicate") {
      box.classList.add("is-information");
      box.textContent = "Related pictures, shown for information: neither counts as a duplicate.";
      return box;
    }
    if (finding.keeper === null) return null;
    const why = (finding.why || "").replace(/^kept /, "");
    box.append(make("b", "", `${namePicture(finding.keeper)} is kept`), ` ${why}`);
    return box;
  };

  const makeEvidence = (finding) => {
    const details = make("details");
    details.append(make("summary", "", "Evidence"));
    const list = make("dl");
    finding.evidence.forEach((figure, place) => {
      if (figure === null) return;
      const [name, scale] = FIGURES[place];
      const value = scale === 100 ? `${(figure * 100).toFixed(1)} %` : String(Number(figure.toFixed(3)));
      list.append(make("dt", "", name), make("dd", "", value));
    });
    details.append(list);
    return details;
  };

  const makeFinding = (variant, finding) => {
    const box = make("section", "finding");
    const compare = make("div", "compare");
    compare.dataset.names = `${namePicture(finding.base)}|${namePicture(finding.duplicate)}`;
    if (finding.overlay) compare.dataset.overlay = finding.overlay.join(" ");
    compare.append(makeFigure(variant, finding, finding.base),
      makeFigure(variant, finding, finding.duplicate));
    ImageCompare.setUp(compare);

    const facts = make("div", "facts");
    const kinds = make("p", "kinds");
    kinds.append(...finding.kinds.map((kind) => chip(KINDS[kind] || inWords(kind), "kind", kind)));
    facts.append(make("h3", "", finding.sentence || "Same picture"), kinds);
    const keeping = makeKeeping(finding);
    if (keeping) facts.append(keeping);
    if (finding.distance !== null) {
      facts.append(make("p", "measured",
        `Distance ${Number(finding.distance.toPrecision(3))}, found by ${finding.engine}`));
    }
    if (finding.evidence) facts.append(makeEvidence(finding));
    box.append(compare, facts);
    return box;
  };

  /* Variants ----------------------------------------------------------------------------------- */

  const anchorOf = (variant) => `#${encodeURIComponent(variant.id)}`;

  const makeVariant = (variant) => {
    const card = make("article", "variant card");
    card.tabIndex = -1;
    const head = make("header");
    const name = make("div", "name");
    const title = make("h2");
    const anchor = make("a", "", `Variant ${variant.id}`);
    anchor.href = anchorOf(variant);
    title.append(anchor);
    const verdict = chip(nameVerdict(variant.verdict), "verdict", groupOf(variant.verdict));
    name.append(title, verdict);
    const about = make("p", "about");
    if (variant.catalogue) about.append(make("span", "", `Catalogue ${variant.catalogue}`));
    about.append(make("span", "", variant.seller ? `Seller ${variant.seller}` : "No seller"));
    if (variant.url && /^https?:\/\//i.test(variant.url)) {
      const link = make("a", "", "Product page ↗");
      link.href = variant.url;
      link.target = "_blank";
      link.rel = "noopener noreferrer";
      about.append(link);
    }
    head.append(name, about, make("p", "says", variant.says));
    card.append(head);
    if (variant.images.length) {
      const strip = make("ol", "strip");
      strip.setAttribute("aria-label", "Pictures in order");
      strip.append(...variant.images.map((_, place) => makeTile(variant, place)));
      card.append(strip);
    }
    card.append(...variant.findings.map((finding) => makeFinding(variant, finding)));
    return card;
  };

  /* What is shown: `shown` are the variants that pass; those from `first` to before `end` are in the
     page. */
  let shown = variants;
  let first = 0;
  let end = 0;
  const list = byId("list");

  const grow = () => {
    const next = shown.slice(end, end + CHUNK);
    list.append(...next.map(makeVariant));
    end += next.length;
  };

  const growUp = () => {
    const from = Math.max(0, first - CHUNK);
    list.prepend(...shown.slice(from, first).map(makeVariant));
    first = from;
    tellEarlier();
  };

  const tellEarlier = () => {
    byId("earlier").hidden = first === 0;
    byId("earlier").textContent = `Show earlier variants (${formatted(first)} more)`;
  };

  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting) || end >= shown.length) return;
    grow();
    // Observed anew, for a short chunk may leave the end in view.
    watcher.unobserve(byId("more"));
    watcher.observe(byId("more"));
  }, { rootMargin: "1200px" });

  const restart = (from = 0) => {
    list.replaceChildren();
    first = from;
    end = from;
    grow();
    tellEarlier();
    watcher.unobserve(byId("more"));
    watcher.observe(byId("more"));
  };

  const tell = () => {
    const isDuplicate = (finding) => finding.relation === "duplicate";
    const findings = shown.reduce((sum, variant) => sum + variant.findings.filter(isDuplicate).length, 0);
    byId("counted").textContent = shown.length === variants.length
      ? `${counted(shown.length, "variant")} with ${counted(findings, "finding")}`
      : `${formatted(shown.length)} of ${counted(variants.length, "variant")}, with ${counted(findings, "finding")}`;
    byId("nothing").hidden = shown.length > 0;
    byId("nothing").textContent = variants.length
      ? "No variant passes these filters."
      : "Nothing to look at: no variant repeats a picture or lacks one.";
  };

  /* Filters ------------------------------------------------------------------------------------ */

  const searched = variants.map((variant) => [
    variant.id, variant.catalogue, variant.seller, ...variant.images.map((image) => image.id),
  ].filter(Boolean).join("\n").toLowerCase());
  const kindsOf = variants.map((variant) => new Set(variant.findings.flatMap((one) => one.kinds)));

  const countBy = (groups) => {
    const counts = new Map();
    for (const names of groups) {
      for (const name of names) counts.set(name, (counts.get(name) || 0) + 1);
    }
    return counts;
  };

  const fillChoices = (fieldset, data, counts, names) => {
    fieldset.hidden = counts.size === 0;
    for (const name of Object.keys(names).filter((one) => counts.has(one))) {
      const label = make("label");
      const box = make("input");
      box.type = "checkbox";
      box.value = name;
      label.append(box, chip(names[name], data, name), make("span", "number", formatted(counts.get(name))));
      fieldset.append(label);
    }
  };

  const NO_SELLER = "\n";
  const sellerOf = (variant) => variant.seller || NO_SELLER;
  const fillSellers = () => {
    const counts = countBy(variants.map((variant) => [sellerOf(variant)]));
    const sorted = [...counts].sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1));
    byId("seller").append(...sorted.map(([seller, count]) => {
      const option = make("option", "", `${seller === NO_SELLER ? "No seller" : seller} (${count})`);
      option.value = seller;
      return option;
    }));
  };

  const chosen = (id) => new Set(
    [...byId(id).querySelectorAll("input:checked")].map((box) => box.value));

  const filter = () => {
    const text = byId("text").value.trim().toLowerCase();
    const seller = byId("seller").value;
    const verdicts = chosen("verdicts");
    const kinds = chosen("kinds");
    shown = variants.filter((variant, place) =>
      (!text || searched[place].includes(text))
      && (!seller || sellerOf(variant) === seller)
      && (!verdicts.size || verdicts.has(groupOf(variant.verdict)))
      && (!kinds.size || [...kinds].some((kind) => kindsOf[place].has(kind))));
    tell();
    restart();
  };

  /* Moving about ------------------------------------------------------------------------------- */

  const go = (place) => {
    if (place < 0 || place >= shown.length) return;
    while (place >= end && place < end + 2 * CHUNK) grow();
    while (place < first && place >= first - 2 * CHUNK) growUp();
    if (place < first || place >= end) restart(place);
    const card = list.children[place - first];
    for (const other of list.querySelectorAll(".is-current")) other.classList.remove("is-current");
    card.classList.add("is-current");
    card.focus({ preventScroll: true });
    card.scrollIntoView();
    history.replaceState(null, "", anchorOf(shown[place]));
  };

  const currentPlace = () => {
    const current = list.querySelector(".is-current");
    return current ? first + [...list.children].indexOf(current) : -1;
  };

  const follow = () => {
    let id;
    try {
      id = decodeURIComponent(location.hash.slice(1));
    } catch {
      return;
    }
    const place = shown.findIndex((variant) => variant.id === id);
    if (place >= 0) {
      go(place);
    } else if (shown !== variants && variants.some((variant) => variant.id === id)) {
      byId("filters").reset();
      shown = variants;
      tell();
      follow();
    }
  };

  const toggleDifference = () => {
    const place = Math.max(0, currentPlace() - first);
    const compare = list.children[place]?.querySelector(".compare[data-overlay]");
    if (compare) ImageCompare.show(compare, compare.dataset.mode === "difference" ? "side" : "difference");
  };

  const KEYS = {
    j: () => go(currentPlace() + 1),
    k: () => go(currentPlace() - 1),
    d: toggleDifference,
    "/": () => byId("text").focus(),
  };

  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input:not([type=checkbox]):not([type=radio]), select, textarea");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(filter));
  byId("filters").addEventListener("change", (event) => {
    if (event.target !== byId("text")) filter();
  });
  let waiting = 0;
  byId("text").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  byId("earlier").addEventListener("click", growUp);
  window.addEventListener("hashchange", follow);
  // All that is shown is printed, and waits for no scrolling.
  window.addEventListener("beforeprint", () => {
    while (first > 0) growUp();
    while (end < shown.length) grow();
    for (const picture of list.querySelectorAll("img")) picture.loading = "eager";
  });

  fillChoices(byId("verdicts"), "verdict",
    countBy(variants.map((variant) => [groupOf(variant.verdict)])), VERDICTS);
  fillChoices(byId("kinds"), "kind", countBy(kindsOf), KINDS);
  fillSellers();
  byId("app").hidden = false;
  tell();
  restart();
  follow();
})();
