// Schedules: a small network learns digits here in the page, at the reader's rate and schedule.

export const SIZES = [49, 24, 10], STEPS = 300, TRAINING = 600, HELD_OUT = 400;
export const COUNT = (SIZES[0] + 1) * SIZES[1] + (SIZES[1] + 1) * SIZES[2];
const RATES = [0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3];
const SETTINGS = ["schedule", "rate", "warmup", "batch", "momentum", "seed"], MOST_KEPT = 3;
const NAMES = { constant: "constant", step: "step decay", exponential: "exponential decay", cosine: "cosine", warmup_cosine: "warm-up + cosine", one_cycle: "one-cycle" };
const KINDS = Object.keys(NAMES);

const ease = (p) => (1 - Math.cos(Math.PI * p)) / 2;

/** What multiplies the peak rate at update t of `total`; `warmup` in per cent of them. */
export function factor(schedule, t, total = STEPS, warmup = 10) {
  if (schedule === "step") return 0.1 ** Math.floor(t / Math.floor(total / 3));
  if (schedule === "exponential") return 0.01 ** (t / total);
  if (schedule === "cosine") return 1 - ease(Math.min(t / total, 1));
  if (schedule === "warmup_cosine") {
    const m = Math.floor((warmup * total) / 100);
    return t < m ? 0.01 + (0.99 * t) / m : 1 - ease(Math.min((t - m) / (total - m), 1));
  }
  if (schedule === "one_cycle") {
    const top = (Math.max(warmup, 5) / 100) * total - 1, low = 1 / 25, end = low / 1e4;
    return t <= top ? low + (1 - low) * ease(t / top) : 1 + (end - 1) * ease((t - top) / (total - 1 - top));
  }
  return 1;
}

/** The first parameters: for each layer its weight (out × in, row after row), then its bias, zeros. */
export function initialWeights(seed) {
  const next = generator(seed), weights = new Float64Array(COUNT);
  for (let l = 1, at = 0; l < SIZES.length; l++) {
    const n = SIZES[l - 1] * SIZES[l], bound = Math.sqrt(6 / SIZES[l - 1]);
    for (let i = 0; i < n; i++) weights[at + i] = bound * (2 * next() - 1);
    at += n + SIZES[l];
  }
  return weights;
}

/** A function that gives the rows of the next batch, shuffled anew for each epoch; a rest is dropped. */
export function shuffler(seed, n, batch) {
  const next = generator(seed + 1000);
  let order = [], at = n;
  return () => {
    if (at + batch > n) {
      order = Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor(next() * (i + 1));
        [order[i], order[j]] = [order[j], order[i]];
      }
      at = 0;
    }
    at += batch;
    return order.slice(at - batch, at);
  };
}
/** The first `count` batches. */
export function firstBatches(seed, n, batch, count) {
  const next = shuffler(seed, n, batch);
  return Array.from({ length: count }, next);
}

// For the given rows: hidden activations and, in place of the scores, their softmax; the mean loss, and how many are right.
function answers(weights, inputs, labels, rows, hidden, out) {
  const [I, H, C] = SIZES, bias1 = I * H, w2 = bias1 + H, bias2 = w2 + H * C;
  let loss = 0, right = 0;
  for (let p = 0; p < rows.length; p++) {
    const x = rows[p] * I, h = p * H, o = p * C;
    for (let u = 0; u < H; u++) {
      let sum = weights[bias1 + u];
      for (let i = 0, w = u * I; i < I; i++) sum += weights[w + i] * inputs[x + i];
      hidden[h + u] = sum > 0 ? sum : sum === sum ? 0 : NaN;
    }
    let most = -Infinity, best = 0, total = 0;
    for (let c = 0; c < C; c++) {
      let sum = weights[bias2 + c];
      for (let u = 0, w = w2 + c * H; u < H; u++) sum += weights[w + u] * hidden[h + u];
      out[o + c] = sum;
      if (sum > most) { most = sum; best = c; }
    }
    const label = labels[rows[p]], score = out[o + label];
    for (let c = 0; c < C; c++) total += out[o + c] = Math.exp(out[o + c] - most);
    for (let c = 0; c < C; c++) out[o + c] /= total;
    loss += (most - score + Math.log(total)) / rows.length;
    right += best === label;
  }
  return { loss, right };
}

const scratch = { hidden: new Float64Array(1000 * SIZES[1]), out: new Float64Array(1000 * SIZES[2]), gradient: new Float64Array(COUNT), delta: new Float64Array(SIZES[1]) };

// One update by SGD with momentum, in place; the gradient stays in scratch. Returns the batch's loss before it.
function update(weights, velocity, inputs, labels, rows, rate, momentum) {
  const [I, H, C] = SIZES, bias1 = I * H, w2 = bias1 + H, bias2 = w2 + H * C, { hidden, out, gradient, delta } = scratch, B = rows.length;
  const { loss } = answers(weights, inputs, labels, rows, hidden, out);
  gradient.fill(0);
  for (let p = 0; p < B; p++) {
    const x = rows[p] * I, h = p * H, label = labels[rows[p]];
    delta.fill(0);
    for (let c = 0; c < C; c++) {
      const d = (out[p * C + c] - (c === label ? 1 : 0)) / B, w = w2 + c * H;
      gradient[bias2 + c] += d;
      for (let u = 0; u < H; u++) { gradient[w + u] += d * hidden[h + u]; delta[u] += d * weights[w + u]; }
    }
    for (let u = 0; u < H; u++) {
      if (!(hidden[h + u] > 0)) continue;
      const d = delta[u], w = u * I;
      gradient[bias1 + u] += d;
      for (let i = 0; i < I; i++) gradient[w + i] += d * inputs[x + i];
    }
  }
  for (let k = 0; k < COUNT; k++) { velocity[k] = momentum * velocity[k] + gradient[k]; weights[k] -= rate * velocity[k]; }
  return loss;
}

/** One update of copies: { loss, gradient, weights, velocity }; what Python's train_step gives. */
export function trainStep({ weights, velocity, inputs, labels, rate, momentum }) {
  const w = Float64Array.from(weights), v = Float64Array.from(velocity);
  const loss = update(w, v, Float64Array.from(inputs), labels, labels.map((_, i) => i), rate, momentum);
  return { loss, gradient: Float64Array.from(scratch.gradient), weights: w, velocity: v };
}

/** A run that has not begun: `data` is { inputs, labels } of the 1000 digits. */
export function startRun(settings, data) {
  return { settings: { ...settings }, data, t: 0, rates: [], losses: [], weights: initialWeights(settings.seed), velocity: new Float64Array(COUNT),
    next: shuffler(settings.seed, TRAINING, settings.batch), result: null };
}

/** Take one update of a run; after the last one, judge it: result = { training, heldOut, accuracy }. */
export function advance(run) {
  if (run.result) return run;
  const { schedule, rate, warmup, momentum } = run.settings, now = rate * factor(schedule, run.t, STEPS, warmup);
  const loss = update(run.weights, run.velocity, run.data.inputs, run.data.labels, run.next(), now, momentum);
  run.rates.push(now); run.losses.push(loss); run.t += 1;
  if (run.t === STEPS || !Number.isFinite(loss)) {
    const rows = (from, n) => Array.from({ length: n }, (_, i) => from + i), { hidden, out } = scratch;
    const seen = answers(run.weights, run.data.inputs, run.data.labels, rows(0, TRAINING), hidden, out);
    const unseen = answers(run.weights, run.data.inputs, run.data.labels, rows(TRAINING, HELD_OUT), hidden, out);
    run.result = { training: seen.loss, heldOut: unseen.loss, accuracy: unseen.right / HELD_OUT };
  }
  return run;
}

/** A whole run at once, without its weights. */
export function wholeRun(settings, data) {
  const run = startRun(settings, data);
  while (!run.result) advance(run);
  return { rates: run.rates, losses: run.losses, result: run.result };
}

/** Running mean over the last `width` values, fewer at the beginning. */
export function smooth(values, width = 15) {
  return values.map((_, i) => {
    const from = Math.max(0, i - width + 1);
    let sum = 0;
    for (let k = from; k <= i; k++) sum += values[k];
    return sum / (i + 1 - from);
  });
}

/** The share of the axis at which a rate stands, on a logarithmic scale from 0.003 to 3. */
export function ratePlace(rate) { return Math.log(rate / RATES[0]) / Math.log(RATES[RATES.length - 1] / RATES[0]); }

const usesWarmup = (schedule) => schedule === "warmup_cosine" || schedule === "one_cycle";
const percent = (s) => (s.schedule === "one_cycle" ? Math.max(5, s.warmup) : s.warmup);
/** A run's settings in words. */
export function words(s) {
  return `${NAMES[s.schedule]}, peak rate ${s.rate}${usesWarmup(s.schedule) ? `, rising for ${percent(s)} %` : ""}, batches of ${s.batch}, momentum ${s.momentum}, seed ${s.seed}`;
}
// Runs that differ in their rate alone stand on one line of the third picture.
const family = (s) => JSON.stringify([s.schedule, usesWarmup(s.schedule) ? percent(s) : 0, s.batch, s.momentum, s.seed]);

const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]], LETTERS = ["now", "A", "B", "C"];
const TOP = 2.6, MOST_FAMILIES = 6;

function render({ model, el, signal }) {
  const greys = uint8(model.get("greys")), data = { inputs: Float64Array.from(greys, (g) => g / 255), labels: Uint8Array.from(uint8(model.get("classes"))) };
  const later = onPaint(draw);
  const redraw = () => { if (!working) later(); };               // a frame that trains draws anyway
  const { state, first, tell, write } = shared(model, [...SETTINGS, "kept"], (k) => {
    if (k === "kept") rebuildKept(); else begin();
    redraw();
  });
  let run = null, keptRuns = [], queue = [], dots = new Map(), alive = true, working = false, sweeping = 0;
  const settings = () => Object.fromEntries(SETTINGS.map((k) => [k, state[k]]));

  function begin() { run = startRun(settings(), data); sweeping = 0; queue = [run]; work(); }
  function change(patch) { write(patch); begin(); redraw(); }
  function rebuildKept() {                                       // kept runs are trained again where they are not known
    const known = [...keptRuns, run].filter(Boolean);
    keptRuns = state.kept.map((s) => known.find((r) => JSON.stringify(r.settings) === JSON.stringify(pick(s))) ?? startRun(pick(s), data));
    queue = [...queue, ...keptRuns.filter((r) => !r.result && !queue.includes(r))];
    work();
  }
  const pick = (s) => Object.fromEntries(SETTINGS.map((k) => [k, s[k]]));
  function note(done) {                                          // a dot for every run that was finished
    const key = family(done.settings), line = dots.get(key) ?? new Map();
    dots.delete(key); dots.set(key, line);
    line.set(done.settings.rate, done);
    if (dots.size > MOST_FAMILIES) dots.delete(dots.keys().next().value);
  }
  function work() { if (!working && alive) { working = true; requestAnimationFrame(chunk); } }
  function chunk() {                                             // some milliseconds of training a frame: the page stays quick
    const until = performance.now() + 2;
    while (queue.length && performance.now() < until) {
      const now = queue[0];
      for (let k = 0; k < 5 && !now.result; k++) advance(now);
      if (now.result) { note(now); queue.shift(); }
    }
    working = false;
    if (!alive) return;
    if (!queue.length) sweeping = 0;
    draw();
    if (queue.length) work();
  }

  // ---- controls
  const box = frame(el, model.get("title") || "Loss curves by learning rate and schedule");
  box.classList.add("sc");
  const rateAt = (v) => RATES.reduce((best, r, i) => (Math.abs(Math.log(r / v)) < Math.abs(Math.log(RATES[best] / v)) ? i : best), 0);
  const menu = choice({ label: "Schedule", options: KINDS.map((k) => [k, NAMES[k]]), value: state.schedule, onchange: (schedule) => change({ schedule }) });
  const rate = slider({ label: "Peak rate η", min: 0, max: RATES.length - 1, value: rateAt(state.rate), show: (i) => String(RATES[i]), onchange: (i) => change({ rate: RATES[i] }) });
  const warm = slider({ label: "Updates that rise", min: 0, max: 50, step: 5, value: state.warmup, show: (v) => `${v} %`, onchange: (warmup) => change({ warmup }) });
  const batch = choice({ label: "Batch", options: [8, 16, 32, 64].map((v) => [v, String(v)]), value: state.batch, onchange: (v) => change({ batch: v }) });
  const momentum = choice({ label: "Momentum", options: [0, 0.5, 0.9].map((v) => [v, String(v)]), value: state.momentum, onchange: (v) => change({ momentum: v }) });
  const keep = button("Keep this run", () => {
    const same = state.kept.some((s) => JSON.stringify(pick(s)) === JSON.stringify(settings()));
    if (same) return;
    state.kept = [...state.kept, settings()].slice(-MOST_KEPT);
    rebuildKept(); tell("kept"); redraw();
  }, { primary: true, hint: "Keep this run in the picture, to compare with later ones" });
  const sweep = button("Try all rates", () => {
    const todo = RATES.filter((r) => r !== state.rate).map((r) => startRun({ ...settings(), rate: r }, data));
    sweeping = todo.length; queue.push(...todo); work(); redraw();
  }, { hint: "Try all rates with this schedule: a line in the third picture" });
  const seed = button("New seed", () => change({ seed: (state.seed % 999) + 1 }), { hint: "New seed: other first weights, another shuffle" });
  const drop = button("Remove kept", () => { state.kept = []; keptRuns = []; queue = queue.filter((r) => r === run); tell("kept"); redraw(); }, { hint: "Remove kept runs" });
  const reset = button("Reset", () => {
    Object.assign(state, structuredClone(first)); dots = new Map(); keptRuns = []; begin(); rebuildKept(); tell(...SETTINGS, "kept"); redraw();
  }, { hint: "Reset: everything as it was at first" });

  // ---- the pictures
  const canvas = (name) => h("canvas", { class: `sc-canvas ${name}`, role: "img" });
  const ratesPicture = canvas("sc-rates"), lossPicture = canvas("sc-loss"), dotPicture = canvas("sc-dots");
  const says = summary();
  const cells = LETTERS.map(() => Array.from({ length: 6 }, () => h("td", {})));
  const rowsOf = LETTERS.map((letter, i) => h("tr", {}, h("th", { scope: "row" }, letter), cells[i]));
  const table = h("table", { class: "sc-table" }, h("thead", {}, h("tr", {}, ["run", "schedule", "peak η", "batch, momentum, seed", "training", "held out", "right"].map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, rowsOf));
  const legend = h("span", {});
  box.append(
    h("div", { class: "dlw-row" }, menu.el, batch.el, momentum.el),
    h("div", { class: "sc-sliders" }, rate.el, warm.el),
    h("div", { class: "dlw-player" }, keep, sweep, seed, drop, reset),
    h("div", { class: "sc-main" },
      h("figure", {}, ratesPicture, h("figcaption", {}, "Rate η(t) of every update.")),
      h("figure", {}, lossPicture, h("figcaption", {}, "Loss of the training batches, mean of the last 15; above 2.6 is cut off. Dotted: ln 10, the loss of guessing.")),
      h("figure", {}, dotPicture, h("figcaption", {}, "Loss of the training digits after the run against its peak rate, on a logarithmic scale; above 2.6 is cut off. Every run leaves a mark: ", legend))),
    says.el, h("div", { class: "sc-scroll", tabindex: "0", role: "region", "aria-label": "the runs in numbers" }, table));

  let sizes = [[300, 180], [300, 180], [300, 180]], ratio = 1, colors = null;
  const pictures = [ratesPicture, lossPicture, dotPicture];
  function readTheme() {
    const css = (key) => getComputedStyle(box).getPropertyValue(key).trim();
    colors = { ink: css("color"), ground: css("background-color"), muted: css("--sc-muted"), rule: css("--sc-rule"), of: Object.fromEntries(KINDS.map((k, i) => [k, css(`--dl-c${i}`)])) };
  }
  function measure() { sizes = pictures.map((p) => [p.clientWidth || 300, p.clientHeight || 180]); }
  const LEFT = 34, RIGHT = 30, ABOVE = 12, BELOW = 20;
  function plot(i, { bottomLeft, bottomRight, ticks }) {
    const [width, height] = sizes[i], c = pictures[i].getContext("2d"), w = Math.round(width * ratio), k = Math.round(height * ratio);
    if (pictures[i].width !== w || pictures[i].height !== k) { pictures[i].width = w; pictures[i].height = k; }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    const X = (p) => LEFT + p * (width - LEFT - RIGHT), Y = (p) => height - BELOW - p * (height - BELOW - ABOVE);
    c.strokeStyle = colors.rule; c.lineWidth = 1;
    c.beginPath(); c.moveTo(LEFT, ABOVE); c.lineTo(LEFT, Y(0)); c.lineTo(X(1), Y(0)); c.stroke();
    c.fillStyle = colors.ink; c.font = "12px sans-serif"; c.textBaseline = "middle"; c.textAlign = "right";
    for (const [p, text] of ticks) c.fillText(text, LEFT - 5, Y(p));
    c.textBaseline = "alphabetic"; c.textAlign = "left"; c.fillText(bottomLeft, LEFT, height - 5);
    c.textAlign = "right"; c.fillText(bottomRight, X(1), height - 5);
    return { c, X, Y };
  }
  function line(c, points, color, dash, width) {
    c.beginPath();
    for (const [x, y] of points) c.lineTo(x, y);
    c.setLineDash(dash); c.strokeStyle = color; c.lineWidth = width; c.stroke(); c.setLineDash([]);
  }
  // Names at the ends of the lines, moved apart.
  function labels(c, ends, low, high) {
    ends.sort((a, b) => a.y - b.y);
    let last = low - 13;
    for (const e of ends) { e.y = Math.max(e.y, last + 13); last = e.y; }
    for (let i = ends.length - 1, limit = high; i >= 0; i--) { ends[i].y = Math.min(ends[i].y, limit); limit = ends[i].y - 13; }
    c.font = "bold 12px sans-serif"; c.textAlign = "left"; c.textBaseline = "middle";
    for (const e of ends) { c.fillStyle = e.color; c.fillText(e.text, e.x + 3, e.y); }
  }
  function mark(c, kind, x, y, r) {
    const path = { constant: () => c.arc(x, y, r, 0, 2 * Math.PI), step: () => c.rect(x - r, y - r, 2 * r, 2 * r),
      exponential: () => { c.moveTo(x, y - r * 1.2); c.lineTo(x + r * 1.2, y + r); c.lineTo(x - r * 1.2, y + r); c.closePath(); },
      cosine: () => { c.moveTo(x, y - r * 1.4); c.lineTo(x + r * 1.4, y); c.lineTo(x, y + r * 1.4); c.lineTo(x - r * 1.4, y); c.closePath(); },
      warmup_cosine: () => { c.moveTo(x, y + r * 1.2); c.lineTo(x + r * 1.2, y - r); c.lineTo(x - r * 1.2, y - r); c.closePath(); },
      one_cycle: () => { c.rect(x - r * 1.4, y - r / 2.5, r * 2.8, r / 1.25); c.rect(x - r / 2.5, y - r * 1.4, r / 1.25, r * 2.8); } };
    c.beginPath(); path[kind](); c.fill();
  }
  const SIGNS = { constant: "●", step: "■", exponential: "▲", cosine: "◆", warmup_cosine: "▼", one_cycle: "✚" };
  legend.textContent = `${KINDS.map((k) => `${SIGNS[k]} ${NAMES[k]}`).join(", ")}.`;

  function shown() { return [run, ...keptRuns.filter((r) => r !== run)].map((r) => [r, r === run ? 0 : keptRuns.indexOf(r) + 1]); }
  function drawCurves() {
    const all = shown().reverse(), peak = Math.max(...all.map(([r]) => r.settings.rate));
    const a = plot(0, { bottomLeft: "update 0", bottomRight: String(STEPS), ticks: [[0, "0"], [1, String(peak)]] }), ends = [];
    for (const [r, i] of all) {
      const { schedule, rate: top, warmup } = r.settings, points = [];
      r.shape ??= Array.from({ length: STEPS / 2 }, (_, k) => factor(schedule, 2 * k, STEPS, warmup));
      r.shape.forEach((s, k) => points.push([a.X((2 * k) / STEPS), a.Y((top / peak) * s)]));
      line(a.c, points, colors.of[schedule], DASHES[i], i ? 2 : 3);
      ends.push({ ...{ x: a.X(1), y: points[points.length - 1][1] }, color: colors.of[schedule], text: LETTERS[i] });
    }
    labels(a.c, ends, ABOVE, a.Y(0));
    const b = plot(1, { bottomLeft: "update 0", bottomRight: String(STEPS), ticks: [[0, "0"], [1 / TOP, "1"], [2 / TOP, "2"]] }), tails = [];
    line(b.c, [[b.X(0), b.Y(Math.LN10 / TOP)], [b.X(1), b.Y(Math.LN10 / TOP)]], colors.muted, [1, 3], 1.5);
    for (const [r, i] of all) {
      const points = [];
      const means = r.means ?? smooth(r.losses);
      if (r.result) r.means = means;
      means.forEach((v, t) => { if (t % 2 && Number.isFinite(v)) points.push([b.X((t + 1) / STEPS), b.Y(Math.min(v, TOP) / TOP)]); });
      if (!points.length) continue;
      line(b.c, points, colors.of[r.settings.schedule], DASHES[i], i ? 2 : 3);
      const [x, y] = points[points.length - 1];
      tails.push({ x, y, color: colors.of[r.settings.schedule], text: LETTERS[i] });
    }
    labels(b.c, tails, ABOVE, b.Y(0));
  }
  function drawDots() {
    const { c, X, Y } = plot(2, { bottomLeft: "", bottomRight: "", ticks: [[0, "0"], [1 / TOP, "1"], [2 / TOP, "2"]] });
    c.fillStyle = colors.ink; c.textAlign = "center";
    for (const tick of [0.01, 0.1, 1]) {
      const x = X(ratePlace(tick));
      c.fillText(String(tick), x, sizes[2][1] - 5);
      line(c, [[x, Y(0)], [x, Y(0) + 4]], colors.rule, [], 1);
    }
    line(c, [[X(0), Y(Math.LN10 / TOP)], [X(1), Y(Math.LN10 / TOP)]], colors.muted, [1, 3], 1.5);
    for (const group of dots.values()) {
      const runs = [...group.values()].sort((p, q) => p.settings.rate - q.settings.rate), color = colors.of[runs[0].settings.schedule];
      const at = (r) => [X(ratePlace(r.settings.rate)), Y(Math.min(Number.isFinite(r.result.training) ? r.result.training : TOP, TOP) / TOP)];
      runs.slice(1).forEach((r, k) => {                          // a line joins neighbours only: between others nothing was tried
        if (rateAt(r.settings.rate) === rateAt(runs[k].settings.rate) + 1) line(c, [at(runs[k]), at(r)], color, [], 1);
      });
      c.fillStyle = color;
      for (const r of runs) mark(c, r.settings.schedule, ...at(r), 4);
    }
    if (run.result) {
      const r = Number.isFinite(run.result.training) ? Math.min(run.result.training, TOP) : TOP;
      c.beginPath(); c.arc(X(ratePlace(run.settings.rate)), Y(r / TOP), 9, 0, 2 * Math.PI);
      c.strokeStyle = colors.ink; c.lineWidth = 2; c.stroke();
    }
  }
  const outcome = (r) => (r.result ? `loss ${format(r.result.training, 3)} on the ${TRAINING} training digits, ${format(r.result.heldOut, 3)} on ${HELD_OUT} held-out ones, ${format(100 * r.result.accuracy, 1)} % of these right` : "training");
  let described = "";
  function draw() {
    if (!alive || !run) return;
    drawCurves(); drawDots();
    turn(menu, state.schedule); turn(rate, rateAt(state.rate)); turn(warm, state.warmup); turn(batch, state.batch); turn(momentum, state.momentum);
    warm.input.disabled = !usesWarmup(state.schedule);
    sweep.disabled = sweeping > 0; drop.disabled = state.kept.length === 0;
    keep.disabled = state.kept.some((s) => JSON.stringify(pick(s)) === JSON.stringify(settings()));
    [run, ...keptRuns].forEach((r, i) => {
      const s = r.settings, n = r.result;
      [NAMES[s.schedule] + (usesWarmup(s.schedule) ? ` ${percent(s)} %` : ""), String(s.rate), `${s.batch}, ${s.momentum}, ${s.seed}`, n ? format(n.training, 3) : "…", n ? format(n.heldOut, 3) : "…", n ? `${format(100 * n.accuracy, 1)} %` : "…"]
        .forEach((t, k) => setText(cells[i][k], t));
    });
    for (let i = keptRuns.length + 1; i < LETTERS.length; i++) for (const cell of cells[i]) setText(cell, "–");
    const text = words(run.settings);
    says.say(`${text[0].toUpperCase()}${text.slice(1)}: ${run.result ? `after ${run.t} updates ${outcome(run)}.` : "training …"}${sweeping ? ` ${queue.length} of ${sweeping} rates to go.` : ""}`);
    const now = run.result && !queue.length ? `${text}: ${outcome(run)}; kept: ${state.kept.length}; marks: ${[...dots.values()].reduce((n, g) => n + g.size, 0)}` : described;
    if (now !== described) {
      described = now;
      setAttribute(ratesPicture, "aria-label", `rates of ${text}`);
      setAttribute(lossPicture, "aria-label", `loss curves of ${shown().length} runs; now ${text}: ${outcome(run)}`);
      setAttribute(dotPicture, "aria-label", [...dots.values()].map((g) => { const r = [...g.values()].sort((p, q) => p.result.training - q.result.training)[0]; return `${NAMES[r.settings.schedule]}: lowest loss ${format(r.result.training, 3)} at peak rate ${r.settings.rate}, ${g.size} rates tried`; }).join("; "));
    }
  }

  const sizeWatch = new ResizeObserver(() => { measure(); redraw(); });
  for (const p of pictures) sizeWatch.observe(p);
  watchTheme(() => { readTheme(); redraw(); }, signal);
  signal?.addEventListener?.("abort", () => { alive = false; sizeWatch.disconnect(); });
  ratio = Math.min(2, window.devicePixelRatio || 1);
  measure(); readTheme(); begin(); rebuildKept(); draw();
}

export default { render };
