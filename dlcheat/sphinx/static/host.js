// The host of the book's widgets on a published page: it gives a widget's front end (an anywidget
// module) the model that Jupyter would give it, without a kernel. From a server and from the disk.
// A widget appears as soon as the browser has read its place, while the rest of the page arrives.
(() => {
  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const FUNCTION = '"use strict";';
  const shared = {}, models = new Map(), modules = new Map(), started = new Map(), styled = new Set();
  const source = (text) => (text?.startsWith("shared:") ? shared[text.slice(7)] : text);

  /** The bytes of a base64 text. */
  function bytes(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const text = atob(base64), out = new Uint8Array(text.length);
    for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i);
    return out;
  }

  /** The part of Backbone's model that a front end uses; what is saved stays in the page. */
  class Model {
    constructor(spec) {
      this.state = { ...spec.state };
      this.listeners = new Map();
      this.widget_manager = { get_model: async (id) => models.get(id.replace("IPY_MODEL_", "")) };
      for (const { path, data } of spec.buffers ?? []) {
        const last = path[path.length - 1], holder = path.slice(0, -1).reduce((o, k) => o[k], this.state);
        holder[last] = new DataView(bytes(data).buffer);
      }
    }
    get(name) { return this.state[name]; }
    set(name, value) {
      const changed = Object.entries(typeof name === "string" ? { [name]: value } : name)
        .filter(([key, v]) => this.state[key] !== v);
      for (const [key, v] of changed) this.state[key] = v;
      for (const [key, v] of changed) this.trigger("change:" + key, this, v);
      if (changed.length) this.trigger("change", this);
    }
    save_changes() {}
    send() {}
    trigger(name, ...values) { for (const f of [...(this.listeners.get(name) ?? [])]) f(...values); }
    on(names, f) {
      for (const name of names.split(/\s+/)) this.listeners.set(name, (this.listeners.get(name) ?? new Set()).add(f));
    }
    off(names, f) {
      if (!names) this.listeners.clear();
      else for (const name of names.split(/\s+/)) f ? this.listeners.get(name)?.delete(f) : this.listeners.delete(name);
    }
  }

  /** A front end, evaluated once: at once where the build made a function of it, else imported. */
  function load(key) {
    const text = source(key);
    if (!modules.has(key)) modules.set(key, text.startsWith(FUNCTION) ? new Function(text)() : (async () => {
      // a Blob's address works from the disk too
      const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
      try {
        const module = await import(address), widget = module.default ?? module;
        return typeof widget === "function" ? await widget() : widget;
      } finally { URL.revokeObjectURL(address); }
    })());
    return modules.get(key);
  }

  async function show(model, el) {
    const css = model.get("_css"), signal = new AbortController().signal;
    if (css && !styled.has(css)) {
      styled.add(css);
      document.head.append(Object.assign(document.createElement("style"), { textContent: source(css) }));
    }
    const loaded = load(model.get("_esm")), widget = loaded instanceof Promise ? await loaded : loaded;
    if (!started.has(model)) started.set(model, widget.initialize?.({ model, signal }));
    const starting = started.get(model);
    if (starting) await starting;
    const drawing = widget.render?.({ model, el, signal });
    performance.mark("widget");
    await drawing;
  }

  /** Take in the models of a page, and what links two of them (jslink, jsdlink). */
  function readState(tag) {
    const data = JSON.parse(tag.textContent);
    Object.assign(shared, data.shared);
    for (const [id, spec] of Object.entries(data.state)) models.set(id, new Model(spec));
    for (const model of models.values()) {
      const kind = model.get("_model_name");
      if (kind !== "LinkModel" && kind !== "DirectionalLinkModel") continue;
      const [[from, a], [to, b]] = [model.get("source"), model.get("target")]
        .map(([id, name]) => [models.get(id.replace("IPY_MODEL_", "")), name]);
      const forward = () => to.set(b, from.get(a));
      from.on("change:" + a, forward);
      forward();
      if (kind === "LinkModel") to.on("change:" + b, () => from.set(a, to.get(b)));
    }
  }

  let ready = null;      // the first widget is drawn before the second starts, and so on
  function showView(tag) {
    const model = models.get(JSON.parse(tag.textContent).model_id);
    if (model?.get("_model_module") !== "anywidget") return;
    const el = document.createElement("div");
    tag.before(el);
    const start = () => show(model, el).catch((error) => {
      console.error(error);
      el.textContent = "This widget could not be shown: " + error.message;
    });
    if (ready) ready = ready.then(start).then(() => new Promise((done) => setTimeout(done)));
    else {
      start();
      ready = new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    }
  }

  /** Read the tags that are whole: the page goes on behind them. */
  const seen = new Set();
  function readTags() {
    const whole = (tag) => document.readyState !== "loading" || tag.nextSibling || tag.parentNode.nextSibling;
    for (const tag of document.querySelectorAll(`${STATE}, ${VIEW}`)) {
      if (seen.has(tag)) continue;
      if (!whole(tag)) return;
      seen.add(tag);
      (tag.matches(STATE) ? readState : showView)(tag);
    }
  }

  window.showWidgets = readTags;         // called behind each widget's tag, while the page arrives
  document.addEventListener("readystatechange", readTags, { once: true });
  readTags();
})();
