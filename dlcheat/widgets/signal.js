// Signal and gradient through depth: a random network, layer by layer. First the mathematics (the same numbers as
// dlcheat.widgets.signal), then the words, then the pictures.

export const WIDTH = 64, BATCH = 16, MOST = 50, FLAT = 0.01, BINS = 41;
const SIZE = BATCH * WIDTH, NAMES = ["activation", "init", "gain", "depth", "layer", "show", "seed"];
/** Ways to draw the first weights: [name, gain]; the weights' standard deviation is gain / √64. */
export const INITS = { small: ["too small", 0.5], torch: ["nn.Linear's own", 1 / Math.sqrt(3)], lecun: ["LeCun", 1], xavier: ["Xavier", 1], he: ["He", Math.SQRT2],
  tanh: ["Xavier for tanh", 5 / 3], fitted: ["fitted to φ", null], large: ["too large", 2.5], own: ["your own", null] };
const SHOWN = { activation: "activations h", preactivation: "pre-activations z", gradient: "gradients ∂L/∂h" };

const fitted = new Map();
/** The gain that leads pre-activations of variance 1 to variance 1 again. */
export function fittedGain(activation) {
  if (!fitted.has(activation)) fitted.set(activation, gainFor(activation));
  return fitted.get(activation);
}
function gainFor(activation) {
  let sum = 0;
  for (let i = 0; i < 2000; i++) { const z = (i + 0.5) / 100 - 10; sum += (evaluate(activation, z)[0] ** 2 * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI); }
  return 1 / Math.sqrt(sum / 100);
}
/** The gain that a state has. */
export const usedGain = ({ activation, init, gain }) => (init === "own" ? gain : INITS[init][1] ?? fittedGain(activation));

/** Normal numbers of one network, drawn when they are asked for: { seed, inputs, end, layer(l) → [W, Wᵀ] }. */
export function numbersOf(seed) {
  const layers = [];
  return { seed, inputs: normals(1000 * seed, SIZE), end: normals(1000 * seed + MOST + 1, SIZE),
    layer(l) {
      if (!layers[l]) {
        const W = normals(1000 * seed + l, WIDTH * WIDTH), T = new Float64Array(W.length);
        for (let i = 0; i < W.length; i++) { W[i] /= Math.sqrt(WIDTH); T[(i % WIDTH) * WIDTH + Math.floor(i / WIDTH)] = W[i]; }
        layers[l] = [W, T];
      }
      return layers[l];
    } };
}

/** out = scale · rows · Wᵀ, four inputs and two units at a time. */
function multiply(rows, W, scale, out) {
  for (let a = 0; a < SIZE; a += 4 * WIDTH) {
    const b = a + WIDTH, c = b + WIDTH, d = c + WIDTH;
    for (let o = 0; o < WIDTH; o += 2) {
      const one = o * WIDTH, two = one + WIDTH;
      let a1 = 0, b1 = 0, c1 = 0, d1 = 0, a2 = 0, b2 = 0, c2 = 0, d2 = 0;
      for (let i = 0; i < WIDTH; i++) {
        const v = W[one + i], w = W[two + i], p = rows[a + i], q = rows[b + i], r = rows[c + i], s = rows[d + i];
        a1 += v * p; b1 += v * q; c1 += v * r; d1 += v * s; a2 += w * p; b2 += w * q; c2 += w * r; d2 += w * s;
      }
      out[a + o] = scale * a1; out[b + o] = scale * b1; out[c + o] = scale * c1; out[d + o] = scale * d1;
      out[a + o + 1] = scale * a2; out[b + o + 1] = scale * b2; out[c + o + 1] = scale * c2; out[d + o + 1] = scale * d2;
    }
  }
}
/** The standard deviation of numbers around their own mean. */
export function deviation(values) {
  let mean = 0, square = 0;
  for (let i = 0; i < values.length; i++) mean += values[i];
  mean /= values.length;
  for (let i = 0; i < values.length; i++) square += (values[i] - mean) ** 2;
  return Math.sqrt(square / values.length);
}
/** How much the inputs differ: deviation over the inputs, root mean square over the units. */
export function spreadOf(values) {
  let sum = 0;
  for (let u = 0; u < WIDTH; u++) {
    let mean = 0, square = 0;
    for (let i = u; i < SIZE; i += WIDTH) mean += values[i];
    mean /= BATCH;
    for (let i = u; i < SIZE; i += WIDTH) square += (values[i] - mean) ** 2;
    sum += square / BATCH;
  }
  return Math.sqrt(sum / WIDTH);
}

/** Values and slopes of an activation, number by number. */
function activate(phi, from, values, slopes) {
  for (let i = 0; i < SIZE; i++) { const both = phi(from[i], DEFAULTS); values[i] = both[0]; slopes[i] = both[1]; }
}
function times(a, b, out) { for (let i = 0; i < SIZE; i++) out[i] = a[i] * b[i]; }
/** The share of flat slopes, and that of units which are flat for every input. */
export function flatShares(slopes) {
  let flat = 0, dead = 0;
  for (let u = 0; u < WIDTH; u++) {
    let count = 0;
    for (let i = u; i < SIZE; i += WIDTH) if (Math.abs(slopes[i]) < FLAT) count += 1;
    flat += count;
    if (count === BATCH) dead += 1;
  }
  return [flat / SIZE, dead / WIDTH];
}

const sheet = () => Array.from({ length: MOST + 1 }, () => new Float64Array(SIZE));
/** Memory for one network's numbers; it is written again and again. */
export const makeRoom = () => ({ h: sheet(), z: sheet(), slope: sheet(), gradient: sheet(), passed: new Float64Array(SIZE) });

/**
 * Forward and back, a layer at each call of next(), so that a page can draw between: it returns
 * { depth, forward, spread, backward, flat, dead, h, z, gradient }, the last three as the room's arrays.
 */
export function* flow({ activation, depth }, gain, numbers, room) {
  const phi = ACTIVATIONS[activation].at, { h, z, slope, gradient, passed } = room;
  const out = { depth, forward: [], spread: [], backward: new Array(depth + 1), flat: [0], dead: [0], h, z, gradient };
  h[0].set(numbers.inputs);
  for (let l = 0; l <= depth; l++) {
    if (l) {
      multiply(h[l - 1], numbers.layer(l)[0], gain, z[l]);
      activate(phi, z[l], h[l], slope[l]);
      const [flat, dead] = flatShares(slope[l]);
      out.flat.push(flat); out.dead.push(dead);
    }
    out.forward.push(deviation(h[l])); out.spread.push(spreadOf(h[l]));
    yield;
  }
  gradient[depth].set(numbers.end);
  for (let l = depth; l >= 0; l--) {
    out.backward[l] = deviation(gradient[l]);
    if (l) {
      times(gradient[l], slope[l], passed);
      multiply(passed, numbers.layer(l)[1], gain, gradient[l - 1]);
      yield;
    }
  }
  return out;
}

/** All of it at once, with copies: what propagate returns in Python. */
export function propagate(activation, gain, depth, seed) {
  const job = flow({ activation, depth }, gain, numbersOf(seed), makeRoom());
  let step = job.next();
  while (!step.done) step = job.next();
  const { h, z, gradient, ...rest } = step.value;
  return { ...rest, activations: h.slice(0, depth + 1), preactivations: z.slice(1, depth + 1), gradients: gradient.slice(0, depth + 1) };
}

/** Counts of values in 41 bars from −edge to edge, the middle one around 0: { edge, counts }. */
export function histogram(values) {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  const unit = 10 ** Math.floor(Math.log10(most)), edge = most > 0 ? unit * ([1, 2, 5].find((m) => m * unit >= most) ?? 10) : 1;
  const counts = new Array(BINS).fill(0);
  for (let i = 0; i < values.length; i++) counts[Math.min(BINS - 1, Math.max(0, Math.floor(((values[i] / edge + 1) / 2) * BINS)))] += 1;
  return { edge, counts };
}

/** Decades below and above 1 that hold all values, and the powers of ten to write: { low, high, ticks }. */
export function decades(values) {
  const logs = values.filter((v) => v > 0).map(Math.log10), stops = [1, 2, 4, 8, 16, 32, 64];
  const reach = (needed) => stops.find((s) => s >= needed - 1e-9) ?? 64;
  const low = -reach(-Math.min(-1, ...logs)), high = reach(Math.max(1, ...logs)), step = [1, 2, 4, 8, 16, 32].find((s) => (high - low) / s <= 5) ?? 32;
  const ticks = [];
  for (let k = Math.ceil(low / step) * step; k <= high; k += step) ticks.push(k);
  return { low, high, ticks };
}

/** A share in percent. */
export const percent = (v) => `${format(100 * v, v > 0 && v < 0.0995 ? 1 : 0)} %`;
/** The edge of a histogram: 0.5, 2 · 10⁻⁷. */
export const edgeText = (v) => (Math.abs(v) > 0.004 && Math.abs(v) < 2000 ? short(v, 3) : anySize(v).replace(".0\u00a0", "\u00a0"));

/** What the pictures show, in a few sentences. */
export function describe({ activation, depth, init }, gain, seen) {
  const out = seen.forward[depth], back = seen.backward[0], start = seen.backward[depth], ratio = back / start;
  const verb = ratio < 0.01 ? "vanishes" : ratio < 0.5 ? "shrinks" : ratio > 100 ? "explodes" : ratio > 2 ? "grows" : "keeps its size";
  const fate = back === 0 ? "no gradient comes back at all" : `the gradient ${verb}, ×${anySize(ratio ** (1 / depth))} a layer`;
  const alike = seen.spread[depth] < 0.1 * out || out === 0 ? "There all inputs look alike." : seen.spread[depth] < 0.5 * out ? "There the inputs have grown alike." : "There the inputs still differ.";
  return `${depth} layers of ${ACTIVATIONS[activation].name}, gain ${format(gain, 2)} (${INITS[init][0]}). Forward, the standard deviation goes from ${anySize(seen.forward[0])} to ${anySize(out)}. ${alike} `
    + `Backward, it goes from ${anySize(start)} to ${anySize(back)}: ${fate}. Flat in layer ${depth}: ${percent(seen.flat[depth])} of the slopes, ${percent(seen.dead[depth])} of the units for every input.`;
}

const BOX_W = 300, X0 = 46, X1 = 288, Y0 = 10, LONG = 200, SHORT = 92, SIDE = 190;
/** Milliseconds of a frame that the network may take. */
const BUDGET = 3;

function render({ model, el, signal }) {
  const redraw = onPaint(() => { if (!signal?.aborted) draw(); });
  const { state, first, write: tell } = shared(model, NAMES, redraw);
  const write = (patch) => { tell(patch); redraw(); };

  // ---- controls
  const box = frame(el, model.get("title"));
  box.classList.add("sg");
  const activation = choice({ label: "Activation φ", options: Object.entries(ACTIVATIONS).map(([k, a]) => [k, a.name]), value: state.activation, onchange: (v) => write({ activation: v }) });
  const init = choice({ label: "First weights", options: Object.entries(INITS).map(([k, [name, g]]) => [k, g ? `${name}: ${format(g, 2)}` : name]), value: state.init,
    onchange: (v) => write(v === "own" ? { gain: Math.min(4, Math.max(0.1, Number(usedGain(state).toFixed(2)))), init: v } : { init: v }) });
  const gain = slider({ label: "Gain g", min: 0.1, max: 4, step: 0.01, value: 1, show: (v) => format(v, 2), onchange: (v) => write({ init: "own", gain: v }) });
  const depth = slider({ label: "Layers", min: 2, max: MOST, value: state.depth, onchange: (v) => write({ depth: v }) });
  const layer = slider({ label: "Look at layer", min: 0, max: MOST, value: state.layer, show: (v) => (v === 0 ? "input" : String(v)), onchange: (v) => write({ layer: v }) });
  const show = choice({ label: "Histogram of", options: Object.entries(SHOWN), value: state.show, onchange: (v) => write({ show: v }) });
  const reseed = button("New weights", () => write({ seed: (state.seed % 999) + 1 }));
  const reset = button("Reset", () => write(first));

  // ---- pictures
  const Xl = (l, d) => X0 + ((X1 - X0) * l) / d;
  function picture(name, bottom, label) {
    const grid = h("g", {}), content = h("g", {});
    const svg = h("svg", { viewBox: `0 0 ${BOX_W} ${bottom + 38}`, class: name, role: "img" }, grid, h("rect", { class: "sg-frame", x: X0, y: Y0, width: X1 - X0, height: bottom - Y0 }), content,
      h("text", { x: (X0 + X1) / 2, y: bottom + 33, class: "sg-mid" }, label));
    return { svg, grid, content, bottom, drawn: "" };
  }
  /** A finger that moves across chooses the layer; one that moves up or down scrolls the page. */
  function choosable({ svg }) {
    const place = (event) => { const r = svg.getBoundingClientRect(), u = (((event.clientX - r.left) / r.width) * BOX_W - X0) / (X1 - X0); write({ layer: Math.round(state.depth * Math.min(1, Math.max(0, u))) }); };
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); place(event); });
    svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) place(event); });
    svg.classList.add("sg-across");
  }
  const lines = picture("sg-lines", LONG, "standard deviation, by layer"), shares = picture("sg-shares", SHORT, "share that is flat, by layer"), bars = picture("sg-bars", SIDE, "");
  choosable(lines); choosable(shares);
  const cursor = () => h("line", { class: "sg-cursor", y1: Y0 }), one = h("line", { class: "sg-axis", x1: X0, x2: X1 });
  const curves = { forward: h("path", { class: "sg-curve sg-forward" }), spread: h("path", { class: "sg-curve sg-spread" }), backward: h("path", { class: "sg-curve sg-backward" }) };
  const dots = { forward: h("circle", { class: "sg-dot sg-forward", r: 5 }), spread: h("path", { class: "sg-dot sg-spread" }), backward: h("path", { class: "sg-dot sg-backward" }) };
  const cursors = [cursor(), cursor()], flat = h("path", { class: "sg-flat" }), dead = h("path", { class: "sg-dead" });
  lines.content.append(one, cursors[0], curves.spread, curves.forward, curves.backward, dots.spread, dots.forward, dots.backward);
  shares.content.append(flat, dead, cursors[1]);
  const columns = h("path", { class: "sg-columns" }), peak = h("text", { class: "sg-mid sg-peak" });
  bars.content.append(columns, h("line", { class: "sg-cursor", x1: (X0 + X1) / 2, x2: (X0 + X1) / 2, y1: Y0, y2: SIDE }), peak);
  const key = (name) => h("svg", { viewBox: "0 0 34 12", class: "sg-key", "aria-hidden": "true" }, name === "flat" || name === "dead" ? h("path", { class: `sg-${name}`, d: "M6 1h22v10h-22z" }) : h("line", { class: `sg-curve sg-${name}`, x1: 1, x2: 33, y1: 6, y2: 6 }));
  const cells = {}, entry = (name, text) => h("tr", {}, h("td", {}, key(name)), h("th", { scope: "row" }, text), (cells[name] = h("td", {})));
  const head = h("th", { scope: "col" });
  const table = h("table", { class: "sg-table" }, h("thead", {}, h("tr", {}, h("td", {}), h("td", {}), head)), h("tbody", {}, entry("forward", "deviation of h"), entry("spread", "… between the inputs"), entry("backward", "… of the gradient"),
    entry("flat", "slopes under 0.01"), entry("dead", "units flat for every input")));
  const barsCaption = h("figcaption", {}), says = summary();
  box.append(h("div", { class: "dlw-row" }, activation.el, init.el), h("div", { class: "sg-sliders" }, gain.el, depth.el, layer.el), h("div", { class: "dlw-row" }, show.el, reseed, reset),
    h("div", { class: "sg-main" }, h("figure", {}, lines.svg, shares.svg), h("figure", {}, bars.svg, barsCaption, table)), says.el);

  // ---- the network: computed in pieces that fit a frame; what is shown stays until the next is whole
  let rooms = [makeRoom(), makeRoom()], numbers = null, job = null, seen = null, drawn = null;
  const keyOf = () => JSON.stringify([state.activation, state.init, usedGain(state), state.depth, state.seed]);
  const behind = () => job !== null || seen?.key !== keyOf();
  function compute(until) {
    if (!job) {
      const { activation: a, init: i, depth: d, seed } = state, g = usedGain(state);
      if (numbers?.seed !== seed) numbers = numbersOf(seed);
      job = { about: { key: keyOf(), what: { activation: a, init: i, depth: d }, gain: g }, steps: flow({ activation: a, depth: d }, g, numbers, rooms[1]) };
    }
    let step = job.steps.next();
    while (!step.done && performance.now() < until) step = job.steps.next();
    if (step.done) { seen = { ...step.value, ...job.about }; job = null; rooms = [rooms[1], rooms[0]]; }
  }

  function axis(p, d, ticks, y) {
    const steps = d <= 6 ? 1 : d <= 12 ? 2 : d <= 30 ? 5 : 10, along = Array.from({ length: Math.floor(d / steps) + 1 }, (_, i) => i * steps);
    const text = JSON.stringify([d, ticks]);
    if (p.drawn === text) return;
    p.drawn = text;
    p.grid.replaceChildren(...ticks.flatMap(([v, name]) => [h("line", { class: "sg-rule", x1: X0, x2: X1, y1: y(v), y2: y(v) }), h("text", { x: X0 - 5, y: y(v) + 4, class: "sg-end" }, name)]),
      ...along.map((l) => h("text", { x: Xl(l, d), y: p.bottom + 16, class: "sg-mid" }, String(l))));
  }
  function drawFlow() {
    const d = seen.depth, range = decades([...seen.forward, ...seen.spread, ...seen.backward]), r1 = (v) => v.toFixed(1);
    const y = (v) => LONG - ((LONG - Y0) * (v - range.low)) / (range.high - range.low);
    seen.place = (v) => y(v > 0 ? Math.max(range.low, Math.log10(v)) : range.low);
    axis(lines, d, range.ticks.map((k) => [k, powerOfTen(k)]), y);
    setAttribute(one, "y1", y(0)); setAttribute(one, "y2", y(0));
    for (const name of Object.keys(curves)) setAttribute(curves[name], "d", seen[name].map((v, l) => `${l ? "L" : "M"}${r1(Xl(l, d))},${r1(seen.place(v))}`).join(""));
    const ys = (v) => SHORT - (SHORT - Y0) * v, wide = Math.min(9, (0.7 * (X1 - X0)) / d);
    axis(shares, d, [[0, "0"], [0.5, "0.5"], [1, "1"]], ys);
    for (const [path, values] of [[flat, seen.flat], [dead, seen.dead]])
      setAttribute(path, "d", values.map((v, l) => { const x = Math.max(X0, Math.min(X1 - wide, Xl(l, d) - wide / 2)); return l && v ? `M${r1(x)},${SHORT}V${r1(ys(v))}h${r1(wide)}V${SHORT}z` : ""; }).join(""));
  }
  function drawBars(l, shown) {
    const source = { activation: seen.h, preactivation: seen.z, gradient: seen.gradient }[shown][l], { edge, counts } = histogram(source), order = [...counts].sort((a, b) => b - a);
    // a bar that towers over all others is cut, and says how much it holds
    const capped = order[0] > 3 * Math.max(1, order[1]), top = (capped ? 2 * Math.max(1, order[1]) : order[0]) / SIZE, step = 10 ** Math.floor(Math.log10(top)), ticks = [0, step * ([5, 2, 1].find((m) => m * step <= top) ?? 1)];
    const y = (v) => SIDE - (SIDE - Y0 - 16) * Math.min(1, v / top), wide = (X1 - X0) / BINS, text = JSON.stringify([edge, ticks, top]);
    setAttribute(columns, "d", counts.map((c, i) => (c ? `M${(X0 + i * wide).toFixed(1)},${SIDE}V${y(c / SIZE).toFixed(1)}h${(wide - 0.6).toFixed(1)}V${SIDE}z` : "")).join(""));
    const at = counts.indexOf(order[0]);
    setAttribute(peak, "x", Math.min(X1 - 16, Math.max(X0 + 16, X0 + (at + 0.5) * wide)).toFixed(1)); setAttribute(peak, "y", Y0 + 12); setText(peak, percent(order[0] / SIZE));
    if (bars.drawn !== text) {
      bars.drawn = text;
      bars.grid.replaceChildren(...ticks.flatMap((v) => [h("line", { class: "sg-rule", x1: X0, x2: X1, y1: y(v), y2: y(v) }), h("text", { x: X0 - 5, y: y(v) + 4, class: "sg-end" }, `${short(100 * v, 1)} %`)]),
        ...[[-edge, X0, "sg-start"], [0, (X0 + X1) / 2, "sg-mid"], [edge, X1, "sg-end"]].map(([v, x, c]) => h("text", { x, y: SIDE + 16, class: c }, edgeText(v))));
    }
    const where = l ? `layer ${l}` : "the input", what = SHOWN[shown];
    setText(barsCaption, `Histogram: ${what} of ${where}, ${BATCH} inputs × ${WIDTH} units.${capped ? " The fullest bar is cut." : ""}`);
    setAttribute(bars.svg, "aria-label", `histogram of the ${what} of ${where}: standard deviation ${anySize(deviation(source))}, fullest bar ${percent(order[0] / SIZE)}`);
  }

  function draw() {
    // controls
    turn(activation, state.activation); turn(init, state.init); turn(show, state.show); turn(depth, state.depth);
    const g = Number(usedGain(state).toFixed(2));
    turn(gain, g);
    if (Number(layer.input.max) !== state.depth) layer.setRange(0, state.depth);
    turn(layer, Math.min(state.layer, state.depth));
    // a frame computes, or draws, or writes: together they might take too long
    const begins = drawn === null, computes = drawn === seen && behind();
    if (computes) compute(begins ? Infinity : performance.now() + BUDGET);
    const fresh = drawn !== seen, busy = !begins && (fresh || computes || behind());
    setAttribute(box, "aria-busy", busy ? "true" : null);
    if (busy) redraw();
    if (computes && !begins) return;
    if (fresh) { drawn = seen; drawFlow(); }
    // the chosen layer
    const d = seen.depth, l = Math.min(state.layer, d), shown = state.show === "preactivation" && l === 0 ? "activation" : state.show, x = Xl(l, d).toFixed(1);
    cursors.forEach((c, i) => { for (const [name, v] of [["x1", x], ["x2", x], ["y2", [LONG, SHORT][i]]]) setAttribute(c, name, v); });
    const [yf, ys, yb] = ["forward", "spread", "backward"].map((name) => seen.place(seen[name][l]).toFixed(1));
    setAttribute(dots.forward, "cx", x); setAttribute(dots.forward, "cy", yf);
    setAttribute(dots.spread, "d", `M${x - 4.5},${ys - 4.5}h9v9h-9z`); setAttribute(dots.backward, "d", `M${x - 6},${yb}l6,-6l6,6l-6,6z`);
    drawBars(l, shown);
    if (busy) return;
    setText(head, l ? `layer ${l}` : "input");
    for (const name of ["forward", "spread", "backward"]) setText(cells[name], anySize(seen[name][l]));
    for (const name of ["flat", "dead"]) setText(cells[name], l ? percent(seen[name][l]) : "–");
    const text = describe(seen.what, seen.gain, seen);
    setAttribute(lines.svg, "aria-label", `standard deviations, by layer, logarithmic: ${l ? `layer ${l}` : "input"} ${anySize(seen.forward[l])}, between the inputs ${anySize(seen.spread[l])}, gradient ${anySize(seen.backward[l])}`);
    setAttribute(shares.svg, "aria-label", `share of flat slopes by layer: ${percent(seen.flat[1])} in layer 1, ${percent(seen.flat[d])} in layer ${d}`);
    says.say(text);
  }
  draw();
}

export default { render };
