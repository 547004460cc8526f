// The latent explorer: a trained decoder runs here, on the reader's z.

/** One dense layer on int8 weights (rows × columns): scale · (Q x) + bias, then ReLU, sigmoid or nothing. */
export function dense({ weight, scale, bias, activation }, x) {
  const rows = bias.length, columns = x.length, out = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0, at = i * columns; j < columns; j++, at++) sum += weight[at] * x[j];
    const y = scale * sum + bias[i];
    out[i] = activation === "relu" ? Math.max(0, y) : activation === "sigmoid" ? 1 / (1 + Math.exp(-y)) : y;
  }
  return out;
}

/** Decode a latent point: every layer in turn. Returns the 784 pixels in (0, 1). */
export function decode(layers, z) {
  return layers.reduce((x, layer) => dense(layer, x), Float64Array.from(z));
}

/** The layers of the model number `which`, cut out of the packed bytes. */
export function unpackLayers(weights, biases, scales, sizes, which) {
  const pairs = sizes.slice(1).map((rows, i) => [rows, sizes[i]]);
  let w = which * pairs.reduce((sum, [r, c]) => sum + r * c, 0), b = which * pairs.reduce((sum, [r]) => sum + r, 0);
  return pairs.map(([rows, columns], i) => {
    const layer = { weight: weights.subarray(w, w + rows * columns), scale: scales[which][i],
      bias: biases.subarray(b, b + rows), activation: i === pairs.length - 1 ? "sigmoid" : "relu" };
    w += rows * columns; b += rows;
    return layer;
  });
}

/** Two pixels of 16 greys a byte, back to values in [0, 1]. */
export function unpackNibbles(bytes) {
  const out = new Float32Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) { out[2 * i] = (bytes[i] >> 4) / 15; out[2 * i + 1] = (bytes[i] & 15) / 15; }
  return out;
}

/** The number of the point (x, y, x, y, …) nearest to z, and its distance. */
export function nearest(points, z) {
  let index = 0, best = Infinity;
  for (let i = 0; 2 * i < points.length; i++) {
    const d = (points[2 * i] - z[0]) ** 2 + (points[2 * i + 1] - z[1]) ** 2;
    if (d < best) { best = d; index = i; }
  }
  return { index, distance: Math.sqrt(best) };
}

/** The point a share t of the way from a to b: of codes or of pixels alike. */
export function interpolate(a, b, t) { return Array.from(a, (v, i) => (1 - t) * v + t * b[i]); }

/** The sum of squared differences of two images. */
export function squaredError(a, b) { let sum = 0; for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2; return sum; }

/** Keep a latent point inside the map, on its grid of 1/100. */
export function clampPoint(z, limit) {
  return Array.from(z, (v) => Math.round(Math.min(limit, Math.max(-limit, v)) * 100) / 100);
}

/** The point a share t of the way from code a to code b, on the map's grid. */
export function walkPoint(a, b, t, limit) { return clampPoint(interpolate(a, b, t), limit); }

/** Whether z stands on the walk at t, up to the grid. */
export function onWalk(z, a, b, t, limit) {
  const at = walkPoint(a, b, t, limit);
  return Math.max(Math.abs(z[0] - at[0]), Math.abs(z[1] - at[1])) < 0.0101;
}

const FRAMES = [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1];

function render({ model, el, signal }) {
  const get = (key) => model.get(key);
  const betas = get("betas"), sizes = get("sizes"), errors = get("errors"), kls = get("kls"), limit = get("limit");
  const labels = uint8(get("labels")), count = labels.length, pixels = sizes[sizes.length - 1], side = Math.round(Math.sqrt(pixels));
  const weights = new Int8Array(uint8(get("weights"))), biases = float32(get("biases")), codes = float32(get("codes"));
  const images = unpackNibbles(uint8(get("images")));
  const models = betas.map((_, i) => ({ layers: unpackLayers(weights, biases, get("scales"), sizes, i), codes: codes.subarray(2 * count * i, 2 * count * (i + 1)) }));
  const KEYS = ["beta", "z", "a", "b", "t", "tiles"];
  const read = () => Object.fromEntries(KEYS.map((k) => [k, k === "z" ? [...get(k)] : get(k)]));
  const first = read(), state = read();
  const image = (i) => images.subarray(pixels * i, pixels * (i + 1));
  const which = () => Math.max(0, betas.indexOf(state.beta));
  const code = (i, m = which()) => [models[m].codes[2 * i], models[m].codes[2 * i + 1]];
  const name = (i) => `${labels[i] === 8 ? "an" : "a"} ${labels[i]}, test digit ${i}`;
  const exemplar = Array.from({ length: 10 }, (_, digit) => labels.indexOf(digit)).filter((i) => i >= 0);

  const box = frame(el, get("title"));
  box.classList.add("lat");
  const base = h("canvas", { class: "lat-base", "aria-hidden": "true" });
  // what moves is drawn as SVG above the canvas: only the little that changed is painted again
  const walkLine = ["lat-halo", "lat-line"].map((c) => h("line", { class: c }));
  const ends = ["A", "B"].map((label) => h("svg", { class: "lat-end" }, h("circle", { r: 10 }), h("text", { y: 4.5 }, label)));
  const nearMark = h("svg", { class: "lat-near" }, ...["lat-halo", "lat-line"].map((c) => h("rect", { class: c, x: -8, y: -8, width: 16, height: 16 })));
  const crossPath = "M-9,0a9,9 0 1,0 18,0a9,9 0 1,0 -18,0M-14,0H14M0,-14V14";
  const cross = h("svg", { class: "lat-cross" }, ...["lat-halo", "lat-line"].map((c) => h("path", { class: c, d: crossPath })));
  const map = h("div", { class: "lat-map", role: "application",
    "aria-label": "map of the latent space: drag the cross, or use the arrow keys, to move z; shift makes bigger steps" },
    h("svg", { "aria-hidden": "true" }, ...walkLine, ...ends, nearMark, cross));
  const picture = () => h("canvas", { width: side, height: side, role: "img" });
  const big = picture(), real = picture(), again = picture();
  const rows = ["latent", "pixel"].map(() => FRAMES.map(picture));
  const caption = { z: h("figcaption"), real: h("figcaption"), again: h("figcaption") };

  const sliders = [0, 1].map((axis) => slider({ label: axis ? "z₂" : "z₁", min: -limit, max: limit, step: 0.01, value: state.z[axis],
    show: (v) => format(v, 2), onchange: (v) => { stop(); update({ z: axis ? [state.z[0], v] : [v, state.z[1]] }); } }));
  const betaSlider = slider({ label: "β", min: 0, max: betas.length - 1, value: which(), show: (i) => short(betas[i], 3),
    onchange: (i) => { stop(); rearrange({ beta: betas[i] }); } });
  const menus = ["a", "b"].map((key) => choice({ label: key === "a" ? "From A" : "to B", value: state[key],
    options: [...exemplar.map((i) => [i, `digit ${labels[i]}`]), [-1, "on the map"]],
    onchange: (i) => { stop(); if (i >= 0) rearrange({ [key]: i }); else syncControls(); } }));
  const picks = ["a", "b"].map((key) => button(`Nearest → ${key.toUpperCase()}`, () => { stop(); rearrange({ [key]: near.index }); },
    { hint: `Nearest → ${key.toUpperCase()}: take the nearest test digit as ${key.toUpperCase()}` }));
  const walking = () => onWalk(state.z, code(state.a), code(state.b), state.t, limit);
  const walk = slider({ label: "t", min: 0, max: 1, step: 0.01, value: state.t, show: (v) => (walking() ? format(v, 2) : "–"), onchange: (t) => { stop(); go(t); } });
  const play = button("Play", () => (timer ? stop() : start()), { pressed: false, primary: true, hint: "Play: walk from A to B" });
  const tiles = checkbox({ label: "show decoded tiles", value: state.tiles, onchange: (v) => update({ tiles: v }) });
  const reset = button("Reset", () => { stop(); update(structuredClone(first)); });
  const text = summary();
  const cells = betas.map(() => ({ row: h("tr"), mark: h("td") }));
  cells.forEach(({ row, mark }, i) => row.append(mark, h("th", { scope: "row" }, short(betas[i], 3)), h("td", {}, format(errors[i], 2)), h("td", {}, format(kls[i], 2))));
  const strip = (canvases, label) => h("div", { class: "lat-strip" }, h("span", {}, label), h("div", { class: "lat-frames" }, canvases));

  box.append(
    h("div", { class: "dlw-row" }, betaSlider.el, tiles.el, reset),
    h("div", { class: "lat-main" },
      h("div", { class: "lat-left" }, h("div", { class: "lat-stack" }, base, map), h("div", { class: "lat-play" }, play, walk.el)),
      h("div", { class: "lat-right" },
        h("div", { class: "lat-pictures" },
          h("figure", { class: "lat-big" }, big, caption.z),
          h("figure", {}, real, caption.real), h("figure", {}, again, caption.again)),
        h("table", { class: "lat-table" }, h("caption", {}, "means over the test digits"),
          h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col" }, "β"), h("th", { scope: "col" }, "error (z = μ)"), h("th", { scope: "col" }, "KL in nats"))),
          h("tbody", {}, cells.map((c) => c.row))))),
    h("div", { class: "lat-z" }, sliders[0].el, sliders[1].el),
    h("div", { class: "lat-walk" }, [0, 1].map((i) => h("div", {}, menus[i].el, picks[i]))),
    strip(rows[0], "straight in latent space"), strip(rows[1], "straight in pixel space"), text.el);

  let near = nearest(models[which()].codes, state.z), timer = null, drawn = {};
  function update(patch) {
    Object.assign(state, patch);
    for (const key of Object.keys(patch)) model.set(key, patch[key]);
    model.save_changes();
    syncControls(); paint();
  }
  const walkAt = (t) => walkPoint(code(state.a), code(state.b), t, limit);
  function go(t) { update({ t, z: walkAt(t) }); }
  // another model or another end: a point on the walk stays on it, any other stays where it is
  function rearrange(patch) {
    const stays = !walking();
    Object.assign(state, patch);
    update(stays ? patch : { ...patch, z: walkAt(state.t) });
  }
  function playing(now) {
    play.textContent = now ? "Pause" : "Play"; play.setAttribute("aria-pressed", String(now));
    setAttribute(play, "aria-label", now ? "Pause the walk from A to B" : "Play: walk from A to B");
  }
  function start() {
    playing(true);
    go(state.t >= 1 || !walking() ? 0 : state.t);
    timer = setInterval(() => { go(Math.min(1, Math.round(100 * state.t + 2) / 100)); if (state.t >= 1) stop(); }, 60);
  }
  function stop() { if (timer) { clearInterval(timer); timer = null; playing(false); } }
  function syncControls() {
    sliders.forEach((s, i) => { if (s.value !== state.z[i]) s.set(state.z[i]); });
    if (betaSlider.value !== which()) betaSlider.set(which());
    walk.set(state.t);
    if (!walking()) walk.input.setAttribute("aria-valuetext", "z is not on the walk");
    turn(tiles, state.tiles);
    menus.forEach((e, i) => { const v = i ? state.b : state.a, shown = exemplar.includes(v) ? v : -1; if (e.value !== shown) e.set(shown); });
  }
  // the base of the map: its size and colours are read when they change, not at every move
  let width = 320, colors = {};
  const css = (key) => getComputedStyle(box).getPropertyValue(key).trim();
  function readTheme() {
    colors = { ink: css("color"), ground: css("background-color"), muted: css("--lat-muted"), rule: css("--lat-rule"),
      digits: Array.from({ length: 10 }, (_, digit) => css(`--lat-${digit}`)) };
  }
  const shade = (canvas, values) => drawGray(canvas, values, side, side);
  const place = (z, width) => [(z[0] / limit + 1) * width / 2, (1 - z[1] / limit) * width / 2];
  function sheet(canvas) {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const size = Math.round(width * ratio);
    if (canvas.width !== size || canvas.height !== size) { canvas.width = size; canvas.height = size; }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0); context.clearRect(0, 0, width, width);
    return context;
  }
  function drawBase() {
    const c = sheet(base), { ink, ground, muted, rule } = colors;
    if (state.tiles) drawTiles(c, width);
    c.strokeStyle = rule; c.lineWidth = 1;
    const step = limit > 10 ? 4 : limit > 3 ? 2 : 1, unit = width / 2 / limit;
    c.beginPath(); c.moveTo(0, width / 2); c.lineTo(width, width / 2); c.moveTo(width / 2, 0); c.lineTo(width / 2, width); c.stroke();
    c.setLineDash([4, 4]); c.strokeStyle = muted;
    for (const radius of [1, 2]) { c.beginPath(); c.arc(width / 2, width / 2, radius * unit, 0, 2 * Math.PI); c.stroke(); }
    c.setLineDash([]);
    c.textAlign = "center"; c.textBaseline = "middle";
    if (!state.tiles) {
      c.font = "bold 12px sans-serif";
      const points = models[which()].codes;
      const inside = (v) => Math.min(width - 7, Math.max(7, v));       // what lies outside stands at the edge
      for (let i = 0; i < count; i++) { c.fillStyle = colors.digits[labels[i]]; c.fillText(String(labels[i]), ...place([points[2 * i], points[2 * i + 1]], width).map(inside)); }
    }
    c.font = "12px sans-serif"; c.lineWidth = 4; c.strokeStyle = ground; c.fillStyle = ink;
    const write = (label, x, y) => { c.strokeText(label, x, y); c.fillText(label, x, y); };
    for (let v = -step * Math.floor((limit - 0.01) / step); v < limit; v += step) {
      if (v === 0) continue;
      const [x, y] = place([v, v], width);
      if (x > 12 && x < width - 26) write(format(v, 0), x, width - 9);
      if (y > 26 && y < width - 12) write(format(v, 0), 12, y);
    }
    write("z₁", width - 12, width - 9); write("z₂", 12, 10);
  }
  function drawTiles(c, width) {
    const n = 13, size = width / n, tile = h("canvas", { width: side, height: side }), layers = models[which()].layers;
    c.imageSmoothingEnabled = false;
    for (let row = 0; row < n; row++) for (let column = 0; column < n; column++) {
      shade(tile, decode(layers, [((2 * column + 1) / n - 1) * limit, (1 - (2 * row + 1) / n) * limit]));
      c.drawImage(tile, column * size, row * size, size, size);
    }
  }
  const percent = (z) => [`${50 + (50 * z[0]) / limit}%`, `${50 - (50 * z[1]) / limit}%`];
  function put(mark, z) { const [x, y] = percent(z); mark.setAttribute("x", x); mark.setAttribute("y", y); }
  function drawWalk() {
    const [a, b] = [code(state.a), code(state.b)], [x1, y1] = percent(a), [x2, y2] = percent(b);
    for (const line of walkLine) for (const [key, v] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(key, v);
    put(ends[0], a); put(ends[1], b);
  }
  function draw() {
    const m = which(), layers = models[m].layers, z = state.z;
    const begin = performance.now(), pixelsNow = decode(layers, z);
    el.dataset.decodeMs = (performance.now() - begin).toFixed(3);
    near = nearest(models[m].codes, z);
    const baseKey = `${m} ${state.tiles} ${width}`, stripKey = `${m} ${state.a} ${state.b}`, nearKey = `${m} ${near.index}`;
    if (drawn.base !== baseKey) { drawn.base = baseKey; drawBase(); }
    put(cross, z);
    shade(big, pixelsNow);
    setText(caption.z, `decoded at z = (${format(z[0], 2)}, ${format(z[1], 2)})`);
    big.setAttribute("aria-label", `the decoder's image at z = (${format(z[0], 2)}, ${format(z[1], 2)})`);
    if (drawn.near !== nearKey) {
      drawn.near = nearKey;
      put(nearMark, code(near.index));
      const x = image(near.index), x2 = decode(layers, code(near.index));
      drawn.error = squaredError(x, x2);
      shade(real, x); shade(again, x2);
      real.setAttribute("aria-label", name(near.index)); again.setAttribute("aria-label", `its reconstruction at β = ${short(state.beta, 3)}`);
      setText(caption.real, `nearest: ${name(near.index)}`); setText(caption.again, `rebuilt, error ${format(drawn.error, 1)}`);
    }
    if (drawn.strip !== stripKey) {
      drawn.strip = stripKey;
      drawWalk();
      FRAMES.forEach((t, i) => {
        shade(rows[0][i], decode(layers, interpolate(code(state.a), code(state.b), t)));
        shade(rows[1][i], interpolate(image(state.a), image(state.b), t));
        for (const [r, way] of ["latent", "pixel"].entries()) rows[r][i].setAttribute("aria-label", `${way} interpolation from ${labels[state.a]} to ${labels[state.b]}, t = ${format(t, 2)}`);
      });
    }
    if (drawn.model !== m) {
      drawn.model = m;
      const far = Array.from({ length: count }, (_, i) => Math.max(...code(i, m).map(Math.abs)) > limit).filter(Boolean).length;
      drawn.outside = far ? ` ${far} of ${count} digits lie outside the map and stand at its edge.` : "";
      cells.forEach(({ row, mark }, i) => { row.classList.toggle("lat-now", i === m); setText(mark, i === m ? "▶" : ""); setAttribute(row, "aria-current", i === m ? "true" : null); });
    }
    text.say(`At β = ${short(state.beta, 3)} and z = (${format(z[0], 2)}, ${format(z[1], 2)}), the nearest test digit is ${name(near.index)}, ${format(near.distance, 2)} away; its reconstruction error is ${format(drawn.error, 1)}. The walk leads from ${name(state.a)}, to ${name(state.b)}.${drawn.outside}`);
  }
  const paint = onPaint(draw);
  draggable(map, { step: 0.01, bigStep: 0.05,
    move: (dx, dy) => { stop(); update({ z: clampPoint([state.z[0] + 2 * dx * limit, state.z[1] - 2 * dy * limit], limit) }); } });
  // A mouse or pen takes the cross at once. A finger scrolls the page, unless it starts on the cross; a tap sends the cross there.
  let grabbed = null, tapped = null;
  const under = ({ clientX, clientY }) => { const r = map.getBoundingClientRect(); return [(2 * (clientX - r.left) / r.width - 1) * limit, (1 - 2 * (clientY - r.top) / r.height) * limit]; };
  const onCross = (event) => { const [x, y] = under(event); return Math.hypot(x - state.z[0], y - state.z[1]) * width / (2 * limit) <= 28; };
  const drag = (event) => { stop(); update({ z: clampPoint(under(event), limit) }); };
  map.addEventListener("touchstart", (event) => { if (event.touches.length === 1 && onCross(event.touches[0])) event.preventDefault(); }, { passive: false });
  map.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" && !onCross(event)) { tapped = { id: event.pointerId, x: event.clientX, y: event.clientY }; return; }
    grabbed = event.pointerId; map.setPointerCapture(grabbed); map.focus({ preventScroll: true }); drag(event); event.preventDefault();
  });
  map.addEventListener("pointermove", (event) => { if (event.pointerId === grabbed) drag(event); });
  map.addEventListener("pointerup", (event) => {
    if (tapped?.id === event.pointerId && Math.hypot(event.clientX - tapped.x, event.clientY - tapped.y) < 10) drag(event);
    grabbed = tapped = null;
  });
  map.addEventListener("pointercancel", () => { grabbed = tapped = null; });
  for (const key of KEYS) model.on(`change:${key}`, () => {
    const value = get(key);
    if (JSON.stringify(value) === JSON.stringify(state[key])) return;
    // t set by Python alone moves the point; set together with z it only says where on the walk that is
    if (key === "t" && JSON.stringify(get("z")) === JSON.stringify(state.z)) { stop(); go(value); return; }
    state[key] = key === "z" ? [...value] : value;
    syncControls(); paint();
  });
  const sizeWatch = new ResizeObserver(() => { width = map.clientWidth || 320; paint(); });
  const themeWatch = new MutationObserver(() => { readTheme(); drawn = {}; paint(); });
  sizeWatch.observe(map);
  themeWatch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  themeWatch.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  signal?.addEventListener?.("abort", () => { stop(); sizeWatch.disconnect(); themeWatch.disconnect(); });
  width = map.clientWidth || 320;
  readTheme(); syncControls(); draw();
}

export default { render };
