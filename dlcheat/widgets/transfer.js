// Transfer: accuracy against labels and frozen depth (measured), and a head fitted here in the page.

export const SOURCES = [["digits", "digits 0–4"], ["shuffled", "digits 0–4, pixels shuffled"], ["random labels", "digits 0–4, random labels"], ["none", "nothing"]];
export const LABELS = [1, 2, 5, 10, 20, 50, 200];
export const OFFERED = 6, CLASSES = 5, PENALTY = 0.01;
const SIDE = 14, DIMENSIONS = 32, SHOWN = 18;
const FROZEN = ["nothing", "block 1", "blocks 1, 2", "blocks 1, 2, 3"];

/** The lowest, the mean and the highest of some numbers. */
export function spread(values) {
  return { low: Math.min(...values), mean: values.reduce((a, b) => a + b, 0) / values.length, high: Math.max(...values) };
}

/**
 * A softmax regression with an L2 penalty, by Nesterov's accelerated gradient descent from zero; the same as
 * linear_probe in Python. `features` holds a row of `d` numbers for each label.
 */
export function linearProbe({ features, labels, classes, l2 = PENALTY, steps = 200 }) {
  const n = labels.length, d = features.length / n, mean = new Float64Array(d);
  for (let i = 0; i < n * d; i++) mean[i % d] += features[i] / n;
  const x = Float64Array.from(features, (v, i) => v - mean[i % d]);
  const scale = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / n);
  for (let i = 0; i < x.length; i++) x[i] /= scale;
  const size = classes * d, lr = 1 / (1 + l2), z = new Float64Array(classes);
  let [now, last, at, gradient] = Array.from({ length: 4 }, () => new Float64Array(size + classes));   // the weight, row after row, then the bias
  for (let k = 0; k < steps; k++) {
    const push = k / (k + 3);
    for (let i = 0; i < at.length; i++) at[i] = now[i] + push * (now[i] - last[i]);
    gradient.fill(0);
    for (let r = 0; r < n; r++) {
      const row = r * d;
      let top = -Infinity, sum = 0;
      for (let c = 0; c < classes; c++) {
        let score = at[size + c];
        for (let j = 0, w = c * d; j < d; j++) score += at[w + j] * x[row + j];
        z[c] = score;
        if (score > top) top = score;
      }
      for (let c = 0; c < classes; c++) sum += z[c] = Math.exp(z[c] - top);
      for (let c = 0; c < classes; c++) {
        const error = (z[c] / sum - (labels[r] === c ? 1 : 0)) / n;
        gradient[size + c] += error;
        for (let j = 0, w = c * d; j < d; j++) gradient[w + j] += error * x[row + j];
      }
    }
    [last, now] = [now, last];                                    // what was before last is overwritten
    for (let i = 0; i < at.length; i++) now[i] = at[i] - lr * (gradient[i] + (i < size ? l2 * at[i] : 0));
  }
  const weight = now.slice(0, size).map((v) => v / scale), bias = now.slice(size);
  for (let i = 0; i < size; i++) bias[Math.floor(i / d)] -= weight[i] * mean[i % d];
  return { weight, bias };
}

/** The class with the highest score for each row of features. */
export function predict({ weight, bias, features }) {
  const classes = bias.length, d = weight.length / classes;
  return Array.from({ length: features.length / d }, (_, r) => {
    let best = 0, most = -Infinity;
    for (let c = 0; c < classes; c++) {
      let z = bias[c];
      for (let j = 0; j < d; j++) z += weight[c * d + j] * features[r * d + j];
      if (z > most) { most = z; best = c; }
    }
    return best;
  });
}

/** The head on the chosen digits: { weight, bias, predictions, accuracy }, or null if they are of fewer than two classes. */
export function fitHead({ features, classes, chosen }) {
  const offered = OFFERED * CLASSES, d = features.length / classes.length, labels = chosen.map((i) => classes[i]);
  if (new Set(labels).size < 2) return null;
  const rows = new Float64Array(chosen.length * d);
  chosen.forEach((i, r) => { for (let j = 0; j < d; j++) rows[r * d + j] = features[i * d + j]; });
  const head = linearProbe({ features: rows, labels, classes: CLASSES });
  const predictions = predict({ ...head, features: features.slice(offered * d) });
  const right = predictions.filter((p, i) => p === classes[offered + i]).length;
  return { ...head, predictions, accuracy: right / predictions.length };
}

/** Pixels of one picture, 0 … 1, from 4 bits each. */
export function unpack(bytes, index, count = SIDE * SIDE) {
  return Float32Array.from({ length: count }, (_, i) => {
    const byte = bytes[(index * count + i) >> 1];
    return (i % 2 ? byte & 15 : byte >> 4) / 15;
  });
}

/** One line, as the page says it. */
export function sentence({ source, frozen, labels, five, scratch }) {
  const a = spread(five), b = spread(scratch), percent = (v) => format(100 * v, 1);
  const name = SOURCES.find(([k]) => k === source)[1], scratchItself = source === "none" && frozen === 0;
  const what = scratchItself ? "From scratch" : `Learned before: ${name}; frozen: ${FROZEN[frozen]}`;
  const versus = scratchItself ? "" : ` From scratch: ${percent(b.mean)} %.`;
  return `${what}; ${labels} label${labels > 1 ? "s" : ""} a class: ${percent(a.mean)} % of the test digits right, ${percent(a.low)} to ${percent(a.high)} in five runs.${versus}`;
}

const SETTINGS = ["source", "frozen", "labels", "chosen"];

function render({ model, el, signal }) {
  const redraw = onPaint(draw);
  const { state, first, write } = shared(model, SETTINGS, (k) => { refit([k]); redraw(); });
  const scores = model.get("scored"), scales = model.get("scales");
  const classes = Array.from(uint8(model.get("classes"))), pixels = uint8(model.get("pixels")), packed = uint8(model.get("features"));
  const perSource = classes.length * DIMENSIONS, offered = OFFERED * CLASSES;
  const tables = SOURCES.map((_, s) => Float64Array.from(packed.subarray(s * perSource, (s + 1) * perSource), (q) => q * scales[s]));
  let head, alive = true;
  const at = () => SOURCES.findIndex(([k]) => k === state.source);
  const fit = () => { head = fitHead({ features: tables[at()], classes, chosen: state.chosen }); };
  const refit = (changed) => { if (changed.includes("source") || changed.includes("chosen")) fit(); };
  const change = (patch) => { write(patch); refit(Object.keys(patch)); redraw(); };

  // ---- controls
  const box = frame(el, model.get("title") || "Transfer: accuracy against labels and frozen depth");
  box.classList.add("tf");
  const source = choice({ label: "Learned before", options: SOURCES, value: state.source, onchange: (v) => change({ source: v }) });
  const frozen = slider({ label: "Frozen", min: 0, max: 3, value: state.frozen, show: (v) => FROZEN[v], onchange: (v) => change({ frozen: v }) });
  const labels = slider({ label: "Labels a class", min: 0, max: LABELS.length - 1, value: LABELS.indexOf(state.labels), show: (v) => LABELS[v], onchange: (v) => change({ labels: LABELS[v] }) });
  frozen.el.classList.add("tf-wide");
  const stages = ["block 1", "block 2", "block 3", "head"].map((name) => ({ name, note: h("span", { class: "tf-note" }, ""), el: null }));
  for (const s of stages) s.el = h("div", { class: "tf-stage" }, h("span", {}, s.name), s.note);

  // ---- the curve
  const W = 520, H = 250, left = 62, right = 22, top = 12, bottom = 36, low = 0.2;
  const X = (n) => left + ((W - left - right) * Math.log(n)) / Math.log(200), Y = (v) => top + ((H - top - bottom) * (1 - v)) / (1 - low);
  const line = (values, f) => values.map((v, k) => `${k ? "L" : "M"}${X(LABELS[k]).toFixed(1)},${Y(f(v)).toFixed(1)}`).join("");
  const band = h("path", { class: "tf-band" }), mean = h("path", { class: "tf-mean" }), scratch = h("path", { class: "tf-scratch" });
  const here = h("line", { class: "tf-here", y1: top, y2: H - bottom }), dots = [0, 1, 2, 3, 4].map(() => h("circle", { class: "tf-dot", r: 4 }));
  const own = h("path", { class: "tf-own", d: "M0,-8L8,0L0,8L-8,0Z" });
  const picture = h("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", class: "tf-curve" },
    [0.2, 0.4, 0.6, 0.8, 1].map((v) => [h("line", { class: "tf-grid", x1: left, x2: W - right, y1: Y(v), y2: Y(v) }), h("text", { x: left - 6, y: Y(v) + 4, "text-anchor": "end" }, `${Math.round(100 * v)} %`)]).flat(),
    LABELS.map((n) => h("text", { x: X(n), y: H - bottom + 16, "text-anchor": "middle" }, String(n))),
    h("text", { x: (left + W - right) / 2, y: H - 4, "text-anchor": "middle" }, "labelled digits of each class"),
    here, band, scratch, mean, dots, own);
  const says = summary();

  // ---- the reader's own labels
  const cells = Array.from({ length: offered }, (_, i) => {
    const canvas = h("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" });
    drawGray(canvas, unpack(pixels, i), SIDE, SIDE);
    const kind = classes[i] + 5;
    return h("button", { type: "button", class: "tf-cell", "aria-label": `a ${kind}, ${(i % OFFERED) + 1} of ${OFFERED}`, "aria-pressed": "false",
      onclick: () => change({ chosen: state.chosen.includes(i) ? state.chosen.filter((j) => j !== i) : [...state.chosen, i].sort((a, b) => a - b) }) },
    canvas, h("span", { class: "tf-tick", "aria-hidden": "true" }, "✓"));
  });
  const rows = Array.from({ length: CLASSES }, (_, c) => h("div", { class: "tf-row", role: "group", "aria-label": `digits ${c + 5}` },
    h("span", { class: "tf-digit", "aria-hidden": "true" }, String(c + 5)), cells.slice(c * OFFERED, (c + 1) * OFFERED)));
  const every = (k) => Array.from({ length: offered }, (_, i) => i).filter((i) => i % OFFERED < k);
  const one = button("One of each", () => change({ chosen: every(1) }), { hint: "label the first digit of each class" });
  const all = button("All 30", () => change({ chosen: every(OFFERED) }), { hint: "label all thirty digits" });
  const none = button("None", () => change({ chosen: [] }), { hint: "take all labels away" });
  const reset = button("Reset", () => { const { source: s, frozen: f, labels: l, chosen: c } = structuredClone(first); change({ source: s, frozen: f, labels: l, chosen: c }); }, { hint: "everything as it was at first" });
  const mistakes = h("canvas", { class: "tf-mistakes", role: "img" }), verdict = summary(), caption = h("figcaption", {}, "");
  box.append(
    h("div", { class: "dlw-row" }, source.el), h("div", { class: "tf-sliders" }, frozen.el, labels.el),
    h("div", { class: "tf-stages", "aria-hidden": "true" }, stages.map((s, i) => [i ? h("span", { class: "tf-arrow" }, "→") : null, s.el]).flat()),
    h("figure", { class: "tf-figure" }, picture, h("figcaption", {}, "Solid: mean of five runs, each with a first training and a draw of the labels of its own, in the band from the lowest to the highest, a dot a run. Dashed: from scratch. Diamond: your own labels, below, at their mean number a class (at the left edge if below one); its penalty is fixed and it is tested on 250 digits, while the curve is tuned and tested on 500.")),
    says.el,
    h("p", { class: "dlw-title tf-heading" }, "Label digits yourself: a head on the frozen features of blocks 1, 2, 3, fitted here in the page"),
    h("div", { class: "tf-main" }, h("div", { class: "tf-pool" }, rows),
      h("figure", { class: "tf-wrong" }, caption, mistakes)),
    h("div", { class: "dlw-row" }, one, all, none, reset),
    verdict.el);

  function drawMistakes() {
    const wrong = head ? head.predictions.map((p, i) => [p, i]).filter(([p, i]) => p !== classes[offered + i]) : [];
    // spread over all classes, not the first of the fives
    const step = Math.max(1, wrong.length / SHOWN), picked = Array.from({ length: Math.min(SHOWN, wrong.length) }, (_, k) => wrong[Math.floor(k * step)]);
    const across = 6, cell = 44, high = 58, ratio = 2, tile = h("canvas");
    const w = across * cell * ratio, t = Math.ceil(SHOWN / across) * high * ratio;
    if (mistakes.width !== w || mistakes.height !== t) { mistakes.width = w; mistakes.height = t; }
    const c = mistakes.getContext("2d"), css = getComputedStyle(box);
    c.setTransform(ratio, 0, 0, ratio, 0, 0); c.clearRect(0, 0, w, t);
    c.imageSmoothingEnabled = false; c.font = "13px sans-serif"; c.textAlign = "center"; c.fillStyle = css.color;
    picked.forEach(([p, i], k) => {
      const x = (k % across) * cell, y = Math.floor(k / across) * high;
      drawGray(tile, unpack(pixels, offered + i), SIDE, SIDE);
      c.drawImage(tile, x + 2, y, 40, 40);
      c.fillText(`${classes[offered + i] + 5} → ${p + 5}`, x + cell / 2, y + 53);
    });
    setText(caption, !head ? "Mistakes appear when at least two classes have a label." : `${picked.length} of ${wrong.length} mistakes on 250 test digits: what it is → what the head says.`);
    const pairs = {};
    for (const [p, i] of wrong) { const key = `${classes[offered + i] + 5} taken for ${p + 5}`; pairs[key] = (pairs[key] ?? 0) + 1; }
    const most = Object.entries(pairs).sort((a, b) => b[1] - a[1])[0];
    setAttribute(mistakes, "aria-label", head ? `${wrong.length} test digits that the head gets wrong${most ? `, most often ${most[0]}, ${most[1]} times` : ""}` : "no head yet");
    return { count: wrong.length, most };
  }

  let drawnHead, drawnCount;
  function draw() {
    if (!alive) return;
    turn(source, state.source); turn(frozen, state.frozen); turn(labels, LABELS.indexOf(state.labels));
    const s = at(), curve = scores[s][state.frozen], k = LABELS.indexOf(state.labels), ranges = curve.map(spread), base = scores[3][0];
    setAttribute(mean, "d", line(ranges, (r) => r.mean));
    setAttribute(scratch, "d", line(base.map(spread), (r) => r.mean));
    setAttribute(band, "d", `${line(ranges, (r) => r.high)}${[...ranges].map((r, i) => [r, i]).reverse().map(([r, i]) => `L${X(LABELS[i]).toFixed(1)},${Y(r.low).toFixed(1)}`).join("")}Z`);
    for (const end of ["x1", "x2"]) setAttribute(here, end, X(state.labels));
    dots.forEach((dot, i) => { setAttribute(dot, "cx", X(state.labels)); setAttribute(dot, "cy", Y(curve[k][i])); });
    stages.forEach((stage, i) => {
      const still = i < state.frozen;
      setClass(stage.el, still ? "tf-stage tf-frozen" : "tf-stage"); setText(stage.note, still ? "❄ frozen" : i === 3 ? "new, trained" : "trained");
    });
    const text = sentence({ source: state.source, frozen: state.frozen, labels: state.labels, five: curve[k], scratch: base[k] });
    says.say(text); setAttribute(picture, "aria-label", `accuracy against labels. ${text}`);
    cells.forEach((cell, i) => setAttribute(cell, "aria-pressed", String(state.chosen.includes(i))));
    const n = state.chosen.length;
    if (drawnHead === head && drawnCount === n) return;
    drawnHead = head; drawnCount = n;
    const { count, most } = drawMistakes();
    setAttribute(own, "visibility", head ? "visible" : "hidden");
    if (head) setAttribute(own, "transform", `translate(${X(Math.max(1, n / CLASSES)).toFixed(1)},${Y(Math.max(low, head.accuracy)).toFixed(1)})`);
    const name = SOURCES[s][1];
    verdict.say(head ? `Your ${n} labels, features of a network that learned ${name}: ${250 - count} of 250 test digits right (${format(100 * head.accuracy, 1)} %)${most ? `; most often wrong: ${most[0]}, ${most[1]} times` : ""}.`
      : n ? "One class alone leaves nothing to tell apart: label a digit of another." : "No labels yet: choose digits above.");
  }

  watchTheme(() => { drawnCount = undefined; redraw(); }, signal);
  signal?.addEventListener?.("abort", () => { alive = false; });
  fit(); draw();
}

export default { render };
