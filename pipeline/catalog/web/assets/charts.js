// Draws every element of the class "chart" from the numbers inside it, and again whenever its width changes.
// The numbers are those of Chart and Histogram in Python; Plot and d3 lie beside this file.
"use strict";

const charts = (() => {
  const COLOURS = { target: "var(--accent)", other: "var(--other)", rank: "var(--accent)" };
  const LABEL = 13; // pixels between the names of two lines
  const written = (value) => (value === null ? "–" : Math.abs(value) >= 100 ? d3.format(",.0f")(value) : d3.format(".3~r")(value));
  const colour = (name) => COLOURS[name] ?? `var(--${name})`;

  function lines(spec, labels, width) {
    const points = spec.lines.flatMap((line) =>
      line.points.map(([x, y], i) => ({ line, x, y, error: line.errors[i] || 0 })).filter((each) => each.y !== null));
    const y = extent(spec, points);
    const size = { width, height: Math.round(Math.min(340, Math.max(200, width * 0.68))), marginLeft: 46, marginTop: 26, marginBottom: 38 };
    const named = spec.lines.some((line) => line.label);
    size.marginRight = named ? 92 : 12;
    const ticks = spec.x.ticks && new Map(spec.x.ticks);
    const percent = spec.y.percent ? (value) => `${written(100 * value)} %` : undefined;
    const at = new Map((spec.x.ticks ?? []).map(([value, text]) => [value, text]));
    return Plot.plot({
      ...size,
      style: { background: "none", color: "var(--soft)", fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
      x: { label: labels.x, labelArrow: "none", labelAnchor: "center", domain: domain(spec.x), ...(ticks && { ticks: [...ticks.keys()], tickFormat: (value) => ticks.get(value) }) },
      y: { label: labels.y, labelArrow: "none", domain: y, grid: true, ticks: 6, tickFormat: percent },
      marks: [
        spec.band.length ? Plot.areaY(spec.band, { x: (d) => d[0], y1: (d) => d[1], y2: (d) => d[2], fill: "var(--soft)", fillOpacity: 0.16 }) : null,
        spec.baseline === null ? null : Plot.ruleY([spec.baseline], { stroke: "var(--soft)" }),
        spec.cursor === undefined ? null : Plot.ruleX([spec.cursor], { stroke: "var(--ink)", strokeDasharray: "3 3" }),
        Plot.line(points, { x: "x", y: "y", z: "line", stroke: (d) => colour(d.line.colour), strokeOpacity: (d) => d.line.share, strokeWidth: (d) => (d.line.colour === "target" ? 2.5 : 1.6) }),
        Plot.ruleX(points.filter((d) => d.error > 0), { x: "x", y1: (d) => d.y - d.error, y2: (d) => d.y + d.error, stroke: (d) => colour(d.line.colour) }),
        Plot.dot(points.filter((d) => d.line.errors.length || d.line.points.length === 1), { x: "x", y: "y", r: 3, fill: (d) => colour(d.line.colour) }),
        Plot.text(ends(spec, y, size), { x: "x", y: "y", text: "label", dx: 7, textAnchor: "start", fill: (d) => (d.colour === "other" ? "var(--soft)" : colour(d.colour)) }),
        Plot.tip(points, Plot.pointer({ x: "x", y: "y", fill: "var(--paper)", stroke: "var(--line)", title: (d) => `${d.line.label ? `${d.line.label}\n` : ""}${labels.x} ${at.get(d.x) || written(d.x)}\n${percent ? percent(d.y) : written(d.y)}${d.error > 0 ? ` ± ${written(d.error)}` : ""}` })),
      ],
    });
  }

  const domain = (scale) => (scale.low === null ? undefined : scale.low === scale.high ? [scale.low - 0.5, scale.high + 0.5] : [scale.low, scale.high]);

  function extent(spec, points) {
    const values = [...points.flatMap((d) => [d.y - d.error, d.y + d.error]), ...spec.band.flatMap((d) => [d[1], d[2]])];
    const low = spec.y.low ?? d3.min(values) ?? 0, high = spec.y.high ?? d3.max(values) ?? 1;
    return d3.nice(low, high > low ? high : low + 1, 6);
  }

  // The name of each line beside its last point, moved apart where they would overlap.
  function ends(spec, [low, high], size) {
    const inner = size.height - size.marginTop - size.marginBottom;
    const found = spec.lines.filter((line) => line.label && line.points.length && line.points.at(-1)[1] !== null)
      .map((line) => ({ label: line.label, colour: line.colour, x: spec.x.high ?? line.points.at(-1)[0], at: ((high - line.points.at(-1)[1]) / (high - low)) * inner }))
      .sort((a, b) => a.at - b.at);
    const gap = Math.min(LABEL, inner / Math.max(1, found.length - 1));
    found.forEach((each, i) => { if (i) each.at = Math.max(each.at, found[i - 1].at + gap); });
    found.toReversed().forEach((each, i, all) => { each.at = Math.min(each.at, i ? all[i - 1].at - gap : inner); });
    return found.map((each) => ({ ...each, y: high - (each.at / inner) * (high - low) }));
  }

  function histogram(spec, labels, width) {
    const ticks = spec.ticks && new Map(spec.ticks);
    return Plot.plot({
      width, height: 210, marginLeft: 52, marginTop: 24, marginBottom: 30, marginRight: 8,
      style: { background: "none", color: "var(--soft)", fontSize: "12px", fontFamily: "inherit", overflow: "visible" },
      x: { label: null, ...(ticks && { ticks: [...ticks.keys()], tickFormat: (value) => ticks.get(value) }) },
      y: { label: "images", labelArrow: "none", grid: true, ticks: 4, tickFormat: (n) => (Number.isInteger(n) ? d3.format(",")(n) : "") },
      marks: [
        Plot.rectY(spec.bars, { x1: (d) => d[0], x2: (d) => d[1], y1: 0, y2: (d) => d[2], insetRight: 1, fill: "var(--other)" }),
        spec.threshold === null ? null : Plot.ruleX([spec.threshold], { stroke: "var(--accent)", strokeWidth: 2 }),
        Plot.tip(spec.bars, Plot.pointerX({ x1: (d) => d[0], x2: (d) => d[1], y: (d) => d[2], fill: "var(--paper)", stroke: "var(--line)", title: (d) => `${written(d[0])} to ${written(d[1])}\n${d3.format(",")(d[2])} images` })),
      ],
    });
  }

  function draw(element, spec) {
    const width = element.clientWidth;
    if (!width) return;
    const drawn = (spec.bars ? histogram : lines)(spec, { x: element.dataset.x, y: element.dataset.y }, width);
    // The element itself is the image that a screen reader is told of: what Plot says of its parts is taken away.
    for (const part of drawn.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
    drawn.setAttribute("aria-hidden", "true");
    element.querySelector(":scope > svg, :scope > figure")?.remove();
    element.append(drawn);
  }

  const specs = new WeakMap(), widths = new WeakMap();
  const observer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (widths.get(target) === target.clientWidth) continue;
      widths.set(target, target.clientWidth);
      draw(target, specs.get(target));
    }
  });

  // Draw these numbers in an element, now and whenever its width changes.
  function show(element, spec) {
    const known = specs.has(element);
    specs.set(element, spec);
    if (known) draw(element, spec);
    else observer.observe(element);
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const element of document.querySelectorAll(".chart")) {
      const spec = element.querySelector("script");
      if (spec) show(element, JSON.parse(spec.textContent));
    }
  });

  return { show };
})();
