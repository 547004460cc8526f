// A digit followed through a trained network: dlcheat/widgets/feature_maps.py computes the same.

export const KINDS = ["convolution", "ReLU", "pooling"];

/** Cut the bytes of all weights into blocks { weight, bias } and the last, fully connected layer. */
export function unpackNetwork(values, channels, kernelSize, size) {
  const all = Float32Array.from(values);
  let at = 0;
  const take = (n) => all.subarray(at, (at += n));
  const blocks = [];
  for (let b = 0; b < channels.length - 2; b++) {
    const weight = take(channels[b + 1] * channels[b] * kernelSize * kernelSize);
    blocks.push({ weight, bias: take(channels[b + 1]) });
  }
  const side = size >> blocks.length, inputs = channels[blocks.length] * side * side, classes = channels.at(-1);
  return { blocks, weight: take(classes * inputs), bias: take(classes), channels, kernelSize, size };
}

/** "Same" cross-correlation of (C, n, n) maps with (D, C, k, k) filters: (D, n, n). */
export function convolveSame(input, n, C, weight, bias, k) {
  const D = bias.length, reach = k >> 1, area = n * n, out = new Float32Array(D * area);
  // The zero margin is written out once, so that the inner loop asks nothing.
  const wide = n + 2 * reach, padded = new Float32Array(C * wide * wide), row = new Float64Array(n);
  for (let c = 0; c < C; c++) for (let y = 0; y < n; y++)
    padded.set(input.subarray(c * area + y * n, c * area + (y + 1) * n), (c * wide + y + reach) * wide + reach);
  for (let d = 0; d < D; d++) for (let y = 0; y < n; y++) {
    row.fill(bias[d]);
    for (let c = 0; c < C; c++) for (let i = 0; i < k; i++) {
      const from = (c * wide + y + i) * wide, w = ((d * C + c) * k + i) * k;
      for (let j = 0; j < k; j++) {
        const tap = weight[w + j], start = from + j;
        for (let x = 0; x < n; x++) row[x] += tap * padded[start + x];
      }
    }
    out.set(row, d * area + y * n);
  }
  return out;
}

/** max(0, x) of every value. */
export function rectify(values) { return values.map((v) => (v > 0 ? v : 0)); }

/** The largest of every 2 × 2 window, stride 2: (C, n, n) to (C, n >> 1, n >> 1). */
export function poolMax(input, n, C) {
  const half = n >> 1, out = new Float32Array(C * half * half);
  for (let c = 0, at = 0; c < C; c++) for (let y = 0; y < half; y++) for (let x = 0; x < half; x++) {
    const i = c * n * n + 2 * y * n + 2 * x;
    out[at++] = Math.max(input[i], input[i + 1], input[i + n], input[i + n + 1]);
  }
  return out;
}

/** softmax of a list of scores. */
export function probabilitiesOf(scores) {
  const top = Math.max(...scores), powers = scores.map((s) => Math.exp(s - top)), sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** Follow an image (n × n values in 0 … 1) through a network: every step's maps, scores, probabilities. */
export function followImage(network, image) {
  let input = Float32Array.from(image), n = network.size, C = 1;
  const steps = [];
  for (const { weight, bias } of network.blocks) {
    const convolved = convolveSame(input, n, C, weight, bias, network.kernelSize), rectified = rectify(convolved);
    C = bias.length;
    steps.push({ kind: 0, size: n, channels: C, values: convolved }, { kind: 1, size: n, channels: C, values: rectified });
    input = poolMax(rectified, n, C);
    n >>= 1;
    steps.push({ kind: 2, size: n, channels: C, values: input });
  }
  const scores = Array.from(network.bias, (b, k) => {
    let sum = b;
    for (let i = 0; i < input.length; i++) sum += network.weight[k * input.length + i] * input[i];
    return sum;
  });
  return { steps, scores, probabilities: probabilitiesOf(scores) };
}

/** The same from the bytes of the weights trait: dlcheat's follow(). */
export function follow(values, channels, kernelSize, size, image) {
  return followImage(unpackNetwork(values, channels, kernelSize, size), image);
}

/** First and last row of the image that unit `unit` of step `step` can see (padding lies outside). */
export function receptiveField(step, unit, kernelSize) {
  let first = unit, last = unit;
  for (let layer = 2 * Math.floor(step / 3) + (step % 3 === 2 ? 1 : 0); layer >= 0; layer--)
    [first, last] = layer % 2 ? [2 * first, 2 * last + 1] : [first - (kernelSize >> 1), last + (kernelSize >> 1)];
  return [first, last];
}

/** Draw a soft line (or rub it out) from `start` to `end`, [row, column] each, on n × n grey values. */
export function strokePixels(pixels, n, start, end, erase = false) {
  const dy = end[0] - start[0], dx = end[1] - start[1], length = Math.max(dy * dy + dx * dx, 1e-9);
  return Uint8Array.from(pixels, (gray, i) => {
    const y = Math.floor(i / n) - start[0], x = (i % n) - start[1];
    const along = Math.min(1, Math.max(0, (y * dy + x * dx) / length));
    const distance = Math.sqrt((y - along * dy) ** 2 + (x - along * dx) ** 2);
    const ink = Math.floor(255 * Math.min(1, Math.max(0, 1.75 - distance)) + 0.5);
    return erase ? Math.max(0, gray - ink) : Math.max(gray, ink);
  });
}

/** Move n × n values; what leaves is lost, what comes in is 0. */
export function movePixels(pixels, n, down, right) {
  const out = new Uint8Array(n * n);
  for (let y = 0; y < n; y++) for (let x = 0; x < n; x++) {
    const r = y - down, c = x - right;
    if (r >= 0 && r < n && c >= 0 && c < n) out[y * n + x] = pixels[r * n + c];
  }
  return out;
}

/** Move the centre of mass to the middle; an empty image stays. */
export function centrePixels(pixels, n) {
  let mass = 0, rows = 0, columns = 0;
  pixels.forEach((gray, i) => { mass += gray; rows += gray * Math.floor(i / n); columns += gray * (i % n); });
  if (!mass) return Uint8Array.from(pixels);
  const by = (sum) => Math.floor((n - 1) / 2 - sum / mass + 0.5);
  return movePixels(pixels, n, by(rows), by(columns));
}

/** How a unit got its value: { value, sum, bias } of a convolution, { value, from } of ReLU and pooling. */
export function explainUnit(network, steps, step, channel, row, column) {
  const { kind, size, values } = steps[step], value = values[(channel * size + row) * size + column];
  if (kind === 0) { const bias = network.blocks[Math.floor(step / 3)].bias[channel]; return { value, sum: value - bias, bias }; }
  const before = steps[step - 1], n = before.size, at = (y, x) => before.values[(channel * n + y) * n + x];
  const from = kind === 1 ? [at(row, column)] : [0, 1, 2, 3].map((i) => at(2 * row + (i >> 1), 2 * column + (i & 1)));
  return { value, from };
}

/** Largest size of a value. */
export function peak(values) { let top = 0; for (const v of values) top = Math.max(top, Math.abs(v)); return top; }

const percent = (p) => (p >= 0.9995 ? "100 %" : p < 0.0005 ? "0 %" : `${format(100 * p, 1)} %`);
const signed = (v) => format(v, 2);

export default {
  render({ model, el, signal }) {
    const n = model.get("size"), channels = model.get("channels"), k = model.get("kernel_size"), labels = model.get("labels");
    const network = unpackNetwork(float32(model.get("weights")), channels, k, n);
    const bank = uint8(model.get("images")), first = model.get("first"), blocks = network.blocks.length;
    const original = (digit) => Uint8Array.from(bank.subarray(digit * n * n, (digit + 1) * n * n));
    const steps = [];
    for (let s = 0; s < 3 * blocks; s++) steps.push({ block: Math.floor(s / 3), kind: s % 3, channels: channels[Math.floor(s / 3) + 1], size: n >> (Math.floor(s / 3) + (s % 3 === 2 ? 1 : 0)) });
    let pixels = Uint8Array.from(uint8(model.get("pixels"))), brush = [n >> 1, n >> 1], followed = null, brushing = false;
    const state = { digit: model.get("digit"), step: model.get("step"), channel: model.get("channel"), unit: [...model.get("unit")] };

    const box = frame(el, model.get("title"));
    box.classList.add("fmap");

    // --- the digit
    const digitCanvas = h("canvas", { class: "fmap-canvas fmap-digit", width: n, height: n, tabindex: "0", role: "application", "data-lm-suppress-shortcuts": "true",
      "aria-label": "the digit: arrow keys move the brush, space paints, shift and an arrow key paint a line" });
    const seen = h("rect", { class: "fmap-window" }), cursor = h("rect", { class: "fmap-cursor", width: 1, height: 1 });
    const digitLayer = h("svg", { class: "fmap-layer", viewBox: `0 0 ${n} ${n}`, "aria-hidden": "true" }, seen, cursor);
    const picker = slider({ label: "Digit", min: 1, max: labels.length, value: state.digit + 1, show: (i) => `no. ${i}, labelled ${labels[i - 1]}`,
      onchange: (i) => { state.digit = i - 1; pixels = original(i - 1); changed(true); } });
    const erase = checkbox({ label: "Erase" });
    const edit = (change) => () => { pixels = change(pixels); changed(true); };
    const arrows = [["←", 0, -1, "left"], ["↑", -1, 0, "up"], ["↓", 1, 0, "down"], ["→", 0, 1, "right"]].map(([sign, down, right, name]) =>
      button(sign, edit((p) => movePixels(p, n, down, right)), { hint: `move the digit one pixel ${name}` }));
    const clear = button("Clear", edit(() => new Uint8Array(n * n)), { hint: "clear: an empty image to draw on" });
    const middle = button("Centre", edit((p) => centrePixels(p, n)), { hint: "move the centre of mass to the middle, as in MNIST" });
    const reset = button("Reset", () => {
      Object.assign(state, { digit: first.digit, step: first.step, channel: first.channel, unit: [...first.unit] });
      pixels = original(state.digit); brush = [n >> 1, n >> 1]; brushing = false; erase.set(false);
      changed(true);
    });

    // --- the map shown large, its filter, the probabilities
    const mapCanvas = h("canvas", { class: "fmap-canvas", role: "application", "aria-label": "the chosen map: arrow keys choose a unit" });
    const unitMark = h("rect", { class: "fmap-cursor on", width: 1, height: 1 }), mapLayer = h("svg", { class: "fmap-layer", "aria-hidden": "true" }, unitMark);
    const mapTitle = h("p", { class: "dlw-title" }), told = h("p", { class: "dlw-note fmap-told" }), filterCanvas = h("canvas", { class: "fmap-filters", role: "img" }), filterTitle = h("p", { class: "dlw-title" });
    const bars = Array.from({ length: channels.at(-1) }, (_, c) => {
      const fill = h("span", { class: "fmap-fill" }), value = h("td", {});
      return { fill, value, row: h("tr", {}, h("th", { scope: "row" }, String(c)), h("td", { class: "fmap-track", "aria-hidden": "true" }, fill), value) };
    });
    const chances = h("table", { class: "fmap-bars", "aria-label": "probability of each class" }, h("tbody", {}, bars.map((b) => b.row)));
    const line = summary();

    // --- every map of every step: one group of radios, one tab stop
    const tiles = steps.map((s, at) => Array.from({ length: s.channels }, (_, c) => {
      const tile = h("button", { type: "button", class: "fmap-tile", role: "radio", tabindex: "-1", "aria-checked": "false", "data-lm-suppress-shortcuts": "true",
        "aria-label": `layer ${s.block + 1}, ${KINDS[s.kind]}, map ${c + 1}`, onclick: () => select(at, c) });
      return tile;
    }));
    // the maps of a step lie on one canvas under their buttons
    const pictures = steps.map(() => h("canvas", { class: "fmap-picture", "aria-hidden": "true" }));
    const rows = steps.map((s, at) => h("div", { class: "fmap-step" },
      h("p", { class: "dlw-title" }, `${KINDS[s.kind]}, ${s.channels} maps of ${s.size} × ${s.size}`), h("div", { class: "fmap-tiles" }, pictures[at], tiles[at])));
    const group = h("div", { role: "radiogroup", "aria-label": "feature maps: arrow keys go from map to map, up and down from step to step" },
      Array.from({ length: blocks }, (_, b) => h("section", { class: "fmap-layer-box" }, h("p", { class: "fmap-layer-name" }, `Layer ${b + 1}`), rows.slice(3 * b, 3 * b + 3))));
    group.addEventListener("keydown", (event) => {
      const [along, across] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key] ?? [0, 0];
      if (!along && !across) return;
      event.preventDefault(); event.stopPropagation();
      const step = Math.min(steps.length - 1, Math.max(0, state.step + along)), count = steps[step].channels;
      const channel = across ? (state.channel + across + count) % count : Math.min(state.channel, count - 1);
      select(step, channel);
      tiles[step][channel].focus();
    });

    box.append(
      h("div", { class: "fmap-top" },
        h("div", { class: "fmap-pane" }, h("p", { class: "dlw-title" }, "The digit: pick, move or draw"), h("div", { class: "fmap-stack" }, digitCanvas, digitLayer),
          h("div", { class: "fmap-buttons" }, arrows, middle, clear, erase.el)),
        h("div", { class: "fmap-pane" }, mapTitle, h("div", { class: "fmap-stack" }, mapCanvas, mapLayer), told, filterTitle, filterCanvas),
        h("div", { class: "fmap-pane fmap-chances" }, h("p", { class: "dlw-title" }, "The answer"), chances)),
      h("div", { class: "dlw-row" }, picker.el, reset), line.el,
      h("p", { class: "dlw-note" }, "Blue is above zero, orange below, white is zero; one scale for each layer. The frame on the digit is all that the chosen unit can see."), group);

    /** Choose a map; the unit stays over the same place of the digit. */
    function select(step, channel) {
      const from = steps[state.step].size, to = steps[step].size;
      state.unit = state.unit.map((u) => Math.min(to - 1, Math.floor(((u + 0.5) * to) / from)));
      Object.assign(state, { step, channel });
      changed(false);
    }
    function chooseUnit(row, column) {
      const last = steps[state.step].size - 1;
      state.unit = [row, column].map((u) => Math.min(last, Math.max(0, u)));
      changed(false);
    }
    draggable(mapCanvas, { move: (dx, dy) => chooseUnit(state.unit[0] + dy, state.unit[1] + dx),
      place: (x, y) => { const s = steps[state.step].size; chooseUnit(Math.floor(y * s), Math.floor(x * s)); } });

    // --- drawing, by pointer and by keys
    const spot = (event) => { const r = digitCanvas.getBoundingClientRect(); return [((event.clientY - r.top) / r.height) * n - 0.5, ((event.clientX - r.left) / r.width) * n - 0.5]; };
    const inside = (v) => Math.min(n - 1, Math.max(0, Math.round(v)));
    let last = null;
    function paintTo(point, from = point) { pixels = strokePixels(pixels, n, from, point, erase.value); brush = point.map(inside); changed(true); }
    digitCanvas.addEventListener("pointerdown", (event) => { digitCanvas.setPointerCapture(event.pointerId); digitCanvas.focus({ preventScroll: true }); brushing = false; last = spot(event); paintTo(last); event.preventDefault(); });
    digitCanvas.addEventListener("pointermove", (event) => { if (last && digitCanvas.hasPointerCapture(event.pointerId)) { const point = spot(event); paintTo(point, last); last = point; } });
    for (const end of ["pointerup", "pointercancel"]) digitCanvas.addEventListener(end, () => { last = null; });
    digitCanvas.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!by && event.key !== " ") return;
      event.preventDefault(); event.stopPropagation();
      brushing = true;
      const from = brush, to = by ? brush.map((b, i) => inside(b + by[i])) : brush;
      if (!by || event.shiftKey) return paintTo(to, from);
      brush = to; draw(); sayBrush();
    });
    digitCanvas.addEventListener("blur", () => { brushing = false; draw(); });

    // --- drawing the page
    let stale = true, across = 16;
    function compute() {
      followed = followImage(network, Float32Array.from(pixels, (g) => g / 255));
      stale = false;
    }
    function sayBrush() { line.say(`Brush at row ${brush[0] + 1}, column ${brush[1] + 1}; space ${erase.value ? "erases" : "paints"}.`); }
    function paintAll() {
      const limits = Array.from({ length: blocks }, (_, b) => peak(followed.steps[3 * b].values) || 1);
      followed.steps.forEach((s, at) => drawTiles(pictures[at], s.values, s.size, across, n, limits[Math.floor(at / 3)]));
      drawGray(digitCanvas, pixels, n, n, { high: 255 });
      const best = followed.probabilities.indexOf(Math.max(...followed.probabilities));
      bars.forEach(({ fill, value, row }, c) => {
        const p = followed.probabilities[c];
        fill.style.width = `${100 * p}%`; setText(value, percent(p)); value.dataset.p = p; row.classList.toggle("best", c === best);
      });
    }
    function paintChoice() {
      const { step, channel, unit: [row, column] } = state, s = followed.steps[step], block = Math.floor(step / 3);
      const limit = peak(followed.steps[3 * block].values) || 1;
      drawSigned(mapCanvas, s.values.subarray(channel * s.size * s.size), s.size, s.size, limit);
      setAttribute(mapLayer, "viewBox", `0 0 ${s.size} ${s.size}`);
      setAttribute(unitMark, "x", column); setAttribute(unitMark, "y", row);
      const [top, bottom] = receptiveField(step, row, k), [left, right] = receptiveField(step, column, k);
      for (const [name, v] of Object.entries({ x: left, y: top, width: right - left + 1, height: bottom - top + 1 })) setAttribute(seen, name, v);
      setAttribute(cursor, "x", brush[1]); setAttribute(cursor, "y", brush[0]); cursor.classList.toggle("on", brushing);
      setText(mapTitle, `Layer ${block + 1}, ${KINDS[s.kind]}, map ${channel + 1}`);
      const unit = explainUnit(network, followed.steps, step, channel, row, column);
      const where = `Row ${row + 1}, column ${column + 1}: `;
      setText(told, where + (s.kind === 0 ? `window times filter ${signed(unit.sum)}, plus bias ${signed(unit.bias)}, is ${signed(unit.value)}`
        : s.kind === 1 ? `max(0, ${signed(unit.from[0])}) is ${signed(unit.value)}` : `the largest of ${unit.from.map(signed).join(", ")} is ${signed(unit.value)}`));
      told.dataset.value = unit.value;
      paintFilters(block, channel);
      const now = tiles[step][channel];
      if (now !== chosen) {
        for (const tile of [chosen, now]) if (tile) { tile.setAttribute("aria-checked", String(tile === now)); tile.tabIndex = tile === now ? 0 : -1; }
        chosen = now;
      }
      const order = followed.probabilities.map((p, c) => [p, c]).sort((a, b) => b[0] - a[0]);
      const empty = !pixels.some((g) => g), rows = `rows ${Math.max(0, top) + 1}–${Math.min(n - 1, bottom) + 1}, columns ${Math.max(0, left) + 1}–${Math.min(n - 1, right) + 1}`;
      line.say(`${empty ? "The image is empty, yet the" : "The"} network answers ${order[0][1]} with ${percent(order[0][0])}, then ${order[1][1]} with ${percent(order[1][0])}. ` +
        `The chosen unit is ${signed(unit.value)} and sees ${rows} of the digit.`);
    }
    let shownFilter = "", chosen = null;
    function paintFilters(block, channel) {
      const key = `${block}-${channel}`;
      if (key === shownFilter) return;
      shownFilter = key;
      const C = channels[block], area = k * k, weight = network.blocks[block].weight.subarray(channel * C * area, (channel + 1) * C * area), limit = peak(weight) || 1;
      setText(filterTitle, C === 1 ? `Its filter, ${k} × ${k}` : `Its filter, ${C} slices of ${k} × ${k}`);
      const columns = Math.min(C, 8);
      drawTiles(filterCanvas, weight, k, columns, 4 * k, limit);
      filterCanvas.style.width = `${C === 1 ? 80 : 40 * columns}px`;
      setAttribute(filterCanvas, "aria-label", `filter: ${C === 1 ? "" : `${C} slices, `}weights from ${signed(Math.min(...weight))} to ${signed(Math.max(...weight))}`);
    }
    const draw = onPaint(() => {
      if (stale) { compute(); paintAll(); }
      paintChoice();
    });
    let listening = true;
    function changed(image) {
      stale ||= image;
      picker.set(state.digit + 1);
      listening = false;
      for (const name of ["digit", "step", "channel"]) model.set(name, state[name]);
      model.set("unit", [...state.unit]);
      if (image) model.set("pixels", new DataView(pixels.buffer.slice(0)));
      listening = true;
      model.save_changes();
      draw();
    }
    // --- what Python changes
    for (const name of ["digit", "step", "channel", "unit", "pixels"]) model.on(`change:${name}`, () => {
      if (!listening) return;
      const value = model.get(name);
      if (name === "pixels") { pixels = Uint8Array.from(uint8(value)); stale = true; } else state[name] = name === "unit" ? [...value] : value;
      const s = steps[state.step];
      state.channel = Math.min(state.channel, s.channels - 1);
      state.unit = state.unit.map((u) => Math.min(u, s.size - 1));
      picker.set(state.digit + 1);
      draw();
    });
    compute(); paintAll(); paintChoice();
    // as many maps in a row as a finger can still tell apart
    new ResizeObserver(([{ contentRect: { width } }]) => {
      const now = width >= 800 ? 16 : width >= 480 ? 8 : 6;
      if (!width || now === across) return;
      across = now; group.style.setProperty("--across", now);
      paintAll();
    }).observe(group);
  },
};
