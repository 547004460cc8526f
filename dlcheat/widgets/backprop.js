// A 2-2-1 network, stepped through forward, loss, backward, update. First the mathematics (the same
// step as dlcheat.widgets.backprop), then the words and equations, then the picture.

export const SETTINGS = ["x", "y", "parameters", "activation", "kind", "lr", "position"];
export const NAMES = ["w₁₁", "w₁₂", "w₂₁", "w₂₂", "b₁", "b₂", "w₃₁", "w₃₂", "b₃"];
const W11 = 0, W12 = 1, W21 = 2, W22 = 3, B1 = 4, B2 = 5, W31 = 6, W32 = 7, B3 = 8;
export const STAGES = ["forward: hidden units", "forward: output", "loss", "backward: output", "backward: hidden units", "update"];
const ROUNDS = 30, RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], LIMIT = 100;

/** 1 / (1 + e^−z), without an overflow on either side. */
export function logistic(z) { const e = Math.exp(-Math.abs(z)); return z >= 0 ? 1 / (1 + e) : e / (1 + e); }
/** log(1 + e^z). */
export function softplus(z) { return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))); }

const ACTIVATIONS = {
  relu: { f: (z) => (z > 0 ? z : 0), slope: (z) => (z > 0 ? 1 : 0), text: (z) => `max(0, ${z})`, name: "max(0, z)" },
  tanh: { f: Math.tanh, slope: (z) => 1 - Math.tanh(z) ** 2, text: (z) => `tanh(${z})`, name: "tanh(z)" },
  sigmoid: { f: logistic, slope: (z) => logistic(z) * (1 - logistic(z)), text: (z) => `σ(${z})`, name: "σ(z)" },
  identity: { f: (z) => z, slope: () => 1, text: (z) => z, name: "z" },
};

/** Forward, loss, backward and update of one round. */
export function oneRound(p, { x, y, activation, kind, lr }) {
  const { f, slope: df } = ACTIVATIONS[activation];
  const z = [p[W11] * x[0] + p[W12] * x[1] + p[B1], p[W21] * x[0] + p[W22] * x[1] + p[B2]];
  const h = z.map(f);
  z.push(h[0] * p[W31] + h[1] * p[W32] + p[B3]);
  const y_hat = logistic(z[2]), square = kind === "squared error";
  const loss = square ? (y_hat - y) ** 2 : softplus(z[2]) - y * z[2];
  const d3 = square ? 2 * (y_hat - y) * y_hat * (1 - y_hat) : y_hat - y;
  const dh = [d3 * p[W31], d3 * p[W32]], slope = [df(z[0]), df(z[1])];
  const d1 = dh[0] * slope[0], d2 = dh[1] * slope[1];
  const gradient = [d1 * x[0], d1 * x[1], d2 * x[0], d2 * x[1], d1, d2, d3 * h[0], d3 * h[1], d3];
  return { z, h, y_hat, loss, delta: [d1, d2, d3], dh, slope, gradient, updated: p.map((w, i) => w - lr * gradient[i]) };
}

/** All numbers at a position: six times the round, plus the stage. */
export function backpropStep(state) {
  const round = Math.floor(state.position / STAGES.length), stage = state.position % STAGES.length, losses = [];
  let parameters = state.parameters, now = null;
  for (let r = 0; r <= round; r++) {
    if (now) parameters = now.updated;
    now = oneRound(parameters, state);
    losses.push(now.loss);
  }
  return { round, stage, parameters, ...now, updated_loss: oneRound(now.updated, state).loss, losses };
}

/** A number as this widget writes it: at most four decimals, a very large or small one with its power of ten. */
export function num(v) {
  const size = Math.abs(v);
  if (Number.isFinite(v) && size > 0 && (size < 5e-5 || size >= 1e5)) return v.toExponential(1).replace(/-/g, "−").replace("e+", "e");
  return short(v, 4);
}
const inBrackets = (v) => (v < 0 || Object.is(v, -0) ? `(${num(v)})` : num(v)).replace("(0)", "0");

/** The lines of every stage: the formula, then the same with its numbers. */
export function equations(state, step) {
  const { x, y, activation, kind, lr } = state, { parameters: p, z, h, y_hat, delta: d, dh, slope, gradient: g } = step;
  const act = ACTIVATIONS[activation], b = inBrackets, plus = (v) => (v < 0 ? `− ${num(-v)}` : `+ ${num(v)}`);
  const sum = (i, a, c, e, name) => `z${i} = w${i}₁${name}₁ + w${i}₂${name}₂ + b${i} = ${a} ${plus(e)} = ${c}`;
  const products = (w, v, k) => `${num(w)}·${b(v)} + ${b(k[0])}·${b(k[1])}`;
  const unit = (i) => (i ? "₂" : "₁");
  const hidden = [0, 1].flatMap((i) => [
    sum(unit(i), products(p[2 * i], x[0], [p[2 * i + 1], x[1]]), num(z[i]), p[B1 + i], "x"),
    `h${unit(i)} = f(z${unit(i)}) = ${act.text(num(z[i]))}${activation === "identity" ? "" : ` = ${num(h[i])}`}`]);
  const output = [sum("₃", products(p[W31], h[0], [p[W32], h[1]]), num(z[2]), p[B3], "h"),
    `ŷ = σ(z₃) = 1 / (1 + e^${inBrackets(-z[2])}) = ${num(y_hat)}`];
  const loss = kind === "squared error" ? [`L = (ŷ − y)² = (${num(y_hat)} − ${num(y)})² = ${num(step.loss)}`]
    : [`L = −y ln ŷ − (1 − y) ln(1 − ŷ) = −${num(y)}·ln ${num(y_hat)} − ${num(1 - y)}·ln ${num(1 - y_hat)} = ${num(step.loss)}`];
  const back = [kind === "squared error" ? `δ₃ = ∂L/∂z₃ = 2(ŷ − y) ŷ(1 − ŷ) = 2·${b(y_hat - y)}·${num(y_hat)}·${num(1 - y_hat)} = ${num(d[2])}`
    : `δ₃ = ∂L/∂z₃ = ŷ − y = ${num(y_hat)} − ${num(y)} = ${num(d[2])}`,
    ...[0, 1].map((j) => `∂L/∂w₃${unit(j)} = δ₃h${unit(j)} = ${num(d[2])}·${b(h[j])} = ${num(g[W31 + j])}`), `∂L/∂b₃ = δ₃ = ${num(d[2])}`];
  const deeper = [0, 1].flatMap((i) => [
    `∂L/∂h${unit(i)} = δ₃w₃${unit(i)} = ${num(d[2])}·${b(p[W31 + i])} = ${num(dh[i])}`,
    `δ${unit(i)} = ∂L/∂h${unit(i)} · f′(z${unit(i)}) = ${num(dh[i])}·${b(slope[i])} = ${num(d[i])}`,
    ...[0, 1].map((j) => `∂L/∂w${unit(i)}${unit(j)} = δ${unit(i)}x${unit(j)} = ${num(d[i])}·${b(x[j])} = ${num(g[2 * i + j])}`),
    `∂L/∂b${unit(i)} = δ${unit(i)} = ${num(d[i])}`]);
  const update = NAMES.map((name, k) => `${name} ← ${num(p[k])} − ${num(lr)}·${b(g[k])} = ${num(step.updated[k])}`);
  return [hidden, output, loss, back, deeper, update];
}

/** The heading over the equations of a stage. */
export function heading(state, stage) {
  return [`Forward, hidden units: f(z) = ${ACTIVATIONS[state.activation].name}`, "Forward, output unit: σ(z) = 1 / (1 + e⁻ᶻ)",
    "Loss: how far ŷ is from y", "Backward through the output unit: δ = ∂L/∂z", "Backward through the hidden units: the chain rule once more",
    `Update: θ ← θ − η ∂L/∂θ, η = ${num(state.lr)}`][stage];
}

/** What the picture shows, in a sentence. */
export function describe(state, step) {
  const size = Math.hypot(...step.gradient);
  const what = [`hidden units at ${num(step.h[0])} and ${num(step.h[1])}`, `prediction ${num(step.y_hat)} for the target ${num(state.y)}`,
    `the loss is ${num(step.loss)}`, `the output's δ₃ is ${num(step.delta[2])}`, `all nine derivatives are known; the gradient has length ${num(size)}`,
    `the update takes the loss from ${num(step.loss)} to ${num(step.updated_loss)}`][step.stage];
  const bad = [...step.updated, step.loss].some((v) => !Number.isFinite(v)) ? " The numbers have left every range: the training has diverged." : "";
  return `Round ${step.round + 1}, step ${step.stage + 1} of 6, ${STAGES[step.stage]}: ${what}.${bad}`;
}

// where things stand in the drawing, 300 × 456
const BOXES = [[66, 24, 100, 34], [234, 24, 100, 34], [66, 192, 128, 86], [234, 192, 128, 86], [150, 342, 146, 86], [150, 435, 226, 36]];
const EDGES = [[0, 2, W11, 48, 112], [1, 2, W12, 198, 66], [0, 3, W21, 102, 66], [1, 3, W22, 252, 112], [2, 4, W31, 60, 262], [3, 4, W32, 240, 262]];

function render({ model, el, signal }) {
  const redraw = onPaint(draw);
  const { state, first: loaded, write: tell } = shared(model, SETTINGS, redraw);
  const first = { ...loaded, ...(model.get("first") ?? {}) };
  let step = backpropStep(state);
  const box = frame(el, model.get("title"));
  box.classList.add("bp");
  /** Change the state here and in the model. */
  const write = (patch) => { tell(patch); redraw(); };
  /** An edit begins a new run: from the parameters on the screen, at the stage on the screen. */
  function restart(patch) {
    play.stop();
    const now = backpropStep(state), usable = now.parameters.every(Number.isFinite);
    write({ parameters: usable ? now.parameters : state.parameters, position: now.stage, ...patch });
  }
  const editParameter = (k, v) => restart({ parameters: backpropStep(state).parameters.map((w, i) => (i === k ? v : w)) });

  // ---- controls
  const activation = choice({ label: "Hidden f", options: [["relu", "ReLU"], ["tanh", "tanh"], ["sigmoid", "sigmoid"], ["identity", "identity (linear)"]],
    value: state.activation, onchange: (v) => restart({ activation: v }) });
  const kind = choice({ label: "Loss", options: ["cross-entropy", "squared error"], value: state.kind, onchange: (v) => restart({ kind: v }) });
  const rate = slider({ label: "Learning rate η", min: 0, max: RATES.length - 1, value: RATES.indexOf(state.lr), show: (i) => num(RATES[i]),
    onchange: (i) => write({ lr: RATES[i] }) });
  const play = player({ label: "Step", count: ROUNDS * 6, position: state.position, interval: 900, signal,
    show: (i) => `round ${Math.floor(i / 6) + 1}, ${(i % 6) + 1} of 6`,
    onchange: (position) => { if (position !== state.position) write({ position }); },
    onreset: () => { write(first); setText(alarm, ""); box.querySelectorAll("[aria-invalid]").forEach((e) => e.blur()); sync(true); } });
  const chips = ["hidden", "output", "loss", "∂ output", "∂ hidden", "update"].map((text, s) =>
    button(`${s + 1} ${text}`, () => { play.stop(); play.go(6 * Math.floor(state.position / 6) + s); }, { pressed: false, hint: STAGES[s] }));
  const jump = button("Next round", () => { play.stop(); play.go(Math.min(6 * ROUNDS - 1, state.position + 6)); }, { hint: "the same step, one update later" });
  const chipBox = h("div", { class: "bp-chips", role: "group", "aria-label": "step of the round" }, chips, jump);

  // ---- the network
  const svg = h("svg", { viewBox: "0 0 300 456", class: "bp-net", role: "group" });
  const lines = EDGES.map(([from, to]) => h("line", { x1: BOXES[from][0], y1: BOXES[from][1] + BOXES[from][3] / 2,
    x2: to === 4 ? BOXES[4][0] + (BOXES[from][0] < 150 ? -34 : 34) : BOXES[to][0], y2: BOXES[to][1] - BOXES[to][3] / 2 }));
  svg.append(...lines, h("line", { x1: 150, y1: 385, x2: 150, y2: 417, class: "bp-wire" }));
  const nodes = BOXES.map(([cx, cy, w, tall], n) => {
    const count = n < 2 ? 1 : n < 5 ? 4 : 1, top = cy - (count - 1) * 9.5 + 5;
    const rect = h("rect", { x: cx - w / 2, y: cy - tall / 2, width: w, height: tall, rx: 8 });
    const texts = Array.from({ length: count }, (_, i) => h("text", { x: cx, y: top + 19 * i }));
    svg.append(rect, ...texts);
    return { rect, texts };
  });
  const labels = EDGES.map(([, , , x, y]) => [0, 1].map((i) => {
    const text = h("text", { x, y: y + 17 * i, class: i ? "bp-label bp-slope" : "bp-label" });
    svg.append(text);
    return text;
  }));
  draggable(svg, { step: 1, bigStep: 6, move: (dx, dy) => { play.stop(); play.go(state.position + dx + dy); } });

  // ---- inputs, target, parameters
  /** A cell that shows four decimals and keeps them all. */
  function cell(options) {
    const made = numberCell({ min: -LIMIT, max: LIMIT, ...options }), set = made.set;
    made.set = (v) => { set(v); made.el.value = num(v); };
    made.set(options.value);
    return made;
  }
  const inputs = [0, 1].map((i) => cell({ label: `input x${i ? "₂" : "₁"}`, value: state.x[i], onchange: (v) => restart({ x: state.x.map((old, j) => (j === i ? v : old)) }) }));
  const target = cell({ label: "target y", value: state.y, min: 0, max: 1, onchange: (v) => restart({ y: v }) });
  const given = h("div", { class: "bp-given" }, [["x₁", inputs[0]], ["x₂", inputs[1]], ["y", target]].map(([text, c]) => h("label", {}, h("span", {}, text), c.el)));
  const rows = NAMES.map((name, k) => {
    const field = cell({ label: `parameter ${name}`, value: state.parameters[k], onchange: (v) => editParameter(k, v) });
    const cells = [h("td"), h("td")];
    return { field, cells, row: h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "bp-edit" }, field.el), cells) };
  });
  const table = h("table", { class: "bp-table" }, h("colgroup", {}, h("col", { class: "bp-name" }), h("col"), h("col"), h("col")),
    h("thead", {}, h("tr", {}, ["θ", "value", "∂L/∂θ", "updated"].map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, rows.map((r) => r.row)));

  // ---- the equations: a sheet for each stage, one of them shown, in a box as high as the longest
  const sheets = STAGES.map((_, s) => {
    const title = h("p", { class: "bp-heading" }), body = h("div");
    return { title, body, el: h("div", { class: `bp-sheet stage${s}` }, title, body) };
  });
  const equationBox = h("div", { class: "bp-equations" }, sheets.map((s) => s.el));

  // ---- the loss of every round
  const curve = h("polyline", { class: "bp-curve" }), dot = h("circle", { r: 5, class: "bp-dot" }), top = h("text", { x: 58, y: 19, class: "bp-end" }), last = h("text", { x: 296, y: 118, class: "bp-end" });
  const plot = h("svg", { viewBox: "0 0 300 124", class: "bp-plot", role: "img" }, h("line", { x1: 64, y1: 100, x2: 294, y2: 100, class: "bp-wire" }), h("line", { x1: 64, y1: 10, x2: 64, y2: 100, class: "bp-wire" }),
    top, h("text", { x: 58, y: 104, class: "bp-end" }, "0"), h("text", { x: 64, y: 118, class: "bp-begin" }, "0 updates"), last, curve, dot);
  const says = summary(), alarm = h("p", { class: "bp-alarm", role: "status" });
  box.append(h("div", { class: "dlw-row" }, activation.el, kind.el, rate.el), play.el, chipBox,
    h("div", { class: "bp-stage" }, h("div", { class: "bp-left" }, svg), h("div", { class: "bp-right" }, given, table, alarm), equationBox), says.el, h("figure", { class: "bp-figure" }, h("figcaption", {}, "Loss of each round"), plot),
    h("p", { class: "dlw-note" }, "Steps: buttons, slider, or the arrow keys on the drawing (Shift: a whole round). Inputs, target and parameters can be typed over, from −100 to 100; an edit begins a new run from the numbers on the screen. "
      + "The learning rate holds for the whole run: another one computes the run anew from its first weights. New in this step: bold, in a thick frame. Lines: blue for a positive weight, dashed orange for a negative one, thicker with its size."));

  // what is typed and refused is said in words
  box.addEventListener("input", ({ target: field }) => {
    if (!field.classList?.contains("dlw-number")) return;
    const bad = field.getAttribute("aria-invalid") === "true" && !["", "-", "−"].includes(field.value.trim());
    setText(alarm, bad ? `“${field.value}” is not a number from ${field === target.el ? "0 to 1" : `−${LIMIT} to ${LIMIT}`}: ${field.getAttribute("aria-label")} stays as it was.` : "");
  });
  box.addEventListener("focusout", () => setText(alarm, ""));

  function sync(all = false) {
    const pairs = [[inputs[0], state.x[0]], [inputs[1], state.x[1]], [target, state.y], ...rows.map((r, k) => [r.field, step.parameters[k]])];
    for (const [control, value] of pairs) if (all || !Object.is(control.value, value)) control.set(value);
    turn(activation, state.activation); turn(kind, state.kind); turn(rate, RATES.indexOf(state.lr));
  }

  const mark = (element, name, on) => setAttribute(element, "class", on ? `${name} new` : name);
  function draw() {
    step = backpropStep(state);
    const s = step.stage, { x, y } = state, { parameters: p, z, h: act, delta: d, gradient: g } = step;
    if (play.position !== state.position) play.go(state.position);
    sync();
    const when = (stage, text) => (s >= stage ? text : "–");
    const texts = [[`x₁ = ${num(x[0])}`], [`x₂ = ${num(x[1])}`],
      ...[0, 1].map((i) => { const u = i ? "₂" : "₁"; return [`b${u} = ${num(p[B1 + i])}`, `z${u} = ${num(z[i])}`, `h${u} = ${num(act[i])}`, `δ${u} = ${when(4, num(d[i]))}`]; }),
      [`b₃ = ${num(p[B3])}`, `z₃ = ${when(1, num(z[2]))}`, `ŷ = ${when(1, num(step.y_hat))}`, `δ₃ = ${when(3, num(d[2]))}`],
      [`L = ${when(2, num(step.loss))}   (y = ${num(y)})`]];
    const fresh = [[], [], ...[0, 1].map(() => [s === 5, s === 0, s === 0, s === 4]), [s === 5, s === 1, s === 1, s === 3], [s === 2]];
    if (s === 5) { texts[2][0] = `b₁ → ${num(step.updated[B1])}`; texts[3][0] = `b₂ → ${num(step.updated[B2])}`; texts[4][0] = `b₃ → ${num(step.updated[B3])}`; }
    nodes.forEach((node, n) => {
      node.texts.forEach((text, i) => { setText(text, texts[n][i]); mark(text, i === 3 ? "bp-text bp-slope" : "bp-text", fresh[n][i]); });
      mark(node.rect, "bp-box", fresh[n].some(Boolean));
    });
    EDGES.forEach(([, to, k], e) => {
      const known = to === 4 ? 3 : 4, w = s === 5 ? step.updated[k] : p[k];
      setText(labels[e][0], `${NAMES[k]} ${num(p[k])}`);
      setText(labels[e][1], s === 5 ? `→ ${num(w)}` : s >= known ? `∂ ${num(g[k])}` : "");
      mark(labels[e][1], s === 5 ? "bp-label" : "bp-label bp-slope", s === 5 || s === known);
      setAttribute(lines[e], "class", w < 0 ? "bp-edge minus" : "bp-edge");
      setAttribute(lines[e], "stroke-width", (1 + 2.5 * Math.min(2, Math.abs(w) || 0)).toFixed(2));
    });
    setAttribute(svg, "aria-label", `the network: ${describe(state, step)} The arrow keys step.`);
    rows.forEach(({ cells }, k) => {
      const known = s >= (k >= W31 ? 3 : 4);
      setText(cells[0], known ? num(g[k]) : "–"); mark(cells[0], "bp-slope", s === (k >= W31 ? 3 : 4));
      setText(cells[1], s === 5 ? num(step.updated[k]) : "–"); mark(cells[1], "", s === 5);
    });
    const words = equations(state, step);
    setText(sheets[s].title, heading(state, s)); setLines(sheets[s].body, words[s]);
    sheets.forEach(({ el }, i) => setClass(el, `bp-sheet stage${i}${i === s ? " shown" : ""}`));
    chips.forEach((chip, i) => setAttribute(chip, "aria-pressed", String(i === s)));
    jump.disabled = state.position >= 6 * ROUNDS - 1;
    drawCurve(s);
    says.say(describe(state, step));
  }

  function drawCurve(s) {
    const shown = s >= 2 ? step.losses : step.losses.slice(0, -1), finite = shown.filter(Number.isFinite), high = Math.max(1e-12, ...finite), n = Math.max(5, step.round);
    const at = (v, r) => `${(64 + 226 * r / n).toFixed(1)},${(100 - 86 * Math.min(1, v / high)).toFixed(1)}`;
    setAttribute(curve, "points", shown.map((v, r) => (Number.isFinite(v) ? at(v, r) : "")).join(" ").trim());
    const [cx, cy] = finite.length ? at(finite.at(-1), finite.length - 1).split(",") : [-20, -20];
    setAttribute(dot, "cx", cx); setAttribute(dot, "cy", cy);
    setText(top, finite.length ? num(high) : "–"); setText(last, String(n));
    setAttribute(plot, "aria-label", finite.length ? `the loss before each of ${shown.length} updates: from ${num(finite[0])} to ${num(finite.at(-1))}` : "no loss has been computed yet");
  }
  draw();
}

export default { render };
