// The loss explorer: any loss of section 4 against the prediction, its derivative, and others beside it.

export const AXES = {
  value: { low: -4, high: 4, start: 2, step: 0.05, name: "prediction ŷ", slider: "Prediction ŷ", of: "ŷ", ticks: [-4, -2, 0, 2, 4], loss: [-0.4, 8, 2], slope: [-5, 5, 2] },
  probability: { low: 0.01, high: 0.99, start: 0.2, step: 0.01, name: "predicted probability q", slider: "Probability q", of: "q", ticks: [0.01, 0.25, 0.5, 0.75, 0.99], loss: [-0.25, 5, 1], slope: [-10, 10, 5] },
  score: { low: -6, high: 6, start: -2, step: 0.1, name: "score z", slider: "Score z", of: "z", ticks: [-6, -3, 0, 3, 6], loss: [-0.35, 7, 1], slope: [-3, 3, 1] },
  mean: { low: -3, high: 3, start: 1.5, step: 0.05, name: "mean μ", slider: "Mean μ", of: "μ", ticks: [-3, -1.5, 0, 1.5, 3], loss: [-0.3, 6, 1], slope: [-4, 4, 2] },
  deviation: { low: 0.1, high: 3, start: 0.5, step: 0.05, name: "deviation σ", slider: "Deviation σ", of: "σ", ticks: [0.1, 1, 2, 3], loss: [-0.3, 6, 1], slope: [-8, 8, 4] },
  near: { low: 0, high: 3, start: 1.5, step: 0.05, name: "distance d of a similar pair", slider: "Distance d", of: "d", ticks: [0, 1, 2, 3], loss: [-0.25, 5, 1], slope: [-4, 4, 2] },
  far: { low: 0, high: 3, start: 0.5, step: 0.05, name: "distance d of a dissimilar pair", slider: "Distance d", of: "d", ticks: [0, 1, 2, 3], loss: [-0.25, 5, 1], slope: [-4, 4, 2] },
};

const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
const xlog = (x, y) => (x > 0 ? x * Math.log(y) : 0);
const cut = (v, size) => Math.min(size, Math.max(-size, v));
const sign = (s) => (s.label ? 1 : -1);
const huber = (r, delta) => [cut(r, delta) * (r - cut(r, delta) / 2), cut(r, delta)];
// two outcomes: the truth has probability t of the first one, the prediction q
const crossEntropy = (t, q) => [-xlog(t, q) - xlog(1 - t, 1 - q), (t < 1 ? (1 - t) / (1 - q) : 0) - (t > 0 ? t / q : 0)];
const smoothed = ({ smoothing: e, classes: c }) => [1 - e + e / c, (e * (c - 1)) / c];
// the focal loss of the true side's probability p = e^−u and of the other side's, n = 1 − p
const focal = (u, p, n, { gamma: g, alpha: a }) => ({ value: a * n ** g * u, byScore: a * n ** g * (-g * p * u - n) });
const standardKl = (mu, sigma) => (mu * mu + sigma * sigma - 1) / 2 - Math.log(sigma);
const reverseKl = (mu, sigma) => (1 + mu * mu) / (2 * sigma * sigma) - 0.5 + Math.log(sigma);
const between = (value, slope, tie = false) => (value > 0 || (tie && value === 0) ? [value, slope] : [0, 0]);

/**
 * Each loss: its name, its section's number, what it looks like (formula, derivative), and for each axis
 * a function (x, state) → [loss, slope]. `uses` names the sliders, `kinks` where the slope jumps.
 */
export const LOSSES = {
  ce: { name: "Cross-entropy", number: "4.1", uses: () => ["share"], formula: () => ["−p log q − (1 − p) log(1 − q)", "(q − p) / (q (1 − q))"],
    probability: (q, s) => crossEntropy(s.share, q) },
  bce: { name: "Binary cross-entropy", number: "4.2", uses: () => ["label"],
    formula: (axis) => (axis === "score" ? ["log(1 + eᶻ) − y z", "σ(z) − y"] : ["−y log q − (1 − y) log(1 − q)", "(q − y) / (q (1 − q))"]),
    score: (z, s) => [softplus(-sign(s) * z), s.label ? -sigmoid(-z) : sigmoid(z)], probability: (q, s) => crossEntropy(s.label, q) },
  cce: { name: "Categorical cross-entropy", number: "4.3", uses: () => ["smoothing", "classes"],
    formula: (axis, s) => (s.smoothing ? ["−t log q − (1 − t) log of each other, t = 1 − ε + ε/C", "−t/q + (1 − t) / (1 − q)"] : ["−log q of the true class", "−1/q"]),
    probability: (q, s) => { const [a, b] = smoothed(s); return [-a * Math.log(q) - xlog(b, (1 - q) / (s.classes - 1)), b / (1 - q) - a / q]; } },
  softmax: { name: "Softmax loss", number: "4.4", uses: () => ["rival", "classes", "smoothing"],
    formula: (axis, s) => (s.smoothing ? ["log Σ eᶻ − t z − (1 − t) s, t = 1 − ε + ε/C", "softmax(z) − t"] : ["log(eᶻ + (C − 1) eˢ) − z", "softmax(z) − 1"]),
    score: (z, s) => {
      const [a, b] = smoothed(s), top = Math.max(z, s.rival), sum = top + Math.log(Math.exp(z - top) + (s.classes - 1) * Math.exp(s.rival - top));
      const others = (s.classes - 1) * Math.exp(s.rival - sum);
      return [a * (sum - z) + b * (sum - s.rival), b - others];
    } },
  mse: { name: "Squared error (MSE)", number: "4.5", uses: () => ["target"], formula: () => ["(ŷ − y)²", "2 (ŷ − y)"], value: (x, s) => [(x - s.target) ** 2, 2 * (x - s.target)] },
  mae: { name: "Absolute error (MAE)", number: "4.6", uses: () => ["target"], formula: () => ["|ŷ − y|", "sign(ŷ − y)"],
    value: (x, s) => [Math.abs(x - s.target), Math.sign(x - s.target)], kinks: (axis, s) => [s.target] },
  huber: { name: "Huber loss", number: "4.7", uses: () => ["target", "delta"], formula: () => ["½ r² where |r| = |ŷ − y| ≤ δ, else δ (|r| − ½ δ)", "r, cut to ±δ"], value: (x, s) => huber(x - s.target, s.delta) },
  kl: { name: "KL(p‖q)", number: "4.8", uses: () => ["share"], formula: () => ["p log(p/q) + (1 − p) log((1 − p)/(1 − q))", "(q − p) / (q (1 − q))"],
    probability: (q, s) => { const [value, slope] = crossEntropy(s.share, q); return [value - crossEntropy(s.share, s.share)[0], slope]; } },
  gaussian_kl: { name: "KL of Gaussians", number: "4.8.1", uses: (axis) => [axis === "mean" ? "sigma" : "mu"],
    formula: (axis) => ["½ (μ² + σ² − 1 − log σ²)", axis === "mean" ? "μ" : "σ − 1/σ"],
    mean: (mu, s) => [standardKl(mu, s.sigma), mu], deviation: (sigma, s) => [standardKl(s.mu, sigma), sigma - 1 / sigma] },
  triplet: { name: "Triplet loss", number: "4.9", uses: () => ["other", "margin"],
    formula: (axis) => ["max(0, d(a, p) − d(a, n) + m)", `${axis === "far" ? "−1" : "1"} until the margin is kept`],
    far: (d, s) => between(s.other - d + s.margin, -1, true), near: (d, s) => between(d - s.other + s.margin, 1, true),
    kinks: (axis, s) => [axis === "far" ? s.other + s.margin : s.other - s.margin] },
  contrastive: { name: "Contrastive loss", number: "4.10", uses: (axis) => (axis === "far" ? ["margin"] : []),
    formula: (axis) => (axis === "far" ? ["½ max(0, m − d)², for y = 0", "−max(0, m − d)"] : ["½ d², for y = 1", "d"]),
    far: (d, s) => { const lack = Math.max(0, s.margin - d); return [lack * lack / 2, -lack]; }, near: (d) => [d * d / 2, d] },
  focal: { name: "Focal loss", number: "4.11", uses: () => ["label", "gamma", "alpha"],
    formula: (axis) => ["−α (1 − p)ᵞ log p, p of the true label", axis === "score" ? "±α (1 − p)ᵞ (γ p log p − (1 − p))" : "±α (1 − p)ᵞ (γ log p / (1 − p) − 1/p)"],
    score: (z, s) => { const u = softplus(-sign(s) * z), f = focal(u, Math.exp(-u), sigmoid(-sign(s) * z), s); return [f.value, sign(s) * f.byScore]; },
    probability: (q, s) => { const p = s.label ? q : 1 - q, f = focal(-Math.log(p), p, 1 - p, s); return [f.value, (sign(s) * f.byScore) / (p * (1 - p))]; } },
  hinge: { name: "Hinge loss", number: "4.12", uses: () => ["label"], formula: () => ["max(0, 1 − y z), y = ±1", "−y until y z = 1, then 0"],
    score: (z, s) => between(1 - sign(s) * z, -sign(s)), kinks: (axis, s) => [sign(s)] },
  smooth_l1: { name: "Smooth L1", uses: () => ["target", "delta"], formula: () => ["Huber loss with δ = β, divided by β", "r/β, cut to ±1"],
    value: (x, s) => huber(x - s.target, s.delta).map((v) => v / s.delta) },
  reverse_kl: { name: "KL(q‖p)", uses: () => ["share"], formula: () => ["q log(q/p) + (1 − q) log((1 − q)/(1 − p))", "log(q/p) − log((1 − q)/(1 − p))"],
    probability: (q, s) => { const a = Math.log(q / s.share), b = Math.log((1 - q) / (1 - s.share)); return [q * a + (1 - q) * b, a - b]; } },
  reverse_gaussian_kl: { name: "KL of Gaussians, reversed", uses: (axis) => [axis === "mean" ? "sigma" : "mu"],
    formula: (axis) => ["½ ((1 + μ²)/σ² − 1 + log σ²)", axis === "mean" ? "μ/σ²" : "1/σ − (1 + μ²)/σ³"],
    mean: (mu, s) => [reverseKl(mu, s.sigma), mu / s.sigma ** 2], deviation: (sigma, s) => [reverseKl(s.mu, sigma), 1 / sigma - (1 + s.mu ** 2) / sigma ** 3] },
  squared_triplet: { name: "Squared triplet loss", uses: () => ["other", "margin"],
    formula: (axis) => ["max(0, d(a, p)² − d(a, n)² + α)", `${axis === "far" ? "−2d" : "2d"} until the margin is kept`],
    far: (d, s) => between(s.other ** 2 - d * d + s.margin, -2 * d), near: (d, s) => between(d * d - s.other ** 2 + s.margin, 2 * d),
    kinks: (axis, s) => { const square = s.other ** 2 + (axis === "far" ? s.margin : -s.margin); return square > 0 ? [Math.sqrt(square)] : []; } },
  squared_hinge: { name: "Squared hinge loss", uses: () => ["label"], formula: () => ["max(0, 1 − y z)², y = ±1", "−2 y max(0, 1 − y z)"],
    score: (z, s) => { const lack = Math.max(0, 1 - sign(s) * z); return [lack * lack, -2 * sign(s) * lack]; } },
  brier: { name: "Squared error of the probability", uses: () => ["label"], formula: (axis) => (axis === "score" ? ["(σ(z) − y)²", "2 (σ(z) − y) σ(z) (1 − σ(z))"] : ["(q − y)²", "2 (q − y)"]),
    score: (z, s) => { const off = s.label ? -sigmoid(-z) : sigmoid(z); return [off * off, 2 * off * sigmoid(z) * sigmoid(-z)]; }, probability: (q, s) => [(q - s.label) ** 2, 2 * (q - s.label)] },
};

export const axesOf = (loss) => Object.keys(AXES).filter((axis) => LOSSES[loss][axis]).sort((a, b) => FIRST.includes(b) - FIRST.includes(a));
const FIRST = ["score", "far", "mean"];                           // a loss of two axes is drawn over this one at first

/** Loss and slope at x. */
export const evaluate = (loss, axis, x, state) => LOSSES[loss][axis](x, state);

/** The places of this axis where the slope of a loss jumps. */
export const kinks = (loss, axis, state) => (LOSSES[loss].kinks?.(axis, state) ?? []).filter((x) => x > AXES[axis].low && x < AXES[axis].high);

/** The state as it is drawn: an axis that the loss has, a point on it, at most two others that have it too. */
export function consistent(state) {
  const axes = axesOf(state.loss), axis = axes.includes(state.axis) ? state.axis : axes[0];
  const compare = [...new Set(state.compare)].filter((other) => other !== state.loss && LOSSES[other][axis]).slice(0, 2);
  return { ...state, axis, compare, at: Math.min(AXES[axis].high, Math.max(AXES[axis].low, state.at)) };
}

const SETTINGS = ["loss", "axis", "compare", "at", "label", "classes", "target", "delta", "share", "gamma", "alpha", "smoothing", "rival", "mu", "sigma", "margin", "other"];
const LINES = ["le-own", "le-first", "le-second"], SAMPLES = 240;
const W = 300, H = 192, LEFT = 40, RIGHT = 284, TOP = 10, BOTTOM = 154;

function words([value, slope], kink, of) {
  if (kink) return "A kink lies here: the slope jumps.";
  if (Math.abs(slope) < 1e-9) return value < 1e-9 ? "Nothing is lost and nothing moves." : `Flat here: descent leaves ${of} where it is.`;
  if (Math.abs(slope) < 0.02) return `Nearly flat: descent hardly moves ${of}.`;
  return `Per unit of ${of} the loss ${slope > 0 ? "rises" : "falls"} by ${format(Math.abs(slope), 2)}: descent moves ${of} ${slope > 0 ? "down" : "up"}.`;
}

function render({ model, el, signal }) {
  const redraw = onPaint(() => { if (!signal?.aborted) draw(); });
  const { state, first, write: tell } = shared(model, SETTINGS, redraw);
  const write = (patch) => { tell(patch); redraw(); };
  const clip = uid("clip");

  // ---- controls
  const box = frame(el, model.get("title"));
  box.classList.add("le");
  /** Another loss or axis: the point starts anew where the axis is another one. */
  function go(patch) {
    const before = consistent(state).axis, { loss, axis, compare, at } = consistent({ ...state, ...patch });
    write({ loss, axis, compare, at: axis === before ? at : AXES[axis].start });
  }
  const title = (loss) => (LOSSES[loss].number ? `${LOSSES[loss].number} ${LOSSES[loss].name}` : LOSSES[loss].name);
  const names = Object.keys(LOSSES), none = [["", "none"]];
  const loss = choice({ label: "Loss", options: names.map((n) => [n, title(n)]), value: state.loss, onchange: (v) => go({ loss: v }) });
  const across = choice({ label: "Across", options: Object.entries(AXES).map(([k, a]) => [k, a.name]), value: state.axis, onchange: (v) => go({ axis: v }) });
  const others = [0, 1].map((k) => choice({ label: k ? "and" : "Beside it", options: none, value: "",
    onchange: (v) => { const next = [0, 1].map((i) => consistent(state).compare[i] ?? ""); next[k] = v; write({ compare: next.filter(Boolean) }); } }));
  const reset = button("Reset", () => write(first));
  const at = slider({ label: "Prediction", min: 0, max: 1, step: 0.01, value: 0, show: (v) => format(v, 2), onchange: (v) => write({ axis: consistent(state).axis, at: v }) });
  const param = (name, label, min, max, step, digits) => slider({ label, min, max, step, value: state[name], show: (v) => format(v, digits), onchange: (v) => write({ [name]: v }) });
  const sliders = {
    target: param("target", "Target y", -3, 3, 0.25, 2), delta: param("delta", "Threshold δ (β)", 0.1, 3, 0.1, 1), share: param("share", "True probability p", 0.05, 0.95, 0.05, 2),
    rival: param("rival", "Every other score s", -4, 4, 0.5, 1), classes: param("classes", "Classes C", 2, 10, 1, 0), smoothing: param("smoothing", "Label smoothing ε", 0, 0.5, 0.05, 2),
    gamma: param("gamma", "Focusing γ", 0, 5, 0.5, 1), alpha: param("alpha", "Weight α", 0.05, 1, 0.05, 2), mu: param("mu", "Mean μ", -3, 3, 0.25, 2), sigma: param("sigma", "Deviation σ", 0.1, 3, 0.1, 1),
    other: param("other", "Other distance", 0, 3, 0.1, 1), margin: param("margin", "Margin m (α)", 0.1, 2, 0.1, 1) };
  const label = choice({ label: "True label y", options: [[1, "1"], [0, "0, or −1"]], value: state.label, onchange: (v) => write({ label: v }) });

  // ---- two pictures over one axis
  const X = (v, a) => LEFT + ((RIGHT - LEFT) * (v - a.low)) / (a.high - a.low), Y = (v, [low, high]) => BOTTOM - ((BOTTOM - TOP) * (v - low)) / (high - low);
  function picture(kind) {
    const curves = LINES.map((c) => h("path", { class: `le-curve ${c}` })).reverse(), dots = LINES.map((c) => h("path", { class: `le-dot ${c}` })).reverse();
    const grid = h("g", {}), tangent = h("line", { class: "le-tangent" }), cursor = h("line", { class: "le-cursor", y1: TOP, y2: BOTTOM }), zero = h("line", { class: "le-axis", x1: LEFT, x2: RIGHT });
    const name = h("text", { x: (LEFT + RIGHT) / 2, y: 186, class: "le-mid" });
    const svg = h("svg", { viewBox: `0 0 ${W} ${H}`, class: `le-${kind}`, role: "img" },
      h("defs", {}, h("clipPath", { id: `${clip}-${kind}` }, h("rect", { x: LEFT, y: TOP, width: RIGHT - LEFT, height: BOTTOM - TOP }))),
      grid, zero, h("rect", { class: "le-frame", x: LEFT, y: TOP, width: RIGHT - LEFT, height: BOTTOM - TOP }),
      h("g", { "clip-path": `url(#${clip}-${kind})` }, cursor, curves, kind === "loss" ? tangent : null), dots, name);
    // a finger that moves across sets the point; one that moves up or down scrolls the page
    const place = (event) => { const r = svg.getBoundingClientRect(), a = AXES[consistent(state).axis], u = (((event.clientX - r.left) / r.width) * W - LEFT) / (RIGHT - LEFT);
      const v = a.low + Math.min(1, Math.max(0, u)) * (a.high - a.low); write({ axis: consistent(state).axis, at: Number((a.low + Math.round((v - a.low) / a.step) * a.step).toFixed(4)) }); };
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); place(event); });
    svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) place(event); });
    return { kind, svg, grid, zero, tangent, cursor, name, curves: curves.reverse(), dots: dots.reverse(), caption: h("figcaption", {}), drawn: "" };
  }
  const pictures = [picture("loss"), picture("slope")];
  const rows = LINES.map((c) => { const cells = [h("td", {}), h("td", {}), h("th", { scope: "row" })]; return { cells, el: h("tr", {}, h("td", {}, h("svg", { viewBox: "0 0 34 12", class: "le-key", "aria-hidden": "true" }, h("line", { class: `le-curve ${c}`, x1: 1, x2: 33, y1: 6, y2: 6 }))), cells[2], cells[0], cells[1]) }; });
  const table = h("table", { class: "le-table" }, h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, "at the point"), h("th", { scope: "col" }, "loss"), h("th", { scope: "col" }, "slope"))), h("tbody", {}, rows.map((r) => r.el)));
  const says = summary();
  box.append(h("div", { class: "dlw-row" }, loss.el, across.el, others[0].el, others[1].el, reset),
    h("div", { class: "le-sliders" }, at.el, Object.values(sliders).map((s) => s.el), label.el),
    h("div", { class: "le-main" }, pictures.map((p) => h("figure", {}, p.svg, p.caption))), table, says.el);

  /** The curves of one picture, as paths that break where a slope jumps. */
  function curve(name, now, which, range) {
    const a = AXES[now.axis], jumps = kinks(name, now.axis, now), xs = Array.from({ length: SAMPLES + 1 }, (_, i) => a.low + ((a.high - a.low) * i) / SAMPLES);
    for (const k of jumps) xs.push(k - 1e-7, k + 1e-7);
    const points = xs.filter((x) => !jumps.includes(x)).sort((p, q) => p - q);
    const far = range[1] - range[0];
    return points.map((x, i) => {
      const y = Math.min(range[1] + far, Math.max(range[0] - far, evaluate(name, now.axis, x, now)[which]));
      const broken = which && jumps.some((k) => points[i - 1] < k && x > k);
      return `${i && !broken ? "L" : "M"}${X(x, a).toFixed(1)},${Y(y, range).toFixed(1)}`;
    }).join("");
  }
  /** Ticks, rules and names of a picture's axes. */
  function rule(p, axis) {
    if (p.drawn === axis) return;
    p.drawn = axis;
    const a = AXES[axis], range = a[p.kind], ticks = [];
    for (let v = Math.ceil(range[0] / range[2]) * range[2]; v <= range[1]; v += range[2]) ticks.push(v);
    p.grid.replaceChildren(...ticks.flatMap((v) => [h("line", { class: "le-rule", x1: LEFT, x2: RIGHT, y1: Y(v, range), y2: Y(v, range) }), h("text", { x: LEFT - 5, y: Y(v, range) + 4, class: "le-end" }, short(v, 2).replace("-", "−"))]),
      ...a.ticks.map((v) => h("text", { x: X(v, a), y: 169, class: "le-mid" }, short(v, 2).replace("-", "−"))));
    for (const side of ["y1", "y2"]) setAttribute(p.zero, side, Y(Math.max(0, range[0]), range));
    setText(p.name, a.name);
  }

  function draw() {
    const now = consistent(state), a = AXES[now.axis], shown = [now.loss, ...now.compare], x = now.at;
    const looks = shown.map((name) => evaluate(name, now.axis, x, now)), used = new Set(shown.flatMap((name) => LOSSES[name].uses(now.axis)));
    // controls
    turn(loss, now.loss);
    const axes = axesOf(now.loss);
    setAttribute(across.el, "hidden", axes.length < 2);
    across.setOptions(axes.map((k) => [k, AXES[k].name])); turn(across, now.axis);
    const beside = names.filter((n) => n !== now.loss && LOSSES[n][now.axis]);
    others.forEach((o, k) => {
      o.setOptions([...none, ...beside.filter((n) => n !== now.compare[1 - k]).map((n) => [n, LOSSES[n].name])]); turn(o, now.compare[k] ?? "");
      o.select.disabled = beside.length < 1 + k || (k === 1 && !now.compare.length);
    });
    setText(at.el.querySelector("label"), a.slider);
    setAttribute(at.input, "step", a.step); at.setRange(a.low, a.high); at.set(x);
    for (const [name, control] of Object.entries(sliders)) { setAttribute(control.el, "hidden", !used.has(name)); turn(control, now[name]); }
    setText(sliders.other.el.querySelector("label"), now.axis === "far" ? "Distance to the positive" : "Distance to the negative");
    setAttribute(label.el, "hidden", !used.has("label")); turn(label, now.label);
    // pictures
    const [formula, derivative] = LOSSES[now.loss].formula(now.axis, now);
    pictures.forEach((p, which) => {
      const range = a[p.kind], here = X(x, a);
      rule(p, now.axis);
      setAttribute(p.cursor, "x1", here); setAttribute(p.cursor, "x2", here);
      LINES.forEach((_, k) => {
        setAttribute(p.curves[k], "d", shown[k] ? curve(shown[k], now, which, range) : "");
        if (!shown[k]) { setAttribute(p.dots[k], "d", ""); return; }
        const v = looks[k][which], r = k ? 4 : 6, out = v > range[1] ? 1 : v < range[0] ? -1 : 0, y = Y(Math.min(range[1], Math.max(range[0], v)), range);
        // a dot; where the value lies outside the picture, an arrow at its edge
        setAttribute(p.dots[k], "d", out ? `M${here - r},${y + out * r * 1.6}l${r},${-out * r * 1.6}l${r},${out * r * 1.6}z` : `M${here - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0z`);
      });
      setText(p.caption, which ? `Slope: dℓ/d${a.of} = ${derivative}` : `Loss: ℓ = ${formula}`);
      setAttribute(p.svg, "aria-label", `${which ? "slope of the loss" : "loss"} against ${a.name}: ${shown.map((n, k) => `${LOSSES[n].name} ${format(looks[k][which], 3)}`).join(", ")} at ${format(x, 2)}`);
    });
    const [value, slope] = looks[0], range = a.loss, tilt = (slope * (BOTTOM - TOP) * (a.high - a.low)) / ((range[1] - range[0]) * (RIGHT - LEFT)), reach = 55 / Math.hypot(1, tilt);
    setAttribute(pictures[0].tangent, "visibility", value > range[1] ? "hidden" : null);
    for (const [end, by] of [[1, -reach], [2, reach]]) { setAttribute(pictures[0].tangent, `x${end}`, (X(x, a) + by).toFixed(1)); setAttribute(pictures[0].tangent, `y${end}`, (Y(value, range) - by * tilt).toFixed(1)); }
    rows.forEach((row, k) => {
      setClass(row.el, shown[k] ? "" : "le-none");
      const texts = shown[k] ? [format(looks[k][0], 3), format(looks[k][1], 3), LOSSES[shown[k]].name] : ["–", "–", "–"];
      row.cells.forEach((cell, i) => setText(cell, texts[i]));
    });
    const kink = kinks(now.loss, now.axis, now).some((k) => Math.abs(k - x) < 1e-9), outside = value > range[1] ? " It lies above the picture." : "";
    says.say(`${LOSSES[now.loss].name} at ${a.of} = ${format(x, 2)}: loss ${format(value, 3)}, slope ${format(slope, 3)}. ${words(looks[0], kink, a.of)}${outside}`);
  }
  draw();
}

export default { render };
