// The playground: a network of the reader's size learns points in the plane, here in the page.

export const LIMIT = 3;                 // the plane is shown from −3 to 3
export const MOST_POINTS = 200, MOST_STEPS = 20000;
const RATES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const GRID = 40;                        // the decision surface is computed at 40 × 40 places

/** The widths of all layers: two inputs, the hidden layers, one output. */
export function layerSizes(hidden, units) { return [2, ...Array(hidden).fill(units), 1]; }

/** The number of weights and biases of dense layers. */
export function parameterCount(sizes) {
  return sizes.slice(1).reduce((sum, n, i) => sum + (sizes[i] + 1) * n, 0);
}

/** The first parameters: for each layer its weight (out × in, row after row), then its bias. */
export function initialWeights(sizes, seed) {
  const u = uniforms(seed, parameterCount(sizes)), weights = new Float64Array(u.length);
  let at = 0;
  for (let l = 1; l < sizes.length; l++) {
    const bound = Math.sqrt(3 / sizes[l - 1]), end = at + sizes[l - 1] * sizes[l];
    for (; at < end; at++) weights[at] = bound * (2 * u[at] - 1);
    for (let k = 0; k < sizes[l]; k++, at++) weights[at] = u[at] - 0.5;
  }
  return weights;
}

function activate(h, activation) {
  if (activation === "tanh") for (let i = 0; i < h.length; i++) h[i] = Math.tanh(h[i]);
  else if (activation === "relu") for (let i = 0; i < h.length; i++) h[i] = h[i] > 0 ? h[i] : h[i] === h[i] ? 0 : NaN;
  else if (activation === "sigmoid") for (let i = 0; i < h.length; i++) h[i] = 1 / (1 + Math.exp(-h[i]));
}

// The derivative of the activation, from its output.
function slope(h, activation) {
  return activation === "tanh" ? 1 - h * h : activation === "relu" ? (h > 0 ? 1 : 0) : activation === "sigmoid" ? h * (1 - h) : 1;
}

/** What every layer answers to every point: [inputs, hidden …, logits], each N × width, row after row. */
export function layerOutputs(weights, sizes, activation, inputs) {
  const n = inputs.length / 2, outputs = [inputs];
  for (let l = 1, at = 0; l < sizes.length; l++) {
    const a = sizes[l - 1], b = sizes[l], x = outputs[l - 1], h = new Float64Array(n * b), bias = at + a * b;
    for (let p = 0; p < n; p++) {
      for (let o = 0; o < b; o++) {
        let sum = weights[bias + o];
        for (let i = 0, w = at + o * a; i < a; i++) sum += weights[w + i] * x[p * a + i];
        h[p * b + o] = sum;
      }
    }
    if (l < sizes.length - 1) activate(h, activation);
    outputs.push(h);
    at = bias + b;
  }
  return outputs;
}

/**
 * One step of gradient descent on all points (rows x, y, class), with the mean binary cross-entropy:
 * { loss, accuracy, logits, gradient } before the step, and the { weights } after it.
 */
export function trainStep({ weights, sizes, activation, points, rate }) {
  const n = points.length, inputs = new Float64Array(2 * n);
  points.forEach(([x, y], p) => { inputs[2 * p] = x; inputs[2 * p + 1] = y; });
  const outputs = layerOutputs(weights, sizes, activation, inputs), logits = outputs[sizes.length - 1];
  let loss = 0, right = 0, delta = new Float64Array(n);           // ∂L/∂z
  for (let p = 0; p < n; p++) {
    const z = logits[p], y = points[p][2], e = Math.exp(-Math.abs(z));
    loss += (Math.max(z, 0) - z * y + Math.log1p(e)) / n;
    right += (z > 0) === (y > 0);
    delta[p] = ((z >= 0 ? 1 : e) / (1 + e) - y) / n;
  }
  const gradient = new Float64Array(weights.length);
  for (let l = sizes.length - 1, end = weights.length; l > 0; l--) {
    const a = sizes[l - 1], b = sizes[l], bias = end - b, at = bias - a * b, x = outputs[l - 1];
    const before = l > 1 ? new Float64Array(n * a) : null;        // the gradient at the layer's input
    for (let p = 0; p < n; p++) {
      for (let o = 0; o < b; o++) {
        const d = delta[p * b + o], w = at + o * a;
        gradient[bias + o] += d;
        for (let i = 0; i < a; i++) {
          gradient[w + i] += d * x[p * a + i];
          if (before) before[p * a + i] += d * weights[w + i];
        }
      }
    }
    if (before) for (let k = 0; k < before.length; k++) before[k] *= slope(x[k], activation);
    delta = before; end = at;
  }
  return { loss, accuracy: right / n, logits, gradient, weights: weights.map((w, k) => w - rate * gradient[k]) };
}

/** The middles of the grid's cells, x and y in turn, from the top left corner. */
export function gridPoints(n = GRID) {
  const out = new Float64Array(2 * n * n);
  for (let row = 0; row < n; row++) for (let column = 0; column < n; column++) {
    out[2 * (row * n + column)] = LIMIT * ((2 * column + 1) / n - 1);
    out[2 * (row * n + column) + 1] = LIMIT * (1 - (2 * row + 1) / n);
  }
  return out;
}

/** The segments [x1, y1, x2, y2] where the values on a grid (n × n) cross zero, in cells from its first middle. */
export function zeroLine(values, n) {
  const segments = [];
  for (let r = 0; r + 1 < n; r++) for (let c = 0; c + 1 < n; c++) {
    const at = r * n + c, sign = values[at] > 0;
    if (sign === values[at + 1] > 0 && sign === values[at + n] > 0 && sign === values[at + n + 1] > 0) continue;
    const v = [values[at], values[at + 1], values[at + n + 1], values[at + n]], cuts = [];
    for (let k = 0; k < 4; k++) {
      const u = v[k], w = v[(k + 1) % 4];
      if ((u > 0) === (w > 0)) continue;
      const t = u / (u - w);
      cuts.push(k === 0 ? [c + t, r] : k === 1 ? [c + 1, r + t] : k === 2 ? [c + 1 - t, r + 1] : [c, r + 1 - t]);
    }
    for (let k = 0; k + 1 < cuts.length; k += 2) segments.push([...cuts[k], ...cuts[k + 1]]);
  }
  return segments;
}

/** A place of the plane on its grid of hundredths. */
export function clampPlace([x, y]) {
  return [x, y].map((v) => Math.round(100 * Math.min(LIMIT, Math.max(-LIMIT, v))) / 100 + 0);
}

/** Three numbers of a colour that is written as #rrggbb or rgb(r, g, b). */
export function parseColor(text) {
  const hex = /^#(..)(..)(..)$/.exec(text);
  return hex ? hex.slice(1).map((v) => parseInt(v, 16)) : (text.match(/[\d.]+/g) ?? [255, 255, 255]).slice(0, 3).map(Number);
}

const SETS = [["moons", "two moons"], ["xor", "XOR"], ["rings", "rings"], ["spirals", "spirals"], ["own", "your own"]];
const PHI = [["tanh", "tanh"], ["relu", "ReLU"], ["sigmoid", "sigmoid"], ["identity", "identity"]];
const SHAPES = ["circle", "square"];
const SETTINGS = ["data", "points", "hidden", "units", "activation", "rate", "seed"];

function render({ model, el, signal }) {
  const sets = model.get("sets");
  const redraw = onPaint(draw);
  const { state, first, tell: send } = shared(model, [...SETTINGS, "weights", "steps"], (k) => {
    loop.halt();
    if (k === "steps") from = state.steps - history.length + 1;
    else {
      if (k === "weights") state.steps = model.get("steps");
      else if (k !== "rate" && k !== "points") { state.weights = []; state.steps = 0; }
      if (k === "rate" || (k === "points" && state.data === "own")) measure(); else begin();
    }
    redraw();
  });
  let weights, look = null, history = [], from = 0, alarmText = "";
  let cursor = [0, 0], adds = 0, alive = true;

  const shown = () => (state.data === "own" ? state.points : sets[state.data]);
  const sizes = () => layerSizes(state.hidden, state.units);
  const measure = () => { look = shown().length ? trainStep({ weights, sizes: sizes(), activation: state.activation, points: shown(), rate: state.rate }) : null; };
  function begin() {                                             // from the state's weights, or the seed's
    const count = parameterCount(sizes());
    if (state.weights.length === count) weights = Float64Array.from(state.weights);
    else { weights = initialWeights(sizes(), state.seed); state.steps = 0; }
    from = state.steps; measure(); history = look ? [look.loss] : [];
  }
  function step() {
    if (!look || state.steps >= MOST_STEPS || !look.weights.every(Number.isFinite)) return false;
    weights = look.weights; state.steps += 1; measure(); history.push(look.loss);
    return Number.isFinite(look.loss);
  }
  function tell(...names) {                                      // state in, traits out; at play, the weights wait
    if (!loop.playing) { state.weights = state.steps ? Array.from(weights, (w) => (Number.isFinite(w) ? w : 0)) : []; names.push("steps", "weights"); }
    send(...names);
  }
  /** Change settings; the network starts over unless `keep`. */
  function change(patch, keep = false) {
    Object.assign(state, patch);
    if (!keep) { state.weights = []; state.steps = 0; begin(); }
    else {                                                       // other points, other loss
      measure();
      if (history.length) history[history.length - 1] = look ? look.loss : NaN; else if (look) history = [look.loss];
    }
    if (!look) loop.stop();
    tell(...Object.keys(patch));
    redraw();
  }

  // ---- controls
  const box = frame(el, model.get("title") || "A small network that learns points in the plane");
  box.classList.add("pg");
  const rateAt = (v) => RATES.reduce((best, r, i) => (Math.abs(Math.log(r / v)) < Math.abs(Math.log(RATES[best] / v)) ? i : best), 0);
  const dataMenu = choice({ label: "Points", options: SETS, value: state.data, onchange: (data) => change({ data }) });
  const phiMenu = choice({ label: "Activation", options: PHI, value: state.activation, onchange: (activation) => change({ activation }) });
  const hidden = slider({ label: "Hidden layers", min: 0, max: 3, value: state.hidden, onchange: (v) => change({ hidden: v }) });
  const units = slider({ label: "Units in each", min: 1, max: 8, value: state.units, onchange: (v) => change({ units: v }) });
  const rate = slider({ label: "Learning rate η", min: 0, max: RATES.length - 1, value: rateAt(state.rate), show: (i) => short(rateAt(state.rate) === i ? state.rate : RATES[i], 4), onchange: (i) => change({ rate: RATES[i] }, true) });
  const speed = choice({ label: "Steps in a frame", options: [1, 5, 20].map((v) => [v, String(v)]), value: 5 });
  const loop = looper({ frame: advance, ready: () => look && state.steps < MOST_STEPS, onstop: () => { tell(); redraw(); }, signal });
  const one = button("1 step", () => go(1)), hundred = button("100 steps", () => go(100));
  const over = button("Start over", () => { loop.stop(); change({}); }, { hint: "step 0, with the same first weights" });
  const reseed = button("New weights", () => change({ seed: (state.seed % 999) + 1 }), { hint: "start over from other first weights" });
  const reset = button("Reset", () => {
    loop.stop(); Object.assign(state, structuredClone(first)); cursor = [0, 0]; adds = 0; alarmText = ""; begin();
    classMenu.set(0); speed.set(5); tell(...SETTINGS); redraw();
  }, { hint: "everything as it was at first" });
  const classMenu = choice({ label: "A click adds a", options: SHAPES.map((s, c) => [c, `${"●■"[c]} ${s}, class ${c}`]), value: 0, onchange: (c) => { adds = c; } });
  const undo = button("Remove last", () => edit(shown().slice(0, -1)), { hint: "remove the last point" });
  const clear = button("Remove all", () => edit([]), { hint: "remove all points" });
  function edit(points) { alarmText = ""; change({ points: structuredClone(points), data: "own" }, true); }
  function add(place) {
    if (shown().length >= MOST_POINTS) { alarmText = `${MOST_POINTS} points are as many as fit: remove some first.`; redraw(); return; }
    edit([...shown(), [...clampPlace(place), adds]]);
  }
  function removeNear() {
    const far = ([x, y]) => Math.hypot(x - cursor[0], y - cursor[1]);
    const near = shown().reduce((best, p, i, all) => (best < 0 || far(p) < far(all[best]) ? i : best), -1);
    if (near >= 0) edit(shown().filter((_, i) => i !== near));
  }
  function go(count) { loop.stop(); for (let k = 0; k < count; k++) if (!step()) break; tell(); redraw(); }
  function advance() {
    const until = performance.now() + 5;
    let going = true;
    for (let k = 0; going && k < speed.value && performance.now() < until; k++) going = step();
    draw();
    return going;
  }

  // ---- the pictures: the plane on one canvas, the loss on a second, the hidden units on a third
  const plane = h("canvas", { class: "pg-plane", role: "application", tabindex: "0",
    "aria-label": "the plane with its points: the arrow keys move a cursor, Enter adds a point, Delete removes the nearest one" });
  const curve = h("canvas", { class: "pg-curve", role: "img" }), maps = h("canvas", { class: "pg-maps", role: "img" });
  const says = summary(), alarm = h("p", { class: "pg-alarm", role: "status" });
  const unitsCaption = h("figcaption", {});
  const layerNames = [1, 2, 3].map((l) => h("span", {}, `layer ${l}`));
  box.append(
    h("div", { class: "dlw-row" }, dataMenu.el, phiMenu.el),
    h("div", { class: "pg-sliders" }, hidden.el, units.el, rate.el),
    h("div", { class: "dlw-player pg-player" }, loop.el, one, hundred, over, reseed, reset),
    h("div", { class: "pg-main" },
      h("figure", { class: "pg-left" }, plane, h("figcaption", {}, "Orange: class 0 is likelier; blue: class 1; the line: equal. An outlined point lies on the wrong side.")),
      h("div", { class: "pg-right" },
        h("figure", {}, curve, h("figcaption", {}, "Loss against steps; dashed: ln 2, the loss of guessing.")),
        h("figure", {}, h("div", { class: "pg-units" }, h("div", { class: "pg-layers" }, layerNames), maps),
          unitsCaption))),
    says.el, alarm,
    h("div", { class: "dlw-row" }, classMenu.el, undo, clear, speed.el));

  const grid = gridPoints(), small = h("canvas", { width: GRID, height: GRID });
  let size = 320, curveSize = [320, 120], ratio = 1, colors = null, ramp = null;
  function readTheme() {
    const css = (key) => getComputedStyle(box).getPropertyValue(key).trim();
    colors = { ink: css("color"), ground: css("background-color"), muted: css("--pg-muted"), rule: css("--pg-rule"), classes: [css("--dl-c1"), css("--dl-c0")] };
    const ground = parseColor(colors.ground), ends = [css("--dl-minus"), css("--dl-plus")].map(parseColor);
    ramp = Uint32Array.from({ length: 256 }, (_, i) => {
      const t = Math.abs(i - 127.5) / 127.5, end = ends[i < 128 ? 0 : 1];
      const [r, g, b] = ground.map((v, k) => Math.round(v + 0.62 * t * (end[k] - v)));
      return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    });
  }
  function context(canvas, width, height) {
    const w = Math.round(width * ratio), k = Math.round(height * ratio);
    if (canvas.width !== w || canvas.height !== k) { canvas.width = w; canvas.height = k; }
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    return c;
  }
  const X = (x) => ((x / LIMIT + 1) * size) / 2, Y = (y) => ((1 - y / LIMIT) * size) / 2;

  function drawPlane(outputs) {
    const c = context(plane, size, size), logits = outputs[outputs.length - 1], { pixels, put } = sheetOf(small, GRID, GRID);
    for (let i = 0; i < pixels.length; i++) { const p = 1 / (1 + Math.exp(-logits[i])); pixels[i] = ramp[p === p ? Math.min(255, Math.floor(256 * p)) : 127]; }
    put();
    c.imageSmoothingEnabled = true;
    c.drawImage(small, 0, 0, size, size);
    const cell = size / GRID;
    c.beginPath();
    for (const [x1, y1, x2, y2] of zeroLine(logits, GRID)) { c.moveTo((x1 + 0.5) * cell, (y1 + 0.5) * cell); c.lineTo((x2 + 0.5) * cell, (y2 + 0.5) * cell); }
    c.strokeStyle = colors.ink; c.lineWidth = 2; c.stroke();
    const points = shown(), r = size < 300 ? 3.5 : 4.5;
    for (const wrong of [false, true]) for (const kind of [0, 1]) {
      c.beginPath();
      points.forEach(([x, y, label], i) => {
        if (label !== kind || ((look.logits[i] > 0) !== (label > 0)) !== wrong) return;
        if (kind) c.rect(X(x) - r + 0.5, Y(y) - r + 0.5, 2 * r - 1, 2 * r - 1);
        else { c.moveTo(X(x) + r, Y(y)); c.arc(X(x), Y(y), r, 0, 2 * Math.PI); }
      });
      c.strokeStyle = wrong ? colors.ink : colors.ground; c.lineWidth = wrong ? 4 : 2; c.stroke();
      c.fillStyle = colors.classes[kind]; c.fill();
    }
    if (plane.matches(":focus-visible")) {
      const [x, y] = [X(cursor[0]), Y(cursor[1])];
      for (const [width, color] of [[5, colors.ground], [2, colors.ink]]) {
        c.beginPath(); c.moveTo(x - 11, y); c.lineTo(x + 11, y); c.moveTo(x, y - 11); c.lineTo(x, y + 11);
        c.lineWidth = width; c.strokeStyle = color; c.stroke();
      }
    }
  }
  function drawCurve() {
    const [width, height] = curveSize, c = context(curve, width, height), left = 34, bottom = height - 20, n = history.length;
    c.clearRect(0, 0, width, height);
    const top = Math.max(0.8, Math.min(3, n ? history[0] : 0)), y = (v) => bottom - (bottom - 8) * Math.min(1, v / top), x = (i) => left + ((width - left - 8) * i) / Math.max(100, n - 1);
    c.strokeStyle = colors.rule; c.lineWidth = 1;
    c.beginPath(); c.moveTo(left, 4); c.lineTo(left, bottom); c.lineTo(width - 4, bottom); c.stroke();
    c.setLineDash([5, 4]); c.strokeStyle = colors.muted; c.beginPath(); c.moveTo(left, y(Math.LN2)); c.lineTo(width - 4, y(Math.LN2)); c.stroke(); c.setLineDash([]);
    c.fillStyle = colors.ink; c.font = "12px sans-serif"; c.textBaseline = "middle"; c.textAlign = "right";
    c.fillText("0", left - 5, bottom); c.fillText("0.69", left - 5, y(Math.LN2));
    c.textBaseline = "alphabetic"; c.textAlign = "left"; c.fillText(`step ${from}`, left, height - 4);
    c.textAlign = "right"; c.fillText(String(from + Math.max(100, n - 1)), width - 8, height - 4);
    c.beginPath();
    const stride = Math.max(1, Math.floor(n / 400));
    for (let i = 0; i < n; i += stride) if (Number.isFinite(history[i])) c.lineTo(x(i), y(history[i]));
    if (n && Number.isFinite(history[n - 1])) c.lineTo(x(n - 1), y(history[n - 1]));
    c.strokeStyle = colors.classes[1]; c.lineWidth = 2; c.stroke();
  }
  function drawMaps(outputs) {
    setText(unitsCaption, state.hidden ? "What each hidden unit answers over the plane: blue above 0, orange below." : "No hidden unit: the answer is one sum of the two coordinates.");
    const side = GRID / 2, tile = side + 4, across = 8, { pixels, put } = sheetOf(maps, across * tile, 3 * tile), width = across * tile, n = state.units;
    pixels.fill(0);
    for (let l = 0; l < state.hidden; l++) {
      const h = outputs[l + 1];
      for (let u = 0; u < n; u++) {
        const corner = l * tile * width + u * tile;
        let limit = 1e-9;
        for (let r = 0; r < side; r++) for (let c = 0; c < side; c++) {
          const v = Math.abs(h[(2 * r * GRID + 2 * c) * n + u]);
          if (v > limit) limit = v;
        }
        for (let r = -1; r <= side; r++) for (let c = -1; c <= side; c++) {
          const inside = r >= 0 && c >= 0 && r < side && c < side;
          pixels[corner + (r + 2) * width + c + 2] = inside ? tint(h[(2 * r * GRID + 2 * c) * n + u], limit) : 0xff808080;
        }
      }
    }
    put();
  }
  let said = "", shownRate = null;
  function draw() {
    if (!alive) return;
    const outputs = layerOutputs(weights, sizes(), state.activation, grid), points = shown(), P = weights.length;
    drawPlane(outputs); drawCurve(); drawMaps(outputs);
    turn(dataMenu, state.data); turn(phiMenu, state.activation); turn(hidden, state.hidden); turn(units, state.units);
    if (shownRate !== state.rate) { shownRate = state.rate; rate.set(rateAt(state.rate)); }   // Python may set a rate between the marks
    if (units.input.disabled !== (state.hidden === 0)) { units.input.disabled = state.hidden === 0; phiMenu.select.disabled = state.hidden === 0; }
    loop.el.disabled = one.disabled = hundred.disabled = !look || state.steps >= MOST_STEPS;
    undo.disabled = clear.disabled = points.length === 0;
    const lost = look && (!Number.isFinite(look.loss) || !look.weights.every(Number.isFinite));
    setText(alarm, lost ? "The weights are no longer finite: the learning rate is too large. Start over with a smaller one." : state.steps >= MOST_STEPS ? `Stopped after ${MOST_STEPS} steps.` : alarmText);
    const net = state.hidden === 0 ? "no hidden layer" : `${state.hidden} hidden layer${state.hidden > 1 ? "s" : ""} of ${state.units} ${PHI.find(([k]) => k === state.activation)[1]} unit${state.units > 1 ? "s" : ""}`;
    const right = look ? Math.round(look.accuracy * points.length) : 0;
    const result = look ? `loss ${format(look.loss, 4)}, ${right} of ${points.length} points right (${format(100 * look.accuracy, 1)} %)` : "no points";
    says.say(`Step ${state.steps}: ${result}; ${net}, ${P} parameters, first weights no. ${state.seed}.`);
    if (said !== result && !loop.playing) {
      said = result;
      setAttribute(curve, "aria-label", look ? `loss from ${format(history[0], 3)} at step ${from} to ${format(look.loss, 3)} at step ${state.steps}` : "no loss");
      setAttribute(maps, "aria-label", state.hidden ? `answers of ${state.hidden * state.units} hidden units over the plane` : "no hidden units");
    }
    layerNames.forEach((e, l) => setClass(e, l < state.hidden ? "" : "pg-off"));
  }

  // ---- the pointer and the keys on the plane
  plane.dataset.lmSuppressShortcuts = "true";
  plane.addEventListener("click", (event) => {
    const r = plane.getBoundingClientRect();
    cursor = clampPlace([(2 * (event.clientX - r.left) / r.width - 1) * LIMIT, (1 - 2 * (event.clientY - r.top) / r.height) * LIMIT]);
    add(cursor);
  });
  plane.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key], size = event.shiftKey ? 0.5 : 0.1;
    if (by) { cursor = clampPlace([cursor[0] + size * by[0], cursor[1] + size * by[1]]); redraw(); }
    else if (event.key === "Enter" || event.key === " ") add(cursor);
    else if (event.key === "Delete" || event.key === "Backspace") removeNear();
    else return;
    event.preventDefault(); event.stopPropagation();
  });
  for (const name of ["focus", "blur"]) plane.addEventListener(name, redraw);

  const sizeWatch = new ResizeObserver(() => { size = plane.clientWidth || 320; curveSize = [curve.clientWidth || 320, curve.clientHeight || 120]; redraw(); });
  sizeWatch.observe(plane); sizeWatch.observe(curve);
  watchTheme(() => { readTheme(); redraw(); }, signal);
  signal?.addEventListener?.("abort", () => { alive = false; sizeWatch.disconnect(); });
  ratio = Math.min(2, window.devicePixelRatio || 1);
  size = plane.clientWidth || 320; curveSize = [curve.clientWidth || 320, curve.clientHeight || 120];
  readTheme(); begin(); draw();
}

export default { render };
