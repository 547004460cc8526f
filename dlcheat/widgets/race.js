// The race: nine optimizers on one surface. First the mathematics (the same steps as dlcheat.optimizers),
// then the words, then the pictures.

export const STEPS = 200, LIMIT = 1e6, ZERO = 1e-12;
export const RATES = [1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];
export const RACERS = ["SGD", "Momentum", "Nesterov", "Adagrad", "RMSprop", "Adadelta", "Adam", "Lion", "L-BFGS"];
const CONDITIONS = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000], MOMENTA = [0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99];
const NOISES = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10], SETTINGS = ["surface", "condition", "start", "racing", "rates", "momentum", "noise", "seed"];

// ---- the surfaces: [loss, its derivatives by x and by y]
const quadratic = (u, v, k, c, s) => [(u * u + k * v * v) / 2, c * u - s * k * v, s * u + c * k * v];
const SURFACES = {
  ravine: (x, y, k) => quadratic(x, y, k, 1, 0),
  turned: (x, y, k) => quadratic(0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x, k, 0.8, 0.6),
  rosenbrock: (x, y) => { const a = 1 - x, b = y - x * x; return [a * a + 100 * b * b, -2 * a - 400 * x * b, 200 * b]; },
  beale: (x, y) => {
    const a = 1.5 - x + x * y, b = 2.25 - x + x * y * y, c = 2.625 - x + x * y * y * y;
    return [a * a + b * b + c * c, 2 * (a * (y - 1) + b * (y * y - 1) + c * (y * y * y - 1)), 2 * x * (a + 2 * b * y + 3 * c * y * y)];
  },
  saddle: (x, y) => [(x * x - y * y) / 2 + (y ** 4 + 1) / 4, x, y * y * y - y],
  himmelblau: (x, y) => { const a = x * x + y - 11, b = x + y * y - 7; return [a * a + b * b, 4 * x * a + 2 * b, 2 * a + 4 * y * b]; },
  bumps: (x, y) => [(x * x + y * y) / 10 + (2 - Math.cos(4 * x) - Math.cos(4 * y)) / 2, x / 5 + 2 * Math.sin(4 * x), y / 5 + 2 * Math.sin(4 * y)],
  plateau: (x, y) => { const e = Math.exp(-(x * x + y * y) / 2); return [1 - e, x * e, y * e]; },
};
/** Loss and derivatives at a point: [loss, by x, by y]. */
export function surfaceAt(surface, condition, [x, y]) { return SURFACES[surface](x, y, condition); }

// ---- the rules: each returns where (x, y) = p goes with the gradient g in step t, and changes its state s in place
const each = (f) => [f(0), f(1)], dot = (a, b) => a[0] * b[0] + a[1] * b[1];
/** Turn each entry of s[name] (zeros at first) into f(entry, i), and return them. */
const fold = (s, name, f) => { const a = (s[name] ??= [0, 0]); a[0] = f(a[0], 0); a[1] = f(a[1], 1); return a; };
/** A running mean, as torch computes it: start + w (end − start), from the nearer end. */
const lerp = (a, b, w) => (w < 0.5 ? a + w * (b - a) : b - (b - a) * (1 - w));

function withMomentum(look) {
  return (p, g, s, t, lr, mu) => {
    if (mu === 0) return each((i) => p[i] - lr * g[i]);
    const v = fold(s, "v", (a, i) => (t === 1 ? g[i] : mu * a + g[i]));           // v ← μ v + g
    return each((i) => p[i] - lr * (look ? g[i] + mu * v[i] : v[i]));             // θ ← θ − η v, or η (g + μ v)
  };
}
const RULES = {
  SGD: (p, g, s, t, lr) => each((i) => p[i] - lr * g[i]),
  Momentum: withMomentum(false),
  Nesterov: withMomentum(true),
  Adagrad: (p, g, s, t, lr) => {
    const G = fold(s, "G", (a, i) => a + g[i] * g[i]);                            // G ← G + g²
    return each((i) => p[i] - (lr * g[i]) / (Math.sqrt(G[i]) + 1e-10));
  },
  RMSprop: (p, g, s, t, lr) => {
    const v = fold(s, "v", (a, i) => a * 0.99 + (1 - 0.99) * g[i] * g[i]);        // v ← α v + (1 − α) g²
    return each((i) => p[i] - (lr * g[i]) / (Math.sqrt(v[i]) + 1e-8));
  },
  Adadelta: (p, g, s, t, lr) => {
    const v = fold(s, "v", (a, i) => a * 0.9 + (1 - 0.9) * g[i] * g[i]), before = [...(s.u ?? [0, 0])];
    const d = each((i) => (Math.sqrt(before[i] + 1e-6) / Math.sqrt(v[i] + 1e-6)) * g[i]);
    fold(s, "u", (a, i) => a * 0.9 + (1 - 0.9) * d[i] * d[i]);                    // u ← ρ u + (1 − ρ) Δ²
    return each((i) => p[i] - lr * d[i]);
  },
  Adam: (p, g, s, t, lr, b1) => {
    const m = fold(s, "m", (a, i) => lerp(a, g[i], 1 - b1)), v = fold(s, "v", (a, i) => a * 0.999 + (1 - 0.999) * g[i] * g[i]);
    const step = lr / (1 - b1 ** t), root = Math.sqrt(1 - 0.999 ** t);            // both means corrected
    return each((i) => p[i] - (step * m[i]) / (Math.sqrt(v[i]) / root + 1e-8));
  },
  Lion: (p, g, s, t, lr, b1) => {
    const m = s.m ?? [0, 0], next = each((i) => p[i] - lr * Math.sign(m[i] * b1 + (1 - b1) * g[i]));
    fold(s, "m", (a, i) => a * 0.99 + (1 - 0.99) * g[i]);
    return next;
  },
  "L-BFGS": (p, g, s, t, lr) => {
    if (!(Math.max(Math.abs(g[0]), Math.abs(g[1])) > 0)) return [...p];           // at rest
    s.n = (s.n ?? 0) + 1;
    let d = [-g[0], -g[1]];
    if (s.n === 1) { s.pairs = []; s.scale = 1; }
    else {
      const y = each((i) => g[i] - s.g[i]), step = each((i) => s.d[i] * s.t), ys = dot(y, step);
      if (ys > 1e-10) { s.pairs = [...s.pairs, { y, step, rho: 1 / ys }].slice(-10); s.scale = ys / dot(y, y); }
      const shares = [];
      for (let k = s.pairs.length - 1; k >= 0; k--) {
        shares[k] = dot(s.pairs[k].step, d) * s.pairs[k].rho;
        d = each((i) => d[i] - shares[k] * s.pairs[k].y[i]);
      }
      d = each((i) => d[i] * s.scale);
      s.pairs.forEach((pair, k) => { const b = shares[k] - dot(pair.y, d) * pair.rho; d = each((i) => d[i] + b * pair.step[i]); });
    }
    s.g = [...g]; s.d = d;
    s.t = s.n === 1 ? Math.min(1, 1 / (Math.abs(g[0]) + Math.abs(g[1]))) * lr : lr;
    return dot(g, d) > 0 ? [...p] : each((i) => p[i] + s.t * d[i]);
  },
};
/** Follow given gradients, whatever the surface: all positions. */
export function follow(name, start, gradients, lr, momentum) {
  const path = [start], s = {};
  gradients.forEach((g, k) => path.push(RULES[name](path[k], g, s, k + 1, lr, momentum)));
  return path;
}

/** `count` pairs of standard normal numbers from a seed, one for each derivative of a step. */
export function gradientNoise(seed, count) {
  const drawn = normals(seed, 2 * count);
  return Array.from({ length: count }, (_, t) => [drawn[2 * t], drawn[2 * t + 1]]);
}

/** A run: { path, losses }; a run that left ±LIMIT has diverged and ends before it. */
export function run({ name, surface, condition, start, lr, momentum, noise, seed }, pushes = null) {
  const f = SURFACES[surface], rule = RULES[name], s = {}, path = [[...start]], losses = [];
  const added = noise > 0 ? pushes ?? gradientNoise(seed, STEPS) : null;
  let p = path[0];
  for (let t = 1; ; t++) {
    const [loss, gx, gy] = f(p[0], p[1], condition);
    losses.push(loss);
    if (t > STEPS) break;
    const g = added ? [gx + noise * added[t - 1][0], gy + noise * added[t - 1][1]] : [gx, gy];
    p = rule(p, g, s, t, lr, momentum);
    if (!(Math.abs(p[0]) <= LIMIT && Math.abs(p[1]) <= LIMIT)) break;
    path.push(p);
  }
  return { path, losses };
}

/** How good a run is, the lower the better: [mean loss of the last 20 steps, mean logarithm of all]. */
export function judge(losses) {
  if (losses.length <= STEPS) return [Infinity, Infinity];
  const mean = (a) => a.reduce((sum, v) => sum + v, 0) / a.length;
  return [Math.max(mean(losses.slice(-20)), ZERO), mean(losses.map((l) => Math.log(Math.max(l, ZERO))))];
}
/** The best of all rates for one racer. */
export function bestRate(settings) {
  const pushes = settings.noise > 0 ? gradientNoise(settings.seed, STEPS) : null;
  let best = RATES[0], score = null;
  for (const lr of RATES) {
    const now = judge(run({ ...settings, lr }, pushes).losses);
    if (!score || now[0] < score[0] || (now[0] === score[0] && now[1] < score[1])) { score = now; best = lr; }
  }
  return best;
}

// ---- contours
const GRID = 72, SHARES = [0.01, 0.04, 0.1, 0.18, 0.28, 0.4, 0.54, 0.7, 0.86];
/** Losses on a grid of (n + 1)² points over the square, row after row from the lowest y. */
export function gridOf(surface, condition, [mx, my], reach, n = GRID) {
  const values = new Float64Array((n + 1) ** 2), f = SURFACES[surface];
  for (let j = 0, k = 0; j <= n; j++)
    for (let i = 0; i <= n; i++, k++) values[k] = f(mx + reach * ((2 * i) / n - 1), my + reach * ((2 * j) / n - 1), condition)[0];
  return values;
}
/** Where the loss has a level, as segments [x1, y1, x2, y2] in units of grid cells (marching squares). */
export function contour(values, level, n = GRID) {
  const found = [], w = n + 1;
  for (let j = 0; j < n; j++) for (let i = 0; i < n; i++) {
    const k = j * w + i, a = values[k], b = values[k + 1], c = values[k + w + 1], d = values[k + w];
    const code = (a > level) | ((b > level) << 1) | ((c > level) << 2) | ((d > level) << 3);
    if (code === 0 || code === 15) continue;
    const cut = (from, to) => (level - from) / (to - from), points = [];
    if ((a > level) !== (b > level)) points.push([i + cut(a, b), j]);
    if ((b > level) !== (c > level)) points.push([i + 1, j + cut(b, c)]);
    if ((d > level) !== (c > level)) points.push([i + cut(d, c), j + 1]);
    if ((a > level) !== (d > level)) points.push([i, j + cut(a, d)]);
    for (let m = 0; m + 1 < points.length; m += 2) found.push([...points[m], ...points[m + 1]]);
  }
  return found;
}
/** Levels that share the square out evenly, however steep the surface is. */
export function levelsOf(values) {
  const sorted = Float64Array.from(values).sort();
  return SHARES.map((q) => sorted[Math.floor(q * (sorted.length - 1))]);
}

// ---- the words
/** A loss as text: 28.1, 0.0042, 3.1e−7, 0. */
export function lossText(v) {
  if (!(v >= ZERO)) return Number.isNaN(v) ? "not a number" : "0";
  if (v >= 1e-3 && v < 1e4) return v >= 100 ? v.toFixed(0) : v.toPrecision(v >= 1 ? 3 : 2);
  return v.toExponential(1).replace("e+", "e").replace("-", "−");
}
const list = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`);
/** What the picture shows: who is lowest after `step` steps, who is highest, who diverged. */
export function describe({ step, title, noise, runs }) {
  const names = Object.keys(runs), left = names.filter((n) => runs[n].losses.length <= Math.min(step, STEPS));
  const going = names.filter((n) => !left.includes(n)).map((n) => [n, runs[n].losses[step]]);
  const rough = noise > 0 ? `, noise ${noise}` : "", begin = `Step ${step} of ${STEPS}, ${title}${rough}: `;
  if (!names.length) return `${begin}nobody runs.`;
  if (step === 0) return `${begin}${list(names)} at the start, loss ${lossText(going[0][1])}.`;
  const away = left.length ? ` Diverged: ${left.map((n) => `${n} in step ${runs[n].losses.length}`).join(", ")}.` : "";
  if (!going.length) return `${begin}nobody is left.${away}`;
  going.sort((a, b) => a[1] - b[1]);
  const low = going[0][1], best = going.filter(([, v]) => v <= Math.max(low * (1 + 1e-9), ZERO)).map(([n]) => n), rest = going.slice(best.length);
  const first = !rest.length && going.length > 1 ? `all have loss ${lossText(low)}` : `lowest ${best.length > 1 ? "are" : "is"} ${list(best)}, loss ${lossText(low)}`;
  const others = rest.length > 1 ? `; then ${rest[0][0]}, ${lossText(rest[0][1])}; highest ${rest[rest.length - 1][0]}, ${lossText(rest[rest.length - 1][1])}`
    : rest.length ? `; then ${rest[0][0]}, ${lossText(rest[0][1])}` : "";
  return `${begin}${first}${others}.${away}`;
}

// ---- the pictures
const DASHES = ["", "", "8 3", "", "2 3", "9 3 2 3", "", "", "5 5"];
const circle = "M4.5 0A4.5 4.5 0 1 1-4.5 0A4.5 4.5 0 1 1 4.5 0Z";
const SHAPES = [circle, "M-4-4H4V4H-4Z", "M0-6L6 0L0 6L-6 0Z", "M0-5.5L5 4H-5Z", "M0 5.5L5-4H-5Z", "M-5-2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z",
  "M0-6L1.6-2L6-1.9L2.6 .8L3.7 5L0 2.6L-3.7 5L-2.6 .8L-6-1.9L-1.6-2Z", "M-5 0L-2.5-4.4H2.5L5 0L2.5 4.4H-2.5Z", "M-5-3L-3-5L0-2L3-5L5-3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0Z"];
const SIDE = 320, LEFT = 46, TOP = 8, WIDE = 266, BOTTOM = TOP + WIDE, DECADES = 9;

function render({ model, el, signal }) {
  const surfaces = model.get("surfaces");
  const redraw = onPaint(() => { if (!signal?.aborted) draw(); });
  const { state, first, tell, write } = shared(model, [...SETTINGS, "step"], (name) => { if (name !== "step") stale = true; redraw(); });
  let stale = true, runs = {}, tokens = {}, ceiling = 0;
  const info = () => { const [title, middle, reach, start, minima] = surfaces[state.surface]; return { title, middle, reach, start, minima }; };
  const ravine = () => state.surface === "ravine" || state.surface === "turned";
  const nearest = (values, v) => values.reduce((best, w, i) => (Math.abs(w - v) < Math.abs(values[best] - v) ? i : best), 0);
  function change(patch) { write(patch); stale = true; redraw(); }
  function settingsOf(name) { return { name, ...state, lr: state.rates[name] }; }

  function race() {
    const { middle, reach } = info(), pushes = state.noise > 0 ? gradientNoise(state.seed, STEPS) : null;
    runs = {}; tokens = {};
    const start = surfaceAt(state.surface, state.condition, state.start)[0];
    ceiling = Math.max(0, Math.ceil(Math.log10(start + ZERO) + 0.3));
    for (const name of RACERS) if (state.racing.includes(name)) {
      const { path } = (runs[name] = run(settingsOf(name), pushes));
      tokens[name] = { path: path.map((p) => onMap(p, middle, reach).map((v) => v.toFixed(1)).join()),
        loss: runs[name].losses.map((l, t) => `${onStep(t).toFixed(1)},${onLoss(l).toFixed(1)}`) };
    }
    stale = false;
  }
  const far = (v) => Math.min(5000, Math.max(-5000, v));
  function onMap([x, y], [mx, my], reach) { return [far(LEFT + (WIDE * ((x - mx) / reach + 1)) / 2), far(BOTTOM - (WIDE * ((y - my) / reach + 1)) / 2)]; }
  const onStep = (t) => LEFT + 8 + ((WIDE - 8) * t) / STEPS;
  const onLoss = (l) => far(TOP + (WIDE * (ceiling - Math.log10(Math.max(l, 1e-300)))) / DECADES);

  // ---- controls
  const box = frame(el, model.get("title"));
  box.classList.add("race");
  const surface = choice({ label: "Surface", options: Object.entries(surfaces).map(([k, s]) => [k, s[0]]), value: state.surface,
    onchange: (v) => { loop.stop(); change({ surface: v, start: surfaces[v][3].map(Number) }); } });
  const pick = (label, values, key, show = String) => slider({ label, min: 0, max: values.length - 1, value: nearest(values, state[key]), show: (i) => show(values[i]), onchange: (i) => change({ [key]: values[i] }) });
  const condition = pick("Condition number κ", CONDITIONS, "condition", (v) => (ravine() ? String(v) : "none"));
  const momentum = pick("Momentum μ, β₁", MOMENTA, "momentum"), noise = pick("Noise on the gradient", NOISES, "noise");
  const loop = looper({ frame: () => { advance(1); draw(); return state.step < STEPS; }, onstop: () => tell("step"), signal,
    ready: () => { if (state.step >= STEPS) state.step = 0; return true; } });
  function advance(by) { state.step = Math.min(STEPS, state.step + by); }
  const go = (step) => { loop.halt(); write({ step }); redraw(); };
  const one = button("1 step", () => go(Math.min(STEPS, state.step + 1)));
  const over = button("Start over", () => go(0), { hint: "step 0, with the same settings" });
  const at = slider({ label: "Step", min: 0, max: STEPS, value: state.step, onchange: go });
  const tune = button("Tune all", () => change({ rates: { ...state.rates, ...Object.fromEntries(state.racing.map((name) => [name, bestRate(settingsOf(name))])) } }),
    { hint: "every racer gets the best of the same 16 rates on this surface from this start" });
  const reseed = button("New noise", () => change({ seed: (state.seed % 999) + 1 }), { hint: "other random numbers" });
  const reset = button("Reset", () => { loop.halt(); Object.assign(state, structuredClone(first)); tell(...SETTINGS, "step"); stale = true; redraw(); }, { hint: "everything as it was at first" });

  // ---- the racers: who runs, at which rate, how low
  const rows = RACERS.map((name, r) => {
    const swatch = h("svg", { class: `race-swatch race-${r}`, viewBox: "0 0 24 14", "aria-hidden": "true" },
      h("line", { x1: 0, x2: 24, y1: 7, y2: 7, "stroke-dasharray": DASHES[r] }), h("path", { d: SHAPES[r], transform: "translate(12 7)" }));
    const runs_ = checkbox({ label: name, onchange: (on) => change({ racing: RACERS.filter((n) => (n === name ? on : state.racing.includes(n))) }) });
    runs_.input.after(swatch);
    const rate = slider({ label: h("span", { class: "dlw-hidden" }, `Rate η of ${name}`), min: 0, max: RATES.length - 1, value: nearest(RATES, state.rates[name]),
      show: (i) => String(RATES[i]), onchange: (i) => change({ rates: { ...state.rates, [name]: RATES[i] } }) });
    const loss = h("output", { class: "race-loss" });
    return { name, runs: runs_, rate, loss, el: h("div", { class: "race-row", role: "group", "aria-label": name }, runs_.el, rate.el, loss) };
  });

  // ---- landscape and loss
  const clip = uid("clip"), label = (text, x, y, anchor = "middle") => h("text", { x, y, "text-anchor": anchor }, text);
  const frameOf = () => h("rect", { class: "race-frame", x: LEFT, y: TOP, width: WIDE, height: WIDE });
  const inside = () => h("g", { "clip-path": `url(#${clip})` });
  const line = (r) => h("polyline", { class: `race-line race-${r}`, "stroke-dasharray": DASHES[r] }), mark = (r) => h("path", { class: `race-mark race-${r}`, d: SHAPES[r] });
  const map = h("svg", { class: "race-plot race-map", viewBox: `0 0 ${SIDE} ${BOTTOM + 24}`, role: "img" });
  const lines = h("path", { class: "race-contour" }), crosses = h("path", { class: "race-least" });
  const paths = RACERS.map((_, r) => line(r)), marks = RACERS.map((_, r) => mark(r));
  const xs = [0, 1, 2].map(() => label("", 0, BOTTOM + 16)), ys = [0, 1, 2].map(() => label("", LEFT - 5, 0, "end"));
  const held = inside();
  held.append(lines, crosses, ...paths, ...marks);
  const handle = h("circle", { class: "race-start", r: 9 }), grip = h("rect", { class: "race-grip", x: LEFT, y: TOP, width: WIDE, height: WIDE });
  map.append(h("defs", {}, h("clipPath", { id: clip }, h("rect", { x: LEFT, y: TOP, width: WIDE, height: WIDE }))), frameOf(), held, handle, ...xs, ...ys, grip);
  setAttribute(grip, "role", "application"); setAttribute(grip, "aria-roledescription", "point that arrow keys and the pointer move");
  const clamp = (v, middle, reach) => Math.min(middle + reach, Math.max(middle - reach, Math.round(v * 1e6) / 1e6));
  function place(x, y) { const { middle, reach } = info(); change({ start: [clamp(x, middle[0], reach), clamp(y, middle[1], reach)] }); }
  draggable(grip, {
    move: (dx, dy) => { const by = info().reach / 40; place(state.start[0] + dx * by, state.start[1] - dy * by); },
    place: (u, v) => { const { middle, reach } = info(), round = (w) => Math.round(w * 100) / 100; place(round(middle[0] + reach * (2 * u - 1)), round(middle[1] + reach * (1 - 2 * v))); },
  });

  const plot = h("svg", { class: "race-plot race-losses", viewBox: `0 0 ${SIDE} ${BOTTOM + 24}`, role: "img" });
  const curves = RACERS.map((_, r) => line(r)), ends = RACERS.map((_, r) => mark(r)), kept = inside();
  kept.append(...curves, ...ends);
  const heights = [0, 3, 6, 9].map((k) => ({ text: label("", LEFT - 3, TOP + (WIDE * k) / DECADES + (k === 0 ? 10 : k === 9 ? 0 : 4), "end"), rule: h("line", { class: "race-rule", x1: LEFT, x2: LEFT + WIDE, y1: TOP + (WIDE * k) / DECADES, y2: TOP + (WIDE * k) / DECADES }) }));
  plot.append(frameOf(), ...heights.map((e) => e.rule), kept, ...heights.map((e) => e.text),
    ...[0, 100, 200].map((t) => label(String(t), onStep(t) - (t === 200 ? 8 : 0), BOTTOM + 16)), label("step", onStep(150), BOTTOM + 16));

  const caption = h("figcaption", {}), says = summary();
  box.append(
    h("div", { class: "race-controls" }, surface.el, condition.el, momentum.el, noise.el),
    h("div", { class: "dlw-player race-player" }, loop.el, one, over, tune, reseed, reset), at.el,
    h("div", { class: "race-main" },
      h("figure", {}, map, caption),
      h("figure", {}, plot, h("figcaption", {}, "The loss after every step, without the noise. The scale is one of powers of ten."))),
    h("div", { class: "race-rows" }, rows.map((row) => row.el)), says.el);

  let drawn = "";
  function drawSurface() {
    const key = `${state.surface} ${ravine() ? state.condition : ""}`;
    if (key === drawn) return;
    drawn = key;
    const { middle, reach, minima } = info(), values = gridOf(state.surface, state.condition, middle, reach), unit = WIDE / GRID;
    const at_ = (x, y) => `${(LEFT + x * unit).toFixed(1)} ${(BOTTOM - y * unit).toFixed(1)}`;
    setAttribute(lines, "d", levelsOf(values).map((level) => contour(values, level).map(([a, b, c, d]) => `M${at_(a, b)}L${at_(c, d)}`).join("")).join(""));
    setAttribute(crosses, "d", minima.map((p) => { const [x, y] = onMap(p, middle, reach); return `M${x - 5} ${y - 5}L${x + 5} ${y + 5}M${x - 5} ${y + 5}L${x + 5} ${y - 5}`; }).join(""));
    [-1, 0, 1].forEach((k, i) => {
      setText(xs[i], short(middle[0] + 0.8 * k * reach, 1)); setAttribute(xs[i], "x", LEFT + (WIDE * (0.8 * k + 1)) / 2);
      setText(ys[i], short(middle[1] + 0.8 * k * reach, 1)); setAttribute(ys[i], "y", BOTTOM - (WIDE * (0.8 * k + 1)) / 2 + 4);
    });
  }

  function draw() {
    if (stale) race();
    drawSurface();
    const { title, middle, reach } = info(), step = state.step, [sx, sy] = onMap(state.start, middle, reach);
    setAttribute(handle, "cx", sx.toFixed(1)); setAttribute(handle, "cy", sy.toFixed(1));
    RACERS.forEach((name, r) => {
      const one_ = runs[name], n = one_ ? Math.min(step + 1, one_.path.length) : 0, gone = one_ && one_.losses.length <= step;
      for (const [shape, tip, list_] of [[paths[r], marks[r], tokens[name]?.path], [curves[r], ends[r], tokens[name]?.loss]]) {
        setAttribute(shape, "points", n ? list_.slice(0, n).join(" ") : "");
        setAttribute(tip, "visibility", n && !gone ? null : "hidden");
        if (n && !gone) setAttribute(tip, "transform", `translate(${list_[n - 1]})`);
      }
      const row = rows[r];
      setText(row.loss, !one_ ? "–" : gone ? "lost" : lossText(one_.losses[step]));
      turn(row.runs, Boolean(one_)); turn(row.rate, nearest(RATES, state.rates[name]));
      setClass(row.el, one_ ? "race-row" : "race-row race-idle");
    });
    heights.forEach(({ text }, i) => { const e = ceiling - 3 * i; setText(text, e > 4 || e < -3 ? `1e${e}`.replace("-", "−") : String(10 ** e)); });
    turn(surface, state.surface); turn(momentum, nearest(MOMENTA, state.momentum)); turn(noise, nearest(NOISES, state.noise)); turn(at, step);
    condition.set(nearest(CONDITIONS, state.condition)); condition.input.disabled = !ravine();
    one.disabled = step >= STEPS; reseed.disabled = state.noise === 0; tune.disabled = !state.racing.length;
    setText(caption, `Parameters x (across) and y, lines of equal loss, × minima. Ring: the start, (${state.start.map((v) => short(v, 3)).join(", ")}); drag it, or use the arrow keys.`);
    const text = describe({ step, title: ravine() ? `${title}, κ = ${state.condition}` : title, noise: state.noise, runs });
    setAttribute(map, "aria-label", `paths on the surface. ${text}`); setAttribute(plot, "aria-label", `loss against step. ${text}`);
    setAttribute(grip, "aria-label", `Start, x ${short(state.start[0], 3)}, y ${short(state.start[1], 3)}`);
    says.say(text);
  }
  draw();
}

export default { render };
