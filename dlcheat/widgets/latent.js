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

const FRAMES = [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1];

function render({ model, el, signal }) {
  const get = (key) => model.get(key);
  const betas = get("betas"), sizes = get("sizes"), errors = get("errors"), kls = get("kls"), limits = get("limits");
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
  const map = h("canvas", { class: "lat-map", role: "application",
    "aria-label": "map of the latent space: drag, or use the arrow keys, to move z; shift makes bigger steps" });
  const picture = () => h("canvas", { width: side, height: side, role: "img" });
  const big = picture(), real = picture(), again = picture();
  const rows = ["latent", "pixel"].map(() => FRAMES.map(picture));
  const caption = { z: h("figcaption"), real: h("figcaption"), again: h("figcaption") };

  const sliders = [0, 1].map((axis) => slider({ label: axis ? "z₂" : "z₁", min: -limits[which()], max: limits[which()], step: 0.01, value: state.z[axis],
    show: (v) => format(v, 2), onchange: (v) => { stop(); update({ z: axis ? [state.z[0], v] : [v, state.z[1]] }); } }));
  const betaSlider = slider({ label: "β", min: 0, max: betas.length - 1, value: which(), show: (i) => short(betas[i], 3),
    onchange: (i) => { stop(); update({ beta: betas[i], z: clampPoint(state.z, limits[i]) }); } });
  const ends = ["a", "b"].map((key) => choice({ label: key === "a" ? "From A" : "to B", value: state[key],
    options: [...exemplar.map((i) => [i, `digit ${labels[i]}`]), [-1, "picked on the map"]],
    onchange: (i) => { stop(); if (i >= 0) update({ [key]: i }); else syncControls(); } }));
  const picks = ["a", "b"].map((key) => button(`Nearest → ${key.toUpperCase()}`, () => { stop(); update({ [key]: near.index }); },
    { hint: `take the nearest test digit as ${key.toUpperCase()}` }));
  const walk = slider({ label: "t", min: 0, max: 1, step: 0.01, value: state.t, show: (v) => format(v, 2), onchange: (t) => { stop(); go(t); } });
  const play = button("Play", () => (timer ? stop() : start()), { pressed: false, primary: true, hint: "walk from A to B" });
  const tiles = checkbox({ label: "show what is decoded everywhere", value: state.tiles, onchange: (v) => update({ tiles: v }) });
  const reset = button("Reset", () => { stop(); update(structuredClone(first)); });
  const text = summary();
  const cells = betas.map(() => ({ row: h("tr"), mark: h("td") }));
  cells.forEach(({ row, mark }, i) => row.append(mark, h("th", { scope: "row" }, short(betas[i], 3)), h("td", {}, format(errors[i], 2)), h("td", {}, format(kls[i], 2))));
  const strip = (canvases, label) => h("div", { class: "lat-strip" }, h("span", {}, label), h("div", { class: "lat-frames" }, canvases));

  box.append(
    h("div", { class: "dlw-row" }, betaSlider.el, tiles.el, reset),
    h("div", { class: "lat-main" },
      h("div", { class: "lat-left" }, h("div", { class: "lat-stack" }, base, map), h("div", { class: "lat-z" }, sliders[0].el, sliders[1].el)),
      h("div", { class: "lat-right" },
        h("div", { class: "lat-pictures" },
          h("figure", { class: "lat-big" }, big, caption.z),
          h("figure", {}, real, caption.real), h("figure", {}, again, caption.again)),
        h("table", { class: "lat-table" }, h("caption", {}, "means over the test digits"),
          h("thead", {}, h("tr", {}, h("td"), h("th", { scope: "col" }, "β"), h("th", { scope: "col" }, "‖x − x′‖²"), h("th", { scope: "col" }, "KL in nats"))),
          h("tbody", {}, cells.map((c) => c.row))))),
    h("div", { class: "dlw-row lat-walk" }, ends[0].el, picks[0], ends[1].el, picks[1]),
    h("div", { class: "dlw-row" }, play, walk.el),
    strip(rows[0], "straight in latent space"), strip(rows[1], "straight in pixel space"), text.el);

  let near = nearest(models[which()].codes, state.z), timer = null, drawn = {};
  function update(patch) {
    Object.assign(state, patch);
    for (const key of Object.keys(patch)) model.set(key, patch[key]);
    model.save_changes();
    syncControls(); paint();
  }
  function go(t) { update({ t, z: clampPoint(interpolate(code(state.a), code(state.b), t), limits[which()]) }); }
  function start() {
    play.textContent = "Pause"; play.setAttribute("aria-pressed", "true");
    go(state.t >= 1 ? 0 : state.t);
    timer = setInterval(() => { go(Math.min(1, Math.round(100 * state.t + 2) / 100)); if (state.t >= 1) stop(); }, 60);
  }
  function stop() { if (timer) clearInterval(timer); timer = null; play.textContent = "Play"; play.setAttribute("aria-pressed", "false"); }
  function syncControls() {
    const limit = limits[which()];
    sliders.forEach((s, i) => { s.setRange(-limit, limit); s.set(state.z[i]); });
    betaSlider.set(which()); walk.set(state.t); tiles.input.checked = state.tiles;
    ends.forEach((e, i) => { const v = i ? state.b : state.a; e.set(exemplar.includes(v) ? v : -1); });
  }
  // the two layers of the map: points that stay, and marks that move
  // (the size and the colours are read when they change, not at every move: reading them costs a layout)
  let width = 320, colors = {};
  const css = (key) => getComputedStyle(box).getPropertyValue(key).trim();
  function readTheme() {
    colors = { ink: css("color"), ground: css("background-color"), mark: css("--lat-mark"), muted: css("--lat-muted"), rule: css("--lat-rule"),
      digits: Array.from({ length: 10 }, (_, digit) => css(`--lat-${digit}`)) };
  }
  // a grey image: as drawGray of common.js does, with the pixels kept between two moves
  const sheets = new Map();
  function shade(canvas, values) {
    if (!sheets.has(canvas)) {
      const context = canvas.getContext("2d"), data = context.createImageData(side, side);
      sheets.set(canvas, { context, data, words: new Uint32Array(data.data.buffer) });
    }
    const { context, data, words } = sheets.get(canvas);
    for (let i = 0; i < pixels; i++) words[i] = 0xff000000 | (Math.round(255 * Math.min(1, Math.max(0, values[i]))) * 0x010101);
    context.putImageData(data, 0, 0);
  }
  const place = (z, width) => { const limit = limits[which()]; return [(z[0] / limit + 1) * width / 2, (1 - z[1] / limit) * width / 2]; };
  function sheet(canvas) {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (canvas.width !== Math.round(width * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = canvas.width; }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0); context.clearRect(0, 0, width, width);
    return context;
  }
  function drawBase() {
    const c = sheet(base), limit = limits[which()], { ink, ground, muted, rule } = colors;
    if (state.tiles) drawTiles(c, width, limit);
    c.strokeStyle = rule; c.lineWidth = 1;
    const step = limit > 6 ? 4 : limit > 3 ? 2 : 1, unit = width / 2 / limit;
    c.beginPath(); c.moveTo(0, width / 2); c.lineTo(width, width / 2); c.moveTo(width / 2, 0); c.lineTo(width / 2, width); c.stroke();
    c.setLineDash([4, 4]); c.strokeStyle = muted;
    for (const radius of [1, 2]) { c.beginPath(); c.arc(width / 2, width / 2, radius * unit, 0, 2 * Math.PI); c.stroke(); }
    c.setLineDash([]);
    c.textAlign = "center"; c.textBaseline = "middle";
    if (!state.tiles) {
      c.font = "bold 12px sans-serif";
      const points = models[which()].codes;
      for (let i = 0; i < count; i++) { c.fillStyle = colors.digits[labels[i]]; c.fillText(String(labels[i]), ...place([points[2 * i], points[2 * i + 1]], width)); }
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
  function drawTiles(c, width, limit) {
    const n = 13, size = width / n, tile = h("canvas", { width: side, height: side }), layers = models[which()].layers;
    c.imageSmoothingEnabled = false;
    for (let row = 0; row < n; row++) for (let column = 0; column < n; column++) {
      shade(tile, decode(layers, [((2 * column + 1) / n - 1) * limit, (1 - (2 * row + 1) / n) * limit]));
      c.drawImage(tile, column * size, row * size, size, size);
    }
    sheets.delete(tile);
  }
  function drawMarks() {
    const c = sheet(map), { mark, ground, ink } = colors;
    const pen = (color, thick) => { c.strokeStyle = color; c.lineWidth = thick; c.stroke(); };
    const [ax, ay] = place(code(state.a), width), [bx, by] = place(code(state.b), width);
    c.beginPath(); c.moveTo(ax, ay); c.lineTo(bx, by); pen(ground, 5); pen(ink, 2);
    c.textAlign = "center"; c.textBaseline = "middle"; c.font = "bold 13px sans-serif";
    for (const [label, x, y] of [["A", ax, ay], ["B", bx, by]]) {
      c.beginPath(); c.arc(x, y, 10, 0, 2 * Math.PI); c.fillStyle = ink; c.fill(); pen(ground, 2);
      c.fillStyle = ground; c.fillText(label, x, y + 0.5);
    }
    const [nx, ny] = place(code(near.index), width);
    c.beginPath(); c.rect(nx - 8, ny - 8, 16, 16); pen(ground, 4); pen(ink, 2);
    const [x, y] = place(state.z, width);
    c.beginPath(); c.arc(x, y, 9, 0, 2 * Math.PI); c.moveTo(x - 14, y); c.lineTo(x + 14, y); c.moveTo(x, y - 14); c.lineTo(x, y + 14);
    pen(ground, 6); pen(mark, 3);
  }
  function draw() {
    const m = which(), layers = models[m].layers, z = state.z;
    const begin = performance.now(), pixelsNow = decode(layers, z);
    el.dataset.decodeMs = (performance.now() - begin).toFixed(3);
    near = nearest(models[m].codes, z);
    const baseKey = `${m} ${state.tiles} ${width}`, stripKey = `${m} ${state.a} ${state.b}`, nearKey = `${m} ${near.index}`;
    if (drawn.base !== baseKey) { drawn.base = baseKey; drawBase(); }
    drawMarks();
    shade(big, pixelsNow);
    caption.z.textContent = `decoded at z = (${format(z[0], 2)}, ${format(z[1], 2)})`;
    big.setAttribute("aria-label", `the decoder's image at z = (${format(z[0], 2)}, ${format(z[1], 2)})`);
    if (drawn.near !== nearKey) {
      drawn.near = nearKey;
      const x = image(near.index), x2 = decode(layers, code(near.index));
      drawn.error = squaredError(x, x2);
      shade(real, x); shade(again, x2);
      real.setAttribute("aria-label", name(near.index)); again.setAttribute("aria-label", `its reconstruction at β = ${short(state.beta, 3)}`);
      caption.real.textContent = `nearest: ${name(near.index)}`; caption.again.textContent = `reconstructed, error ${format(drawn.error, 1)}`;
    }
    if (drawn.strip !== stripKey) {
      drawn.strip = stripKey;
      FRAMES.forEach((t, i) => {
        shade(rows[0][i], decode(layers, interpolate(code(state.a), code(state.b), t)));
        shade(rows[1][i], interpolate(image(state.a), image(state.b), t));
        for (const [r, way] of ["latent", "pixel"].entries()) rows[r][i].setAttribute("aria-label", `${way} interpolation from ${labels[state.a]} to ${labels[state.b]}, t = ${format(t, 2)}`);
      });
    }
    if (drawn.model !== m) {
      drawn.model = m;
      cells.forEach(({ row, mark }, i) => { row.classList.toggle("lat-now", i === m); mark.textContent = i === m ? "▶" : ""; setAttribute(row, "aria-current", i === m ? "true" : null); });
    }
    text.say(`At β = ${short(state.beta, 3)} and z = (${format(z[0], 2)}, ${format(z[1], 2)}), the nearest test digit is ${name(near.index)}, ${format(near.distance, 2)} away; its reconstruction error is ${format(drawn.error, 1)}. The walk leads from ${name(state.a)}, to ${name(state.b)}.`);
  }
  const paint = onPaint(draw);
  draggable(map, { step: 0.01, bigStep: 0.05,
    move: (dx, dy) => { stop(); const limit = limits[which()]; update({ z: clampPoint([state.z[0] + 2 * dx * limit, state.z[1] - 2 * dy * limit], limit) }); },
    place: (x, y) => { stop(); const limit = limits[which()]; update({ z: clampPoint([(2 * x - 1) * limit, (1 - 2 * y) * limit], limit) }); } });
  for (const key of KEYS) model.on(`change:${key}`, () => {
    const value = get(key);
    if (JSON.stringify(value) === JSON.stringify(state[key])) return;
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
