// The penalty explorer: linear regression on eight inputs under L1 and L2, solved here in the page.

export const FEATURES = 8, CORRELATION = 0.6;
export const EXPONENTS = Array.from({ length: 41 }, (_, k) => (k - 30) / 10);
export const SETTINGS = ["l1_ratio", "exponent", "samples", "noise", "truth", "seed", "axes"];

/** The covariance of inputs i and j. */
export const covariance = (i, j) => CORRELATION ** Math.abs(i - j);

/** Inputs (rows of eight) and noisy answers of the rule `weights`. */
export function drawSamples(count, noise, weights, seed) {
  const drawn = normals(seed, count * (FEATURES + 1)), fresh = Math.sqrt(1 - CORRELATION ** 2), X = [], y = [];
  for (let n = 0; n < count; n++) {
    const from = n * (FEATURES + 1), row = [drawn[from]];
    for (let j = 1; j < FEATURES; j++) row.push(CORRELATION * row[j - 1] + fresh * drawn[from + j]);
    X.push(row);
    y.push(row.reduce((sum, x, j) => sum + x * weights[j], noise * drawn[from + FEATURES]));
  }
  return { X, y };
}

/** What the solver needs of the data: X'X / N, X'y / N and y'y / N. */
export function moments({ X, y }) {
  const n = X.length, mean = (f) => X.reduce((sum, row, k) => sum + f(row, y[k]), 0) / n;
  return { gram: Array.from({ length: FEATURES }, (_, i) => Float64Array.from({ length: FEATURES }, (_, j) => mean((row) => row[i] * row[j]))),
    moment: Float64Array.from({ length: FEATURES }, (_, j) => mean((row, t) => row[j] * t)), square: mean((_, t) => t * t) };
}

/** Coordinate descent: the weights under a penalty of strength `alpha`, of which `ratio` is L1. */
export function elasticNet({ gram, moment }, alpha, ratio, start = null) {
  const w = start ? Float64Array.from(start) : new Float64Array(FEATURES), threshold = alpha * ratio;
  for (let sweep = 0; sweep < 20000; sweep++) {
    let largest = 0;
    for (let j = 0; j < FEATURES; j++) {
      const row = gram[j];
      let pull = moment[j] + row[j] * w[j];
      for (let k = 0; k < FEATURES; k++) pull -= row[k] * w[k];
      const size = Math.abs(pull) - threshold, next = size > 0 ? (Math.sign(pull) * size) / (row[j] + alpha * (1 - ratio)) : 0;
      largest = Math.max(largest, Math.abs(next - w[j]));
      w[j] = next;
    }
    if (largest <= 1e-9) break;
  }
  return w;
}

/** Mean squared error on the samples, and the expected one on a new sample. */
export function errors({ gram, moment, square }, w, truth, noise) {
  let train = square, test = noise * noise;
  for (let i = 0; i < FEATURES; i++) {
    train -= 2 * w[i] * moment[i];
    for (let j = 0; j < FEATURES; j++) {
      train += w[i] * gram[i][j] * w[j];
      test += (w[i] - truth[i]) * covariance(i, j) * (w[j] - truth[j]);
    }
  }
  return { train: Math.max(0, train), test };
}

/** Weights and errors at every strength, the strongest first solved, the weakest first returned. */
export function penaltyPath({ l1_ratio, samples, noise, seed, weights }) {
  const data = moments(drawSamples(samples, noise, weights, seed)), fits = [];
  let w = null;
  for (const exponent of [...EXPONENTS].reverse()) {
    w = elasticNet(data, 10 ** exponent, l1_ratio, w);
    fits.push({ weights: Array.from(w), ...errors(data, w, weights, noise) });
  }
  return { data, fits: fits.reverse() };
}

/** The data loss in the plane of two weights, the others held: its least point, curvatures and directions. */
export function plane({ gram, moment }, w, [i, j]) {
  const rest = (k) => moment[k] - gram[k].reduce((sum, g, l) => (l === i || l === j ? sum : sum + g * w[l]), 0);
  const a = gram[i][i], b = gram[i][j], d = gram[j][j], det = Math.max(1e-12, a * d - b * b), p = rest(i), q = rest(j);
  const middle = (a + d) / 2, half = Math.hypot((a - d) / 2, b);
  return { center: [(d * p - b * q) / det, (a * q - b * p) / det], curvatures: [middle + half, Math.max(1e-9, middle - half)],
    angle: 0.5 * Math.atan2(2 * b, a - d) };
}

/** The border of the penalty through (x, y), as 96 points. */
export function border(ratio, x, y) {
  const level = ratio * (Math.abs(x) + Math.abs(y)) + ((1 - ratio) / 2) * (x * x + y * y);
  return Array.from({ length: 96 }, (_, k) => {
    const t = (k * Math.PI) / 48, c = Math.cos(t), s = Math.sin(t), b = ratio * (Math.abs(c) + Math.abs(s)), a = (1 - ratio) / 2;
    const r = a > 0 ? (-b + Math.sqrt(b * b + 4 * a * level)) / (2 * a) : level / b;
    return [r * c, r * s];
  });
}

const REACH = 3.2, LEVELS = [0.03, 0.12, 0.3, 0.7, 1.5, 3];

function render({ model, el, signal }) {
  const truths = model.get("truths");
  const redraw = onPaint(() => { if (!signal?.aborted) draw(); });
  const { state, first, write: tell } = shared(model, SETTINGS, redraw);
  const write = (patch) => { tell(patch); redraw(); };
  let solved = null, key = "";
  const at = () => Math.round((state.exponent + 3) * 10);
  function solve() {
    const now = JSON.stringify([state.l1_ratio, state.samples, state.noise, state.truth, state.seed]);
    if (now !== key) { key = now; solved = penaltyPath({ ...state, weights: truths[state.truth] }); }
    return solved;
  }

  // ---- controls
  const box = frame(el, model.get("title"));
  box.classList.add("pen");
  const mixed = (v) => (v <= 0 ? "0: L2 alone" : v >= 1 ? "1: L1 alone" : `${short(v, 2)}: both`);
  const strengthText = (k) => short(10 ** EXPONENTS[k], k < 10 ? 4 : k < 20 ? 3 : 2);
  const mix = slider({ label: "Share of L1", min: 0, max: 1, step: 0.1, value: state.l1_ratio, show: mixed, onchange: (v) => write({ l1_ratio: v }) });
  const strength = slider({ label: "Strength λ", min: 0, max: 40, value: at(), show: strengthText, onchange: (k) => write({ exponent: EXPONENTS[k] }) });
  const samples = slider({ label: "Samples", min: 10, max: 60, value: state.samples, onchange: (v) => write({ samples: v }) });
  const noise = slider({ label: "Noise", min: 0, max: 3, step: 0.25, value: state.noise, onchange: (v) => write({ noise: v }) });
  const truth = choice({ label: "True weights", options: Object.keys(truths), value: state.truth, onchange: (v) => write({ truth: v }) });
  const names = Array.from({ length: FEATURES }, (_, k) => [k + 1, `w${"₁₂₃₄₅₆₇₈"[k]}`]);
  const axis = [0, 1].map((side) => choice({ label: side ? "up" : "Plane: across", options: names, value: state.axes[side],
    onchange: (v) => write({ axes: side ? [state.axes[0] === v ? state.axes[1] : state.axes[0], v] : [v, state.axes[1] === v ? state.axes[0] : state.axes[1]] }) }));
  const other = button("Other samples", () => write({ seed: (state.seed % 999) + 1 }));
  const best = button("Least test error", () => write({ exponent: EXPONENTS[lowest(solve().fits)] }), { hint: "the strength that nobody knows in earnest" });
  const reset = button("Reset", () => write(first));
  const lowest = (fits) => fits.reduce((k, f, i) => (f.test < fits[k].test ? i : k), 0);

  // ---- the plane of two weights
  const X = (v) => 150 + (v * 140) / REACH, Y = (v) => 150 - (v * 140) / REACH, clip = uid("clip");
  const pair = ([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`;
  const area = h("polygon", { class: "pen-area" }), track = h("polyline", { class: "pen-track" });
  const rings = [...LEVELS, null].map((level) => h("ellipse", { class: level === null ? "pen-touch" : "pen-ring" }));
  const wish = h("circle", { r: 5, class: "pen-wish" }), dot = h("circle", { r: 6.5, class: "pen-dot" }), real = h("path", { class: "pen-truth" });
  const axisNames = [h("text", { x: 287, y: 145, class: "pen-end" }), h("text", { x: 158, y: 22 })];
  const ticks = [-2, 0, 2].flatMap((v) => [h("text", { x: X(v), y: 286, class: "pen-mid pen-small" }, format(v, 0)), h("text", { x: 14, y: Y(v) + 4, class: "pen-small" }, format(v, 0))]);
  const svg = h("svg", { viewBox: "0 0 300 300", class: "pen-plane", role: "img" },
    h("defs", {}, h("clipPath", { id: clip }, h("rect", { x: 10, y: 10, width: 280, height: 280 }))),
    h("g", { "clip-path": `url(#${clip})` }, area, rings, h("line", { x1: 10, y1: 150, x2: 290, y2: 150, class: "pen-axis" }), h("line", { x1: 150, y1: 10, x2: 150, y2: 290, class: "pen-axis" }), track, wish, real, dot),
    h("rect", { x: 10, y: 10, width: 280, height: 280, class: "pen-frame" }), ticks, axisNames);

  // ---- the eight weights
  const BX = (k) => 38 + 33 * k, BY = (v) => 92 - (Math.min(REACH, Math.max(-REACH, v)) * 62) / REACH;
  const bars = names.map((_, k) => h("rect", { x: BX(k) - 9, width: 18 })), cuts = names.map(() => h("path", { class: "pen-cut" })), marks = names.map((_, k) => h("line", { x1: BX(k) - 14, x2: BX(k) + 14, class: "pen-mark" }));
  const values = names.map((_, k) => h("text", { x: BX(k), y: k % 2 ? 188 : 173, class: "pen-mid pen-small" }));
  const weights = h("svg", { viewBox: "0 0 300 193", class: "pen-bars", role: "img" }, bars, cuts, h("line", { x1: 18, x2: 290, y1: 92, y2: 92, class: "pen-axis" }), marks,
    names.map(([, text], k) => h("text", { x: BX(k), y: 16, class: "pen-mid" }, text)), values);

  // ---- the errors
  const EX = (k) => 46 + 6 * k, EY = (v) => 132 - (Math.log10(Math.min(100, Math.max(0.01, v))) + 2) * 30.5;
  const train = h("polyline", { class: "pen-train" }), test = h("polyline", { class: "pen-test" }), cursor = h("line", { y1: 8, y2: 132, class: "pen-cursor" });
  const dots = [h("circle", { r: 5, class: "pen-train-dot" }), h("circle", { r: 5, class: "pen-test-dot" })];
  const floor = h("line", { x1: 44, x2: 288, class: "pen-floor" });
  const plot = h("svg", { viewBox: "0 0 300 168", class: "pen-errors", role: "img" },
    [0.01, 0.1, 1, 10, 100].map((v) => h("text", { x: 38, y: EY(v) + 5, class: "pen-end pen-small" }, v === 0.01 ? "≤ 0.01" : String(v))),
    [0, 10, 20, 30, 40].map((k) => h("text", { x: EX(k), y: 150, class: "pen-mid pen-small" }, String(10 ** EXPONENTS[k]))),
    h("text", { x: 166, y: 165, class: "pen-mid pen-small" }, "strength λ"),
    h("line", { x1: 44, x2: 288, y1: 132, y2: 132, class: "pen-axis" }), h("line", { x1: 44, x2: 44, y1: 8, y2: 132, class: "pen-axis" }), floor, cursor, train, test, dots);
  const says = summary(), planeText = h("figcaption", {});
  box.append(h("div", { class: "pen-sliders" }, mix.el, strength.el, samples.el, noise.el),
    h("div", { class: "dlw-row" }, truth.el, other, best, reset),
    h("div", { class: "pen-main" },
      h("figure", { class: "pen-left" }, svg, h("div", { class: "dlw-row pen-axes" }, axis[0].el, axis[1].el), planeText),
      h("div", { class: "pen-right" },
        h("figure", {}, weights, h("figcaption", {}, "Bars: the eight weights; thick lines: those that made the data.")),
        h("figure", {}, plot, h("figcaption", {}, "Squared error, each mark ten times the one below. Solid: on new samples; dashed: on the training samples; dotted: the noise, which nobody can predict.")))),
    says.el);

  const points = (list) => list.join(" ");
  function draw() {
    const { data, fits } = solve(), k = at(), now = fits[k], w = now.weights, goal = truths[state.truth], [i, j] = state.axes.map((a) => a - 1);
    turn(mix, state.l1_ratio); turn(strength, k); turn(samples, state.samples); turn(noise, state.noise); turn(truth, state.truth);
    turn(axis[0], state.axes[0]); turn(axis[1], state.axes[1]);
    // the plane
    const { center, curvatures, angle } = plane(data, w, [i, j]), off = [w[i] - center[0], w[j] - center[1]];
    const turned = [Math.cos(angle) * off[0] + Math.sin(angle) * off[1], -Math.sin(angle) * off[0] + Math.cos(angle) * off[1]];
    const touch = (curvatures[0] * turned[0] ** 2 + curvatures[1] * turned[1] ** 2) / 2;
    rings.forEach((ring, r) => {
      const level = LEVELS[r] ?? touch;
      setAttribute(ring, "rx", ((Math.sqrt((2 * level) / curvatures[0]) * 140) / REACH).toFixed(1));
      setAttribute(ring, "ry", ((Math.sqrt((2 * level) / curvatures[1]) * 140) / REACH).toFixed(1));
      setAttribute(ring, "transform", `translate(${pair(center).replace(",", " ")}) rotate(${((-180 * angle) / Math.PI).toFixed(2)})`);
    });
    setAttribute(area, "points", points(border(state.l1_ratio, w[i], w[j]).map(pair)));
    setAttribute(track, "points", points(fits.map((f) => pair([f.weights[i], f.weights[j]]))));
    for (const [circle, [x, y]] of [[dot, [w[i], w[j]]], [wish, center]]) { setAttribute(circle, "cx", X(x).toFixed(1)); setAttribute(circle, "cy", Y(y).toFixed(1)); }
    const [tx, ty] = [X(goal[i]), Y(goal[j])];
    setAttribute(real, "d", `M${tx - 6},${ty - 6}l12,12M${tx + 6},${ty - 6}l-12,12`);
    const outside = Math.max(Math.abs(w[i]), Math.abs(w[j])) > REACH;
    setText(axisNames[0], names[i][1]); setText(axisNames[1], names[j][1]);
    setText(planeText, `The data's loss as contours in the plane of ${names[i][1]} and ${names[j][1]}, the other six held; circle: its least point there. Shaded: all that costs no more penalty than the solution (dot); the thick contour touches it there. Dashed: the solution from weak to strong λ; cross: the truth.${outside ? " The solution now lies outside the picture." : ""}`);
    // weights and errors
    w.forEach((v, n) => {
      setAttribute(bars[n], "y", Math.min(92, BY(v)).toFixed(1)); setAttribute(bars[n], "height", Math.abs(92 - BY(v)).toFixed(1));
      setAttribute(bars[n], "class", v < 0 ? "pen-bar minus" : "pen-bar");
      setAttribute(marks[n], "y1", BY(goal[n])); setAttribute(marks[n], "y2", BY(goal[n]));
      const tip = Math.sign(v), y = BY(v);                       // a bar that is longer than the picture ends in a tip
      setAttribute(cuts[n], "d", Math.abs(v) > REACH ? `M${BX(n) - 9},${y}l9,${-9 * tip}l9,${9 * tip}z` : "");
      setAttribute(cuts[n], "class", v < 0 ? "pen-cut minus" : "pen-cut");
      setText(values[n], v === 0 ? "0" : format(v, 2));
    });
    for (const [line, name] of [[train, "train"], [test, "test"]]) setAttribute(line, "points", points(fits.map((f, n) => `${EX(n).toFixed(1)},${EY(f[name]).toFixed(1)}`)));
    setAttribute(cursor, "x1", EX(k)); setAttribute(cursor, "x2", EX(k));
    dots.forEach((c, n) => { setAttribute(c, "cx", EX(k)); setAttribute(c, "cy", EY(n ? now.test : now.train).toFixed(1)); });
    for (const side of ["y1", "y2"]) setAttribute(floor, side, EY(state.noise ** 2).toFixed(1));
    const zero = w.filter((v) => v === 0).length, low = lowest(fits), kind = state.l1_ratio <= 0 ? "L2 alone" : state.l1_ratio >= 1 ? "L1 alone" : `${short(state.l1_ratio, 2)} of L1`;
    const inPlane = `${names[i][1]} = ${format(w[i], 2)}, ${names[j][1]} = ${format(w[j], 2)}`;
    setAttribute(svg, "aria-label", `the plane of ${names[i][1]} and ${names[j][1]}: the solution is ${inPlane}, the truth ${short(goal[i])} and ${short(goal[j])}`);
    setAttribute(weights, "aria-label", `weights: ${w.map((v) => format(v, 2)).join(", ")}; truth: ${goal.map((v) => short(v)).join(", ")}`);
    setAttribute(plot, "aria-label", `errors against strength: training ${format(now.train, 2)}, test ${format(now.test, 2)}`);
    says.say(`${kind}, λ = ${strengthText(k)}: ${zero} of 8 weights ${zero === 1 ? "is" : "are"} exactly 0; squared error ${format(now.train, 3)} in training, ${format(now.test, 3)} on new samples (least here: ${format(fits[low].test, 3)} at λ = ${strengthText(low)}). ${state.samples} samples, no. ${state.seed}.`);
  }
  draw();
}

export default { render };
