// The embedding: points that a triplet loss, a pair loss or InfoNCE pulls and pushes; the reader drags them.

export const RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5], TEMPERATURES = [0.05, 0.07, 0.1, 0.2, 0.3, 0.5, 1, 2];
const DEGREE = Math.PI / 180, REST = 1e-3, MOST = 1500, LIMIT = 20;
const SETTINGS = ["mode", "triplet", "pair", "angles", "negatives", "margin", "squared", "similar", "temperature", "lr", "steps"];

// ---- the losses: each returns { loss, gradients }
const minus = (a, b) => [a[0] - b[0], a[1] - b[1]], times = (c, a) => [c * a[0], c * a[1]], square = (a) => a[0] * a[0] + a[1] * a[1];
/** A vector cut to length 1; that of length 0 stays. */
const unit = (a) => { const d = Math.hypot(...a); return d > 0 ? times(1 / d, a) : [0, 0]; };
const ZERO = () => [0, 0];

/** max(0, d(a, p) − d(a, n) + m), or of squared distances. */
export function tripletLoss([a, p, n], margin, squared) {
  const toP = minus(a, p), toN = minus(a, n);
  const lack = squared ? square(toP) - square(toN) + margin : Math.hypot(...toP) - Math.hypot(...toN) + margin;
  if (squared ? lack <= 0 : lack < 0) return { loss: 0, gradients: [ZERO(), ZERO(), ZERO()] };
  const u = squared ? times(2, toP) : unit(toP), v = squared ? times(2, toN) : unit(toN);
  return { loss: lack, gradients: [minus(u, v), times(-1, u), v] };
}
/** ½ d² of a similar pair, ½ max(0, m − d)² of another. */
export function pairLoss([a, b], margin, similar) {
  const apart = minus(a, b), d = Math.hypot(...apart), wrong = similar ? d : Math.max(0, margin - d);
  const g = times(similar ? wrong : -wrong, unit(apart));
  return { loss: (wrong * wrong) / 2, gradients: [g, times(-1, g)] };
}
/** The share of each key: softmax(cos / τ). */
export function sharesOf(angles, temperature) {
  const scores = angles.slice(1).map((k) => Math.cos((angles[0] - k) * DEGREE) / temperature), top = Math.max(...scores);
  const powers = scores.map((s) => Math.exp(s - top)), sum = powers.reduce((a, b) => a + b, 0);
  return { shares: powers.map((e) => e / sum), loss: Math.log(sum) + top - scores[0] };
}
/** InfoNCE of one query with its own key first; gradients in the angles, in radians. */
export function infoNce(angles, temperature) {
  const { shares, loss } = sharesOf(angles, temperature), keys = angles.slice(1);
  const byKey = keys.map((k, i) => ((shares[i] - (i === 0 ? 1 : 0)) * Math.sin((angles[0] - k) * DEGREE)) / temperature);
  return { loss, gradients: [-byKey.reduce((a, b) => a + b, 0), ...byKey] };
}
/** One step of gradient descent: { loss, gradients, points }; angles in degrees, from −180 to 180. */
export function embeddingStep(mode, points, lr, { margin, squared, similar, temperature }) {
  if (mode === "info_nce") {
    const { loss, gradients } = infoNce(points, temperature);
    const turned = points.map((angle, i) => angle - (lr * gradients[i]) / DEGREE + 180);
    return { loss, gradients, points: turned.map((angle) => angle - 360 * Math.floor(angle / 360) - 180) };
  }
  const { loss, gradients } = mode === "triplet" ? tripletLoss(points, margin, squared) : pairLoss(points, margin, similar);
  return { loss, gradients, points: points.map((p, i) => minus(p, times(lr, gradients[i]))) };
}

// ---- what a picture shows
/** Distances of a triplet, where the negative stands, and how far it must be: { near, far, kind, free }. */
export function kindOf([a, p, n], margin, squared) {
  const near = Math.hypot(...minus(a, p)), far = Math.hypot(...minus(a, n));
  const [x, y] = squared ? [square(minus(a, p)), square(minus(a, n))] : [near, far];
  return { near, far, kind: y <= x ? "hard" : x - y + margin <= 0 ? "easy" : "semi-hard", free: squared ? Math.sqrt(x + margin) : near + margin };
}
/** Half the side of the picture: 2, or as many times 2 as hold all points. */
export function reachOf(points) {
  const far = Math.max(...points.flat().map(Math.abs));
  let reach = 2;
  while (far > 0.96 * reach) reach *= 2;
  return reach;
}
/** A round number above v: 1, 2 or 5 times a power of ten. */
export function ceiling(v) {
  const ten = 10 ** Math.floor(Math.log10(v));
  return [1, 2, 5, 10].map((k) => k * ten).find((k) => k >= v * (1 - 1e-9));
}

// ---- the words
const WORDS = {
  hard: "Hard: the negative is not farther from the anchor than the positive.",
  "semi-hard": "Semi-hard: the negative is farther than the positive, but by less than the margin.",
  easy: "Easy: the margin is kept, nothing is lost and nothing moves.",
};
const times_ = (n) => (n === 1 ? "1 step" : `${n} steps`);
/** What the picture shows, in words. */
export function describe(state, points, loss) {
  const after = `After ${times_(state.steps)}`, m = short(state.margin, 2);
  if (state.mode === "triplet") {
    const { near, far, kind } = kindOf(points, state.margin, state.squared), two = state.squared ? "²" : "";
    const of = (d) => format(state.squared ? d * d : d, 3);
    return `${after}: d(a, p)${two} = ${of(near)}, d(a, n)${two} = ${of(far)}, margin ${m}, loss ${format(loss, 3)}. ${WORDS[kind]}`;
  }
  if (state.mode === "contrastive") {
    const d = Math.hypot(...minus(points[0], points[1])), begin = `${after}: d = ${format(d, 3)}`;
    if (state.similar) return `${begin}, loss ${format(loss, 3)}. A similar pair pulls together, with force ${format(d, 3)}.`;
    const push = d >= state.margin ? "Outside the margin: nothing is lost and nothing moves."
      : d === 0 ? "Both on one spot: there is no direction to part in, and nothing moves." : `A dissimilar pair within the margin pushes apart, with force ${format(state.margin - d, 3)}.`;
    return `${begin}, margin ${m}, loss ${format(loss, 3)}. ${push}`;
  }
  const { shares } = sharesOf(points, state.temperature), rivals = shares.slice(1), best = rivals.indexOf(Math.max(...rivals)), lead = shares[0] > rivals[best];
  return `${after}: ${shares.length} keys, temperature ${state.temperature}: the query's own key has probability ${format(shares[0], 3)}, loss ${format(loss, 3)}; blind guessing has ${format(Math.log(shares.length), 3)}. ${lead ? `Its own key leads; of the push on the others, key ${best + 1} takes` : `Key ${best + 1} leads and takes`} ${format((100 * rivals[best]) / rivals.reduce((a, b) => a + b, 0), 0)} %${lead ? "" : " of the push on the others"}.`;
}

// ---- the pictures
const SIDE = 320, LEFT = 26, TOP = 8, WIDE = 284, BOTTOM = TOP + WIDE, GRIP = 28.5;
const SHAPES = { circle: "M13 0A13 13 0 1 1-13 0A13 13 0 1 1 13 0Z", square: "M-11.5-11.5H11.5V11.5H-11.5Z", diamond: "M0-16L16 0L0 16L-16 0Z" };
const CAST = {
  triplet: [["a", "Anchor", "circle", 0], ["p", "Positive", "square", 2], ["n", "Negative", "diamond", 1]],
  contrastive: [["1", "First point", "circle", 0], ["2", "Second point", "square", 2]],
  info_nce: [["q", "Query", "circle", 0], ["+", "Own key", "square", 2], ...[1, 2, 3, 4, 5, 6].map((k) => [String(k), `Key ${k}`, "diamond", 1])],
};
const MOST_POINTS = 8;

function render({ model, el, signal }) {
  const redraw = onPaint(() => { if (!signal?.aborted) draw(); });
  const { state, first, tell, write } = shared(model, SETTINGS, redraw);
  const NAME = { triplet: "triplet", contrastive: "pair", info_nce: "angles" };
  let placed = structuredClone({ triplet: state.triplet, pair: state.pair, angles: state.angles }), held = null;
  const nearest = (values, v) => values.reduce((best, w, i) => (Math.abs(w - v) < Math.abs(values[best] - v) ? i : best), 0);
  const pointsOf = () => (state.mode === "info_nce" ? state.angles.slice(0, 2 + state.negatives) : state[NAME[state.mode]]);
  const stepOf = () => embeddingStep(state.mode, pointsOf(), state.lr, state);
  function change(patch) { loop.halt(); write(patch); redraw(); }

  // ---- steps
  function advance(count) {
    for (let k = 0; k < count; k++) {
      const { points } = stepOf(), name = NAME[state.mode];
      state[name] = state.mode === "info_nce" ? [...points, ...state.angles.slice(points.length)] : points;
      state.steps += 1;
    }
  }
  const moving = () => Math.max(...stepOf().gradients.flat().map(Math.abs)) > REST;
  let until = 0;
  const loop = looper({ signal, ready: () => { until = state.steps + MOST; return true; }, onstop: () => tell("triplet", "pair", "angles", "steps"),
    frame: () => { if (!moving()) return false; advance(1); draw(); return state.steps < until; } });
  const go = (count) => { loop.halt(); advance(count); tell(NAME[state.mode], "steps"); redraw(); };

  // ---- controls
  const box = frame(el, model.get("title"));
  box.classList.add("em");
  const mode = choice({ label: "Loss", options: [["triplet", "triplet"], ["contrastive", "contrastive, of a pair"], ["info_nce", "InfoNCE, on the circle"]], value: state.mode, onchange: (v) => change({ mode: v, steps: 0 }) });
  const squared = choice({ label: "Distance", options: [[false, "plain (torch)"], [true, "squared (FaceNet)"]], value: state.squared, onchange: (v) => change({ squared: v }) });
  const similar = choice({ label: "The pair is", options: [[false, "dissimilar, y = 0"], [true, "similar, y = 1"]], value: state.similar, onchange: (v) => change({ similar: v }) });
  const margin = slider({ label: "Margin", min: 0.1, max: 2, step: 0.1, value: state.margin, show: (v) => format(v, 1), onchange: (v) => change({ margin: v }) });
  const pick = (label, values, key) => slider({ label, min: 0, max: values.length - 1, value: nearest(values, state[key]), show: (i) => String(values[i]), onchange: (i) => change({ [key]: values[i] }) });
  const temperature = pick("Temperature τ", TEMPERATURES, "temperature"), lr = pick("Learning rate", RATES, "lr");
  const negatives = slider({ label: "Other keys", min: 1, max: 6, value: state.negatives, onchange: (v) => change({ negatives: v, steps: 0 }) });
  const one = button("1 step", () => go(1)), ten = button("10 steps", () => go(10));
  const over = button("Start over", () => change({ ...placed, steps: 0 }), { hint: "the points where they were last put by hand" });
  const reset = button("Reset", () => { placed = structuredClone({ triplet: first.triplet, pair: first.pair, angles: first.angles }); change(first); }, { hint: "everything as it was at first" });

  // ---- the plane
  const clip = uid("clip"), text = (x, y, anchor) => h("text", { x, y, "text-anchor": anchor });
  const plane = h("svg", { class: "em-plane", viewBox: `0 0 ${SIDE} ${BOTTOM + 22}`, role: "group" });
  const rules = [-1, 0, 1].map(() => [h("line", { class: "em-rule", y1: TOP, y2: BOTTOM }), h("line", { class: "em-rule", x1: LEFT, x2: LEFT + WIDE }), text(0, BOTTOM + 16, "middle"), text(LEFT - 4, 0, "end")]);
  const region = h("circle", { class: "em-region" }), inner = h("circle", { class: "em-inner" }), links = [h("line", { class: "em-link" }), h("line", { class: "em-link em-far" })];
  const arrows = Array.from({ length: MOST_POINTS }, () => ({ line: h("line", { class: "em-arrow" }), head: h("path", { class: "em-head", d: "M0 0L-10-5L-8 0L-10 5Z" }) }));
  const inside = h("g", { "clip-path": `url(#${clip})` });
  inside.append(region, inner, ...links);
  const handles = Array.from({ length: MOST_POINTS }, (_, i) => handle(i));
  plane.append(h("defs", {}, h("clipPath", { id: clip }, h("rect", { x: LEFT, y: TOP, width: WIDE, height: WIDE }))), ...rules.flatMap((r) => r.slice(0, 2)),
    h("rect", { class: "em-frame", x: LEFT, y: TOP, width: WIDE, height: WIDE }), inside, ...rules.flatMap((r) => r.slice(2)), ...arrows.flatMap((a) => [a.line, a.head]), ...handles.map((g) => g.el));
  let reach = 2;
  const X = (x) => LEFT + (WIDE * (x / reach + 1)) / 2, Y = (y) => BOTTOM - (WIDE * (y / reach + 1)) / 2;
  const onPlane = () => (state.mode === "info_nce" ? pointsOf().map((a) => [Math.cos(a * DEGREE), Math.sin(a * DEGREE)]) : pointsOf());

  /** A point that the pointer and the arrow keys move. */
  function handle(i) {
    const shape = h("path", { class: "em-shape" }), letter = h("text", { y: 4.5, "text-anchor": "middle" });
    const g = h("g", { class: "em-point" }, h("circle", { class: "em-ring", r: 20 }), shape, letter, h("circle", { class: "em-grip", r: GRIP }));
    setAttribute(g, "role", "application"); setAttribute(g, "aria-roledescription", "point that arrow keys and the pointer move");
    draggable(g, { move: (dx, dy) => {
      if (state.mode === "info_nce") put(i, state.angles[i] - 2 * (dx + dy));
      else { const [x, y] = state[NAME[state.mode]][i]; put(i, [x + 0.05 * dx, y - 0.05 * dy]); }
    } });
    g.addEventListener("pointerdown", (event) => { g.setPointerCapture(event.pointerId); g.focus({ preventScroll: true }); held = reach; event.preventDefault(); });
    g.addEventListener("pointermove", (event) => {
      if (!g.hasPointerCapture(event.pointerId)) return;
      const r = plane.getBoundingClientRect(), scale = SIDE / r.width;
      const at = [((event.clientX - r.left) * scale - LEFT) / WIDE, (BOTTOM - (event.clientY - r.top) * scale) / WIDE].map((u) => Math.min(0.96, Math.max(-0.96, 2 * u - 1)) * reach);
      put(i, state.mode === "info_nce" ? Math.round(Math.atan2(at[1], at[0]) / DEGREE) : at.map((v) => Math.round(v * 100) / 100));
    });
    g.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });     // a finger that drags does not scroll the page
    for (const end of ["pointerup", "pointercancel"]) g.addEventListener(end, () => { held = null; redraw(); });
    return { el: g, shape, letter };
  }
  function put(i, where) {
    const name = NAME[state.mode], all = structuredClone(state[name]);
    all[i] = name === "angles" ? ((((where + 180) % 360) + 360) % 360) - 180 : where.map((v) => Math.min(LIMIT, Math.max(-LIMIT, Math.round(v * 1e6) / 1e6)));
    placed[name] = structuredClone(all);
    change({ [name]: all, steps: 0 });
  }

  // ---- the loss against a distance, or the keys' probabilities
  const HIGH = 238, L2 = 38, B2 = 196, T2 = 26, W2 = 272;
  const plot = h("svg", { class: "em-plot", viewBox: `0 0 ${SIDE} ${HIGH}`, role: "img" }), graph = h("g", {}), bars = h("g", {});
  const curve = h("path", { class: "em-curve" }), bound = [h("line", { class: "em-bound em-dash", y1: T2, y2: B2 }), h("line", { class: "em-bound", y1: T2, y2: B2 })], dot = h("path", { class: "em-dot", d: SHAPES.diamond, transform: "" });
  const zones = ["hard", "semi-hard", "easy"].map((name) => h("text", { y: T2 - 9, class: "em-zone" }, name)), ticks = [0, 1, 2, 3, 4].map(() => text(0, B2 + 16, "middle")), levels = [0, 1, 2].map(() => text(L2 - 5, 0, "end")), axis = text(L2 + W2 / 2, B2 + 35, "middle");
  graph.append(h("rect", { class: "em-frame", x: L2, y: T2, width: W2, height: B2 - T2 }), ...bound, curve, dot, ...zones, ...ticks, ...levels, axis);
  const rows = CAST.info_nce.slice(1).map(([letter], k) => {
    const y = 14 + 32 * k, bar = h("rect", { class: `em-bar em-${k ? 1 : 2}`, x: 26, y, height: 18, rx: 2 }), value = h("text", { y: y + 14 });
    return { bar, value, el: h("g", {}, h("text", { x: 10, y: y + 14, "text-anchor": "middle" }, letter), bar, value) };
  });
  bars.append(...rows.map((r) => r.el));
  plot.append(graph, bars);

  const caption = h("figcaption", {}), note = h("figcaption", {}), says = summary();
  box.append(h("div", { class: "dlw-row" }, mode.el, squared.el, similar.el),
    h("div", { class: "em-sliders" }, margin.el, temperature.el, negatives.el, lr.el),
    h("div", { class: "dlw-player" }, loop.el, one, ten, over, reset),
    h("div", { class: "em-main" }, h("figure", {}, plane, caption), h("figure", {}, plot, note)), says.el);

  function drawGraph(points, loss) {
    const pair = state.mode === "contrastive", t = pair ? null : kindOf(points, state.margin, state.squared);
    const d = pair ? Math.hypot(...minus(points[0], points[1])) : t.far;
    const of = pair ? (x) => (state.similar ? (x * x) / 2 : Math.max(0, state.margin - x) ** 2 / 2)
      : (x) => Math.max(0, state.squared ? t.near ** 2 - x * x + state.margin : t.near - x + state.margin);
    const wide = Math.max(4, 4 * Math.ceil(Math.max(d, pair ? 0 : t.free) / 4)), high = ceiling(Math.max(0.5, pair && state.similar ? of(Math.max(d, 2)) : of(0)));
    const x = (v) => L2 + (W2 * v) / wide, y = (v) => B2 - ((B2 - T2) * v) / high;
    const kink = pair ? state.margin : t.free, xs = Array.from({ length: 81 }, (_, i) => (wide * i) / 80).concat(pair && state.similar ? [] : [kink]).sort((p, q) => p - q).filter((v) => of(v) <= high * 1.0001);
    setAttribute(curve, "d", xs.map((v, i) => `${i ? "L" : "M"}${x(v).toFixed(1)} ${y(of(v)).toFixed(1)}`).join(""));
    setAttribute(dot, "transform", `translate(${x(d).toFixed(1)} ${y(loss).toFixed(1)}) scale(.55)`);
    setAttribute(dot, "d", pair ? SHAPES.square : SHAPES.diamond); setClass_(dot, `em-dot em-${pair ? 2 : 1}`);
    const lines = pair ? [null, state.similar ? null : state.margin] : [t.near, t.free];
    bound.forEach((b, i) => { setAttribute(b, "visibility", lines[i] === null ? "hidden" : null); for (const end of ["x1", "x2"]) setAttribute(b, end, x(lines[i] ?? 0).toFixed(1)); });
    const room = pair ? [0, 0, 0] : [x(t.near) - L2, x(t.free) - x(t.near), L2 + W2 - x(t.free)], ends = pair ? [0, 0, 0] : [x(t.near) - 4, (x(t.near) + x(t.free)) / 2, x(t.free) + 4];
    zones.forEach((z, i) => {
      setAttribute(z, "display", room[i] > [38, 66, 38][i] ? null : "none");
      setAttribute(z, "x", ends[i].toFixed(1)); setAttribute(z, "text-anchor", ["end", "middle", "start"][i]);
      setClass_(z, t && ["hard", "semi-hard", "easy"][i] === t.kind ? "em-zone em-here" : "em-zone");
    });
    ticks.forEach((e, i) => { setText(e, short((wide * i) / 4, 0)); setAttribute(e, "x", x((wide * i) / 4) - (i === 4 ? 6 : 0)); });
    levels.forEach((e, i) => { setText(e, short((high * i) / 2, 3)); setAttribute(e, "y", y((high * i) / 2) + (i === 2 ? 9 : 4)); });
    setText(axis, pair ? "distance d of the pair" : "distance d(a, n) of the negative");
    setText(note, pair ? `The loss against the distance${state.similar ? "" : "; the line is the margin"}.` : "The loss against the negative's distance. Dashed: as far as the positive. Line: the margin beyond.");
  }
  function drawBars(points) {
    const { shares } = sharesOf(points, state.temperature);
    rows.forEach((row, k) => {
      setAttribute(row.el, "display", k < shares.length ? null : "none");
      if (k >= shares.length) return;
      const wide = 160 * shares[k];
      setAttribute(row.bar, "width", Math.max(0.5, wide).toFixed(1)); setAttribute(row.value, "x", (32 + wide).toFixed(1));
      setText(row.value, `${format(shares[k], 3)}, cos ${format(Math.cos((points[0] - points[k + 1]) * DEGREE), 2)}`);
    });
    setText(note, "Probability of each key: softmax of the cosines, divided by the temperature.");
  }
  const setClass_ = (e, name) => setAttribute(e, "class", name);

  function draw() {
    const points = pointsOf(), places = onPlane(), { loss, gradients } = stepOf(), circle = state.mode === "info_nce", cast = CAST[state.mode];
    reach = circle ? 1.5 : held ?? reachOf(places);
    // controls
    turn(mode, state.mode); turn(squared, state.squared); turn(similar, state.similar); turn(margin, state.margin); turn(negatives, state.negatives);
    turn(temperature, nearest(TEMPERATURES, state.temperature)); turn(lr, nearest(RATES, state.lr));
    for (const [control, modes] of [[squared, "triplet"], [similar, "contrastive"], [margin, "triplet contrastive"], [temperature, "info_nce"], [negatives, "info_nce"]])
      setAttribute(control.el, "hidden", !modes.split(" ").includes(state.mode));
    margin.input.disabled = state.mode === "contrastive" && state.similar;
    // the plane
    const mark = circle ? 1 : reach / 2;
    rules.forEach(([up, across, below, left], i) => {
      const v = (i - 1) * mark;
      for (const end of ["x1", "x2"]) setAttribute(up, end, X(v));
      for (const end of ["y1", "y2"]) setAttribute(across, end, Y(v));
      setAttribute(below, "x", X(v)); setText(below, short(v, 0).replace("-", "−")); setAttribute(left, "y", Y(v) + 4); setText(left, short(v, 0).replace("-", "−"));
    });
    const scale = WIDE / (2 * reach), t = state.mode === "triplet" ? kindOf(points, state.margin, state.squared) : null;
    const radius = circle ? 1 : t ? t.free : state.similar ? 0 : state.margin, center = circle ? [0, 0] : places[0];
    for (const [ring, r] of [[region, radius], [inner, t ? t.near : 0]]) { setAttribute(ring, "cx", X(center[0]).toFixed(1)); setAttribute(ring, "cy", Y(center[1]).toFixed(1)); setAttribute(ring, "r", (r * scale).toFixed(1)); }
    setClass_(region, circle ? "em-circle" : "em-region");
    links.forEach((line, k) => {
      const there = !circle && places[k + 1];
      setAttribute(line, "visibility", there ? null : "hidden");
      if (there) for (const [end, p] of [["1", places[0]], ["2", there]]) { setAttribute(line, `x${end}`, X(p[0]).toFixed(1)); setAttribute(line, `y${end}`, Y(p[1]).toFixed(1)); }
    });
    const pulls = gradients.map((g, i) => (circle ? [g * places[i][1], -g * places[i][0]] : times(-1, g))), sizes = pulls.map((v) => Math.hypot(...v)), stretch = Math.min(42, 84 / Math.max(1e-9, ...sizes));
    for (let i = 0; i < MOST_POINTS; i++) {
      const shown = i < places.length, { line, head } = arrows[i], there = handles[i];
      setAttribute(there.el, "display", shown ? null : "none");
      const seen = shown && sizes[i] * stretch > 2;
      for (const part of [line, head]) setAttribute(part, "visibility", seen ? null : "hidden");
      if (!shown) { setText(there.letter, ""); continue; }
      const [letter, name, shape, color] = cast[i], [x, y] = [X(places[i][0]), Y(places[i][1])];
      setAttribute(there.el, "transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      setText(there.letter, letter); setAttribute(there.shape, "d", SHAPES[shape]); setClass_(there.shape, `em-shape em-${color}`);
      setAttribute(there.el, "aria-label", circle ? `${name}, ${format(points[i], 0)} degrees` : `${name}, x ${short(points[i][0], 2)}, y ${short(points[i][1], 2)}`.replace(/-/g, "−"));
      if (!seen) continue;
      const [ux, uy] = [pulls[i][0] / sizes[i], -pulls[i][1] / sizes[i]], from = 15, to = from + 6 + sizes[i] * stretch;
      setAttribute(line, "x1", (x + from * ux).toFixed(1)); setAttribute(line, "y1", (y + from * uy).toFixed(1)); setAttribute(line, "x2", (x + (to - 6) * ux).toFixed(1)); setAttribute(line, "y2", (y + (to - 6) * uy).toFixed(1));
      setAttribute(head, "transform", `translate(${(x + to * ux).toFixed(1)} ${(y + to * uy).toFixed(1)}) rotate(${(Math.atan2(uy, ux) / DEGREE).toFixed(1)})`);
    }
    setText(caption, `Arrows: where descent moves each point; lengths of the gradients: ${cast.slice(0, places.length).map(([letter], i) => `${letter}: ${format(sizes[i], 2)}`).join(", ")}.${t ? " Within the circle, the negative costs something." : !circle && !state.similar ? " Within the circle, the pair costs something." : ""}`);
    // the graph
    setAttribute(graph, "display", circle ? "none" : null); setAttribute(bars, "display", circle ? null : "none");
    if (circle) drawBars(points);
    else { drawGraph(points, loss); rows.forEach((row) => { setAttribute(row.el, "display", null); setText(row.value, ""); }); }
    const words = describe(state, points, loss);
    setAttribute(plane, "aria-label", "points that can be moved"); setAttribute(plot, "aria-label", `${circle ? "probability of each key" : "loss against distance"}. ${words}`);
    says.say(words);
  }
  draw();
}

export default { render };
