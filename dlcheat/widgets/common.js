// Shared by every widget of the book: this file stands before the widget's own, in one module.
// A widget is pure functions (state in, state out), exported, and one render().

/** Build an element: h("button", { class: "x", onclick: f, "aria-label": "Play" }, "text", child). */
export function h(tag, attributes = {}, ...children) {
  const svgTags = new Set(["svg", "path", "rect", "circle", "ellipse", "line", "g", "text", "polyline", "polygon", "marker", "defs", "clipPath"]);
  const el = svgTags.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) setAttribute(el, key, value);
  el.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return el;
}

/** Set one attribute, property ("value", "checked", …) or listener ("onclick") of an element. */
export function setAttribute(el, key, value) {
  if (key.startsWith("on") && typeof value === "function") el.addEventListener(key.slice(2), value);
  else if (key === "style" && typeof value === "object") for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v);
  else if (["value", "checked", "disabled", "textContent", "selected", "hidden"].includes(key)) el[key] = value;
  else if (value === null || value === undefined || value === false) el.removeAttribute(key);
  else {
    const text = value === true ? "" : String(value);
    if (el.getAttribute(key) !== text) el.setAttribute(key, text);
  }
  return el;
}

// What stands there already is not written again: the browser would draw it again.
/** Write the text of an element that holds nothing but text. */
export function setText(el, text) {
  const node = el.firstChild;
  if (!node) el.textContent = text;
  else if (node.data !== text) node.data = text;
}
/** Write one paragraph a line. */
export function setLines(el, lines) {
  while (el.children.length > lines.length) el.lastChild.remove();
  lines.forEach((line, i) => (el.children[i] ? setText(el.children[i], line) : el.append(h("p", {}, line))));
}
/** Write all classes of an element. */
export function setClass(el, text) { if (el.className !== text) el.className = text; }
const grounds = new WeakMap();     // an element: its ground
/** Write the background of an element. */
export function setGround(el, background) {
  if (grounds.get(el) !== background) { grounds.set(el, background); el.style.background = background; }
}
/** Set a control (anything with a value and set) where it shows another value. */
export function turn(control, value) { if (control.value !== value) control.set(value); }

/** A number as the book prints it: fixed digits, a true minus sign, no "-0". */
export function format(value, digits = 3) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const text = value.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** A number as a table shows it: whole numbers whole, others with at most `digits` digits. */
export function short(value, digits = 2) {
  return Number.isInteger(value) ? format(value, 0) : format(value, digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

let serial = 0;
/** An id that no other element of the page has. */
export function uid(prefix = "dlw") { serial += 1; return `${prefix}-${Math.random().toString(36).slice(2, 8)}-${serial}`; }

/** The outer box of a widget: a labelled region with its own focus and a line that says what is shown. */
export function frame(el, title) {
  const box = h("div", { class: "dlw", role: "group", "aria-label": title || "interactive figure" });
  el.append(box);
  return box;
}

/**
 * A slider with its label and its value: { el, input, value, set(v), setRange(min, max) }.
 * `onchange(value)` runs while it moves. `show` turns the value into text.
 */
export function slider({ label, min, max, step = 1, value, show = (v) => short(v, 3), onchange }) {
  const id = uid("slider");
  const out = h("output", { for: id, class: "dlw-value" });
  // JupyterLab would take the arrow keys: the attribute leaves them to the slider
  const input = h("input", { id, type: "range", min, max, step, "data-lm-suppress-shortcuts": "true" });
  const control = {
    el: h("div", { class: "dlw-slider" }, h("label", { for: id }, label), input, out), input,
    get value() { return Number(input.value); },
    set(v) { input.value = v; update(); },
    setRange(lo, hi) { input.min = lo; input.max = hi; update(); },
  };
  function update() {
    const v = Number(input.value), text = String(show(v));
    setText(out, text);
    setAttribute(input, "aria-valuetext", text);
    const span = Number(input.max) - Number(input.min);
    input.style.setProperty("--filled", `${span > 0 ? (100 * (v - Number(input.min))) / span : 0}%`);
  }
  const later = onPaint(update);     // the thumb has moved already
  input.addEventListener("input", () => { later(); onchange?.(Number(input.value)); });
  control.set(value);
  return control;
}

/** A button; `label` is its text, `hint` its longer name for a screen reader. A name in words begins with the text that is seen. */
export function button(label, onclick, { hint, pressed, primary } = {}) {
  if (hint && /\p{L}/u.test(label) && !hint.toLowerCase().startsWith(label.toLowerCase())) hint = `${label}: ${hint}`;
  return h("button", { type: "button", class: primary ? "dlw-button primary" : "dlw-button", onclick,
    "aria-label": hint, title: hint, "aria-pressed": pressed === undefined ? null : String(pressed) }, label);
}

/** A choice from a list: options are strings or [value, text]; { el, select, value, set(v), setOptions(options) }. */
export function choice({ label, options, value, onchange }) {
  const id = uid("choice");
  let pairs = [];
  const select = h("select", { id, "data-lm-suppress-shortcuts": "true" });
  const read = () => pairs[select.selectedIndex]?.[0];
  const control = {
    el: h("div", { class: "dlw-choice" }, h("label", { for: id }, label), select), select,
    get value() { return read(); },
    set(v) { select.selectedIndex = Math.max(0, pairs.findIndex(([p]) => p === v)); },
    setOptions(list) {
      const next = list.map((o) => (Array.isArray(o) ? o : [o, String(o)]));
      if (JSON.stringify(next) === JSON.stringify(pairs)) return;
      pairs = next;
      select.replaceChildren(...pairs.map(([v, t]) => h("option", { value: String(v) }, t)));
    },
  };
  select.addEventListener("change", () => onchange?.(read()));
  control.setOptions(options);
  control.set(value);
  return control;
}

/** A checkbox with its label: { el, input, value, set(v) }. */
export function checkbox({ label, value = false, onchange }) {
  const input = h("input", { type: "checkbox", checked: value, "data-lm-suppress-shortcuts": "true" });
  input.addEventListener("change", () => onchange?.(input.checked));
  return { el: h("label", { class: "dlw-check" }, input, h("span", {}, label)), input,
    get value() { return input.checked; }, set(v) { input.checked = v; } };
}

/** Read a number that a reader typed, or null if it is none; a comma and a true minus sign count. */
export function parseNumber(text) {
  const clean = String(text).trim().replace("−", "-").replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(clean) && Number.isFinite(Number(clean)) ? Number(clean) : null;
}

/**
 * An editable number: { el, value, set(v) }. What is not a number is refused: the field says so
 * (aria-invalid), the old value stays, and leaving the field puts it back.
 */
export function numberCell({ label, value, min = -Infinity, max = Infinity, onchange }) {
  let kept = value;
  const input = h("input", { type: "text", inputmode: "text", class: "dlw-number", "aria-label": label,
    autocomplete: "off", spellcheck: "false", "data-lm-suppress-shortcuts": "true" });
  const ok = (v) => v !== null && v >= min && v <= max;
  input.addEventListener("input", () => {
    const v = parseNumber(input.value);
    setAttribute(input, "aria-invalid", ok(v) ? null : "true");
    if (ok(v) && v !== kept) { kept = v; onchange?.(v); }
  });
  input.addEventListener("blur", () => control.set(kept));
  input.addEventListener("focus", () => input.select());
  const control = { el: input, get value() { return kept; },
    set(v) { kept = v; input.value = short(v); setAttribute(input, "aria-invalid", null); } };
  control.set(value);
  return control;
}

/**
 * Play, step, back and reset over positions 0 … count-1, with a slider and the arrow keys:
 * { el, position, go(i), setCount(n), stop() }. `onchange(i)` runs at every move.
 */
export function player({ label, count, position = 0, interval = 700, show = (i, n) => `${i + 1} of ${n}`, onchange, onreset, signal }) {
  let n = count, at = position, timer = null;
  const bar = slider({ label, min: 0, max: Math.max(0, n - 1), value: at, show: (i) => show(i, n), onchange: (i) => { stop(); move(i); } });
  const back = button("◀", () => { stop(); move(at - 1); }, { hint: "one step back" });
  const forward = button("▶", () => { stop(); move(at + 1); }, { hint: "one step forward" });
  const play = button("Play", () => (timer ? stop() : start()), { pressed: false, primary: true });
  const reset = button("Reset", () => { stop(); onreset ? onreset() : move(0); });
  function move(i) {
    const next = Math.min(n - 1, Math.max(0, i));
    const changed = next !== at;
    at = next; bar.set(at); back.disabled = at === 0; forward.disabled = at === n - 1;
    if (changed) onchange?.(at);
  }
  function start() {
    if (at === n - 1) move(0);
    play.textContent = "Pause"; play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => { if (at < n - 1) move(at + 1); if (at >= n - 1) stop(); }, interval);
  }
  function stop() {
    if (timer) clearInterval(timer);
    timer = null; play.textContent = "Play"; play.setAttribute("aria-pressed", "false");
  }
  signal?.addEventListener?.("abort", stop);
  const control = { el: h("div", { class: "dlw-player" }, play, back, bar.el, forward, reset), slider: bar,
    get position() { return at; }, get playing() { return timer !== null; }, go: move, stop,
    setCount(k) { n = Math.max(1, k); bar.setRange(0, n - 1); move(at); } };
  move(at);
  return control;
}

/** The text line that says what the picture shows; a screen reader hears its changes, at most twice a second. */
export function summary() {
  const seen = h("p", { class: "dlw-summary" }), heard = h("p", { class: "dlw-hidden", "aria-live": "polite" });
  let wait = null;
  return { el: h("div", {}, seen, heard),
    say(text) {
      if (seen.textContent === text) return;
      setText(seen, text);
      clearTimeout(wait); wait = setTimeout(() => { heard.textContent = text; }, 500);
    } };
}

/** A fill for a signed value: blue above zero, orange below, stronger with |value| / limit. */
export function heat(value, limit) {
  const strength = limit > 0 ? Math.min(1, Math.abs(value) / limit) : 0;
  return `color-mix(in srgb, var(${value < 0 ? "--dl-minus" : "--dl-plus"}) ${Math.round(strength * 60)}%, transparent)`;
}

const sheets = new WeakMap();      // a canvas: what is drawn on it
/** The pixels of a canvas, four bytes each as 0xAABBGGRR, and what puts them on it: { pixels, put() }. */
export function sheetOf(canvas, width, height) {
  let sheet = sheets.get(canvas);
  if (!sheet || canvas.width !== width || canvas.height !== height) {
    canvas.width = width; canvas.height = height;
    const context = canvas.getContext("2d"), data = context.createImageData(width, height);
    sheet = { pixels: new Uint32Array(data.data.buffer), put: () => context.putImageData(data, 0, 0) };
    sheets.set(canvas, sheet);
  }
  return sheet;
}

/** Draw grey values (0 … 1, row after row) on a canvas. */
export function drawGray(canvas, values, width, height, { low = 0, high = 1 } = {}) {
  const scale = 255 / (high - low), { pixels, put } = sheetOf(canvas, width, height);
  for (let i = 0; i < pixels.length; i++)
    pixels[i] = 0xff000000 | (0x010101 * Math.round(Math.min(255, Math.max(0, (values[i] - low) * scale))));
  put();
}

// Signed values as colours, from orange over white to blue.
const TINTS = Uint32Array.from({ length: 511 }, (_, i) => {
  const t = Math.abs(i - 255) / 255, end = i < 255 ? [143, 58, 0] : [8, 74, 134];
  const [r, g, b] = end.map((c) => Math.round(255 + t * (c - 255)));
  return (255 << 24) | (b << 16) | (g << 8) | r;
});
/** The colour of a signed value, 0xAABBGGRR: white is zero, blue above, orange below, full at `limit`. */
export function tint(value, limit) {
  return TINTS[255 + Math.round(255 * Math.min(1, Math.max(-1, value / (limit || 1))))];
}

/** Draw signed values on a canvas. */
export function drawSigned(canvas, values, width, height, limit) {
  const { pixels, put } = sheetOf(canvas, width, height);
  for (let i = 0; i < pixels.length; i++) pixels[i] = tint(values[i], limit);
  put();
}

/**
 * Draw maps of signed values (count × size × size) on one canvas, `across` in a row, each in a thin frame and
 * `side` pixels wide: one canvas costs a browser far less than one for each.
 */
export function drawTiles(canvas, values, size, across, side, limit) {
  const count = values.length / (size * size), cell = side + 4, width = across * cell;
  const { pixels, put } = sheetOf(canvas, width, Math.ceil(count / across) * cell);
  const source = Int32Array.from({ length: side }, (_, i) => Math.floor((i * size) / side)), colors = new Uint32Array(size * size);
  for (let map = 0; map < count; map++) {
    const start = map * size * size, corner = Math.floor(map / across) * cell * width + (map % across) * cell + width + 1;
    for (let i = 0; i < colors.length; i++) colors[i] = tint(values[start + i], limit);
    for (let y = -1; y <= side; y++) {
      const row = corner + (y + 1) * width, edge = y < 0 || y === side, from = edge ? 0 : source[y] * size;
      if (edge) pixels.fill(0x66808080, row, row + side + 2);
      else {
        pixels[row] = pixels[row + side + 1] = 0x66808080;
        for (let x = 0; x < side; x++) pixels[row + 1 + x] = colors[from + source[x]];
      }
    }
  }
  put();
}

/** Float32 values of a bytes trait (a DataView with and without a kernel). */
export function float32(view) {
  const out = new Float32Array(view.byteLength / 4);
  for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
  return out;
}

/** Int8 values of a bytes trait times their scale, as float32. */
export function int8(view, scale = 1) {
  return Float32Array.from(new Int8Array(view.buffer, view.byteOffset, view.byteLength), (q) => q * scale);
}

/** Unsigned bytes of a bytes trait. */
export function uint8(view) { return new Uint8Array(view.buffer, view.byteOffset, view.byteLength); }

/** Numbers in [0, 1) from a seed, one a call: mulberry32, the same ones here and in Python. */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** `count` numbers in [0, 1) from a seed. */
export function uniforms(seed, count) {
  const next = generator(seed);
  return Array.from({ length: count }, () => next());
}

/** `count` standard normal numbers from a seed (Box and Muller), the same ones here and in Python. */
export function normals(seed, count) {
  const u = uniforms(seed, count + (count % 2)), found = new Float64Array(count);
  for (let k = 0; k < count; k += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - u[k])), angle = 2 * Math.PI * u[k + 1];
    found[k] = radius * Math.cos(angle);
    if (k + 1 < count) found[k + 1] = radius * Math.sin(angle);
  }
  return found;
}

/** Run `draw` at most once before the next paint, however often it is asked for. */
export function onPaint(draw) {
  let asked = false;
  return () => { if (!asked) { asked = true; requestAnimationFrame(() => { asked = false; draw(); }); } };
}

/**
 * The state of a widget, kept in step with the model's traits of these names: { state, first, tell, write }.
 * `tell(name, …)` hands entries of the state to the model, `write(patch)` changes the state and tells it;
 * `changed(name)` runs when a trait was set elsewhere: in Python, or in another view. `state` stays the same object.
 */
export function shared(model, names, changed) {
  const read = (name) => structuredClone(model.get(name)), state = Object.fromEntries(names.map((name) => [name, read(name)]));
  let telling = false;
  function tell(...told) {
    telling = true;
    for (const name of told) model.set(name, structuredClone(state[name]));
    model.save_changes();
    telling = false;
  }
  for (const name of names) model.on(`change:${name}`, () => {
    const value = read(name);
    if (telling || JSON.stringify(value) === JSON.stringify(state[name])) return;
    state[name] = value;
    changed(name);
  });
  return { state, first: structuredClone(state), tell,
    write(patch) { Object.assign(state, structuredClone(patch)); tell(...Object.keys(patch)); } };
}

/**
 * A Play button that runs `frame()` before each paint until it returns false: { el, playing, stop, halt }.
 * It starts where `ready()`; `onstop()` runs when it ends, but not after `halt()`, nor when the widget goes.
 */
export function looper({ frame, ready = () => true, onstop, signal }) {
  let playing = false;
  const el = button("Play", () => (playing ? stop() : start()), { pressed: false, primary: true });
  function show(now) { playing = now; setText(el, now ? "Pause" : "Play"); setAttribute(el, "aria-pressed", String(now)); }
  function start() { if (ready()) { show(true); requestAnimationFrame(run); } }
  function halt() { if (playing) show(false); }
  function stop() { if (playing) { show(false); onstop?.(); } }
  function run() {
    if (playing && !frame()) stop();
    if (playing) requestAnimationFrame(run);
  }
  signal?.addEventListener?.("abort", halt);
  return { el, get playing() { return playing; }, stop, halt };
}

/** Run `changed` whenever the page turns dark or light: what is drawn on a canvas must be drawn anew. */
export function watchTheme(changed, signal) {
  const watch = new MutationObserver(changed);
  watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  watch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  signal?.addEventListener?.("abort", () => watch.disconnect());
}

/** Let the arrow keys and the pointer move a point: `move(dx, dy)` by keys, `place(x, y)` (0 … 1) by pointer. */
export function draggable(el, { move, place, step = 1, bigStep = 5 }) {
  el.setAttribute("tabindex", "0"); el.dataset.lmSuppressShortcuts = "true";
  el.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault(); event.stopPropagation();
    const size = event.shiftKey ? bigStep : step;
    move(by[0] * size, by[1] * size);
  });
  if (!place) return;
  const at = (event) => { const r = el.getBoundingClientRect(); return [(event.clientX - r.left) / r.width, (event.clientY - r.top) / r.height]; };
  const clamp = ([x, y]) => place(Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y)));
  el.addEventListener("pointerdown", (event) => { el.setPointerCapture(event.pointerId); el.focus({ preventScroll: true }); clamp(at(event)); event.preventDefault(); });
  el.addEventListener("pointermove", (event) => { if (el.hasPointerCapture(event.pointerId)) clamp(at(event)); });
}
