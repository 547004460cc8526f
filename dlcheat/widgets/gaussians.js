// Two Gaussians and their divergences. First the mathematics (the same as dlcheat.widgets.gaussians),
// then the words, then the pictures.

export const RANGES = { mu_p: [-4, 4], sigma_p: [0.4, 3], mu_q: [-4, 4], sigma_q: [0.4, 3], gap: [0, 5], share: [0.1, 0.9], width: [0.4, 1.2],
  mu_1: [-3, 3], sigma_1: [0.1, 3], mu_2: [-3, 3], sigma_2: [0.1, 3], rho: [-0.95, 0.95] };
const SETTINGS = ["view", ...Object.keys(RANGES)];
const LOW = -30, HIGH = 30, POINTS = 3001, STEP = (HIGH - LOW) / (POINTS - 1), ROOT = Math.log(2 * Math.PI) / 2;
const GRID = Float64Array.from({ length: POINTS }, (_, i) => LOW + i * STEP);
const Z = Array.from({ length: 121 }, (_, i) => -6 + 0.1 * i), PHI = Z.map((z) => 0.1 * Math.exp(-z * z / 2 - ROOT));

/** The logarithm of a Gaussian density, as a function of x; of a mixture of two. */
const gaussian = (mu, sigma) => { const norm = Math.log(sigma) + ROOT; return (x) => { const z = (x - mu) / sigma; return -z * z / 2 - norm; }; };
const addLogs = (a, b) => { const m = Math.max(a, b), d = Math.min(a, b) - m; return d > -40 ? m + Math.log1p(Math.exp(d)) : m; };
function mixture({ gap, share, width }) {
  const left = gaussian(-gap / 2, width), right = gaussian(gap / 2, width), a = Math.log(share), b = Math.log1p(-share);
  return (x) => addLogs(a + left(x), b + right(x));
}
/** log p and log q of the state, as functions of x. */
const logP = (s) => (s.view === "mixture" ? mixture(s) : gaussian(s.mu_p, s.sigma_p)), logQ = (s) => gaussian(s.mu_q, s.sigma_q);

/** KL(N(mu, sigma²) ‖ N(nu, tau²)) in closed form. */
export function between(mu, sigma, nu, tau) { const r = sigma / tau, far = (mu - nu) / tau; return (r * r + far * far - 1) / 2 - Math.log(r); }

/** Both divergences, each as [cross-entropy, entropy, divergence], and Jensen–Shannon's: sums over the grid. */
function costs(logs, logQs) {
  let pq = 0, pp = 0, qp = 0, qq = 0, both = 0, kl = 0, lk = 0;
  for (let i = 0; i < POINTS; i++) {
    const a = logs[i], b = logQs[i];
    if (a < -60 && b < -60) continue;                                 // nothing to see in double precision
    const p = Math.exp(a), q = Math.exp(b), m = addLogs(a, b) - Math.LN2;
    pq -= p * b; pp -= p * a; qp -= q * a; qq -= q * b;
    kl += p * (a - b); lk += q * (b - a);
    both += p * (a - m) + q * (b - m);
  }
  return { forward: [pq * STEP, pp * STEP, kl * STEP], reverse: [qp * STEP, qq * STEP, lk * STEP], js: both * STEP / 2 };
}

/** What the pictures of p and q show; of two Gaussians in closed form, but for Jensen–Shannon's. */
export function look(s) {
  const found = costs(GRID.map(logP(s)), GRID.map(logQ(s)));
  if (s.view === "mixture") return found;
  const pair = [s.mu_p, s.sigma_p, s.mu_q, s.sigma_q], exact = [between(...pair), between(...pair.slice(2), ...pair.slice(0, 2))];
  const entropies = [s.sigma_p, s.sigma_q].map((sigma) => ROOT + 0.5 + Math.log(sigma));
  const [forward, reverse] = exact.map((kl, i) => [entropies[i] + kl, entropies[i], kl]);
  return { forward, reverse, js: found.js };
}

/** The q with the least KL(p ‖ q), [μ, σ, divergence]: that of the mixture's mean and variance. */
export function bestForward({ gap, share, width }) {
  const mu = (0.5 - share) * gap, sigma = Math.sqrt(width * width + share * (1 - share) * gap * gap);
  return [mu, sigma, costs(GRID.map(mixture({ gap, share, width })), GRID.map(gaussian(mu, sigma))).forward[2]];
}

/** The q with the least KL(q ‖ p), [μ, σ, divergence]: descent from both peaks and from bestForward. */
export function bestReverse({ gap, share, width }) {
  const logs = GRID.map(mixture({ gap, share, width })), odds = Math.log(share) - Math.log1p(-share), square = width * width;
  const bound = (v) => Math.min(0.2, Math.max(-0.2, v));
  let best = null;
  for (const start of [[-gap / 2, width], [gap / 2, width], bestForward({ gap, share, width })]) {
    let [mu, sigma] = start;
    for (let round = 0; round < 400; round++) {
      let slope = 0, turned = 0;
      for (let i = 0; i < Z.length; i++) {
        const x = mu + sigma * Z[i], score = (gap / 2 - x - gap / (1 + Math.exp(x * gap / square - odds))) / square;
        slope += PHI[i] * score; turned += PHI[i] * Z[i] * score;
      }
      const right = bound(sigma * slope / 2), wider = bound((1 + sigma * turned) / 4);
      mu += sigma * right; sigma *= Math.exp(wider);
      if (Math.max(Math.abs(right), Math.abs(wider)) < 1e-11) break;
    }
    const log = gaussian(mu, sigma);
    let found = 0;
    for (let i = 0; i < POINTS; i++) { const b = log(GRID[i]); if (b > -60) found += Math.exp(b) * (b - logs[i]) * STEP; }
    if (!best || found < best[2] - 1e-9) best = [mu, sigma, found];
  }
  return best;
}

/** What the q of two dimensions pays against the standard Gaussian: { place, width, formula, exact }. */
export function terms({ mu_1, mu_2, sigma_1, sigma_2, rho }) {
  const place = [mu_1, mu_2].map((m) => m * m / 2), width = [sigma_1, sigma_2].map((s) => (s * s - 1) / 2 - Math.log(s));
  const formula = place[0] + place[1] + width[0] + width[1];
  return { place, width, formula, exact: formula - Math.log1p(-rho * rho) / 2 };
}

/** The smallest of 1, 2, 5, 10, … tenths that is at least v. */
export function roundUp(v) { const power = 10 ** Math.floor(Math.log10(Math.max(v, 0.1) + 1e-12)); return [1, 2, 5, 10].map((m) => m * power).find((t) => t >= v - 1e-9); }

const normal = (mu, sigma) => `N(${format(mu, 2)}, ${format(sigma, 2)}²)`;
const nats = (v) => `${format(v, 3)} nats`;
/** What the picture shows, in words. */
export function describe(s, found, best) {
  if (s.view === "prior") {
    const t = terms(s), apart = t.exact - t.formula;
    return `q has means (${format(s.mu_1, 2)}, ${format(s.mu_2, 2)}), deviations (${format(s.sigma_1, 2)}, ${format(s.sigma_2, 2)}), correlation ${format(s.rho, 2)}: `
      + `the formula gives ${nats(t.formula)}. ` + (apart > 5e-4 ? `The divergence from N(0, I) is ${nats(t.exact)}: the formula does not see the correlation.` : "That is the divergence from N(0, I).");
  }
  const [there, back] = [found.forward[2], found.reverse[2]], q = `q = ${normal(s.mu_q, s.sigma_q)}`;
  const values = `KL(p‖q) = ${format(there, 3)}, KL(q‖p) = ${format(back, 3)} nats. `;
  if (s.view === "two") {
    const why = Math.max(there, back) < 5e-4 ? "The two are one: nothing to pay." : Math.abs(there - back) < 5e-4 ? "Both directions cost the same here."
      : there > back ? "KL(p‖q) is the dearer: where p is, q is too sparing." : "KL(q‖p) is the dearer: q is where p is sparing.";
    return `p = ${normal(s.mu_p, s.sigma_p)}, ${q}: ${values}${why}`;
  }
  const [wide, narrow] = best, tie = Math.abs(s.share - 0.5) < 1e-9 && Math.abs(narrow[0]) > 0.05;
  return `${q}: ${values}Least KL(p‖q): ${normal(wide[0], wide[1])}, ${format(wide[2], 3)}, over all of p. `
    + `Least KL(q‖p): ${normal(narrow[0], narrow[1])}, ${format(narrow[2], 3)}${tie ? ", or as well on the right peak" : ""}.`;
}

const W = 300, LEFT = 40, RIGHT = 294, SPAN = 6, SAMPLES = 240;
const X = (x) => LEFT + ((RIGHT - LEFT) * (x + SPAN)) / (2 * SPAN), XS = Array.from({ length: SAMPLES + 1 }, (_, i) => -SPAN + (2 * SPAN * i) / SAMPLES);
const H = 190, TOP = 8, BOTTOM = 160, PEAK = 1.05, peakOf = (sigma) => Math.exp(-ROOT) / sigma;
const Y = (v, low = 0, high = PEAK) => BOTTOM - ((BOTTOM - TOP) * (v - low)) / (high - low);
// the plane: 26 of the drawing's pixels a unit
const UNIT = 26, PH = 232, CX = 150, CY = 104, PX = (v) => CX + UNIT * v, PY = (v) => CY - UNIT * v;
const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");

function render({ model, el, signal }) {
  const redraw = onPaint(() => { if (!signal?.aborted) draw(); });
  const { state, first, write: tell } = shared(model, SETTINGS, redraw);
  const write = (patch) => { tell(patch); redraw(); };
  const clip = uid("clip");
  const within = (name, v) => Math.min(RANGES[name][1], Math.max(RANGES[name][0], v)), fine = (name, v) => Number(within(name, v).toFixed(2));

  // ---- controls
  const box = frame(el, model.get("title"));
  box.classList.add("ga");
  const view = choice({ label: "Show", options: [["two", "two Gaussians"], ["mixture", "one Gaussian for two peaks"], ["prior", "two dimensions and N(0, I)"]], value: state.view, onchange: (v) => write({ view: v }) });
  const reset = button("Reset", () => write(first));
  const swap = button("Swap p and q", () => write({ mu_p: state.mu_q, sigma_p: state.sigma_q, mu_q: state.mu_p, sigma_q: state.sigma_p }));
  const go = (which) => () => { const [mu, sigma] = optimum()[which]; write({ mu_q: within("mu_q", mu), sigma_q: within("sigma_q", sigma) }); };
  const wide = button("Least KL(p‖q)", go(0), { hint: "move q to where it is least" }), narrow = button("Least KL(q‖p)", go(1), { hint: "move q to where it is least" });
  const make = (name, label, step = 0.05) => slider({ label, min: RANGES[name][0], max: RANGES[name][1], step, value: state[name], show: (v) => format(v, 2), onchange: (v) => write({ [name]: v }) });
  const sliders = { mu_p: make("mu_p", "Mean of p"), sigma_p: make("sigma_p", "Deviation of p"), gap: make("gap", "Peaks of p apart", 0.1), share: make("share", "Left peak's share"), width: make("width", "Peaks' deviation"),
    mu_q: make("mu_q", "Mean of q"), sigma_q: make("sigma_q", "Deviation of q"), mu_1: make("mu_1", "μ₁"), sigma_1: make("sigma_1", "σ₁"), mu_2: make("mu_2", "μ₂"), sigma_2: make("sigma_2", "σ₂"), rho: make("rho", "Correlation ρ") };
  const OF = { two: ["mu_p", "sigma_p", "mu_q", "sigma_q"], mixture: ["gap", "share", "width", "mu_q", "sigma_q"], prior: ["mu_1", "sigma_1", "mu_2", "sigma_2", "rho"] };

  let kept = "", found = null;
  /** The best q of both directions; found once for each mixture. */
  function optimum() {
    const key = [state.gap, state.share, state.width].join(" ");
    if (key !== kept) { kept = key; found = [bestForward(state), bestReverse(state)]; }
    return found;
  }

  // ---- densities, and what each place adds to the divergences
  const rule = (x1, y1, x2, y2) => h("line", { class: "ga-rule", x1, y1, x2, y2 });
  const label = (x, y, text, name = "ga-mid") => h("text", { x, y, class: name }, text);
  function plot(name) {
    const inside = h("g", { "clip-path": `url(#${clip}-${name})` }), grid = h("g", {});
    const svg = h("svg", { viewBox: `0 0 ${W} ${H}`, class: `ga-${name}`, role: name === "parts" ? "img" : "group" }, h("defs", {}, h("clipPath", { id: `${clip}-${name}` }, h("rect", { x: LEFT, y: TOP - 4, width: RIGHT - LEFT, height: BOTTOM - TOP + 5 }))),
      grid, [-4, -2, 0, 2, 4].map((v) => label(X(v), 176, format(v, 0))), h("rect", { class: "ga-frame", x: LEFT, y: TOP, width: RIGHT - LEFT, height: BOTTOM - TOP }), inside);
    return { svg, inside, grid, caption: h("figcaption", {}) };
  }
  const densities = plot("densities"), parts = plot("parts");
  for (const v of [0, 0.5, 1]) densities.grid.append(rule(LEFT, Y(v), RIGHT, Y(v)), label(LEFT - 5, Y(v) + 4, short(v), "ga-end"));
  const curves = { p: h("path", { class: "ga-curve ga-p" }), q: h("path", { class: "ga-curve ga-q" }) }, areas = { p: h("path", { class: "ga-area ga-p" }) };
  const marks = [h("path", { class: "ga-best ga-wide" }), h("path", { class: "ga-best ga-narrow" })];
  densities.inside.append(areas.p, ...marks, curves.p, curves.q);
  const zero = h("line", { class: "ga-axis", x1: LEFT, x2: RIGHT }), forward = h("path", { class: "ga-curve ga-p" }), reverse = h("path", { class: "ga-curve ga-q" }), fill = [h("path", { class: "ga-area ga-p" }), h("path", { class: "ga-area ga-q" })];
  parts.inside.append(fill, zero, forward, reverse);
  const names = { p: label(0, 0, "p", "ga-name"), q: label(0, 0, "q", "ga-name") };

  /** A disc that pointer and arrow keys move; `place` gets the pointer in the drawing's own units. */
  function handle(svg, name, wanted, by, place, shape = {}) {
    const g = h("g", { class: "ga-handle", role: "application", "aria-label": wanted, ...shape }, h("circle", { class: "ga-reach" }), h("circle", { class: `ga-disc ${name}`, r: 7 }));
    draggable(g, { move: by });
    const at = (event) => { const r = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / r.width; place((event.clientX - r.left) * scale, (event.clientY - r.top) * scale); };
    g.addEventListener("pointerdown", (event) => { g.setPointerCapture(event.pointerId); g.focus({ preventScroll: true }); event.preventDefault(); });
    g.addEventListener("pointermove", (event) => { if (g.hasPointerCapture(event.pointerId)) at(event); });
    g.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });      // or the page would scroll, too
    return { el: g, go(x, y) { setAttribute(g, "transform", `translate(${x.toFixed(1)},${y.toFixed(1)})`); } };
  }
  const top = (k) => handle(densities.svg, `ga-${k}`, `top of ${k}: left and right move its mean, up and down its deviation`,
    (dx, dy) => write({ [`mu_${k}`]: fine(`mu_${k}`, state[`mu_${k}`] + 0.05 * dx), [`sigma_${k}`]: fine(`sigma_${k}`, state[`sigma_${k}`] + 0.05 * dy) }),
    (x, y) => write({ [`mu_${k}`]: fine(`mu_${k}`, ((x - LEFT) / (RIGHT - LEFT)) * 2 * SPAN - SPAN), [`sigma_${k}`]: fine(`sigma_${k}`, Math.exp(-ROOT) / Math.max(0.01, (PEAK * (BOTTOM - y)) / (BOTTOM - TOP))) }));
  const tops = { p: top("p"), q: top("q") };
  densities.svg.append(names.p, names.q, tops.p.el, tops.q.el);

  // ---- the plane
  const plane = h("svg", { viewBox: `0 0 ${W} ${PH}`, class: "ga-plane", role: "group" });
  const rings = [1, 2].map((k) => h("path", { class: "ga-curve ga-q" })), cloud = h("path", { class: "ga-area ga-q" }), core = h("g", { "clip-path": `url(#${clip}-plane)` });
  core.append(rule(0, PY(0), W, PY(0)), rule(PX(0), 0, PX(0), PH), ...[1, 2].map((k) => h("circle", { class: "ga-curve ga-p", cx: PX(0), cy: PY(0), r: k * UNIT })), cloud, ...rings);
  plane.append(h("defs", {}, h("clipPath", { id: `${clip}-plane` }, h("rect", { x: 4, y: 4, width: W - 8, height: 204 }))), core, h("rect", { class: "ga-frame", x: 4, y: 4, width: W - 8, height: 204 }),
    ...[-4, -2, 2, 4].map((v) => label(PX(v), PY(0) + 15, format(v, 0))), ...[-2, 2].map((v) => label(PX(0) - 5, PY(v) + 4, format(v, 0), "ga-end")), label(W - 16, PY(0) - 6, "z₁"), label(PX(0) + 14, 20, "z₂"));
  const centre = handle(plane, "ga-q", "centre of q", (dx, dy) => write({ mu_1: fine("mu_1", state.mu_1 + 0.05 * dx), mu_2: fine("mu_2", state.mu_2 - 0.05 * dy) }), (x, y) => write({ mu_1: fine("mu_1", (x - CX) / UNIT), mu_2: fine("mu_2", (CY - y) / UNIT) }));
  plane.append(centre.el);
  const BARS = ["½ μ₁²", "½ (σ₁² − 1 − log σ₁²)", "½ μ₂²", "½ (σ₂² − 1 − log σ₂²)", "−½ log (1 − ρ²)"], BH = 232, MOST = 5, BX = (v) => 12 + (276 * Math.min(v, MOST)) / MOST;
  const bars = BARS.map((text, i) => ({ bar: h("rect", { class: `ga-bar ${i === 4 ? "ga-rest" : i % 2 ? "ga-width" : "ga-place"}`, x: 12, y: 22 + 38 * i, height: 14 }), value: label(0, 33 + 38 * i, "", "ga-start"), text: label(12, 17 + 38 * i, text, "ga-start") }));
  const chart = h("svg", { viewBox: `0 0 ${W} ${BH}`, class: "ga-chart", role: "img" }, [0, 1, 2, 3, 4, 5].flatMap((v) => [rule(BX(v), 4, BX(v), 208), label(BX(v), 224, format(v, 0))]), bars.flatMap((b) => [b.bar, b.text, b.value]));
  const planeCaption = h("figcaption", {}, "Dashed: one and two deviations of N(0, I). Full: of q. Drag its centre."), chartCaption = h("figcaption", {}, "What each term costs, in nats.");

  // ---- the table
  const key = (name) => h("svg", { viewBox: "0 0 34 12", class: "ga-key", "aria-hidden": "true" }, h("line", { class: `ga-curve ${name}`, x1: 1, x2: 33, y1: 6, y2: 6 }));
  const line = (heads, mark) => { const cells = Array.from({ length: 3 }, () => h("td", {})); return { cells, el: h("tr", {}, h("th", { scope: "row" }, mark, heads), cells) }; };
  const rows = [line("KL(p‖q)", key("ga-p")), line("KL(q‖p)", key("ga-q")), line("Jensen–Shannon")];
  const table = h("table", { class: "ga-table" }, h("thead", {}, h("tr", {}, ["in nats", "cross-entropy", "− entropy", "= value"].map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, rows.map((r) => r.el)));
  const dims = ["dimension 1", "dimension 2", "sum", "mean"].map((t) => line(t));
  const sums = h("table", { class: "ga-table" }, h("thead", {}, h("tr", {}, ["in nats", "place", "width", "together"].map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, dims.map((r) => r.el)));
  const says = summary();
  const pair = h("div", { class: "ga-main" }, [densities, parts].map((p) => h("figure", {}, p.svg, p.caption))), flat = h("div", { class: "ga-main" }, h("figure", {}, plane, planeCaption), h("figure", {}, chart, chartCaption));
  box.append(h("div", { class: "dlw-row" }, view.el, swap, wide, narrow, reset), h("div", { class: "ga-sliders" }, Object.values(sliders).map((s) => s.el)), pair, flat, h("div", { class: "ga-scroll" }, table, sums), says.el);
  setText(parts.caption, "What each place adds: p log(p/q), full, sums to KL(p‖q); q log(q/p), dashed, to KL(q‖p).");

  let drawn = "";
  function scale(low, high) {
    if (drawn === `${low} ${high}`) return;
    drawn = `${low} ${high}`;
    const y = Y(0, low, high), ticks = [low, 0, high].filter((v) => v === 0 || Math.abs(Y(v, low, high) - y) > 13);
    parts.grid.replaceChildren(...ticks.flatMap((v) => [rule(LEFT, Y(v, low, high), RIGHT, Y(v, low, high)), label(LEFT - 5, Math.min(BOTTOM, Math.max(TOP + 8, Y(v, low, high) + 4)), short(v, 1).replace("-", "−"), "ga-end")]));
    setAttribute(zero, "y1", y); setAttribute(zero, "y2", y);
  }
  function drawPair(values, best) {
    const mixed = state.view === "mixture", ps = XS.map(logP(state)), qs = XS.map(logQ(state)), at = (logs) => XS.map((x, i) => [X(x), Y(Math.exp(logs[i]))]);
    const p = path(at(ps)), q = path(at(qs)), closed = (d, base) => `${d}L${RIGHT},${base}L${LEFT},${base}Z`;
    setAttribute(curves.p, "d", p); setAttribute(curves.q, "d", q); setAttribute(areas.p, "d", closed(p, BOTTOM));
    marks.forEach((mark, k) => { setAttribute(mark, "visibility", mixed ? null : "hidden"); if (mixed) setAttribute(mark, "d", path(at(XS.map(gaussian(best[k][0], best[k][1]))))); });
    const high = peakOf(state.sigma_q);
    setAttribute(tops.p.el, "visibility", mixed ? "hidden" : null); setAttribute(tops.p.el, "tabindex", mixed ? "-1" : "0");
    tops.p.go(X(state.mu_p), Y(peakOf(state.sigma_p))); tops.q.go(X(state.mu_q), Y(high));
    const name = (k, x, y) => { setAttribute(names[k], "x", (x + 14).toFixed(1)); setAttribute(names[k], "y", (y + 5).toFixed(1)); };
    const peak = state.share >= 0.5 ? -state.gap / 2 : state.gap / 2;
    name("p", X(mixed ? peak : state.mu_p), Y(mixed ? Math.exp(logP(state)(peak)) : peakOf(state.sigma_p)) + (Math.abs(state.mu_p - state.mu_q) < 0.6 && !mixed ? 14 : 0)); name("q", X(state.mu_q), Y(high));
    // the integrands
    const there = XS.map((_, i) => Math.exp(ps[i]) * (ps[i] - qs[i])), back = XS.map((_, i) => Math.exp(qs[i]) * (qs[i] - ps[i]));
    const most = roundUp(Math.max(...there, ...back)), least = Math.max(roundUp(-Math.min(...there, ...back)), most / 5);
    scale(-least, most);
    const floor = Y(0, -least, most), draws = [there, back].map((v) => path(XS.map((x, i) => [X(x), Y(v[i], -least, most)])));
    setAttribute(forward, "d", draws[0]); setAttribute(reverse, "d", draws[1]);
    fill.forEach((f, k) => setAttribute(f, "d", closed(draws[k], floor)));
    setText(densities.caption, mixed ? "p, full, has two peaks. q, dashed: drag its top. Thin: the best q for KL(p‖q), dotted, and for KL(q‖p), dash-dotted." : "Densities of p, full, and q, dashed. Drag a top: sideways its mean moves, up and down its deviation.");
    setAttribute(densities.svg, "aria-label", mixed ? `a density p with two peaks, and q = ${normal(state.mu_q, state.sigma_q)}` : `densities of p = ${normal(state.mu_p, state.sigma_p)} and q = ${normal(state.mu_q, state.sigma_q)}`);
    setAttribute(parts.svg, "aria-label", `what each place adds to the divergences, from ${short(-least, 1)} to ${short(most, 1)}`);
    for (const [row, texts] of [[rows[0], values.forward], [rows[1], values.reverse], [rows[2], [null, null, values.js]]]) row.cells.forEach((cell, i) => setText(cell, texts[i] === null ? "–" : format(texts[i], 3)));
  }
  function drawPrior() {
    const { mu_1, mu_2, sigma_1, sigma_2, rho } = state, t = terms(state), root = Math.sqrt(1 - rho * rho);
    const ring = (k) => `${path(Array.from({ length: 73 }, (_, i) => { const a = (2 * Math.PI * i) / 72, u = Math.cos(a), v = Math.sin(a); return [PX(mu_1 + k * sigma_1 * u), PY(mu_2 + k * sigma_2 * (rho * u + root * v))]; }))}Z`;
    rings.forEach((r, i) => setAttribute(r, "d", ring(i + 1))); setAttribute(cloud, "d", ring(1)); centre.go(PX(mu_1), PY(mu_2));
    const costs_ = [t.place[0], t.width[0], t.place[1], t.width[1], t.exact - t.formula];
    bars.forEach(({ bar, value }, i) => { const end = BX(costs_[i]), out = costs_[i] > 4.2; setAttribute(bar, "width", Math.max(0.5, end - 12).toFixed(1)); setAttribute(value, "x", (out ? end - 44 : end + 6).toFixed(1)); setAttribute(value, "class", out ? "ga-start ga-on" : "ga-start"); setText(value, format(costs_[i], 3)); });
    const both = [0, 1].map((i) => [t.place[i], t.width[i], t.place[i] + t.width[i]]), sum = [0, 1, 2].map((i) => both[0][i] + both[1][i]);
    [both[0], both[1], sum, sum.map((v) => v / 2)].forEach((values, r) => dims[r].cells.forEach((cell, i) => setText(cell, format(values[i], 3))));
    const text = describe(state);
    setAttribute(plane, "aria-label", `q and the standard Gaussian in the plane: ${text}`);
    setAttribute(chart, "aria-label", `costs as bars: ${BARS.map((b, i) => `${b} ${format(costs_[i], 3)}`).join(", ")}`);
    return text;
  }

  function draw() {
    const prior = state.view === "prior", mixed = state.view === "mixture";
    turn(view, state.view);
    for (const [name, control] of Object.entries(sliders)) { setAttribute(control.el, "hidden", !OF[state.view].includes(name)); turn(control, state[name]); }
    for (const [node, hidden] of [[pair, prior], [flat, !prior], [table, prior], [sums, !prior], [swap, state.view !== "two"], [wide, !mixed], [narrow, !mixed]]) setAttribute(node, "hidden", hidden);
    if (prior) { says.say(drawPrior()); return; }
    const values = look(state), best = mixed ? optimum() : null;
    drawPair(values, best);
    says.say(describe(state, values, best));
  }
  draw();
}

export default { render };
