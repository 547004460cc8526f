// The convolution stepper. First the mathematics (the same step as dlcheat.widgets.convolution),
// then the words and equations, then the picture.

export const SETTINGS = ["image", "kernel", "bias", "stride", "padding", "dilation", "flip", "relu",
  "pooling", "pool_size", "pool_stride", "position"];
const LIMIT = 999, LARGEST_IMAGE = 8, LARGEST_KERNEL = 5;

/** How many windows fit side by side: ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1, and 0 where none does. */
export function outputSize(n, k, stride = 1, padding = 0, dilation = 1) {
  const room = n + 2 * padding - dilation * (k - 1) - 1;
  return room < 0 ? 0 : Math.floor(room / stride) + 1;
}

/** The image with `padding` zeros on every side. */
export function padImage(image, padding) {
  const n = image.length + 2 * padding, at = (r, c) => image[r - padding]?.[c - padding] ?? 0;
  return grid(n, n, at);
}

/** The kernel turned by 180°: what makes a cross-correlation a convolution. */
export function rotate180(kernel) { return kernel.map((row) => [...row].reverse()).reverse(); }

/** Maximum or mean over square windows. */
export function pool(map, kind, size, stride) {
  const n = outputSize(map.length, size, stride);
  return grid(n, n, (r, c) => {
    const window = grid(size, size, (i, j) => map[r * stride + i][c * stride + j]).flat();
    return kind === "max" ? Math.max(...window) : window.reduce((a, b) => a + b, 0) / window.length;
  });
}

function grid(rows, columns, at) {
  return Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => at(r, c)));
}

/** One window of a convolution and all that is known when it has been computed. */
export function convolutionStep(state) {
  const { image, kernel, bias, stride, padding, dilation, flip, relu, pooling, pool_size, pool_stride } = state;
  const n = image.length, k = kernel.length, size = outputSize(n, k, stride, padding, dilation);
  const sizes = { padded_size: n + 2 * padding, span: dilation * (k - 1) + 1, output_size: size };
  if (size === 0) {
    return { ...sizes, pooled_size: 0, position: 0, row: -1, column: -1, cells: [], values: [], weights: [],
      products: [], total: 0, feature_map: [], relu_map: [], pooled_map: [], pooled_ready: [], unread: n * n };
  }
  const padded = padImage(image, padding), weight = flip ? rotate180(kernel) : kernel, weights = weight.flat();
  const cellsOf = (r, c) => grid(k, k, (m, q) => [r * stride + m * dilation, c * stride + q * dilation]).flat();
  const productsOf = (cells) => cells.map(([r, c], i) => padded[r][c] * weights[i]);
  const sum = (products) => products.reduce((a, b) => a + b, 0) + bias;
  const feature_map = grid(size, size, (r, c) => sum(productsOf(cellsOf(r, c))));
  const relu_map = relu ? feature_map.map((row) => row.map((y) => Math.max(0, y))) : feature_map;
  const pooled_map = pooling === "none" ? [] : pool(relu_map, pooling, pool_size, pool_stride);
  const position = Math.min(state.position, size * size - 1), row = Math.floor(position / size), column = position % size;
  const cells = cellsOf(row, column), products = productsOf(cells), m = pooled_map.length;
  const last = (i) => i * pool_stride + pool_size - 1;
  const lines = new Set(grid(size, k, (i, j) => i * stride + j * dilation - padding).flat().filter((i) => i >= 0 && i < n)).size;
  return { ...sizes, pooled_size: m, position, row, column, cells, values: cells.map(([r, c]) => padded[r][c]), weights,
    products, total: sum(products), feature_map, relu_map, pooled_map,
    pooled_ready: grid(m, m, (r, c) => last(r) * size + last(c) <= position), unread: n * n - lines * lines };
}

/** The pooled cell that this window completes, or null. */
export function pooledNow(state, step) {
  for (let r = 0; r < step.pooled_size; r++) for (let c = 0; c < step.pooled_size; c++) {
    const i = r * state.pool_stride + state.pool_size - 1, j = c * state.pool_stride + state.pool_size - 1;
    if (i === step.row && j === step.column) return [r, c];
  }
  return null;
}

const inBrackets = (v, digits = 2) => (v < 0 ? `(${short(v, digits)})` : short(v, digits));
const NB = "\u00a0";

/** The sum of this window, written out; then what ReLU and pooling make of it. */
export function equations(state, step) {
  if (step.output_size === 0) return [];
  const at = `(${step.row}, ${step.column})`, lines = [];
  const terms = step.values.map((v, i) => `${inBrackets(v)}${NB}×${NB}${inBrackets(step.weights[i])}`);
  const rounded = [...step.values, ...step.weights, state.bias].some((v) => short(v) !== short(v, 9));
  const sign = state.bias < 0 ? "−" : "+";
  lines.push(`Y${at} = ${terms.join(" + ")} ${sign}${NB}${short(Math.abs(state.bias))} ${rounded ? "≈" : "="}${NB}${short(step.total, 3)}`);
  if (state.relu) lines.push(`Z${at} = max(0,${NB}${short(step.total, 3)}) =${NB}${short(Math.max(0, step.total), 3)}`);
  const done = pooledNow(state, step);
  if (done) {
    const [r, c] = done, from = grid(state.pool_size, state.pool_size, (i, j) =>
      step.relu_map[r * state.pool_stride + i][c * state.pool_stride + j]).flat().map((v) => short(v, 3));
    lines.push(`V(${r}, ${c}) = ${state.pooling === "max" ? "max" : "mean"}(${from.join(", ")}) =${NB}${short(step.pooled_map[r][c], 3)}`);
  }
  return lines;
}

/** The sizes by formula, with the numbers filled in. */
export function sizeLines(state, step) {
  const n = state.image.length, k = state.kernel.length, { padding: p, stride: s, dilation: d } = state, o = step.output_size;
  const lines = [`o = ⌊(n + 2p − d(k − 1) − 1) / s⌋ + 1 = ⌊(${n} + 2·${p} − ${d}·(${k} − 1) − 1) / ${s}⌋ + 1`
    + (o ? ` = ${o}: the feature map is ${o} × ${o}.` : " is below 1: there is no feature map.")];
  if (o && state.pooling !== "none") {
    lines.push(step.pooled_size
      ? `Pooling: ⌊(${o} − ${state.pool_size}) / ${state.pool_stride}⌋ + 1 = ${step.pooled_size}: the pooled map is ${step.pooled_size} × ${step.pooled_size}.`
      : `Pooling: a window of ${state.pool_size} × ${state.pool_size} is larger than the ${o} × ${o} feature map.`);
  }
  lines.push(step.span > k ? `The ${k} × ${k} kernel reaches over d(k − 1) + 1 = ${step.span} cells each way.`
    : `The kernel reaches over ${k === 1 ? "a single cell" : `${k} cells each way`}.`);
  if (o) {
    const a = n * n, b = o * o;
    lines.push(`Parameters: ${k}·${k} + 1 = ${k * k + 1}. A dense layer from ${a} to ${b} numbers has ${a}·${b} + ${b} = ${a * b + b}.`);
    lines.push(step.unread ? `${step.unread} of the ${a} image cells are under no window at any step (hatched).`
      : "Every image cell is under some window.");
  }
  return lines;
}

/** What the picture shows, in words. */
export function describe(state, step) {
  if (step.output_size === 0) {
    const k = state.kernel.length;
    return `The kernel does not fit: with ${k} × ${k} weights and dilation ${state.dilation} it reaches over ${step.span} cells, and the `
      + `${state.padding ? "padded image" : "image"} has only ${step.padded_size}. Take a larger image, more padding, a smaller kernel or less dilation.`;
  }
  const total = step.output_size ** 2, kind = state.flip ? "Convolution (kernel rotated)" : "Cross-correlation";
  let text = `${kind}, window ${step.position + 1} of ${total}: row ${step.row}, column ${step.column} of the feature map is ${short(step.total, 3)}`;
  if (state.relu && step.total) text += step.total < 0 ? ", which ReLU cuts to 0" : ", which ReLU keeps";
  text += ".";
  const done = pooledNow(state, step);
  if (done) text += ` It completes the pooling window of row ${done[0]}, column ${done[1]}: ${short(step.pooled_map[done[0]][done[1]], 3)}.`;
  else if (state.pooling !== "none" && !step.pooled_size) text += ` The ${state.pool_size} × ${state.pool_size} pooling window does not fit into the feature map: there is nothing to pool.`;
  return text;
}

// ---- what the menus offer -------------------------------------------------------------------

const scaled = (rows, by) => rows.map((row) => row.map((v) => v / by));
export const IMAGES = {
  "cheat sheet’s X": [[1, 2, 3, 0], [4, 5, 6, 1], [7, 8, 9, 2], [0, 1, 2, 3]],
  "vertical edge": grid(6, 6, (r, c) => (c < 3 ? 0 : 9)),
  "square": grid(7, 7, (r, c) => (r > 1 && r < 5 && c > 1 && c < 5 ? 9 : 0)),
  "single dot": grid(5, 5, (r, c) => (r === 2 && c === 2 ? 1 : 0)),
  "stripes": grid(6, 6, (r, c) => (c % 2 ? 0 : 9)),
  "a seven (MNIST, 8 × 8)": [[0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 6, 6, 6, 4, 0], [0, 0, 0, 1, 6, 9, 2, 0], [0, 0, 0, 0, 8, 4, 0, 0],
    [0, 0, 0, 4, 7, 0, 0, 0], [0, 0, 1, 9, 2, 0, 0, 0], [0, 0, 7, 6, 0, 0, 0, 0], [0, 0, 8, 4, 0, 0, 0, 0]],
};
export const KERNELS = {
  "cheat sheet’s K": [[1, 0], [-1, 2]],
  "vertical edges (Sobel)": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
  "horizontal edges (Sobel)": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
  "all edges (Laplacian)": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
  "blur (mean)": scaled(grid(3, 3, () => 1), 9),
  "blur (binomial)": scaled([[1, 2, 1], [2, 4, 2], [1, 2, 1]], 16),
  "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
  "copy": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
  "shift by one": [[0, 0, 0], [0, 0, 1], [0, 0, 0]],
  "1 to 9 (to see the flip)": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
};
const OWN = "my own";
const nameOf = (table, rows) => Object.keys(table).find((name) => JSON.stringify(table[name]) === JSON.stringify(rows)) ?? OWN;

// ---- the picture ----------------------------------------------------------------------------

// a tenth above the largest, so that the strongest colour still carries its number
const strongest = (rows) => 1.1 * Math.max(1e-9, ...rows.flat().map(Math.abs));
/** A column wide enough for every number of a map: the columns do not move while the map grows. */
const columnWidth = (rows, least = 44) => Math.max(least, 14 + 8.5 * Math.max(0, ...rows.flat().map((v) => short(v).length)));
// a table of a known size: what changes inside it moves nothing outside
const GAP = 3, CELL = 44, PAD = 36;
const fixed = (tracks) => { const all = `${tracks.reduce((a, b) => a + b, 0) + GAP * Math.max(0, tracks.length - 1)}px`; return [tracks.map((t) => `${t}px`).join(" "), all]; };
function setTracks(table, columns, rows) {
  const [left, width] = fixed(columns), [top, height] = fixed(rows), now = `${left}|${top}`;
  if (table.dataset.tracks === now) return;
  table.dataset.tracks = now;
  Object.assign(table.style, { gridTemplateColumns: left, gridTemplateRows: top, width, height });
}
const setColumns = (table, n, width, height = CELL) => setTracks(table, Array(n).fill(Math.ceil(width)), Array(n).fill(height));

/**
 * A square table of cells { el, … } in a box that scrolls on its own. `show(n)` gives the n × n cells it shows: what is
 * missing is made, what is too much is hidden, so that a size that comes back costs little.
 */
function square(label, className, make) {
  const body = h("div", { class: `conv-grid ${className}` }), box = h("div", { class: "conv-scroll" }, body), lines = [];
  return { body, box, show(n, wide = false) {
    for (let r = 0; r < n; r++) {
      lines[r] ??= { el: body.appendChild(h("div", { class: "conv-line" })), cells: [] };
      for (let c = lines[r].cells.length; c < n; c++) { lines[r].cells[c] = make(r, c); lines[r].el.append(lines[r].cells[c].el); }
    }
    const hide = (el, hidden) => { if (el.hidden !== hidden) el.hidden = hidden; };
    lines.forEach((line, r) => { hide(line.el, r >= n); if (r < n) line.cells.forEach((cell, c) => hide(cell.el, c >= n)); });
    // a box that scrolls is reached by keyboard
    for (const [name, value] of Object.entries({ tabindex: "0", role: "region", "aria-label": label })) setAttribute(box, name, wide ? value : null);
    return lines.slice(0, n).map((line) => line.cells.slice(0, n));
  } };
}

/** A panel with a title over a grid of cells. */
function panel(className) {
  const title = h("p", { class: "dlw-title" }), body = h("div"), note = h("p", { class: "dlw-note" });
  return { el: h("div", { class: `conv-panel ${className}` }, title, body, note), title, body, note };
}

export default {
  render({ model, el, signal }) {
    const read = () => Object.fromEntries(SETTINGS.map((name) => [name, model.get(name)]));
    let state = read(), step = convolutionStep(state), built = "", alive = true;
    const first = { ...state, ...(model.get("first") ?? {}) };
    // cells that a smaller size hides: a larger one brings them back
    let imageStore = [], kernelStore = [];
    const remember = () => {
      for (const [store, rows] of [[imageStore, state.image], [kernelStore, state.kernel]])
        rows.forEach((row, r) => row.forEach((v, c) => { (store[r] ??= [])[c] = v; }));
    };
    const resized = (store, n) => grid(n, n, (r, c) => store[r]?.[c] ?? 0);

    /** Change the state here and in the model. */
    function write(patch) {
      state = { ...state, ...patch }; remember();
      for (const [name, value] of Object.entries(patch)) model.set(name, value);
      model.save_changes(); redraw();
    }

    const box = frame(el, model.get("title"));
    box.classList.add("conv");
    const words = summary(), alarm = h("p", { class: "conv-alarm", role: "status" });

    // the menus and settings
    const imageMenu = choice({ label: "Image", options: [...Object.keys(IMAGES), OWN], value: OWN,
      onchange: (name) => { imageStore = []; write({ image: IMAGES[name] ?? state.image, position: 0 }); } });
    const kernelMenu = choice({ label: "Kernel", options: [...Object.keys(KERNELS), OWN], value: OWN,
      onchange: (name) => { kernelStore = []; write({ kernel: KERNELS[name] ?? state.kernel, position: 0 }); } });
    const operation = choice({ label: "Operation", options: [[false, "cross-correlation"], [true, "convolution (kernel rotated)"]],
      value: state.flip, onchange: (flip) => write({ flip }) });
    const sliders = {
      size: slider({ label: "Image size n", min: 3, max: LARGEST_IMAGE, value: state.image.length, onchange: (n) => write({ image: resized(imageStore, n) }) }),
      kernelSize: slider({ label: "Kernel size k", min: 1, max: LARGEST_KERNEL, value: state.kernel.length, onchange: (k) => write({ kernel: resized(kernelStore, k) }) }),
      stride: slider({ label: "Stride s", min: 1, max: 4, value: state.stride, onchange: (stride) => write({ stride }) }),
      padding: slider({ label: "Padding p", min: 0, max: 3, value: state.padding, onchange: (padding) => write({ padding }) }),
      dilation: slider({ label: "Dilation d", min: 1, max: 3, value: state.dilation, onchange: (dilation) => write({ dilation }) }),
    };
    const relu = checkbox({ label: "ReLU", value: state.relu, onchange: (on) => write({ relu: on }) });
    const pooling = choice({ label: "Pooling", options: [["none", "none"], ["max", "maximum"], ["average", "average"]], value: state.pooling, onchange: (kind) => write({ pooling: kind }) });
    const poolSize = choice({ label: "Pooling window", options: [[2, "2 × 2"], [3, "3 × 3"]], value: state.pool_size, onchange: (v) => write({ pool_size: v }) });
    const poolStride = choice({ label: "Pooling stride", options: [1, 2, 3].map((v) => [v, String(v)]), value: state.pool_stride, onchange: (v) => write({ pool_stride: v }) });
    const steps = player({ label: "Window", count: Math.max(1, step.output_size ** 2), position: step.position, signal,
      onchange: (position) => { if (position !== state.position) write({ position }); },
      onreset: () => { imageStore = []; kernelStore = []; alarm.textContent = ""; write({ ...first }); box.querySelectorAll("[aria-invalid]").forEach((e) => e.blur()); sync(true); } });

    // the panels
    const image = panel("conv-image"), kernel = panel("conv-kernel"), work = panel("conv-work");
    const maps = { feature: panel("conv-feature"), relu: panel("conv-relu"), pooled: panel("conv-pooled") };
    const bias = numberCell({ label: "bias b", value: state.bias, min: -LIMIT, max: LIMIT, onchange: (b) => write({ bias: b }) });
    const equation = h("div", { class: "conv-equations" }), sizes = h("div", { class: "conv-sizes" });
    box.append(
      h("div", { class: "dlw-row" }, imageMenu.el, kernelMenu.el, operation.el), steps.el,
      h("div", { class: "conv-stage" }, image.el, h("div", { class: "conv-stage conv-side" }, kernel.el, work.el)),
      h("div", { class: "conv-stage" }, maps.feature.el, maps.relu.el, maps.pooled.el),
      equation, words.el, alarm,
      h("div", { class: "conv-settings" }, Object.values(sliders).map((s) => s.el)),
      h("div", { class: "dlw-row" }, relu.el, pooling.el, poolSize.el, poolStride.el),
      sizes,
      h("p", { class: "dlw-note" }, `Type whole or decimal numbers from −${LIMIT} to ${LIMIT} into the cells of the image and the kernel, or change a cell by 1 with ↑ and ↓. `
        + "In the feature map, a click or the arrow keys choose the window."));

    // what is typed and refused is said in words
    box.addEventListener("input", (event) => {
      const field = event.target;
      if (!field.classList?.contains("dlw-number")) return;
      const bad = field.getAttribute("aria-invalid") === "true";
      setText(alarm, bad && field.value.trim() !== "" && field.value.trim() !== "-"
        ? `“${field.value}” is not a number from −${LIMIT} to ${LIMIT}: the ${field.getAttribute("aria-label")} stays as it was.` : "");
    });
    box.addEventListener("focusout", (event) => { if (event.target.classList?.contains("dlw-number")) setText(alarm, ""); });
    box.addEventListener("keydown", (event) => {
      const field = event.target, by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!by || !field.classList?.contains("dlw-number")) return;
      const now = parseNumber(field.value);
      if (now === null) return;
      event.preventDefault(); event.stopPropagation();
      field.value = String(Number((now + by).toFixed(6)));
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });

    let imageCells = [], kernelCells = [], paddedCells = [], workCells = [], mapCells = {};

    /** Replace one cell of the image or the kernel. */
    const edited = (name, r, c, v) => write({ [name]: state[name].map((row, i) => (i === r ? row.map((old, j) => (j === c ? v : old)) : row)) });

    const numberAt = (label, onchange) => numberCell({ label, value: 0, min: -LIMIT, max: LIMIT, onchange });
    const plain = () => ({ el: h("div", { class: "conv-cell" }) });
    const tables = {
      // a cell of the padded image: a number that can be edited, or a zero of the margin
      image: square("image", "", (r, c) => {
        const field = numberAt("image", (v) => edited("image", r - state.padding, c - state.padding, v)), weight = h("span", { class: "conv-weight" });
        return { field, weight, el: h("div", { class: "conv-cell" }, field.el, h("span", { class: "conv-zero" }, "0"), weight) };
      }),
      kernel: square("kernel", "", (r, c) => {
        const field = numberAt(`kernel row ${r}, column ${c}`, (v) => edited("kernel", r, c, v));
        return { field, el: h("div", { class: "conv-cell conv-edit" }, field.el) };
      }),
      work: square("products", "", () => {
        const value = h("span"), product = h("span", { class: "conv-product" });
        return { value, product, el: h("div", { class: "conv-cell conv-pair" }, value, product) };
      }),
      feature: square("feature map", "conv-map", plain), relu: square("feature map after ReLU", "conv-map", plain), pooled: square("pooled map", "conv-map", plain),
    };
    image.body.append(tables.image.box);
    kernel.body.append(tables.kernel.box, h("label", { class: "conv-bias" }, "bias b ", h("span", { class: "conv-cell conv-edit" }, bias.el)));
    work.body.append(tables.work.box);
    for (const key of ["feature", "relu", "pooled"]) maps[key].body.append(tables[key].box);
    listen(tables.feature.body);

    /** Give every table its size. */
    function resize(n, p, k, o, m) {
      const tracks = [...Array(p).fill(PAD), ...Array(n).fill(CELL), ...Array(p).fill(PAD)];
      paddedCells = tables.image.show(n + 2 * p, 44 * n + 72 * p > 250);
      setTracks(tables.image.body, tracks, tracks);
      paddedCells.forEach((row, r) => row.forEach((cell, c) => {
        cell.pad = Math.min(r, c) < p || Math.max(r, c) >= n + p;
        setAttribute(cell.field.el, "aria-label", `image row ${r - p}, column ${c - p}`);
      }));
      imageCells = state.image.map((row, r) => row.map((_, c) => paddedCells[r + p][c + p].field));
      kernelCells = tables.kernel.show(k, k > 5).map((row) => row.map((cell) => cell.field));
      setColumns(tables.kernel.body, k, CELL);
      workCells = tables.work.show(k, k > 3);
      mapCells = { feature: tables.feature.show(o), relu: tables.relu.show(o, o > 5), pooled: tables.pooled.show(m, m > 5) };
    }

    /** The arrow keys and the pointer choose a window in the feature map. */
    function listen(table) {
      table.setAttribute("role", "group");
      table.setAttribute("aria-label", "feature map: the arrow keys or a click choose the window");
      const size = () => step.output_size, within = (i) => Math.min(size() - 1, Math.max(0, i));
      const goTo = (r, c) => { steps.stop(); write({ position: within(r) * size() + within(c) }); };
      const now = () => Math.min(state.position, size() ** 2 - 1);
      draggable(table, { bigStep: 2, move: (dx, dy) => goTo(Math.floor(now() / size()) + dy, (now() % size()) + dx),
        place: (x, y) => goTo(Math.floor(y * size()), Math.floor(x * size())) });
    }

    /** Write the state into every control; cells that already hold the value keep what is being typed. */
    function sync(all = false) {
      for (const [cells, rows] of [[imageCells, state.image], [kernelCells, state.kernel]])
        rows.forEach((row, r) => row.forEach((v, c) => { const cell = cells[r]?.[c]; if (cell && (all || cell.value !== v)) cell.set(v); }));
      if (all || bias.value !== state.bias) bias.set(state.bias);
      const want = { size: state.image.length, kernelSize: state.kernel.length, stride: state.stride, padding: state.padding, dilation: state.dilation };
      for (const [name, value] of Object.entries(want)) turn(sliders[name], value);
      for (const [control, value] of [[imageMenu, nameOf(IMAGES, state.image)], [kernelMenu, nameOf(KERNELS, state.kernel)],
        [operation, state.flip], [relu, state.relu], [pooling, state.pooling], [poolSize, state.pool_size], [poolStride, state.pool_stride]])
        turn(control, value);
      poolSize.el.hidden = poolStride.el.hidden = state.pooling === "none";
    }

    function draw() {
      if (!alive) return;
      step = convolutionStep(state);
      const n = state.image.length, k = state.kernel.length, o = step.output_size, fits = o > 0;
      const shape = [n, state.padding, k, o, step.pooled_size];
      if (shape.join() !== built) { built = shape.join(); resize(...shape); }
      sync();
      // the player, over as many positions as there are windows
      const count = Math.max(1, o * o);
      if (!fits) steps.stop();
      if (steps.slider.input.max !== String(count - 1)) steps.setCount(count);
      steps.go(step.position);
      const [play, back, forward] = steps.el.querySelectorAll("button");
      play.disabled = steps.slider.input.disabled = !fits || count === 1;
      if (!fits) back.disabled = forward.disabled = true;

      drawImage(); drawWork();
      setText(kernel.title, `Kernel K, ${k} × ${k}`);
      setText(kernel.note, state.flip ? "laid on the image rotated by 180°" : "laid on the image as it is");
      const heaviest = strongest(state.kernel);
      kernelCells.flat().forEach((cell) => setGround(cell.el.parentElement, heat(cell.value, heaviest)));
      drawMaps();
      setLines(equation, equations(state, step));
      setLines(sizes, sizeLines(state, step));
      words.say(describe(state, step));
      box.classList.toggle("conv-misfit", !fits);
    }

    function drawImage() {
      const { padding: p, stride: s, dilation: d } = state, n = state.image.length, limit = strongest(state.image), o = step.output_size, k = state.kernel.length;
      const taps = new Map(step.cells.map(([r, c], i) => [`${r},${c}`, step.weights[i]]));
      const lines = new Set(grid(o, k, (i, j) => i * s + j * d).flat());
      const inside = (r, c) => o > 0 && r >= step.row * s && r < step.row * s + step.span && c >= step.column * s && c < step.column * s + step.span;
      setText(image.title, `Image X, ${n} × ${n}${p ? `, padded to ${n + 2 * p} × ${n + 2 * p}` : ""}`);
      paddedCells.forEach((row, r) => row.forEach((cell, c) => {
        const weight = taps.get(`${r},${c}`), tap = weight !== undefined, unread = o > 0 && !(lines.has(r) && lines.has(c));
        setClass(cell.el, `conv-cell${cell.pad ? " conv-pad" : " conv-edit"}${tap ? " conv-tap" : inside(r, c) ? " conv-between" : ""}${unread && !cell.pad ? " conv-unread" : ""}`);
        setText(cell.weight, tap ? `×${short(weight)}` : "");
        setGround(cell.el, cell.pad || unread ? "" : heat(state.image[r - p][c - p], limit));
      }));
    }

    function drawWork() {
      setText(work.title, step.output_size ? "Cell × weight" : "Cell × weight: no window");
      const limit = strongest([step.products]);
      // wide enough for every window: the panel does not move from step to step
      const widest = Math.max(...state.image.flat().map((v) => short(v).length)) + Math.max(...state.kernel.flat().map((w) => inBrackets(w).length));
      setColumns(tables.work.body, state.kernel.length, Math.max(68, 38 + 7.5 * widest));
      workCells.flat().forEach((cell, i) => {
        const some = i < step.products.length;
        setText(cell.value, some ? `${short(step.values[i])} × ${inBrackets(step.weights[i])}` : "");
        setText(cell.product, some ? short(step.products[i]) : "–");
        setGround(cell.el, some ? heat(step.products[i], limit) : "");
      });
      setText(work.note, step.output_size ? `sum ${short(step.products.reduce((a, b) => a + b, 0), 3)}, with the bias ${short(step.total, 3)}` : "");
    }

    function drawMaps() {
      const o = step.output_size, m = step.pooled_size, done = pooledNow(state, step);
      const inPool = (r, c) => done && r >= done[0] * state.pool_stride && r < done[0] * state.pool_stride + state.pool_size
        && c >= done[1] * state.pool_stride && c < done[1] * state.pool_stride + state.pool_size;
      setText(maps.feature.title, `Feature map Y, ${o} × ${o}`);
      setText(maps.relu.title, `After ReLU Z, ${o} × ${o}`);
      setText(maps.pooled.title, `Pooled V (${state.pooling === "average" ? "average" : "maximum"}), ${m} × ${m}`);
      maps.relu.el.hidden = !state.relu || o === 0; maps.feature.el.hidden = o === 0; maps.pooled.el.hidden = m === 0;
      const pooledFrom = state.relu ? "relu" : "feature";
      for (const [key, rows] of [["feature", step.feature_map], ["relu", step.relu_map]]) {
        const limit = strongest(step.feature_map);
        setColumns(tables[key].body, o, columnWidth(rows));
        mapCells[key].forEach((line, r) => line.forEach(({ el: cell }, c) => {
          const i = r * o + c, known = i <= step.position, now = i === step.position;
          setText(cell, known ? short(rows[r][c]) : "·");
          setClass(cell, `conv-cell${now ? " conv-tap" : ""}${key === pooledFrom && m && inPool(r, c) ? " conv-pooling" : ""}`);
          setGround(cell, known ? heat(rows[r][c], limit) : "");
        }));
      }
      const limit = strongest(step.relu_map);
      setColumns(tables.pooled.body, m, columnWidth(step.pooled_map));
      mapCells.pooled.forEach((line, r) => line.forEach(({ el: cell }, c) => {
        const known = step.pooled_ready[r][c], now = done && done[0] === r && done[1] === c;
        setText(cell, known ? short(step.pooled_map[r][c]) : "·");
        setClass(cell, `conv-cell${now ? " conv-pooling" : ""}`);
        setGround(cell, known ? heat(step.pooled_map[r][c], limit) : "");
      }));
    }

    const redraw = onPaint(draw);
    const fromModel = () => {
      const now = read();
      if (JSON.stringify(now) !== JSON.stringify(state)) { state = now; remember(); redraw(); }
    };
    for (const name of SETTINGS) model.on(`change:${name}`, fromModel);
    signal?.addEventListener?.("abort", () => { alive = false; for (const name of SETTINGS) model.off(`change:${name}`, fromModel); });
    remember(); draw();
  },
};
