// The explorer's behaviour: the viewer of a direction, the gallery's filters, two directions side by side. Alpine binds it to the
// pages. The numbers of a direction are in data/NAME.js, a script that calls `explorer.add`: a page on a disk may load no others.
"use strict";

const explorer = (() => {
  const found = new Map(), waiting = new Map();
  const root = () => document.body.dataset.root;

  function add(file, numbers) {
    found.set(file, numbers);
    waiting.get(file)?.(numbers);
  }

  // The numbers of a direction, from its script, which is loaded where it is not there yet.
  function load(file) {
    if (found.has(file)) return Promise.resolve(found.get(file));
    return new Promise((done, failed) => {
      waiting.set(file, done);
      const script = document.createElement("script");
      script.src = `${root()}data/${encodeURIComponent(file)}.js`;
      script.onerror = () => failed(new Error(`${script.src} cannot be read`));
      document.head.append(script);
    });
  }

  return { add, load, root };
})();

const MINUS = "−", NONE = "–";
const signed = (value, digits = 2) => {
  if (value === null || value === undefined) return NONE;
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : (value < 0 ? MINUS : "+") + text;
};
const strengthOf = (value) => (value === 0 ? "0" : (value < 0 ? MINUS : "+") + String(Number(Math.abs(value).toPrecision(3))));

// What a viewer shows of one direction at one strength.
const viewer = () => ({
  numbers: null,
  at: 0,
  judge: 0,

  begin(numbers, strength) {
    this.numbers = numbers;
    this.judge = 0;
    const near = strength === undefined ? -1 : this.nearest(strength);
    this.at = near >= 0 ? near : (numbers.begins ?? 0);
    this.$nextTick(() => this.curve());
  },
  nearest(strength) {
    const distances = this.numbers.strengths.map((each) => Math.abs(each - strength));
    return distances.indexOf(Math.min(...distances));
  },
  go(i) {
    this.at = i;
  },

  get ready() { return Boolean(this.numbers?.strengths.length); },
  get unmeasured() { return Boolean(this.numbers) && !this.ready; },
  get last() { return this.ready ? this.numbers.strengths.length - 1 : 0; },
  get strength() { return this.ready ? this.numbers.strengths[this.at] : 0; },
  get strengthText() { return this.strength ? strengthOf(this.strength) : "0, unedited"; },
  get sd() { return this.numbers?.per_sd ? this.strength / this.numbers.per_sd : null; },
  get inSd() { return this.sd ? `${signed(this.sd)} standard deviations of ${this.numbers.target}, as calibrated` : ""; },
  get outside() {
    const [low, high] = this.numbers?.valid ?? [null, null];
    return this.ready && low !== null && high !== null && (this.strength < low * 1.00001 - 1e-6 || this.strength > high * 1.00001 + 1e-6);
  },
  get stops() {
    return this.ready ? this.numbers.strengths.map((each, i) => ({ text: each ? strengthOf(each) : "0", css: i === this.at ? "here" : "" })) : [];
  },
  get zero() { return this.numbers.strengths.indexOf(0); },
  get rows() {
    if (!this.ready) return [];
    const own = this.numbers.own ? [this.numbers.own] : [];
    return [...own, ...this.numbers.samples].map((row) => row.map((image) => image ?? ""));
  },
  get shown() {
    const own = this.ready && this.numbers.own ? 1 : 0;
    return this.rows.map((row, i) => {
      const name = i < own ? "the sample it was found on" : `sample ${i - own + 1}`;
      return { name, before: row[this.zero], after: row[this.at], beforeAlt: `${name}, unedited`, afterAlt: `${name}, strength ${this.strengthText}` };
    });
  },
  cellAlt(i, j) {
    return `${this.shown[i].name}, strength ${this.stops[j].text}`;
  },

  get judged() { return this.ready ? this.numbers.judges[this.judge] : undefined; },
  get judgeNames() { return this.ready ? this.numbers.judges.map((each) => each.name) : []; },
  get severalJudges() { return this.judgeNames.length > 1; },
  get movesTitle() { return this.judged ? `What moves at ${this.strengthText}, by ${this.judged.name}` : ""; },
  get moves() {
    if (!this.judged) return [];
    const { attributes, effects, errors, significant, target } = this.judged;
    const top = Math.max(1, ...effects.flat().map((each) => Math.abs(each ?? 0)));
    return attributes.map((name, i) => {
      const effect = effects[this.at][i], share = (Math.abs(effect ?? 0) / top) * 50;
      const css = [i === 0 && target ? "target" : "", significant[this.at][i] === false ? "pale" : "", effect < 0 ? "fall" : "rise"];
      return {
        name,
        css: css.join(" "),
        style: effect < 0 ? `right:50%;width:${share}%` : `left:50%;width:${share}%`,
        text: effect === null ? "not measured" : `${signed(effect)} ± ${(errors[this.at][i] ?? 0).toFixed(2)}`,
      };
    });
  },
  get kept() {
    return this.ready ? this.numbers.kept.map((each) => {
      const value = each.values[this.at];
      return { name: each.name, meaning: each.meaning, text: value === null ? NONE : each.share ? `${Math.round(100 * value)} %` : value.toFixed(2) };
    }) : [];
  },
  get where() { return this.numbers?.where ?? null; },
  get whereAlt() { return `Where the image changes along ${this.numbers?.title}`; },
  get curveLabel() { return this.numbers ? `Effect of ${this.numbers.name} by strength` : ""; },

  curve() {
    if (!this.judged) return;
    const { attributes, effects, errors, limits, target } = this.judged, strengths = this.numbers.strengths;
    const lines = attributes.map((label, i) => ({
      label, colour: i === 0 && target ? "target" : "other", share: 1,
      points: strengths.map((each, j) => [each, effects[j][i]]),
      errors: i === 0 && target ? errors.map((row) => row[i] ?? 0) : [],
    }));
    const band = strengths.map((each, j) => [each, -limits[j], limits[j]]).filter((each, j) => limits[j] !== null);
    charts.show(this.$refs.curve, {
      lines: lines.toReversed(), band: band.length > 1 ? band : [], baseline: 0, cursor: this.strength,
      x: { low: strengths[0], high: strengths.at(-1), ticks: strengths.map((each) => [each, each ? strengthOf(each) : "0"]) },
      y: { low: null, high: null, ticks: null, percent: false },
    });
  },
});

// The lines that apply a direction at a strength: in standard deviations where it is calibrated.
function python(numbers, strength, sd) {
  const name = JSON.stringify(numbers.name);
  const calibrated = sd !== null;
  const value = Number((calibrated ? sd || 1 : strength || 1).toPrecision(3));
  return `from diffusers import DDIMPipeline
from pipeline.catalog.direction_catalog import DirectionCatalog

catalog = DirectionCatalog.from_pretrained("path/to/catalog")
pipe = DDIMPipeline.from_pretrained("path/to/model")

with catalog.edit(pipe, {${name}: ${value}}${calibrated ? "" : ", calibrated=False"}):  # ${calibrated ? "standard deviations" : "times the vector"}
    images = pipe(batch_size=4).images`;
}

const copying = () => ({
  copied: "Copy",
  async copy() {
    const text = this.code;
    try {
      await navigator.clipboard.writeText(text);
    } catch { // a page on a disk may have no clipboard
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    this.copied = "Copied";
    setTimeout(() => { this.copied = "Copy"; }, 2000);
  },
});

// Objects with getters, put together: Object.assign would call them.
const together = (...parts) => Object.defineProperties({}, Object.assign({}, ...parts.map(Object.getOwnPropertyDescriptors)));
const inAddress = (text) => history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);

document.addEventListener("alpine:init", () => {
  Alpine.data("direction", () => together(viewer(), copying(), {
    async init() {
      const wanted = () => {
        const found = /^#strength=(.+)$/.exec(location.hash);
        return found && Number.isFinite(Number(found[1])) ? Number(found[1]) : undefined;
      };
      this.begin(await explorer.load(this.$el.dataset.file), wanted());
      this.$watch("at", () => { this.curve(); inAddress(`strength=${Number(this.strength.toPrecision(6))}`); });
      this.$watch("judge", () => this.curve());
      window.addEventListener("hashchange", () => { if (wanted() !== undefined) this.at = this.nearest(wanted()); });
    },
    get code() { return this.numbers ? python(this.numbers, this.strength, this.ready ? this.sd : this.numbers.per_sd ? 1 : null) : ""; },
  }));

  Alpine.data("side", () => together(viewer(), {
    file: "",
    async init() {
      const place = Number(this.$el.dataset.side);
      const options = [...this.$el.querySelectorAll("option")].slice(0, -1).map((each) => each.value);
      const known = [...this.$el.querySelectorAll(".pick option")].map((each) => each.value);
      const chosen = () => decodeURIComponent(location.hash.slice(1)).split("&")[place];
      this.file = known.includes(chosen()) ? chosen() : known[Math.min(place, known.length - 1)] ?? options[0];
      this.$watch("file", () => this.take(place));
      this.$watch("at", () => this.curve());
      this.$watch("judge", () => this.curve());
      await this.take(place);
    },
    async take(place) {
      const file = this.file, numbers = await explorer.load(file);
      if (file !== this.file) return; // another was chosen meanwhile
      this.begin(numbers, this.numbers && this.ready && this.strength < 0 ? numbers.strengths[0] : undefined);
      const both = decodeURIComponent(location.hash.slice(1)).split("&");
      both[place] = file;
      inAddress(both.map((each) => encodeURIComponent(each ?? "")).join("&"));
    },
    get page() { return `directions/${encodeURIComponent(this.file)}.html`; },
  }));

  Alpine.data("gallery", () => ({
    text: "", target: "", method: "", on: "", off: "", local: "", sort: "", recommended: false, found: "",
    init() {
      this.cards = [...this.$refs.cards.children];
      const kept = new URLSearchParams(location.hash.slice(1));
      for (const name of ["text", "target", "method", "on", "off", "local", "sort"]) this[name] = kept.get(name) ?? "";
      this.recommended = kept.has("recommended");
      this.apply();
      for (const name of ["text", "target", "method", "on", "off", "local", "sort", "recommended"]) this.$watch(name, () => this.apply());
    },
    clear() {
      Object.assign(this, { text: "", target: "", method: "", on: "", off: "", local: "", sort: "", recommended: false });
    },
    shows(card) {
      const { text, target, method, on, off, local, recommended } = card.dataset;
      const least = (wanted, value) => wanted === "" || (value !== "" && Math.abs(Number(value)) >= Number(wanted));
      const most = (wanted, value) => wanted === "" || (value !== "" && Number(value) <= Number(wanted));
      const words = String(this.text).toLowerCase().split(/\s+/).filter(Boolean);
      return words.every((word) => text.includes(word)) && (!this.target || target === this.target) && (!this.method || method === this.method)
        && least(this.on, on) && most(this.off, off) && least(this.local, local) && (!this.recommended || recommended === "1");
    },
    key(card) {
      const { on, off, local, name } = card.dataset, number = (value, otherwise) => (value === "" ? otherwise : Number(value));
      if (this.sort === "on") return -Math.abs(number(on, 0));
      if (this.sort === "off") return number(off, Infinity);
      if (this.sort === "ratio") return -Math.abs(number(on, 0)) / Math.max(number(off, Infinity), 1e-3);
      if (this.sort === "local") return -number(local, 0);
      return name;
    },
    apply() {
      const shown = this.cards.filter((card) => this.shows(card));
      const keys = new Map(this.cards.map((card) => [card, this.key(card)]));
      const compared = (a, b) => (keys.get(a) < keys.get(b) ? -1 : keys.get(a) > keys.get(b) ? 1 : 0);
      this.$refs.cards.replaceChildren(...(this.sort ? this.cards.toSorted(compared) : this.cards));
      for (const card of this.cards) card.hidden = !shown.includes(card);
      this.found = `${shown.length} of ${this.cards.length} directions`;
      const kept = new URLSearchParams();
      for (const name of ["text", "target", "method", "on", "off", "local", "sort"]) if (this[name] !== "") kept.set(name, this[name]);
      if (this.recommended) kept.set("recommended", "1");
      inAddress(kept.toString());
    },
  }));
});
