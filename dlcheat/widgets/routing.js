// Routing by agreement, step by step: on vectors that the reader drags, or on a trained network's.

export const ITERATIONS = 6;            // passes 0 … 5: pass t has had t updates of the logits
const LIMIT = 1.5;                      // the reader's vectors stay in the square from −1.5 to 1.5

/** Shorten a vector to a length in [0, 1), keeping its direction: s ‖s‖ / (1 + ‖s‖²). */
export function squash(vector) {
  const square = vector.reduce((sum, x) => sum + x * x, 0), factor = Math.sqrt(square) / (1 + square);
  return vector.map((x) => x * factor);
}

/** Length of the slice [start, start + size) of a flat array. */
export function lengthOf(values, start = 0, size = values.length) {
  let sum = 0;
  for (let k = start; k < start + size; k++) sum += values[k] * values[k];
  return Math.sqrt(sum);
}

/**
 * Dynamic routing of flat predictions û (I · J · D numbers, row after row). Returns one object for
 * each pass: { logits, couplings, sums, outputs, agreements }, flat arrays I·J, I·J, J·D, J·D, I·J.
 */
export function routing(predictions, [I, J, D], iterations = ITERATIONS) {
  const steps = [];
  let logits = new Array(I * J).fill(0);
  for (let t = 0; t < iterations; t++) {
    const couplings = new Array(I * J), sums = new Array(J * D).fill(0), outputs = [], agreements = new Array(I * J);
    for (let i = 0; i < I; i++) {
      let top = -Infinity, total = 0;
      for (let j = 0; j < J; j++) top = Math.max(top, logits[i * J + j]);
      for (let j = 0; j < J; j++) total += couplings[i * J + j] = Math.exp(logits[i * J + j] - top);
      for (let j = 0; j < J; j++) {
        const c = couplings[i * J + j] /= total, from = (i * J + j) * D;
        for (let d = 0; d < D; d++) sums[j * D + d] += c * predictions[from + d];
      }
    }
    for (let j = 0; j < J; j++) outputs.push(...squash(sums.slice(j * D, (j + 1) * D)));
    for (let ij = 0; ij < I * J; ij++) {
      let dot = 0;
      for (let d = 0, o = (ij % J) * D; d < D; d++) dot += predictions[ij * D + d] * outputs[o + d];
      agreements[ij] = dot;
    }
    steps.push({ logits, couplings, sums, outputs, agreements });
    logits = logits.map((b, ij) => b + agreements[ij]);
  }
  return steps;
}

/** Mean entropy of the rows of the couplings, in bits: log2 J when a part is undecided, 0 when it has chosen. */
export function couplingEntropy(couplings, I, J) {
  let bits = 0;
  for (const c of couplings) if (c > 0) bits -= c * Math.log2(c);
  return bits / I;
}

/** Two coordinates of a vector: its products with the two rows of `basis` (2 · D numbers), for display alone. */
export function project(values, start, basis, D) {
  let x = 0, y = 0;
  for (let d = 0; d < D; d++) { x += values[start + d] * basis[d]; y += values[start + d] * basis[D + d]; }
  return [x, y];
}

/** A dragged vector, kept inside the reader's square and on a grid of hundredths. */
export function clampVector([x, y]) {
  return [x, y].map((v) => Math.round(100 * Math.min(LIMIT, Math.max(-LIMIT, v))) / 100 + 0);
}

/** The starting points: each is I parts × J = 2 wholes × 2 numbers. */
export const PRESETS = {
  worked: { name: "worked example", vectors: [[[1, 0.2], [0.4, 0.8]], [[0.9, -0.1], [-0.7, 0.1]], [[-0.2, 1], [0.5, 0.7]]] },
  agree: { name: "agree on A", vectors: [[[1.2, 0.5], [0.9, 0.3]], [[1.1, 0.6], [-0.8, 0.5]], [[1.3, 0.4], [-0.1, -0.9]], [[1.2, 0.6], [0.1, 1]]] },
  disagree: { name: "disagree everywhere", vectors: [[[1.2, 0], [0, 1.2]], [[-1.2, 0], [1.2, 0]], [[0, 1.2], [0, -1.2]], [[0, -1.2], [-1.2, 0]]] },
  outlier: { name: "one outlier", vectors: [[[1.2, 0.4], [0.5, -0.6]], [[1.1, 0.5], [-0.6, 0.5]], [[1.2, 0.6], [0.4, 0.7]], [[1, 0.5], [-0.4, -0.5]], [[-1.2, -0.6], [0.3, 0.9]]] },
  clusters: { name: "two clusters", vectors: [[[1.2, 0.5], [-0.5, 0.6]], [[1.3, 0.4], [0.7, -0.3]], [[1.1, 0.6], [-0.3, -0.8]], [[-0.6, 0.4], [-0.9, 1]], [[0.5, -0.7], [-1, 0.9]], [[-0.1, 0.8], [-0.8, 1.1]]] },
};

const TERMS = ["û·v", "b", "c"];
const NAMES = ["A", "B"];

function render({ model, el, signal }) {
  const I0 = model.get("parts"), J0 = model.get("wholes"), D0 = model.get("dimensions"), hasNetwork = I0 > 0;
  const TRAITS = ["mode", "preset", "vectors", "iteration", "digit", "pair"];
  const redraw = onPaint(draw);
  const { state, first, write } = shared(model, TRAITS, (t) => {
    if (t === "preset" && state.preset !== "custom") state.vectors = structuredClone(PRESETS[state.preset].vectors);
    if (t !== "iteration") view = null;
    redraw();
  });
  let view = null, selected = 0, steps = [];
  const box = frame(el, model.get("title") || "Routing by agreement, step by step");

  // ---- what is routed: { I, J, D, predictions, basis(j), parts: rows of the table, labels of wholes }
  const digits = hasNetwork ? JSON.parse(model.get("digits")) : [];
  const loaded = new Map();
  function network(n) {
    if (loaded.has(n)) return loaded.get(n);
    const size = I0 * J0 * D0, bytes = model.get("predictions"), bases = float32(model.get("bases"));
    const view8 = new DataView(bytes.buffer, bytes.byteOffset + n * size, size);
    const predictions = Array.from(new Int8Array(view8.buffer, view8.byteOffset, size), (q) => q * digits[n].scale);
    const data = { I: I0, J: J0, D: D0, predictions, shown: digits[n].shown,
      basis: (j) => bases.subarray((n * J0 + j) * 2 * D0, (n * J0 + j + 1) * 2 * D0) };
    data.steps = routing(predictions, [I0, J0, D0]);
    loaded.set(n, data);
    return data;
  }
  const unit = [1, 0, 0, 1];
  function current() {
    if (state.mode === "network") return network(state.digit);
    const I = state.vectors.length, data = { I, J: 2, D: 2, predictions: state.vectors.flat(2), shown: state.vectors.map((_, i) => ({ part: i })), basis: () => unit };
    data.steps = routing(data.predictions, [I, 2, 2]);
    return data;
  }
  const pair = () => (state.mode === "network" ? state.pair : [0, 1]);
  const wholeName = (j) => (state.mode === "network" ? `digit ${j}` : `whole ${NAMES[j]}`);

  function set(changes, rebuild = false) {
    if (rebuild) view = null;
    write(changes);
    redraw();
  }
  function setVector(i, j, vector) {
    const vectors = structuredClone(state.vectors);
    vectors[i][j] = [...vector];
    set({ vectors, preset: "custom" });
  }

  // ---- controls
  const modeChoice = choice({ label: "Predictions", options: [["yours", "yours, in two dimensions"], ["network", "of the trained network"]], value: state.mode,
    onchange: (mode) => { selected = 0; play.stop(); set({ mode }, true); } });
  const presetChoice = choice({ label: "Start from", options: [...Object.entries(PRESETS).map(([k, p]) => [k, p.name]), ["custom", "your own"]], value: state.preset,
    onchange: (preset) => { selected = 0; play.stop(); set(preset === "custom" ? { preset } : { preset, vectors: structuredClone(PRESETS[preset].vectors) }, true); } });
  const digitChoice = choice({ label: "Test digit", options: digits.map((d, n) => [n, `${n + 1}: a ${d.label}`]), value: state.digit,
    onchange: (digit) => { selected = 0; play.stop(); set({ digit, pair: [...digits[digit].pair] }, true); } });
  const pairChoice = [0, 1].map((side) => choice({ label: side ? "and" : "Compare", options: Array.from({ length: J0 }, (_, j) => [j, `digit ${j}`]), value: state.pair[side],
    onchange: (j) => { const p = [...state.pair]; if (p[1 - side] === j) p[1 - side] = p[side]; p[side] = j; set({ pair: p }, true); } }));
  const play = player({ label: "Iteration", count: ITERATIONS, position: state.iteration, interval: 900, signal,
    show: (t) => `${t} of ${ITERATIONS - 1}`, onchange: (iteration) => { if (iteration !== state.iteration) set({ iteration }); },
    onreset: () => { selected = 0; set(structuredClone(first), true); play.go(first.iteration); } });
  const yours = h("div", { class: "dlw-row" }, presetChoice.el);
  const theirs = h("div", { class: "dlw-row" }, digitChoice.el, pairChoice.map((c) => c.el));
  const law = h("p", { class: "rt-law" });
  const panels = h("div", { class: "rt-panels" });
  const partsBox = h("div", { class: "rt-scroll rt-parts", tabindex: 0, role: "region", "aria-label": "parts: agreements, logits and couplings" });
  const wholesBox = h("div", { class: "rt-scroll rt-wholes", tabindex: 0, role: "region", "aria-label": "wholes: weighted sums and outputs" });
  const note = h("p", { class: "dlw-note" }), says = summary(), alarm = h("p", { class: "rt-alarm", role: "status" });
  box.append(hasNetwork ? h("div", { class: "dlw-row" }, modeChoice.el) : "", yours, hasNetwork ? theirs : "", play.el, law, panels, partsBox, alarm, wholesBox, says.el, note);

  // what is typed and refused is said in words
  partsBox.addEventListener("input", ({ target: field }) => {
    const bad = field.getAttribute("aria-invalid") === "true" && !["", "-", "−"].includes(field.value.trim());
    setText(alarm, bad ? `“${field.value}” is not a number from −${LIMIT} to ${LIMIT}: ${field.getAttribute("aria-label")}, stays as it was.` : "");
  });
  partsBox.addEventListener("focusout", () => setText(alarm, ""));

  // ---- one panel: the predictions for one whole, and what the routing makes of them
  function panel(side, data) {
    const j = pair()[side], basis = data.basis(j), own = state.mode === "yours";
    const S = 280, mid = S / 2;
    const points = data.shown.map(({ part }) => project(data.predictions, (part * data.J + j) * data.D, basis, data.D));
    const reach = own ? LIMIT : Math.max(1.25, 1.1 * Math.max(...points.flat().map(Math.abs)));
    const scale = (mid - 14) / reach, X = (x) => mid + scale * x, Y = (y) => mid - scale * y;
    const lines = [], handles = [], marks = [];
    const svg = h("svg", { viewBox: `0 0 ${S} ${S}`, class: `rt-svg${own ? " own" : ""}`, role: own ? "group" : "img" },
      h("line", { x1: 0, x2: S, y1: mid, y2: mid, class: "rt-axis" }), h("line", { x1: mid, x2: mid, y1: 0, y2: S, class: "rt-axis" }),
      h("circle", { cx: mid, cy: mid, r: scale, class: "rt-unit" }),
      h("text", { x: mid + 6, y: Y(-1) + 16, class: "rt-small" }, "length 1"));
    for (const [n, { part }] of data.shown.entries()) {
      const line = h("line", { x1: mid, y1: mid, class: `rt-part side${side}` });
      const mark = h("text", { class: "rt-mark" }, String(n + 1));
      lines.push(line); marks.push(mark); svg.append(line, mark);
    }
    const sum = h("line", { x1: mid, y1: mid, class: "rt-sum" }), out = h("line", { x1: mid, y1: mid, class: "rt-out" });
    const end = h("rect", { width: 9, height: 9, class: "rt-end" }), name = h("text", { class: "rt-name" }, "v");
    svg.append(sum, out, end, name);
    if (own) for (const [n] of data.shown.entries()) {
      const handle = h("g", { class: "rt-handle", role: "slider", "aria-valuemin": -LIMIT, "aria-valuemax": LIMIT,
        "aria-label": `prediction of part ${n + 1} for whole ${NAMES[side]}: the arrow keys move it` },
        h("circle", { r: 24, class: "rt-touch" }), h("circle", { r: 7, class: `rt-dot side${side}` }));
      draggable(handle, { step: 0.05, bigStep: 0.25, move: (dx, dy) => { pick(n); const v = state.vectors[n][side]; setVector(n, side, clampVector([v[0] + dx, v[1] - dy])); } });
      const at = (event) => { const r = svg.getBoundingClientRect(), u = S / r.width; return [((event.clientX - r.left) * u - mid) / scale, (mid - (event.clientY - r.top) * u) / scale]; };
      let grip = [0, 0];
      handle.addEventListener("pointerdown", (event) => {
        const [x, y] = at(event), v = state.vectors[n][side];
        grip = [v[0] - x, v[1] - y]; handle.setPointerCapture(event.pointerId); handle.focus({ preventScroll: true }); pick(n); play.stop(); event.preventDefault();
      });
      handle.addEventListener("pointermove", (event) => {
        if (!handle.hasPointerCapture(event.pointerId)) return;
        const [x, y] = at(event); setVector(n, side, clampVector([x + grip[0], y + grip[1]]));
      });
      handle.addEventListener("focus", () => pick(n));
      handles.push(handle); svg.append(handle);
    }
    const place = (line, [x, y]) => { setAttribute(line, "x2", X(x)); setAttribute(line, "y2", Y(y)); };
    return { el: h("figure", { class: "rt-panel" }, h("figcaption", {}, `Predictions û for ${wholeName(j)}`), svg),
      update(data, step) {
        for (const [n, { part }] of data.shown.entries()) {
          const [x, y] = project(data.predictions, (part * data.J + j) * data.D, basis, data.D), c = step.couplings[part * data.J + j];
          place(lines[n], [x, y]);
          setAttribute(lines[n], "stroke-width", (0.75 + 9 * c).toFixed(2));
          lines[n].classList.toggle("chosen", n === selected);
          const size = Math.hypot(x, y) || 1, off = own ? 17 : 9;
          setAttribute(marks[n], "x", X(x) + off * x / size); setAttribute(marks[n], "y", Y(y) - off * y / size + 5);
          marks[n].classList.toggle("chosen", n === selected);
          if (own) { setAttribute(handles[n], "transform", `translate(${X(x)} ${Y(y)})`);
            setAttribute(handles[n], "aria-valuenow", x); setAttribute(handles[n], "aria-valuetext", `x ${short(x)}, y ${short(y)}, coupling ${format(c, 2)}`); }
        }
        const clip = ([x, y]) => { const f = Math.min(1, reach / Math.max(Math.abs(x), Math.abs(y), 1e-9)); return [f * x, f * y]; };
        const s = project(step.sums, j * data.D, basis, data.D), v = project(step.outputs, j * data.D, basis, data.D), size = Math.hypot(...v) || 1;
        place(sum, clip(s)); place(out, v);
        setAttribute(end, "x", X(v[0]) - 4.5); setAttribute(end, "y", Y(v[1]) - 4.5);
        setAttribute(name, "x", X(v[0]) + 14 * v[1] / size - 4); setAttribute(name, "y", Y(v[1]) + 14 * v[0] / size + 5);
        const length = lengthOf(step.outputs, j * data.D, data.D);
        setAttribute(svg, "aria-label", `${data.shown.length} predictions for ${wholeName(j)}; the output v has length ${format(length)}`);
      } };
  }

  function pick(n) { if (n !== selected) { selected = n; redraw(); } }

  // ---- the tables of the parts, one for each of the two wholes
  function partsTables(data) {
    const own = state.mode === "yours", rows = data.shown.map((place, n) => ({ n, part: place.part, sides: [], heads: [] }));
    const longest = (part) => Math.max(...Array.from({ length: data.J }, (_, j) => lengthOf(data.predictions, (part * data.J + j) * data.D, data.D)));
    const tables = [0, 1].map((s) => {
      const extra = !own && s === 0, terms = [...(own ? ["û x", "û y"] : []), ...TERMS];
      for (const { n, part, sides, heads } of rows) {
        const { where } = data.shown[n];
        heads.push(s === 1 ? h("span", {}, String(n + 1)) : button(String(n + 1), () => pick(n), { hint: where ? `show part ${n + 1}, ${where}` : `show part ${n + 1}`, pressed: false }));
        const xy = own ? [0, 1].map((k) => numberCell({ label: `part ${n + 1}, whole ${NAMES[s]}, û ${"xy"[k]}`, value: state.vectors[n][s][k], min: -LIMIT, max: LIMIT,
          onchange: (value) => { const v = [...state.vectors[n][s]]; v[k] = value; pick(n); setVector(n, s, v); } })) : [];
        const cells = TERMS.map((_, k) => h("td", { class: k === 2 ? `rt-bar side${s}` : null }));
        sides.push({ xy, cells, row: h("tr", {}, h("th", { scope: "row" }, heads[s]), extra ? h("td", {}, format(longest(part), 2)) : null,
          xy.map((cell) => h("td", { class: "rt-cell" }, cell.el)), cells) });
      }
      return h("table", {}, h("colgroup", {}, h("col", { class: s ? "rt-second" : "rt-first" }), own ? [0, 1].map(() => h("col", { class: "rt-typed" })) : null),
        h("thead", {}, h("tr", {}, h("th", { scope: "col", rowspan: 2 }, "part"), extra ? h("th", { scope: "col", rowspan: 2 }, "longest û") : null,
          h("th", { scope: "colgroup", colspan: terms.length, class: `side${s}` }, wholeName(pair()[s]))),
        h("tr", {}, terms.map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, rows.map((r) => r.sides[s].row)));
    });
    return { tables, update(data, step) {
      for (const { n, part, sides, heads } of rows) {
        setAttribute(heads[0], "aria-pressed", String(n === selected)); heads[1].classList.toggle("chosen", n === selected);
        for (const [s, { xy, cells }] of sides.entries()) {
          const at = part * data.J + pair()[s], values = [step.agreements[at], step.logits[at], step.couplings[at]];
          for (const [k, cell] of cells.entries()) setText(cell, format(values[k]));
          fill(cells[2], values[2]);
          for (const [k, cell] of xy.entries()) if (cell.value !== state.vectors[n][s][k]) cell.set(state.vectors[n][s][k]);
        }
      }
    } };
  }
  // only what differs is written: the rest of the page is not drawn again
  const fill = (cell, share) => { const text = `${(100 * share).toFixed(1)}%`; if (cell.dataset.c !== text) { cell.dataset.c = text; cell.style.backgroundSize = `${text} 100%`; } };

  // ---- the table of the wholes
  function wholesTable(data) {
    const own = state.mode === "yours";
    const titles = own ? ["s = Σ c û", "‖s‖", "v = squash(s)", "‖v‖"] : ["Σ c, share of all parts", "‖s‖", "‖v‖"];
    const rows = Array.from({ length: data.J }, (_, j) => {
      const cells = titles.map((_, k) => h("td", { class: k === titles.length - 1 ? "rt-bar out" : null }));
      return { cells, row: h("tr", { class: pair().includes(j) ? "rt-shown" : null }, h("th", { scope: "row" }, wholeName(j)), cells) };
    });
    return { el: h("table", {}, h("colgroup", {}, h("col"), titles.map((_, k) => h("col", { class: own ? (k % 2 ? null : "rt-own") : k ? null : "rt-share" }))), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "whole"), titles.map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, rows.map((r) => r.row))),
      update(data, step) {
        const pairText = (values, j) => `(${format(values[2 * j])}, ${format(values[2 * j + 1])})`;
        for (const [j, { cells }] of rows.entries()) {
          const s = lengthOf(step.sums, j * data.D, data.D), v = lengthOf(step.outputs, j * data.D, data.D);
          let share = 0;
          for (let i = 0; i < data.I; i++) share += step.couplings[i * data.J + j] / data.I;
          const texts = own ? [pairText(step.sums, j), format(s), pairText(step.outputs, j), format(v)] : [`${format(100 * share, 1)} %`, format(s), format(v)];
          for (const [k, cell] of cells.entries()) setText(cell, texts[k]);
          fill(cells.at(-1), v);
        }
      } };
  }

  // ---- the digit, and the 17 × 17 pixels that the chosen part sees
  function digitFigure(data) {
    const side = 140, canvas = h("canvas", { role: "img", "aria-label": `the test digit, a ${digits[state.digit].label}`, style: `width:${side}px;height:${side}px` });
    drawGray(canvas, Array.from(new Uint8Array(uint8(model.get("images")).buffer, uint8(model.get("images")).byteOffset + state.digit * 784, 784), (p) => p / 255), 28, 28);
    const field = h("div", { class: "rt-field" }), text = h("figcaption", {});
    return { el: h("figure", { class: "rt-digit" }, h("div", { class: "rt-image" }, canvas, field), text), update() {
      const { row, column, where } = data.shown[selected], u = side / 28;
      Object.assign(field.style, { left: `${2 * column * u}px`, top: `${2 * row * u}px`, width: `${17 * u}px`, height: `${17 * u}px` });
      setText(text, `part ${selected + 1}: ${where}`);
    } };
  }

  function build(data) {
    yours.hidden = state.mode !== "yours"; theirs.hidden = state.mode !== "network";
    const parts = [panel(0, data), panel(1, data), partsTables(data), wholesTable(data)];
    if (state.mode === "network") parts.push(digitFigure(data));
    panels.replaceChildren(...(parts[4] ? [parts[4].el] : []), parts[0].el, parts[1].el);
    partsBox.replaceChildren(...parts[2].tables); setText(alarm, ""); alarm.hidden = state.mode !== "yours"; wholesBox.replaceChildren(parts[3].el);
    note.textContent = state.mode === "network"
      ? `All ${data.I} parts are routed to all ${data.J} digits in ${data.D} dimensions; the tables list the ${data.shown.length} parts with the longest predictions. The two panels project their ${data.D} dimensions on the two that hold most of these predictions: only the picture is projected, no number is. Line width: coupling c. Dashed: the weighted sum s, cut at the frame. Thick with a square: the output v.`
      : "Line width: coupling c. Dashed: the weighted sum s. Thick with a square: the output v. û·v: agreement with this iteration's v; b: logits, the agreements so far. Drag the dots, move them with the arrow keys (Shift: five times as far), or type in the tables (−1.5 to 1.5).";
    return parts;
  }

  function draw() {
    const data = current(), t = state.iteration, step = data.steps[t];
    selected = Math.min(selected, data.shown.length - 1);
    if (!view) view = build(data);
    for (const part of view) part.update(data, step);
    if (play.position !== t) play.go(t);
    turn(modeChoice, state.mode); turn(presetChoice, state.preset);
    if (hasNetwork) { turn(digitChoice, state.digit); pairChoice.forEach((c, s) => turn(c, state.pair[s])); }
    setText(law, t === 0 ? `Iteration 0: every logit is b = 0, so every part gives each whole the share c = 1/${data.J}.`
      : `Iteration ${t}: the agreements of iteration ${t - 1} were added to the logits; c is the softmax of b over the wholes.`);
    const lengths = Array.from({ length: data.J }, (_, j) => lengthOf(step.outputs, j * data.D, data.D)), best = lengths.indexOf(Math.max(...lengths));
    const bits = couplingEntropy(step.couplings, data.I, data.J), p = pair();
    const listed = data.shown.flatMap(({ part }) => step.couplings.slice(part * data.J, (part + 1) * data.J));
    says.say(`Iteration ${t}: ‖v‖ is ${p.map((j) => `${format(lengths[j])} for ${wholeName(j)}`).join(" and ")}${state.mode === "network" ? `; the longest is ${wholeName(best)}` : ""}. The couplings' entropy is ${format(bits)} of ${format(Math.log2(data.J))} bits${state.mode === "network" ? ` over all ${data.I} parts, ${format(couplingEntropy(listed, data.shown.length, data.J))} over the ${data.shown.length} listed ones` : ""}.`);
  }
  draw();
}

export default { render };
