// explore(): sliders over a function. With a kernel Python calls it; without, the page plays frames.

/** The number of the frame at a position, controls in order, the last one fastest. */
export function frameNumber(at, sizes) { return at.reduce((n, i, k) => n * sizes[k] + i, 0); }

/** The frames that the build stored: deflated JSON. */
export async function unpack(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

export default {
  async render({ model, el }) {
    const controls = model.get("controls"), sizes = controls.map((c) => c.texts.length);
    const first = [...model.get("choice")];
    const box = frame(el, model.get("title"));
    const stage = h("div", { class: "explore-stage", "aria-live": "polite" });
    const drawn = new Map();        // frames that were shown: their elements, to be shown again
    let stored = null, shown = null;
    const views = controls.map((control, k) => {
      const move = (i) => { const at = [...model.get("choice")]; at[k] = i; go(at); };
      if (control.kind === "switch") {
        const view = checkbox({ label: control.label, value: control.texts[first[k]] === "True",
          onchange: (on) => move(control.texts.indexOf(on ? "True" : "False")) });
        return { el: view.el, set: (i) => view.set(control.texts[i] === "True") };
      }
      if (control.kind === "choice") return choice({ label: control.label, options: control.texts.map((t, i) => [i, t]), value: first[k], onchange: move });
      return slider({ label: control.label, min: 0, max: sizes[k] - 1, value: first[k], show: (i) => control.texts[i], onchange: move });
    });
    const reset = button("Reset", () => go([...first]));
    box.append(h("div", { class: "dlw-row" }, views.map((v) => v.el), reset), stage);

    function go(at) {
      model.set("choice", at);
      model.save_changes();          // a kernel, where there is one, answers with `current`
      draw();
    }
    function draw() {
      const at = model.get("choice"), current = model.get("current");
      views.forEach((v, k) => v.set(at[k]));
      const html = stored ? stored.frames[stored.index[frameNumber(at, sizes)]]
        : String(current.at) === String(at) ? current.html : null;
      stage.classList.toggle("explore-waiting", html === null);
      if (html === null || html === shown) return;
      if (!drawn.has(html)) drawn.set(html, [...document.createRange().createContextualFragment(html).childNodes]);
      stage.replaceChildren(...drawn.get(html));
      shown = html;
    }
    model.on("change:choice", draw);
    model.on("change:current", draw);
    draw();
    if (model.get("frames").byteLength > 0) { stored = await unpack(model.get("frames")); draw(); }
  },
};
