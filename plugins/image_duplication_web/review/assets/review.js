// Decisions on findings: by button, by key and in bulk. What the server refuses is taken back.

const STATUS_OF = { confirmed: "confirmed", rejected: "rejected", withdrawn: "open" };
const ANNOUNCED_MS = 6000;
const DONE = { confirmed: "Confirmed", rejected: "Rejected", withdrawn: "Open again" };

const section = document.querySelector(".findings");
const announcer = document.getElementById("announcer");
const trouble = document.getElementById("trouble");
const list = section?.querySelector(".list");
const findings = list ? [...list.children] : [];
const mayDecide = Boolean(list?.querySelector("[data-say]"));

let turn = 0; // counts what was said, so that an answer changes nothing newer
let sending = Promise.resolve(); // one request after the other, in the order of the keys
let lastWord = { findings: [], place: null }; // what a key decided, and where it led to
let fading;

// Looks ---------------------------------------------------------------------------------------

function show(finding, status, who) {
  const before = finding.dataset.status;
  finding.dataset.status = status;
  const chip = finding.querySelector(".chip.status");
  chip.dataset.status = status;
  chip.textContent = status;
  finding.querySelector(".who").textContent = who;
  for (const button of finding.querySelectorAll("[data-say]")) {
    button.disabled = STATUS_OF[button.dataset.say] === status;
  }
  tally(before, -1);
  tally(status, 1);
}

function tally(status, change) {
  const count = document.querySelector(`[data-tally="${status}"]`);
  if (!count) return;
  const number = Number(count.textContent.replaceAll(",", "")) + change;
  count.textContent = number.toLocaleString("en");
}

function announce(text) {
  announcer.textContent = "";
  requestAnimationFrame(() => { announcer.textContent = text; });
  clearTimeout(fading);
  fading = setTimeout(() => { announcer.textContent = ""; }, ANNOUNCED_MS);
}

function complain(text) {
  const message = document.createElement("p");
  message.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.addEventListener("click", () => trouble.replaceChildren());
  trouble.replaceChildren(message, close);
}

function describe(decided) {
  if (!decided.decided_at) return "";
  const moment = new Date(`${decided.decided_at}Z`);
  const told = moment.toLocaleString("en-GB", {
    day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
    timeZone: "UTC",
  });
  return `by ${decided.decided_by}, ${told} UTC`;
}

// Sending -------------------------------------------------------------------------------------

async function send(body) {
  let answer;
  try {
    answer = await fetch(section.dataset.decisions, {
      method: "POST",
      credentials: "same-origin",
      redirect: "error",
      headers: { "Content-Type": "application/json", "X-Image-Duplication": "review" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("Airflow does not answer. Nothing was recorded; try again.");
  }
  if (answer.ok) return answer.json();
  const told = await answer.json().then((fault) => fault.detail, () => "");
  if (answer.status === 401) throw new Error("You are logged out. Log in, then reload this page.");
  throw new Error(told || `Airflow answered with ${answer.status}. Nothing was recorded.`);
}

function decide(chosen, verdict) {
  const status = STATUS_OF[verdict];
  const changed = chosen.filter((finding) => finding.dataset.status !== status);
  if (!changed.length) {
    announce(`Already ${status}`);
    return [];
  }
  const mine = String(++turn);
  const earlier = new Map();
  for (const finding of changed) {
    earlier.set(finding, [finding.dataset.status, finding.querySelector(".who").textContent]);
    finding.dataset.turn = mine;
    show(finding, status, "being recorded…");
  }
  announce(changed.length === 1 ? DONE[verdict] : `${DONE[verdict]}: ${changed.length} findings`);
  const ids = changed.map((finding) => finding.dataset.finding);
  sending = sending.then(() => send({ verdict, finding_ids: ids })).then(
    (answer) => {
      for (const decided of answer.findings) {
        const finding = changed.find((one) => one.dataset.finding === decided.finding_id);
        if (finding?.dataset.turn === mine) show(finding, decided.status, describe(decided));
      }
    },
    (fault) => {
      for (const [finding, [before, who]] of earlier) {
        if (finding.dataset.turn === mine) show(finding, before, who);
      }
      complain(fault.message);
    },
  );
  return changed;
}

// Choosing ------------------------------------------------------------------------------------

function picked() {
  return findings.filter((finding) => finding.querySelector(".pick")?.checked);
}

function showPicked() {
  const count = picked().length;
  const told = document.getElementById("picked");
  if (!told) return;
  told.textContent = count ? `${count} selected` : "none selected";
  for (const button of document.querySelectorAll("[data-bulk]")) button.disabled = !count;
  const all = document.getElementById("pick-all");
  all.checked = count === findings.length;
  all.indeterminate = count > 0 && count < findings.length;
}

function pickAll(isChosen) {
  for (const finding of findings) finding.querySelector(".pick").checked = isChosen;
  showPicked();
}

// Moving --------------------------------------------------------------------------------------

function current() {
  return document.activeElement?.closest(".list > li") ?? null;
}

function goTo(finding) {
  for (const one of list.querySelectorAll(':scope > [tabindex="0"]')) one.tabIndex = -1;
  finding.tabIndex = 0;
  finding.focus({ preventScroll: true });
  finding.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const here = current();
  const place = here ? findings.indexOf(here) + by : 0;
  if (place >= 0 && place < findings.length) goTo(findings[place]);
  else announce(by > 0 ? "Last finding of this page" : "First finding of this page");
}

function turnPage(direction) {
  const link = document.querySelector(`.paging a[rel="${direction}"]`);
  if (link) link.click();
  else announce(direction === "next" ? "This is the last page" : "This is the first page");
}

function say(verdict) {
  if (!mayDecide) return;
  const chosen = picked();
  if (chosen.length) {
    const findings = decide(chosen, verdict);
    pickAll(false);
    lastWord = { findings, place: current() };
    return;
  }
  if (verdict === "withdrawn") {
    takeBack();
    return;
  }
  const here = current();
  if (!here?.dataset.finding) {
    announce("Choose a finding first, with j");
    return;
  }
  const findings = decide([here], verdict);
  step(1);
  lastWord = { findings, place: current() };
}

// Right after a word, before moving on, undo means that word; else the finding in focus.
function takeBack() {
  const here = current();
  const { findings, place } = lastWord;
  lastWord = { findings: [], place: null };
  if (findings.length && here === place) {
    decide(findings, "withdrawn");
    goTo(findings[0]);
  } else if (here?.dataset.finding) {
    decide([here], "withdrawn");
  } else {
    announce("Choose a finding first, with j");
  }
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  c: () => say("confirmed"),
  r: () => say("rejected"),
  u: () => say("withdrawn"),
  o: () => current()?.querySelector("a.open")?.click(),
  "[": () => turnPage("prev"),
  "]": () => turnPage("next"),
  "?": () => document.getElementById("keys").showModal(),
  " ": () => {
    const pick = current()?.querySelector(".pick");
    if (!pick) return;
    pick.checked = !pick.checked;
    showPicked();
    announce(pick.checked ? "Selected" : "Not selected");
  },
};

function isTyping(target) {
  return target.matches("textarea, select, input:not([type=checkbox])") || target.isContentEditable;
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (isTyping(event.target)) return;
  // Space is the button's or the box's own where one has the focus.
  if (event.key === " " && event.target.matches("button, a, summary, input")) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// Wiring --------------------------------------------------------------------------------------

function onClick(event) {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.say) {
    const finding = button.closest(".finding");
    decide([finding], button.dataset.say);
    goTo(finding); // the button is off now and would lose the focus
  } else if (button.dataset.bulk) {
    decide(picked(), button.dataset.bulk);
    pickAll(false);
  } else if (button.dataset.matching) {
    decideMatching(button.dataset.matching);
  } else if (button.id === "all-matching") {
    document.getElementById("matching").showModal();
  }
}

function decideMatching(verdict) {
  document.getElementById("matching").close();
  announce("Being recorded");
  const matching = {
    filter: JSON.parse(section.dataset.filter),
    version: section.dataset.version,
    count: Number(section.dataset.total),
  };
  sending = sending.then(() => send({ verdict, matching })).then(
    () => { window.location.reload(); },
    (fault) => complain(fault.message),
  );
}

if (findings.length) {
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-all") pickAll(event.target.checked);
    else if (event.target.matches(".pick")) showPicked();
  });
  list.addEventListener("focusin", (event) => {
    const finding = event.target.closest(".list > li");
    if (!finding || finding.tabIndex === 0) return;
    for (const one of list.querySelectorAll(':scope > [tabindex="0"]')) one.tabIndex = -1;
    finding.tabIndex = 0;
  });
  if (mayDecide) showPicked();
  const wanted = document.getElementById(window.location.hash.slice(1));
  if (wanted && findings.includes(wanted)) goTo(wanted);
}
