// The live page: what is set goes to the server, and pictures come back line by line while they are made.
"use strict";

const facts = JSON.parse(document.getElementById("facts").textContent);
const sliders = new Map(facts.sliders.map((each) => [each.name, each]));
const page = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const at = (id) => document.getElementById(id);
const FOUND = 8; // directions that a search shows
const PATIENCE = 1000; // milliseconds

const state = { seed: 0, samples: 4, strengths: new Map() }; // by the direction's name, those that have a slider
let current = null; // the request whose pictures are shown
let note = ""; // what to know of the link that this page was opened by
let seen = ""; // whose finished pictures are shown: seed and number
let held = false; // whether something has changed that is not asked for yet

// Small things

function element(kind, known = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(known)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function signed(value) {
  const text = Math.abs(value).toFixed(1);
  return value === 0 ? "0" : (value > 0 ? "+" : "−") + text;
}

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").className = wrong ? "live-wrong" : "";
}

function strengths() {
  return Object.fromEntries([...state.strengths].filter(([, value]) => value !== 0));
}

function described() {
  const set = Object.entries(strengths()).map(([name, value]) => `${sliders.get(name).words} ${signed(value)}`);
  return set.length ? set.join(", ") : "nothing changed";
}

// What is set, in the address

function remember() {
  const words = new URLSearchParams({ seed: state.seed, samples: state.samples });
  for (const [name, value] of state.strengths) words.append("d", `${name}:${value}`);
  history.replaceState(null, "", `#${words}`);
}

function recall() {
  const words = new URLSearchParams(location.hash.slice(1));
  const wrong = [];
  const seed = Number(words.get("seed") ?? 0);
  if (Number.isInteger(seed) && seed >= 0 && seed < facts.seeds) state.seed = seed;
  else wrong.push("a seed that is none");
  const samples = Number(words.get("samples") ?? 4);
  if ([...at("samples").options].some((each) => Number(each.value) === samples)) state.samples = samples;
  else wrong.push("a number of samples that is not offered");
  state.strengths = new Map(facts.sliders.filter((each) => each.recommended).map((each) => [each.name, 0]));
  for (const word of words.getAll("d")) {
    const colon = word.lastIndexOf(":");
    const name = word.slice(0, colon);
    const value = Number(word.slice(colon + 1));
    const known = sliders.get(name);
    if (known && Number.isFinite(value) && value >= known.low && value <= known.high) state.strengths.set(name, value);
    else wrong.push(`the direction ${name || word}, which this catalog has not, or not so far`);
  }
  return wrong;
}

// Pictures

function drawPairs() {
  const pictures = at("pictures");
  pictures.dataset.n = state.samples;
  const pairs = [];
  for (let i = 0; i < state.samples; i++) {
    const side = (name) => element("div", { class: "live-side" }, element("div", { class: "live-empty" }), element("i", { "aria-hidden": "true" }, name));
    pairs.push(element("figure", { class: "live-pair" }, side("before"), side("after")));
  }
  pictures.replaceChildren(...pairs);
}

function show(side, uris) {
  at("pictures").querySelectorAll("figure").forEach((pair, i) => {
    if (i >= uris.length) return;
    const old = pair.children[side].firstElementChild;
    const image = old.tagName === "IMG" ? old : element("img", { decoding: "sync" });
    if (image !== old) old.replaceWith(image);
    image.onload = () => at("pictures").style.setProperty("--ratio", `${image.naturalWidth} / ${image.naturalHeight}`);
    image.src = uris[i];
    image.alt = side === 0 ? `Sample ${i + 1} of seed ${state.seed} as it is` : `Sample ${i + 1} edited: ${described()}`;
  });
}

// Asking

function changed() {
  remember();
  if (facts.missing) return;
  // While a slider moves, each request is left alone until it has shown something: otherwise nothing would be seen until it rests.
  if (current && !current.free) held = true;
  else send();
}

async function send() {
  held = false;
  const mine = { free: false, began: performance.now(), first: null, edited: Object.keys(strengths()).length > 0 };
  mine.anew = seen !== `${state.seed} ${state.samples}`; // other samples than those that are shown
  current = mine;
  document.body.dataset.state = "busy";
  const wanted = { page, seed: state.seed, samples: state.samples, strengths: strengths() };
  try {
    const answer = await fetch("live/pictures", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(wanted),
    });
    if (!answer.ok) throw new Error(await sentence(answer));
    for await (const event of events(answer.body)) if (current === mine) take(event, mine);
  } catch (error) {
    const said = error instanceof TypeError ? "The server cannot be reached. See whether it still runs, and move a slider to try again." : error.message;
    if (current === mine) end(said, true);
  }
  if (current === mine) {
    current = null;
    if (held) send();
  }
}

async function sentence(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text).said;
  } catch {
    return `The server answered ${answer.status}: ${text}`;
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

function take(event, mine) {
  if (event.kind === "waiting") {
    mine.free = event.ahead > 0;
    if (event.ahead > 0) say(event.ahead === 1 ? "One other is ahead of you at the model." : `${event.ahead} others are ahead of you at the model.`);
  } else if (event.kind === "pictures") {
    const wanted = event.edited || !mine.edited; // and not what is only needed to lay beside it
    at("progress").value = wanted ? event.step / event.steps : 0;
    at("step").textContent = `${wanted ? "" : "Without the edit: "}step ${event.step} of ${event.steps}`;
    // What early steps predict is a blur: it is shown where there is nothing better, or nothing else for a while.
    if (event.recognisable || mine.anew || performance.now() - mine.began > PATIENCE) {
      if (!event.edited) show(0, event.pictures);
      if (wanted) show(1, event.pictures);
    }
    if (wanted && event.recognisable) {
      mine.first ??= performance.now() - mine.began;
      mine.free = true;
    }
  } else if (event.kind === "done") {
    const took = (performance.now() - mine.began) / 1000;
    seen = `${state.seed} ${state.samples}`;
    const first = mine.first / 1000;
    const before = first < 0.8 * took ? `, to be seen after ${first.toFixed(2)} s` : "";
    end(`${note}${described()[0].toUpperCase()}${described().slice(1)}: finished in ${took.toFixed(2)} s${before}.`);
    note = "";
  } else if (event.kind === "failed") {
    end(event.said, true);
  }
  if (mine.free && held) send();
}

function end(said, wrong = false) {
  say(said, wrong);
  at("progress").value = wrong ? 0 : 1;
  at("step").textContent = "";
  document.body.dataset.state = wrong ? "failed" : "done";
}

// Sliders

function drawSliders() {
  at("sliders").replaceChildren(...[...state.strengths.keys()].map(slider));
  find();
}

function slider(name, number) {
  const known = sliders.get(name);
  const id = `slider-${number}`;
  const share = (value) => (value - known.low) / (known.high - known.low);
  const output = element("output", { for: id, "aria-live": "off" }); // the slider itself says its value
  const outside = element("p", { class: "live-outside" });
  const input = element("input", { id, type: "range", min: known.low, max: known.high, step: 0.1, "aria-describedby": `${id}-about` });
  const zero = element("button", { type: "button", "aria-label": `Set ${known.words} to 0`, title: "Set to 0", onclick: () => { set(0); input.focus(); } }, "↺");
  const draw = () => {
    const value = state.strengths.get(name);
    input.value = value;
    input.setAttribute("aria-valuetext", `${signed(value)} standard deviations`);
    output.textContent = value === 0 ? "0" : `${signed(value)} SD`;
    zero.disabled = value === 0;
    const beyond = value < known.valid_low || value > known.valid_high;
    outside.textContent = beyond ? `Beyond ${signed(known.valid_low)} to ${signed(known.valid_high)}: images there were not measured to be the model's own.` : "";
    outside.hidden = !beyond;
  };
  const set = (value) => {
    state.strengths.set(name, Math.min(known.high, Math.max(known.low, Math.round(value * 10) / 10 + 0)));
    draw();
    changed();
  };
  input.addEventListener("input", () => set(Number(input.value)));
  const band = element("div", { class: "live-band" });
  const nought = element("div", { class: "live-zero" });
  band.style.setProperty("--from", share(known.valid_low));
  band.style.setProperty("--to", share(known.valid_high));
  band.hidden = known.valid_low === known.valid_high;
  nought.style.setProperty("--nought", share(0));
  draw();
  const buttons = [zero];
  if (!known.recommended) buttons.push(element("button", { type: "button", "aria-label": `Remove ${known.words}, ${known.method}`, title: "Remove", onclick: () => remove(name) }, "×"));
  const label = element("label", { for: id }, known.words, ...(known.recommended ? [] : [element("small", {}, ` · ${known.method}`)]));
  const about = [known.recommended ? known.method : "", known.label && `measured: ${known.label}`].filter(Boolean).join(" · ");
  return element(
    "div",
    { class: "live-slider", "data-name": name },
    element("div", { class: "live-line" }, label, output, ...buttons),
    element("div", { class: "live-track" }, band, nought, input),
    element("div", { id: `${id}-about` }, element("p", {}, about), ...known.warnings.map((each) => element("p", { class: "live-warning" }, each)), outside),
  );
}

function remove(name) {
  const moved = state.strengths.get(name) !== 0;
  state.strengths.delete(name);
  drawSliders();
  if (moved) changed();
  else remember();
  at("search").focus();
}

function add(name) {
  state.strengths.set(name, 0);
  remember();
  drawSliders();
  [...at("sliders").querySelectorAll("input")].at(-1).focus();
}

function find() {
  const sought = at("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const text = (each) => `${each.name} ${each.words} ${each.method} ${each.label}`.toLowerCase();
  const others = facts.sliders.filter((each) => !state.strengths.has(each.name));
  const found = others.filter((each) => sought.every((word) => text(each).includes(word)));
  const full = state.strengths.size >= facts.mostDirections;
  const shown = full ? [] : found.slice(0, FOUND);
  at("found").replaceChildren(
    ...shown.map((each) => element("li", {}, element("button", { type: "button", onclick: () => add(each.name) }, each.words, element("small", {}, ` · ${each.method}${each.label ? ` · measured: ${each.label}` : ""}`)))),
  );
  const rest = found.length - shown.length;
  at("found-more").textContent = full
    ? `${facts.mostDirections} directions at once are the most.`
    : found.length === 0
      ? "No other direction is so."
      : rest > 0
        ? `${rest} more: say more of the one that you look for.`
        : "";
}

// Copying

async function copy(what) {
  let text = location.href;
  if (what !== "link") {
    const answer = await fetch("live/python", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ page, seed: state.seed, samples: state.samples, strengths: strengths() }),
    }).catch(() => null);
    if (!answer) return say("The server cannot be reached. See whether it still runs.", true);
    if (!answer.ok) return say(await sentence(answer), true);
    text = (await answer.json())[what];
    if (!text) return say("Nothing is changed, so there is no edit to copy: move a slider first.", true);
  }
  at("copied").hidden = false;
  at("copied").open = true;
  at("copied-text").value = text;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text); // there only on this machine's own address and over HTTPS
  } catch {
    at("copied-text").select();
    copied = document.execCommand("copy");
  }
  at("copied-title").textContent = copied ? "Copied" : "To be copied from here";
  say(copied ? "Copied." : "Your browser does not let this page copy: take it from the field below.");
}

// Beginning

function begin() {
  const wrong = recall();
  at("seed").value = state.seed;
  at("samples").value = state.samples;
  drawPairs();
  drawSliders();
  if (!facts.missing) send();
  note = wrong.length ? `This link has ${wrong.join("; ")}: that is left out.\n` : "";
  if (note && facts.missing) say(note, true);
}

at("seed").addEventListener("change", () => {
  const seed = Number(at("seed").value);
  if (Number.isInteger(seed) && seed >= 0 && seed < facts.seeds) {
    state.seed = seed;
    changed();
  } else {
    say(`A seed is a whole number from 0 to ${facts.seeds - 1}.`, true);
  }
});
at("new-seeds").addEventListener("click", () => {
  state.seed = crypto.getRandomValues(new Uint32Array(1))[0] % 1000000;
  at("seed").value = state.seed;
  changed();
});
at("samples").addEventListener("change", () => {
  state.samples = Number(at("samples").value);
  drawPairs();
  changed();
});
at("reset").addEventListener("click", () => {
  for (const name of [...state.strengths.keys()]) state.strengths.set(name, 0);
  drawSliders();
  changed();
});
at("search").addEventListener("input", find);
at("copy-python").addEventListener("click", () => copy("python"));
at("copy-json").addEventListener("click", () => copy("json"));
at("copy-link").addEventListener("click", () => copy("link"));
window.addEventListener("hashchange", begin);
begin();
