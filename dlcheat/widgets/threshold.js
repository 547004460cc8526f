// The threshold explorer: two classes of scores and one threshold. First the mathematics (the same numbers as
// dlcheat.metrics), then the words, then the pictures.

export const LOW = -4, HIGH = 8, STEPS = 20, BINS = 48;
export const PREVALENCES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99];
export const SAMPLES = [20, 50, 100, 200, 500, 1000, 2000], COSTS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200];
/** The thresholds of the slider, rising. */
export const THRESHOLDS = Array.from({ length: (HIGH - LOW) * STEPS + 1 }, (_, i) => (LOW * STEPS + i) / STEPS);
const NAMES = ["threshold", "separation", "spread", "prevalence", "samples", "cost", "bars", "seed"];

/** Scores of both classes: { negative, positive }. */
export function drawScores({ separation, spread, prevalence, samples, seed }) {
  const count = Math.min(samples - 1, Math.max(1, Math.floor(samples * prevalence + 0.5)));
  return { negative: Array.from(normals(seed, samples - count)), positive: Array.from(normals(seed + 1000, count), (v) => separation + spread * v) };
}

/** (TN, FP, FN, TP) of the rule "report where score ≥ threshold". */
export function countsAt({ negative, positive }, threshold) {
  const reported = (scores) => scores.reduce((sum, s) => sum + (s >= threshold ? 1 : 0), 0);
  const [fp, tp] = [reported(negative), reported(positive)];
  return [negative.length - fp, fp, positive.length - tp, tp];
}

/** All ratios of the four counts. */
export function ratios(tn, fp, fn, tp) {
  const n = tn + fp + fn + tp, part = (a, b, otherwise = 0) => (b ? a / b : otherwise);
  const margins = Math.sqrt(tp + fp) * Math.sqrt(tp + fn) * Math.sqrt(tn + fp) * Math.sqrt(tn + fn);
  const chance = (tp + fp) * (tp + fn) + (tn + fp) * (tn + fn), halves = [[tp, tp + fn], [tn, tn + fp]].filter(([, of]) => of);
  return {
    precision: part(tp, tp + fp), recall: part(tp, tp + fn), specificity: part(tn, tn + fp), fpr: part(fp, tn + fp), npv: part(tn, tn + fn),
    f1: part(2 * tp, 2 * tp + fp + fn), accuracy: (tp + tn) / n, balanced_accuracy: halves.reduce((sum, [a, b]) => sum + a / b, 0) / halves.length,
    mcc: part(tp * tn - fp * fn, margins), kappa: part((tp + tn) * n - chance, n * n - chance, NaN), prevalence: (tp + fn) / n,
  };
}

/** One walk down the sorted scores: false and true positives at each different score, the highest first. */
export function sweep({ negative, positive }) {
  const all = [...negative.map((s) => [s, 0]), ...positive.map((s) => [s, 1])].sort((a, b) => b[0] - a[0]);
  const fps = [], tps = [], thresholds = [];
  let fp = 0, tp = 0;
  all.forEach(([score, label], i) => {
    if (label) tp += 1; else fp += 1;
    if (i + 1 === all.length || all[i + 1][0] !== score) { fps.push(fp); tps.push(tp); thresholds.push(score); }
  });
  return { fps, tps, thresholds };
}

/** The area under the ROC curve. */
export function area({ fps, tps }) {
  let sum = 0, fp = 0, tp = 0;
  fps.forEach((f, i) => { sum += ((f - fp) * (tps[i] + tp)) / 2; fp = f; tp = tps[i]; });
  return sum / (fp * tp);
}

/** The average precision: the area under the steps of the precision–recall curve. */
export function averagePrecision({ fps, tps }) {
  let sum = 0, tp = 0;
  tps.forEach((t, i) => { sum += ((t - tp) * t) / (t + fps[i]); tp = t; });
  return sum / tp;
}

/** The slider's highest threshold of the least cost: { threshold, cost }. */
export function cheapest({ fps, tps, thresholds }, price) {
  const p = tps[tps.length - 1];
  let best = null, i = 0;
  for (let k = THRESHOLDS.length - 1; k >= 0; k--) {
    while (i < thresholds.length && thresholds[i] >= THRESHOLDS[k]) i += 1;
    const cost = (i ? fps[i - 1] : 0) + price * (p - (i ? tps[i - 1] : 0));
    if (!best || cost < best.cost) best = { threshold: THRESHOLDS[k], cost };
  }
  return best;
}

/** All that is shown of a state. */
export function look(state) {
  const scores = drawScores(state), counts = countsAt(scores, state.threshold), swept = sweep(scores);
  const best = cheapest(swept, state.cost);
  return { scores, counts, swept, ratios: ratios(...counts), auc: area(swept), average_precision: averagePrecision(swept),
    cost: counts[1] + state.cost * counts[2], cheapest: best.threshold, least: best.cost };
}

/** The standard normal's probability above x: a series near 0, a continued fraction in the tail. */
export function upperTail(x) {
  if (x < 0) return 1 - upperTail(-x);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (x > 3) {
    let tail = x;
    for (let k = 60; k >= 1; k--) tail = x + k / tail;
    return density / tail;
  }
  let term = x, sum = x;
  for (let k = 1; k < 60; k++) { term *= (x * x) / (2 * k + 1); sum += term; }
  return 0.5 - density * sum;
}

/** The curves of endlessly many samples: { fpr, tpr } at 120 thresholds, falling. */
export function bells({ separation, spread }) {
  const top = Math.max(5, separation + 5 * spread), low = Math.min(-5, separation - 5 * spread);
  const at = Array.from({ length: 120 }, (_, i) => top + ((low - top) * i) / 119);
  return { fpr: at.map(upperTail), tpr: at.map((t) => upperTail((t - separation) / spread)) };
}

/** Samples in each bar of the histogram, split at the threshold: { reported, left } of each class. */
export function bars(scores, threshold) {
  const count = () => new Array(BINS).fill(0), out = { reported: count(), left: count() };
  for (const s of scores) {
    const bin = Math.min(BINS - 1, Math.max(0, Math.floor(((s - LOW) / (HIGH - LOW)) * BINS)));
    out[s >= threshold ? "reported" : "left"][bin] += 1;
  }
  return out;
}

/** What the pictures show, in a few sentences. */
export function describe({ threshold, cost }, seen) {
  const [tn, fp, fn, tp] = seen.counts, r = seen.ratios, f = (v) => format(v, 3);
  return `Threshold ${format(threshold, 2)}: ${tp} of ${tp + fn} positives are reported, and ${fp} of ${fp + tn} negatives. `
    + `Precision ${f(r.precision)}, recall ${f(r.recall)}, accuracy ${f(r.accuracy)}, MCC ${f(r.mcc)}. AUC ${f(seen.auc)}, average precision ${f(seen.average_precision)}. `
    + `With a miss as dear as ${short(cost, 1)} false alarm${cost === 1 ? "" : "s"} this costs ${short(seen.cost, 1)}; the least is ${short(seen.least, 1)} at ${format(seen.cheapest, 2)}.`;
}

// where things stand
const SIDE = 300, LEFT = 44, BOTTOM = 258, WIDE = SIDE - LEFT - 12, TALL = BOTTOM - 22;
const spot = (x, y) => [LEFT + WIDE * x, BOTTOM - TALL * y].map((v) => Math.round(10 * v) / 10);
/** Points as a polyline, without those that fall on the one before. */
export function line(xs, ys) {
  const out = [];
  xs.forEach((x, i) => { const p = spot(x, ys[i]).join(","); if (p !== out[out.length - 1]) out.push(p); });
  return out.join(" ");
}
const EDGE = 8, MIDDLE = 122, RISE = 96, across = (score) => EDGE + ((SIDE - 2 * EDGE) * (Math.min(HIGH, Math.max(LOW, score)) - LOW)) / (HIGH - LOW);

function plot(name, xLabel, yLabel) {
  const ticks = [0, 0.5, 1].flatMap((v) => {
    const [x] = spot(v, 0), [, y] = spot(0, v);
    return [h("line", { class: "th-rule", x1: x, x2: x, y1: BOTTOM, y2: BOTTOM + 4 }), h("text", { x, y: BOTTOM + 18, "text-anchor": "middle" }, short(v, 1)),
      h("line", { class: "th-rule", x1: LEFT - 4, x2: LEFT, y1: y, y2: y }), h("text", { x: LEFT - 7, y: y + 5, "text-anchor": "end" }, short(v, 1))];
  });
  return h("svg", { class: `th-plot ${name}`, viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img" },
    h("rect", { class: "th-frame", x: LEFT, y: BOTTOM - TALL, width: WIDE, height: TALL }), ticks,
    h("text", { class: "th-label", x: LEFT + WIDE, y: SIDE - 6, "text-anchor": "end" }, xLabel), h("text", { class: "th-label", x: LEFT, y: BOTTOM - TALL - 7 }, yLabel));
}

function render({ model, el, signal }) {
  let alive = true, seen = null;
  const redraw = onPaint(draw);
  const { state, first, write } = shared(model, NAMES, () => { loop.halt(); redraw(); });
  /** Change settings; the pictures follow at the next paint. */
  function change(patch) { write(patch); redraw(); }
  const set = (patch) => { loop.halt(); change(patch); };
  const grid = (v) => Math.round(STEPS * Math.min(HIGH, Math.max(LOW, v))) / STEPS;

  // ---- controls
  const box = frame(el, model.get("title") || "A threshold, and all that follows from it");
  box.classList.add("th");
  const listed = (label, list, name, show) => slider({ label, min: 0, max: list.length - 1, value: list.indexOf(state[name]), show: (i) => show(list[i]), onchange: (i) => set({ [name]: list[i] }) });
  const threshold = slider({ label: "Threshold", min: LOW, max: HIGH, step: 1 / STEPS, value: state.threshold, show: (v) => format(v, 2), onchange: (v) => set({ threshold: grid(v) }) });
  const separation = slider({ label: "Separation Δ", min: 0, max: 3, step: 0.1, value: state.separation, show: (v) => format(v, 1), onchange: (v) => set({ separation: Math.round(10 * v) / 10 }) });
  const spread = slider({ label: "Spread σ", min: 0.5, max: 2, step: 0.1, value: state.spread, show: (v) => format(v, 1), onchange: (v) => set({ spread: Math.round(10 * v) / 10 }) });
  const prevalence = listed("Prevalence", PREVALENCES, "prevalence", (v) => `${short(100 * v, 1)} %`);
  const samples = listed("Samples", SAMPLES, "samples", (v) => String(v));
  const cost = listed("A miss costs", COSTS, "cost", (v) => `${short(v, 1)} alarm${v === 1 ? "" : "s"}`);
  const shape = choice({ label: "Bars show", options: [["share", "shares of each class"], ["count", "numbers of samples"]], value: state.bars, onchange: (v) => set({ bars: v }) });
  const loop = looper({ frame: advance, signal });
  const best = button("Cheapest", () => set({ threshold: seen.cheapest }), { hint: "go to the threshold of the least cost" });
  const other = button("Other samples", () => set({ seed: (state.seed % 999) + 1 }), { hint: "draw again from the same two bells" });
  const reset = button("Reset", () => set(structuredClone(first)), { hint: "everything as it was at first" });
  /** Play: the threshold falls from the top, and the points walk along their curves. */
  function advance() {
    const from = state.threshold <= LOW ? HIGH : state.threshold;
    change({ threshold: grid(from - 1 / STEPS) });
    return state.threshold > LOW;
  }

  // ---- the two bells
  const hist = h("svg", { class: "th-hist", viewBox: `0 0 ${SIDE} 262`, role: "img" });
  const shapes = ["th-neg th-left", "th-neg", "th-pos th-left", "th-pos"].map((name) => h("path", { class: `th-bars ${name}` }));
  const cut = h("line", { class: "th-cut", y1: 20, y2: 226 }), cheap = h("path", { class: "th-aim" });
  const corner = (x, y, anchor) => h("text", { x, y, "text-anchor": anchor });
  const corners = { fn: corner(EDGE, 16, "start"), tp: corner(SIDE - EDGE, 16, "end"), tn: corner(EDGE, 224, "start"), fp: corner(SIDE - EDGE, 224, "end") };
  hist.append(...shapes, h("line", { class: "th-rule", x1: EDGE, x2: SIDE - EDGE, y1: MIDDLE, y2: MIDDLE }), cut, cheap,
    ...[-4, -2, 0, 2, 4, 6, 8].map((v) => h("text", { x: Math.min(SIDE - EDGE - 3, Math.max(EDGE + 6, across(v))), y: 243, "text-anchor": "middle" }, format(v, 0))),
    h("text", { class: "th-label", x: SIDE - EDGE, y: 259, "text-anchor": "end" }, "score"), ...Object.values(corners));
  draggable(hist, { move: (dx, dy) => set({ threshold: grid(state.threshold + (dx - dy) / STEPS) }), bigStep: 10,
    place: (x) => set({ threshold: grid(LOW + ((x * SIDE - EDGE) / (SIDE - 2 * EDGE)) * (HIGH - LOW)) }) });
  function outline(counts, from, scale, sign) {
    let d = "";
    counts.forEach((count, k) => {
      if (!count) return;
      const x = across(LOW + (k * (HIGH - LOW)) / BINS), y = MIDDLE - sign * from[k] * scale;
      d += `M${x.toFixed(1)} ${y.toFixed(1)}h5v${(-sign * count * scale).toFixed(1)}h-5z`;
    });
    return d;
  }
  function drawBells() {
    const classes = [seen.scores.negative, seen.scores.positive], split = classes.map((s) => bars(s, state.threshold)), none = new Array(BINS).fill(0);
    const most = split.map(({ reported, left }) => Math.max(...reported.map((r, k) => r + left[k])));
    split.forEach(({ reported, left }, c) => {
      const scale = RISE / (state.bars === "share" ? Math.max(...most.map((m, i) => m / classes[i].length)) * classes[c].length : Math.max(...most)), sign = c ? 1 : -1;
      setAttribute(shapes[2 * c + 1], "d", outline(reported, none, scale, sign));
      setAttribute(shapes[2 * c], "d", outline(left, reported, scale, sign));
    });
    const x = across(state.threshold).toFixed(1), at = across(seen.cheapest);
    setAttribute(cut, "x1", x); setAttribute(cut, "x2", x);
    setAttribute(cheap, "d", `M${(at - 6).toFixed(1)} ${MIDDLE}l6 -6l6 6l-6 6z`);
    const [tn, fp, fn, tp] = seen.counts;
    setText(corners.fn, `FN ${fn} missed`); setText(corners.tp, `TP ${tp} found`); setText(corners.tn, `TN ${tn}`); setText(corners.fp, `FP ${fp} alarms`);
    setAttribute(hist, "aria-label", `Scores of ${tp + fn} positives upwards and ${tn + fp} negatives downwards; the line is the threshold, ${format(state.threshold, 2)}. Arrow keys move it.`);
  }

  // ---- the matrix and its ratios
  const cell = (name) => h("td", { class: `th-n ${name}` }), share = (label) => { const value = h("b", {}); return { el: h("td", { class: "th-share" }, h("span", {}, label), value), value }; };
  const n = { tp: cell("th-hit"), fn: cell(""), fp: cell(""), tn: cell("th-hit") };
  const shares = { recall: share("recall"), specificity: share("specificity"), precision: share("precision"), npv: share("NPV"), accuracy: share("accuracy") };
  const head = (text, scope) => h("th", { scope }, text);
  const table = h("table", { class: "th-matrix" },
    h("thead", {}, h("tr", {}, h("td", {}), head("reported", "col"), head("not", "col"), head("of the row", "col"))),
    h("tbody", {}, h("tr", {}, head("positive", "row"), n.tp, n.fn, shares.recall.el), h("tr", {}, head("negative", "row"), n.fp, n.tn, shares.specificity.el),
      h("tr", {}, head("of the column", "row"), shares.precision.el, shares.npv.el, shares.accuracy.el)));
  const more = Object.fromEntries([["fpr", "FPR"], ["f1", "F1"], ["mcc", "MCC"], ["kappa", "κ"], ["balanced_accuracy", "balanced accuracy"]].map(([key, label]) => [key, { label, value: h("b", {}) }]));
  const list = h("ul", { class: "th-more" }, Object.values(more).map(({ label, value }) => h("li", {}, h("span", {}, label), value)));
  function drawMatrix() {
    const [tn, fp, fn, tp] = seen.counts;
    for (const [key, value] of Object.entries({ tn, fp, fn, tp })) setText(n[key], String(value));
    for (const [key, { value }] of Object.entries({ ...shares, ...more })) setText(value, format(seen.ratios[key], 3));
  }

  // ---- the curves
  const curve = (name, x, y) => {
    const svg = plot(name, x, y), part = { base: h("line", { class: "th-base" }), wide: h("polyline", { class: "th-bells" }), path: h("polyline", { class: "th-path" }), aim: h("path", { class: "th-aim" }), here: h("circle", { class: "th-here", r: 6 }) };
    svg.append(...Object.values(part));
    return { svg, caption: h("figcaption", {}), ...part };
  };
  const roc = curve("th-roc", "false-positive rate", "recall"), pr = curve("th-pr", "recall", "precision");
  const ends = (el_, a, b) => { const [x1, y1] = spot(...a), [x2, y2] = spot(...b); for (const [k, v] of Object.entries({ x1, y1, x2, y2 })) setAttribute(el_, k, v); };
  function mark(part, here, aim) {
    const [cx, cy] = spot(...here), [x, y] = spot(...aim);
    setAttribute(part.here, "cx", cx); setAttribute(part.here, "cy", cy);
    setAttribute(part.aim, "d", `M${x - 8} ${y}l8 -8l8 8l-8 8z`);
  }
  let drawnCurves = "";
  function drawCurves() {
    const { swept, ratios: r } = seen, p = seen.scores.positive.length, q = seen.scores.negative.length, share_ = p / (p + q);
    const key = NAMES.filter((k) => !["threshold", "cost", "bars"].includes(k)).map((k) => state[k]).join(" ");
    if (key !== drawnCurves) {
      drawnCurves = key;
      const recall = swept.tps.map((t) => t / p), wide = bells(state), precision = wide.tpr.map((t, i) => (share_ * t) / (share_ * t + (1 - share_) * wide.fpr[i]));
      setAttribute(roc.path, "points", line([0, ...swept.fps.map((f) => f / q)], [0, ...recall]));
      setAttribute(roc.wide, "points", line(wide.fpr, wide.tpr));
      setAttribute(pr.path, "points", line(recall, swept.tps.map((t, i) => t / (t + swept.fps[i]))));
      setAttribute(pr.wide, "points", line(wide.tpr, precision));
      ends(roc.base, [0, 0], [1, 1]); ends(pr.base, [0, share_], [1, share_]);
      const ideal = upperTail(-state.separation / Math.hypot(1, state.spread));
      setText(roc.caption, `ROC: AUC ${format(seen.auc, 3)}; of the two bells themselves (dashed) ${format(ideal, 3)}. Dotted: guessing.`);
      setText(pr.caption, `Precision and recall: average precision ${format(seen.average_precision, 3)}. Dotted: guessing, ${format(share_, 3)}.`);
    }
    const then = ratios(...countsAt(seen.scores, seen.cheapest));
    mark(roc, [r.fpr, r.recall], [then.fpr, then.recall]);
    mark(pr, [r.recall, r.precision], [then.recall, then.precision]);
    setAttribute(roc.svg, "aria-label", `ROC curve, AUC ${format(seen.auc, 3)}; the threshold stands at a false-positive rate of ${format(r.fpr, 3)} and a recall of ${format(r.recall, 3)}`);
    setAttribute(pr.svg, "aria-label", `precision–recall curve, average precision ${format(seen.average_precision, 3)}; the threshold stands at a recall of ${format(r.recall, 3)} and a precision of ${format(r.precision, 3)}`);
  }

  const says = summary();
  box.append(
    h("div", { class: "th-first" }, threshold.el),
    h("div", { class: "th-main" },
      h("figure", {}, hist, h("figcaption", {}, "Positives upwards, negatives downwards; filled: reported. The line is the threshold: drag it. Diamond: the cheapest.")),
      h("div", { class: "th-side" }, table, list)),
    h("div", { class: "dlw-player th-player" }, loop.el, best, other, reset),
    h("div", { class: "th-sliders" }, separation.el, spread.el, prevalence.el, samples.el, cost.el, shape.el),
    h("div", { class: "th-main" }, h("figure", {}, roc.svg, roc.caption), h("figure", {}, pr.svg, pr.caption)),
    says.el);

  function draw() {
    if (!alive) return;
    seen = look(state);
    drawBells(); drawMatrix(); drawCurves();
    turn(threshold, state.threshold); turn(separation, state.separation); turn(spread, state.spread); turn(shape, state.bars);
    turn(prevalence, PREVALENCES.indexOf(state.prevalence)); turn(samples, SAMPLES.indexOf(state.samples)); turn(cost, COSTS.indexOf(state.cost));
    says.say(describe(state, seen));
  }

  const end = () => { alive = false; loop.halt(); };
  signal?.addEventListener?.("abort", end);
  draw();
  return end;
}

export default { render };
