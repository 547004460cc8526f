// The activation explorer: an activation function, its derivative, and up to three others beside it.

const SETTINGS = ["activation", "compare", "at", "reach", ...Object.keys(DEFAULTS)];
const LINES = ["ae-own", "ae-first", "ae-second", "ae-third"], SAMPLES = 240;
/** A slope below this counts as flat. */
export const FLAT = 0.01;

/** The state as it is drawn: at most three others, a point inside the picture. */
export function consistent(state) {
  const compare = [...new Set(state.compare)].filter((other) => other !== state.activation).slice(0, 3);
  return { ...state, compare, at: Math.min(state.reach, Math.max(-state.reach, state.at)) };
}

/** Where in the picture the slope of an activation jumps. */
export const kinks = (activation, state) => (ACTIVATIONS[activation].kinks?.(state) ?? []).filter((x) => Math.abs(x) < state.reach);

/** The x at which a curve is drawn, rising, with both sides of every kink. */
export function places(activation, state) {
  const jumps = kinks(activation, state), xs = Array.from({ length: SAMPLES + 1 }, (_, i) => state.reach * ((2 * i) / SAMPLES - 1));
  return [...xs.filter((x) => !jumps.includes(x)), ...jumps.flatMap((k) => [k - 1e-7, k + 1e-7])].sort((p, q) => p - q);
}

/** The parts of the picture, wider than a tenth, in which the slope is flat: [[from, to], …]. */
export function flatParts(activation, state) {
  const flat = (x) => Math.abs(evaluate(activation, x, state)[1]) < FLAT, xs = places(activation, state), parts = [];
  const edge = (inside, outside) => { for (let k = 0; k < 20; k++) { const middle = (inside + outside) / 2; if (flat(middle)) inside = middle; else outside = middle; } return inside; };
  xs.forEach((x, i) => {
    if (!flat(x)) return;
    if (i === 0 || !flat(xs[i - 1])) parts.push([i === 0 ? x : edge(x, xs[i - 1]), x]);
    parts[parts.length - 1][1] = i + 1 < xs.length && !flat(xs[i + 1]) ? edge(x, xs[i + 1]) : x;
  });
  return parts.filter(([from, to]) => to - from > 0.1);
}

/** Round ticks, about four, inside [low, high]. */
export function niceTicks(low, high) {
  const rough = (high - low) / 4, unit = 10 ** Math.floor(Math.log10(rough)), step = unit * [1, 2, 2.5, 5, 10].find((m) => m * unit >= rough - 1e-12);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * step).toFixed(10)));
}

/** What is said of the point: [value, slope] there, and whether the slope jumps. */
export function words(activation, [, slope], kink) {
  if (kink) return activation === "step" ? "The step lies here; on either side the slope is 0." : "A kink lies here: the slope jumps.";
  if (slope === 0) return "Flat: no gradient passes.";
  if (Math.abs(slope) < FLAT) return "Nearly flat: hardly any gradient passes.";
  if (slope < 0) return "It falls here: a gradient that passes changes its sign.";
  if (Math.abs(slope - 1) < 5e-4) return slope === 1 ? "A gradient passes unchanged." : "A gradient passes nearly unchanged.";
  return `${slope > 1 ? "Steeper than 1: ten" : "Ten"} such slopes multiply to ${anySize(slope ** 10)}.`;
}

/** What is said of the whole picture. */
export function overview(activation, state) {
  const slopes = places(activation, state).map((x) => evaluate(activation, x, state)[1]), parts = flatParts(activation, state), r = state.reach;
  const [low, high] = [Math.min(...slopes), Math.max(...slopes)], f = (v) => format(v, 2);
  const across = `From x = −${r} to ${r} the slope ${high - low < 5e-3 ? `is ${f(low)}` : `runs from ${f(low)} to ${f(high)}`}`;
  const whole = parts.length === 1 && parts[0][0] <= -r + 1e-6 && parts[0][1] >= r - 1e-6;
  if (!parts.length || whole) return `${across}${whole ? "" : ", nowhere flat for long"}.`;
  const texts = parts.map(([a, b]) => (a <= -r + 1e-6 ? `x\u00a0<\u00a0${format(b, 1)}` : b >= r - 1e-6 ? `x\u00a0>\u00a0${format(a, 1)}` : `${format(a, 1)}\u00a0<\u00a0x\u00a0<\u00a0${format(b, 1)}`));
  return `${across}; it is under ${FLAT} where ${texts.join(" and ")}.`;
}

const W = 300, H = 192, LEFT = 40, RIGHT = 284, TOP = 10, BOTTOM = 154;
// a shape for each line, too: disc, square, diamond, triangle
const SHAPES = [
  (x, y, r) => `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0z`,
  (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
  (x, y, r) => `M${x - 1.3 * r},${y}l${1.3 * r},${-1.3 * r}l${1.3 * r},${1.3 * r}l${-1.3 * r},${1.3 * r}z`,
  (x, y, r) => `M${x - 1.2 * r},${y + r}l${1.2 * r},${-2.2 * r}l${1.2 * r},${2.2 * r}z`,
];

function render({ model, el, signal }) {
  const redraw = onPaint(() => { if (!signal?.aborted) draw(); });
  const { state, first, write: tell } = shared(model, SETTINGS, redraw);
  const write = (patch) => { tell(patch); redraw(); };
  const clip = uid("clip");

  // ---- controls
  const box = frame(el, model.get("title"));
  box.classList.add("ae");
  const names = Object.keys(ACTIVATIONS), title = (n) => [n, ACTIVATIONS[n].name];
  const activation = choice({ label: "Activation", options: names.map(title), value: state.activation, onchange: (v) => write({ activation: v, compare: consistent({ ...state, activation: v }).compare }) });
  const others = ["Beside it", "and", "and also"].map((label, k) => choice({ label, options: [["", "none"]], value: "",
    onchange: (v) => { const next = [0, 1, 2].map((i) => consistent(state).compare[i] ?? ""); next[k] = v; write({ compare: next.filter(Boolean) }); } }));
  const reset = button("Reset", () => write(first));
  const at = slider({ label: "Point x", min: -5, max: 5, step: 0.05, value: 0, show: (v) => format(v, 2), onchange: (v) => write({ at: v }) });
  const reach = slider({ label: "Range of x", min: 2, max: 10, value: state.reach, show: (v) => `±${v}`, onchange: (v) => write({ reach: v }) });
  const param = (name, label, min, max, step) => slider({ label, min, max, step, value: state[name], show: (v) => format(v, 2), onchange: (v) => write({ [name]: v }) });
  const sliders = { negative_slope: param("negative_slope", "Negative slope s", 0, 1, 0.01), weight: param("weight", "Learned slope a", -1, 1, 0.05), alpha: param("alpha", "α", 0.1, 3, 0.1),
    beta: param("beta", "β", 0.1, 10, 0.1), min_val: param("min_val", "Lower bound min", -3, -0.1, 0.1), max_val: param("max_val", "Upper bound max", 0.1, 3, 0.1) };

  // ---- two pictures over one axis
  const X = (v, { reach: r }) => LEFT + ((RIGHT - LEFT) * (v + r)) / (2 * r), Y = (v, [low, high]) => BOTTOM - ((BOTTOM - TOP) * (v - low)) / (high - low);
  function picture(kind) {
    const curves = LINES.map((c) => h("path", { class: `ae-curve ${c}` })), dots = LINES.map((c) => h("path", { class: `ae-dot ${c}` }));
    const grid = h("g", {}), cursor = h("line", { class: "ae-cursor", y1: TOP, y2: BOTTOM });
    const svg = h("svg", { viewBox: `0 0 ${W} ${H}`, class: `ae-${kind}`, role: "img" },
      h("defs", {}, h("clipPath", { id: `${clip}-${kind}` }, h("rect", { x: LEFT, y: TOP, width: RIGHT - LEFT, height: BOTTOM - TOP }))),
      grid, h("rect", { class: "ae-frame", x: LEFT, y: TOP, width: RIGHT - LEFT, height: BOTTOM - TOP }),
      h("g", { "clip-path": `url(#${clip}-${kind})` }, cursor, [...curves].reverse()), [...dots].reverse(), h("text", { x: (LEFT + RIGHT) / 2, y: 186, class: "ae-mid" }, "x"));
    // a finger that moves across sets the point; one that moves up or down scrolls the page
    const place = (event) => { const r = svg.getBoundingClientRect(), u = (((event.clientX - r.left) / r.width) * W - LEFT) / (RIGHT - LEFT);
      write({ at: Math.round(20 * state.reach * (2 * Math.min(1, Math.max(0, u)) - 1)) / 20 }); };
    svg.addEventListener("pointerdown", (event) => { svg.setPointerCapture(event.pointerId); place(event); });
    svg.addEventListener("pointermove", (event) => { if (svg.hasPointerCapture(event.pointerId)) place(event); });
    return { svg, grid, cursor, curves, dots, range: [0, 1], caption: h("figcaption", {}) };
  }
  const pictures = [picture("value"), picture("slope")];
  const rows = LINES.map((c, k) => { const cells = [h("td", {}), h("td", {}), h("th", { scope: "row" })]; return { cells, el: h("tr", {}, h("td", {}, h("svg", { viewBox: "0 0 40 12", class: "ae-key", "aria-hidden": "true" }, h("line", { class: `ae-curve ${c}`, x1: 1, x2: 39, y1: 6, y2: 6 }), h("path", { class: `ae-dot ${c}`, d: SHAPES[k](20, 6, 4) }))), cells[2], cells[0], cells[1]) }; });
  const table = h("table", { class: "ae-table" }, h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, "at x"), h("th", { scope: "col" }, "value"), h("th", { scope: "col" }, "slope"))), h("tbody", {}, rows.map((r) => r.el)));
  const says = summary();
  box.append(h("div", { class: "dlw-row" }, activation.el, others.map((o) => o.el), reset),
    h("div", { class: "ae-sliders" }, at.el, reach.el, Object.values(sliders).map((s) => s.el)),
    h("div", { class: "ae-main" }, pictures.map((p) => h("figure", {}, p.svg, p.caption))), table, says.el);

  /** Draw both curves of everything shown, and the axes that they need. */
  function drawCurves(now, shown) {
    const points = shown.map((name) => places(name, now).map((x) => [x, ...evaluate(name, x, now)]));
    pictures.forEach((p, which) => {
      const all = points.flat().map((q) => q[which + 1]), low = Math.min(which ? 0 : -1, ...all), high = Math.max(1, ...all), room = 0.06 * (high - low);
      p.range = [low - room, high + room];
      const rules = which ? [0, 1] : [0], rule = (v) => h("line", { class: rules.includes(v) ? "ae-axis" : "ae-rule", x1: LEFT, x2: RIGHT, y1: Y(v, p.range), y2: Y(v, p.range) });
      const ticks = niceTicks(...p.range);
      p.grid.replaceChildren(...ticks.map(rule), ...rules.filter((v) => !ticks.includes(v)).map(rule), h("line", { class: "ae-axis", x1: X(0, now), x2: X(0, now), y1: TOP, y2: BOTTOM }),
        ...ticks.map((v) => h("text", { x: LEFT - 5, y: Y(v, p.range) + 4, class: "ae-end" }, short(v, 2))),
        ...niceTicks(-now.reach, now.reach).map((v) => h("text", { x: X(v, now), y: 169, class: "ae-mid" }, short(v, 1))));
      LINES.forEach((_, k) => {
        const jumps = shown[k] && (which || ACTIVATIONS[shown[k]].jumps) ? kinks(shown[k], now) : [];
        setAttribute(p.curves[k], "d", !shown[k] ? "" : points[k].map((q, i, list) => {
          const broken = i && jumps.some((j) => list[i - 1][0] < j && q[0] > j);
          return `${i && !broken ? "L" : "M"}${X(q[0], now).toFixed(1)},${Y(q[which + 1], p.range).toFixed(1)}`;
        }).join(""));
      });
    });
  }

  let drawn = "";
  function draw() {
    const now = consistent(state), shown = [now.activation, ...now.compare], x = now.at, looks = shown.map((name) => evaluate(name, x, now));
    const used = new Set(shown.flatMap((name) => ACTIVATIONS[name].uses ?? [])), key = JSON.stringify({ ...now, at: 0 }), whole = key !== drawn;
    drawn = key;
    // controls
    turn(activation, now.activation);
    others.forEach((o, k) => {
      o.setOptions([["", "none"], ...names.filter((n) => n === now.compare[k] || !shown.includes(n)).map(title)]); turn(o, now.compare[k] ?? "");
      o.select.disabled = k > now.compare.length;
    });
    turn(reach, now.reach);
    if (Number(at.input.max) !== now.reach) at.setRange(-now.reach, now.reach);
    turn(at, x);
    for (const [name, control] of Object.entries(sliders)) { setAttribute(control.el, "hidden", !used.has(name)); turn(control, now[name]); }
    // pictures
    if (whole) drawCurves(now, shown);
    const { formula } = ACTIVATIONS[now.activation];
    pictures.forEach((p, which) => {
      const here = X(x, now).toFixed(1);
      setAttribute(p.cursor, "x1", here); setAttribute(p.cursor, "x2", here);
      LINES.forEach((_, k) => setAttribute(p.dots[k], "d", shown[k] ? SHAPES[k](Number(here), Number(Y(looks[k][which], p.range).toFixed(1)), k ? 4 : 6) : ""));
      setText(p.caption, which ? `Slope: f′(x) = ${formula[1]}` : `Value: f(x) = ${formula[0]}`);
      setAttribute(p.svg, "aria-label", `${which ? "slope" : "value"} against x: ${shown.map((n, k) => `${ACTIVATIONS[n].name} ${format(looks[k][which], 3)}`).join(", ")} at ${format(x, 2)}`);
    });
    rows.forEach((row, k) => {
      setClass(row.el, shown[k] ? "" : "ae-none");
      const texts = shown[k] ? [format(looks[k][0], 3), format(looks[k][1], 3), ACTIVATIONS[shown[k]].name] : ["–", "–", "–"];
      row.cells.forEach((cell, i) => setText(cell, texts[i]));
    });
    const kink = kinks(now.activation, now).some((k) => Math.abs(k - x) < 1e-9);
    says.say(`${ACTIVATIONS[now.activation].name} at x = ${format(x, 2)}: value ${format(looks[0][0], 3)}, slope ${format(looks[0][1], 3)}. ${words(now.activation, looks[0], kink)} ${overview(now.activation, now)}`);
  }
  draw();
}

export default { render };
