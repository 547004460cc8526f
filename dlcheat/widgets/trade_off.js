// The trade-off: two tasks share a narrow linear trunk. First the mathematics (the same step as
// dlcheat.widgets.trade_off), then the words, then the pictures.

export const INPUTS = 4, OUTPUTS = 2, SECOND = 0.6, RATE = 0.2, MOST_STEPS = 20000;
/** A gradient or a step shorter than this counts as zero: the caption, with four decimals, says 0.0000. */
export const ZERO = 5e-5;
const SETTINGS = ["alpha", "angle", "width", "surgery", "seed"], DOTS = 41, MOST_TRAIL = 4000;

/** What the tasks want to compute of the four inputs: two rows of four for each task. */
export function wanted(angle) {
  const c = Math.cos((angle * Math.PI) / 180), s = Math.sin((angle * Math.PI) / 180);
  return [[[1, 0, 0, 0], [0, SECOND, 0, 0]], [[c, 0, s, 0], [0, SECOND * c, 0, SECOND * s]]];
}

/** The first parameters: the trunk's W (k × 4), then both heads' A (2 × k), row after row. */
export function firstWeights(width, seed) { return uniforms(seed, width * (INPUTS + 2 * OUTPUTS)).map((v) => 0.6 * (v - 0.5)); }

const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
/** The cosine of the angle between two vectors, 0 if one of them is 0. */
export function cosineOf(a, b) {
  const [p, q] = [Math.sqrt(dot(a, a)), Math.sqrt(dot(b, b))];
  return p > 0 && q > 0 ? dot(a.map((v) => v / p), b.map((v) => v / q)) : 0;
}
/** Both gradients, each without the part that runs against the other. */
export function projected(a, b) {
  const overlap = dot(a, b);
  if (overlap >= 0) return [a, b];
  const [p, q] = [overlap / dot(b, b), overlap / dot(a, a)];
  return [a.map((v, i) => v - p * b[i]), b.map((v, i) => v - q * a[i])];
}

/** One step of gradient descent: { errors, gradients, cosine, direction } before it, { weights } after it. */
export function tradeOffStep({ weights, alpha, angle, surgery }) {
  const k = weights.length / (INPUTS + 2 * OUTPUTS), U = wanted(angle), size = 1 + SECOND ** 2;
  const errors = [0, 0], gradients = [0, 1].map(() => new Array(INPUTS * k).fill(0)), next = Array.from(weights);
  for (let task = 0; task < 2; task++) {
    const at = INPUTS * k + task * OUTPUTS * k, share = task ? alpha : 1 - alpha;
    for (let o = 0; o < OUTPUTS; o++) {
      for (let i = 0; i < INPUTS; i++) {
        let r = -U[task][o][i];                                   // (A W − U) at (o, i)
        for (let u = 0; u < k; u++) r += weights[at + o * k + u] * weights[u * INPUTS + i];
        errors[task] += (r * r) / size;
        for (let u = 0; u < k; u++) {
          gradients[task][u * INPUTS + i] += (share * 2 * r * weights[at + o * k + u]) / size;
          next[at + o * k + u] -= (RATE * 2 * r * weights[u * INPUTS + i]) / size;
        }
      }
    }
  }
  const [a, b] = surgery ? projected(...gradients) : gradients, direction = a.map((v, i) => v + b[i]);
  direction.forEach((v, i) => { next[i] -= RATE * v; });
  return { errors, gradients, cosine: cosineOf(...gradients), direction, weights: next };
}

/** The two errors at the minimum of (1 − α) L₁ + α L₂, in closed form. */
export function bestErrors(alpha, angle, width) {
  const psi = (angle * Math.PI) / 180, root = Math.sqrt(Math.max(0, 1 - 4 * alpha * (1 - alpha) * Math.sin(psi) ** 2));
  const turn = Math.atan2(alpha * Math.sin(2 * psi), 1 - alpha + alpha * Math.cos(2 * psi)) / 2, found = [];
  for (const sign of [1, -1]) for (const scale of [1, SECOND ** 2]) {
    const at = sign > 0 ? turn : turn + Math.PI / 2;
    found.push([(scale * (1 + sign * root)) / 2, scale * Math.cos(at) ** 2, scale * Math.cos(at - psi) ** 2]);
  }
  const kept = found.sort((a, b) => b[0] - a[0]).slice(0, width), total = 1 + SECOND ** 2;
  return [1, 2].map((i) => Math.max(0, 1 - kept.reduce((sum, entry) => sum + entry[i], 0) / total));
}

/** The errors of the best trunks for `count` weights from α = 0 to α = 1. */
export function front(angle, width, count = DOTS) {
  return Array.from({ length: count }, (_, i) => bestErrors(i / (count - 1), angle, width));
}

/** Two gradients as arrows in the plane that they span: the first to the right, the second at its angle. */
export function arrows(gradients, surgery) {
  const [p, q] = gradients.map((g) => Math.sqrt(dot(g, g))), cos = Math.min(1, Math.max(-1, cosineOf(...gradients)));
  const plain = [[p, 0], [q * cos, q * Math.sqrt(1 - cos * cos)]], cut = projected(...plain);
  const used = surgery ? cut : plain;
  return { plain, cut, step: [used[0][0] + used[1][0], used[0][1] + used[1][1]] };
}

/** The run's row whose α is nearest. */
export function nearest(points, alpha) {
  return points.reduce((best, row) => (Math.abs(row[0] - alpha) < Math.abs(best[0] - alpha) ? row : best));
}

/** How the two gradients stand to each other, in words. */
export function relation(step) {
  const sizes = step.gradients.map((g) => Math.sqrt(dot(g, g)));
  if (Math.max(...sizes) < ZERO) return "both gradients are zero";
  if (Math.min(...sizes) < ZERO) return "one task's gradient is zero";
  const degrees = Math.round((Math.acos(Math.min(1, Math.max(-1, step.cosine))) * 180) / Math.PI);
  const how = step.cosine < -0.995 ? "head on: no step helps both" : step.cosine < 0 ? "in conflict" : "not in conflict";
  return `gradients ${degrees}° apart (cosine ${format(step.cosine, 2)}), ${how}`;
}

/** Whether a step no longer moves the trunk. */
export const stands = (step) => Math.sqrt(dot(step.direction, step.direction)) < ZERO;

/** What the pictures show, in two or three sentences. */
export function describe({ alpha, angle, width, surgery, steps }, step) {
  const [a, b] = bestErrors(alpha, angle, width), away = (1 - alpha) * (step.errors[0] - a) + alpha * (step.errors[1] - b) > 0.002;
  return `Step ${steps}, α = ${format(alpha, 2)}: errors ${format(step.errors[0], 3)} of task 1 and ${format(step.errors[1], 3)} of task 2; `
    + `the best trunk for this weight has ${format(a, 3)} and ${format(b, 3)}. `
    + `${relation(step)[0].toUpperCase()}${relation(step).slice(1)}; trunk of ${width} unit${width > 1 ? "s" : ""}, tasks ${angle}° apart, ${surgery ? "gradient surgery" : "weighted sum"}.`
    + (stands(step) && away ? " The trunk stands still here, away from the best for this weight." : "");
}

// where things stand: both drawings are 300 × 300
const SIDE = 300, LEFT = 44, BOTTOM = 258, WIDE = SIDE - LEFT - 12, HIGH = BOTTOM - 14;
const spot = ([x, y], top = [1.2, 1.2]) => [LEFT + (WIDE * Math.min(x, top[0])) / top[0], BOTTOM - (HIGH * Math.min(y, top[1])) / top[1]].map((v) => Math.round(100 * v) / 100);
const line = (points, top) => points.map((p) => spot(p, top).join(",")).join(" ");

function plot(name, xLabel, yLabel, top, ticks) {
  const x = ticks[0].flatMap((v) => { const [at] = spot([v, 0], top); return [h("line", { class: "to-rule", x1: at, x2: at, y1: BOTTOM, y2: BOTTOM + 4 }), h("text", { x: at, y: BOTTOM + 17, "text-anchor": "middle" }, short(v, 2))]; });
  const y = ticks[1].flatMap((v) => { const [, at] = spot([0, v], top); return [h("line", { class: "to-rule", x1: LEFT - 4, x2: LEFT, y1: at, y2: at }), h("text", { x: LEFT - 7, y: at + 4, "text-anchor": "end" }, short(v, 2))]; });
  return h("svg", { class: `to-plot ${name}`, viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img" },
    h("line", { class: "to-rule", x1: LEFT, x2: LEFT, y1: BOTTOM - HIGH, y2: BOTTOM }), h("line", { class: "to-rule", x1: LEFT, x2: LEFT + WIDE, y1: BOTTOM, y2: BOTTOM }),
    x, y, h("text", { class: "to-label", x: LEFT + WIDE, y: SIDE - 6, "text-anchor": "end" }, xLabel), h("text", { class: "to-label", x: LEFT + 6, y: BOTTOM - HIGH + 2 }, yLabel));
}

/** Round ticks up to `top`: steps of 1, 2 or 5 times a power of ten. */
export function niceTicks(top) {
  const raw = top / 4, power = 10 ** Math.floor(Math.log10(raw)), step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
  return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

function render({ model, el, signal }) {
  const redraw = onPaint(draw);
  const { state, first, tell: send } = shared(model, [...SETTINGS, "weights", "steps"], (k) => {
    loop.halt();
    if (k === "weights") state.steps = model.get("steps");
    if (k === "width" || k === "seed") { state.weights = []; state.steps = 0; }
    if (k === "alpha" || k === "surgery") measure(); else if (k !== "steps") begin();
    redraw();
  });
  let weights, look = null, trail = [], alive = true;

  const measure = () => { look = tradeOffStep({ ...state, weights }); };
  function begin() {                                              // from the state's weights, or the seed's
    if (state.weights.length === state.width * (INPUTS + 2 * OUTPUTS)) weights = [...state.weights];
    else { weights = firstWeights(state.width, state.seed); state.steps = 0; }
    measure(); trail = [look.errors];
  }
  function step() {
    if (state.steps >= MOST_STEPS) return false;
    weights = look.weights; state.steps += 1; measure();
    const last = trail[trail.length - 1];
    if (Math.hypot(look.errors[0] - last[0], look.errors[1] - last[1]) > 0.002) trail.push(look.errors);
    if (trail.length > MOST_TRAIL) trail.shift();
    return true;
  }
  function tell(...names) {                                       // at play, the weights wait
    if (!loop.playing) { state.weights = state.steps ? [...weights] : []; names.push("steps", "weights"); }
    send(...names);
  }
  /** Change settings; the network starts over where its size or its first weights change. */
  function change(patch) {
    Object.assign(state, patch);
    if ("width" in patch || "seed" in patch) { state.weights = []; state.steps = 0; begin(); }
    else { measure(); if ("angle" in patch) trail = [look.errors]; }
    tell(...Object.keys(patch));
    redraw();
  }

  // ---- controls
  const box = frame(el, model.get("title") || "Two tasks, one trunk: the trade-off");
  box.classList.add("to");
  const alpha = slider({ label: "Weight of task 2, α", min: 0, max: 1, step: 0.05, value: state.alpha, show: (v) => format(v, 2), onchange: (v) => change({ alpha: v }) });
  const angle = slider({ label: "Tasks apart", min: 0, max: 90, step: 5, value: state.angle, show: (v) => `${v}°`, onchange: (v) => change({ angle: v }) });
  const width = slider({ label: "Units in the trunk", min: 1, max: 4, value: state.width, onchange: (v) => change({ width: v }) });
  const method = choice({ label: "The trunk follows", options: [[false, "the weighted sum"], [true, "gradient surgery (PCGrad)"]], value: state.surgery, onchange: (surgery) => change({ surgery }) });
  const loop = looper({ frame: advance, ready: () => state.steps < MOST_STEPS, onstop: () => tell(), signal });
  const one = button("1 step", () => go(1)), many = button("100 steps", () => go(100));
  const over = button("Start over", () => { loop.stop(); change({ seed: state.seed }); }, { hint: "step 0, with the same first weights" });
  const reseed = button("New weights", () => { loop.stop(); change({ seed: (state.seed % 999) + 1 }); }, { hint: "start over from other first weights" });
  const reset = button("Reset", () => { loop.stop(); Object.assign(state, structuredClone(first)); begin(); tell(...SETTINGS); redraw(); }, { hint: "everything as it was at first" });
  function go(count) { loop.stop(); for (let k = 0; k < count; k++) if (!step()) break; tell(); redraw(); }
  function advance() {
    const going = step() && !stands(look);
    draw();
    return going;
  }

  // ---- the errors
  const errors = plot("to-errors", "error of task 1", "error of task 2", undefined, [[0, 0.5, 1], [0, 0.5, 1]]);
  const alone = [0, 1].map(() => h("line", { class: "to-alone" }));
  const curve = h("polyline", { class: "to-front" }), dots = h("g", {}, Array.from({ length: DOTS }, () => h("circle", { class: "to-dot", r: 2.2 })));
  const path = h("polyline", { class: "to-trail" }), aim = h("path", { class: "to-aim" }), here = h("circle", { class: "to-here", r: 6 });
  errors.append(...alone, path, curve, dots, aim, here);

  // ---- the gradients: arrows from the middle, in the plane that they span
  const CX = 150, CY = 218, REACH = 122;
  const vectors = h("svg", { class: "to-plot to-vectors", viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img" });
  const arrow = (name) => ({ shaft: h("line", { class: `to-shaft ${name}`, x1: CX, y1: CY }), head: h("polygon", { class: `to-head ${name}` }) });
  const drawn = { cut1: arrow("to-cut to-one"), cut2: arrow("to-cut to-two"), g1: arrow("to-one"), g2: arrow("to-two"), step: arrow("to-step") };
  const names = [["g1", "1"], ["g2", "2"], ["step", "step"]].map(([key, text]) => [key, h("text", { class: "to-name", "text-anchor": "middle" }, text)]);
  const verdict = h("text", { class: "to-verdict", x: CX, y: 24, "text-anchor": "middle" }), lengths = h("text", { x: CX, y: 290, "text-anchor": "middle" });
  vectors.append(verdict, lengths, h("circle", { class: "to-rule", cx: CX, cy: CY, r: 2 }), ...Object.values(drawn).flatMap(({ shaft, head }) => [shaft, head]), ...names.map(([, t]) => t));
  function place({ shaft, head }, [x, y], scale, visible) {
    const [dx, dy] = [x * scale, -y * scale], size = Math.hypot(dx, dy), shown = visible && size > 1;
    for (const e of [shaft, head]) setAttribute(e, "visibility", shown ? null : "hidden");
    if (!shown) return [CX, CY];
    const [ux, uy] = [dx / size, dy / size], tip = Math.min(11, size), end = [CX + dx, CY + dy], root = [end[0] - ux * tip, end[1] - uy * tip];
    const r = (v) => v.toFixed(1);
    setAttribute(shaft, "x2", r(root[0])); setAttribute(shaft, "y2", r(root[1]));
    setAttribute(head, "points", [[end[0], end[1]], [root[0] - uy * 5, root[1] + ux * 5], [root[0] + uy * 5, root[1] - ux * 5]].map((p) => p.map(r).join(",")).join(" "));
    return end;
  }
  function drawVectors() {
    const { plain, cut, step: sum } = arrows(look.gradients, state.surgery), longest = Math.max(...[...plain, sum].map((v) => Math.hypot(...v)));
    const none = !(longest > ZERO), scale = none ? 0 : REACH / longest, flip = ([x, y]) => [-x, y];
    const clash = look.cosine < 0 && !none;
    const ends = { g1: place(drawn.g1, flip(plain[0]), scale, !none), g2: place(drawn.g2, flip(plain[1]), scale, !none), step: place(drawn.step, flip(sum), scale, !none) };
    place(drawn.cut1, flip(cut[0]), scale, clash && state.surgery); place(drawn.cut2, flip(cut[1]), scale, clash && state.surgery);
    for (const [key, text] of names) {
      const [x, y] = ends[key], size = Math.hypot(x - CX, y - CY), far = size > 8;
      setAttribute(text, "visibility", far ? null : "hidden");
      if (far) { const out = key === "step" ? 18 : 14; setAttribute(text, "x", (x + (out * (x - CX)) / size).toFixed(1)); setAttribute(text, "y", (y + (out * (y - CY)) / size + 4.5).toFixed(1)); }
    }
    const short_ = relation(look).replace(/^gradients /, "").replace(/ \(cosine.*?\)/, "");
    setText(verdict, short_.replace(/: no step.*/, ""));
    setText(lengths, `lengths ${look.gradients.map((g) => format(Math.sqrt(dot(g, g)), 4)).join(" and ")}, step ${format(Math.sqrt(dot(look.direction, look.direction)), 4)}`);
    setAttribute(vectors, "aria-label", `the steps that the two tasks ask for, as arrows: ${relation(look)}`);
  }

  // ---- what was measured
  const runs = model.get("runs"), tasks = model.get("tasks");
  let measured = null;
  if (runs.length) {
    const top = [1, 2].map((i) => 1.05 * Math.max(...runs.flatMap((run) => run.points.map((row) => row[i]))));
    const svg = plot("to-measured", `error of ${tasks[0]}`, `error of ${tasks[1]}`, top, top.map(niceTicks));
    const marks = runs.map((run, r) => {
      const points = run.points.map((row) => row.slice(1)), mark = h("circle", { class: "to-here", r: 6 }), last = spot(points[Math.floor(points.length / 2)], top);
      svg.append(h("polyline", { class: `to-run to-run-${r % 3}`, points: line(points, top) }),
        ...points.map((p) => { const [cx, cy] = spot(p, top); return h("circle", { class: `to-dot to-run-${r % 3}`, cx, cy, r: 2.5 }); }),
        h("text", { class: "to-name", x: last[0] + 9, y: last[1] - 7 }, run.name));
      return { points: run.points, mark };
    });
    svg.append(...marks.map(({ mark }) => mark));
    measured = { svg, marks, top, caption: h("figcaption", {}) };
  }
  function drawMeasured() {
    if (!measured) return;
    const rows = measured.marks.map(({ points, mark }) => {
      const row = nearest(points, state.alpha), [cx, cy] = spot(row.slice(1), measured.top);
      setAttribute(mark, "cx", cx); setAttribute(mark, "cy", cy);
      return row;
    });
    const text = rows.map((row, r) => `${runs[r].name}: ${format(row[1], 3)} and ${format(row[2], 3)}`).join("; ");
    setText(measured.caption, `Digits, measured: errors of ${tasks[0]} and ${tasks[1]} at α = ${format(rows[0][0], 2)}, the nearest weight that was tried. ${text}.`);
    setAttribute(measured.svg, "aria-label", `measured on digits at α = ${format(rows[0][0], 2)}: ${text}`);
  }

  const says = summary();
  box.append(
    h("div", { class: "to-sliders" }, alpha.el, angle.el, width.el),
    h("div", { class: "dlw-row" }, method.el),
    h("div", { class: "dlw-player to-player" }, loop.el, one, many, over, reseed, reset),
    h("div", { class: "to-main" },
      h("figure", {}, errors, h("figcaption", {}, "Errors. Dots: the best trunks for 41 weights, the front. Diamond: the best for this α. Disc: the network, its line the way it came. Dashed: what each task reaches alone.")),
      h("figure", {}, vectors, h("figcaption", {}, "Gradients. 1 and 2: where each task, times its weight, would move the trunk; step: where it is moved. Dashed: after surgery. Drawn in the plane of the two, the longest at full length.")),
      measured ? h("figure", { class: "to-wide" }, measured.svg, measured.caption) : null),
    says.el);

  let drawnFront = "";
  function draw() {
    if (!alive) return;
    const key = `${state.angle} ${state.width}`;
    if (key !== drawnFront) {
      drawnFront = key;
      const points = front(state.angle, state.width);
      setAttribute(curve, "points", line(points));
      points.forEach((p, i) => { const [cx, cy] = spot(p), dot_ = dots.children[i]; setAttribute(dot_, "cx", cx); setAttribute(dot_, "cy", cy); });
      const [x, y] = spot([points[0][0], points[DOTS - 1][1]]);
      for (const [name, v] of Object.entries({ x1: x, x2: x, y1: BOTTOM - HIGH, y2: BOTTOM })) setAttribute(alone[0], name, v);
      for (const [name, v] of Object.entries({ x1: LEFT, x2: LEFT + WIDE, y1: y, y2: y })) setAttribute(alone[1], name, v);
    }
    const [x, y] = spot(bestErrors(state.alpha, state.angle, state.width)), [cx, cy] = spot(look.errors);
    setAttribute(aim, "d", `M${x - 8} ${y}L${x} ${y - 8}L${x + 8} ${y}L${x} ${y + 8}Z`);
    setAttribute(here, "cx", cx); setAttribute(here, "cy", cy);
    setAttribute(path, "points", line([...trail, look.errors]));
    drawVectors(); drawMeasured();
    turn(alpha, state.alpha); turn(angle, state.angle); turn(width, state.width); turn(method, state.surgery);
    loop.el.disabled = one.disabled = many.disabled = state.steps >= MOST_STEPS;
    const text = describe(state, look);
    setAttribute(errors, "aria-label", text);
    says.say(text);
  }

  const end = () => { alive = false; loop.halt(); };
  signal?.addEventListener?.("abort", end);
  begin(); draw();
  return end;
}

export default { render };
