"""Signal and gradient through depth in Chromium: the network is Python's, by mouse, keyboard and menus."""

import math
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dlcheat.widgets.activation_functions import ACTIVATIONS
from dlcheat.widgets.signal import (
    BATCH,
    INITS,
    MOST,
    WIDTH,
    Signal,
    first_weights,
    fitted_gain,
    propagate,
)
from tests.browser.widgets import (
    at_once,
    nameless_controls,
    settle,
    small_controls,
    text_sizes,
    texts_outside,
)

CHAPTER = "03-activations"
#: The state in which the chapter shows it.
FIRST = {"activation": "tanh", "init": "xavier", "depth": 50}
NAMES = {"small": "too small", "torch": "nn.Linear's own", "lecun": "LeCun", "xavier": "Xavier",
         "he": "He", "tanh": "Xavier for tanh", "fitted": "fitted to φ", "large": "too large",
         "own": "your own"}
POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
NUMBER = r"(∞|−?[\d.]+(?:\s·\s10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"
SAID = re.compile(rf"^(\d+) layers of (.+), gain ([\d.]+) \((.+)\)\. Forward, the standard deviation goes "
                  rf"from {NUMBER} to {NUMBER}\. There .+\. Backward, it goes from {NUMBER} to {NUMBER}: "
                  r"(.+)\. Flat in layer \d+: ([\d.]+) % of the slopes, ([\d.]+) % of the units for every "
                  r"input\.$")


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".sg")


@pytest.fixture
def module(page, js):
    return js(page, "activation_functions", "signal")


def number(text):
    value, _, power = text.replace("−", "-").replace("\xa0", " ").partition(" · 10")
    return float(value) * 10.0 ** int(power.translate(POWERS) or 0)


def done(widget):
    """Wait until the network of the shown state is drawn: it may take more than one frame."""
    settle(widget.page)
    expect(widget).not_to_have_attribute("aria-busy", "true")
    settle(widget.page)


def near(value, rel=0.051):                                # two digits are shown
    return pytest.approx(float(value), rel=rel, abs=1e-300)


def expect_python(widget, **state):
    """Summary and table are what Python computes in the same state."""
    python = Signal(**FIRST | state)
    done(widget)
    text = widget.locator(".dlw-summary").inner_text()
    found = SAID.match(text)
    assert found, text
    flow = python.look()
    assert found[4] == NAMES[python.init]
    assert int(found[1]) == python.depth and float(found[3]) == pytest.approx(python.used_gain(), abs=0.006)
    ends = flow.forward[0], flow.forward[-1], flow.backward[-1], flow.backward[0]
    for got, value in zip(found.groups()[4:8], ends, strict=True):
        assert number(got) == near(value)
    for got, value in zip(found.groups()[9:], (flow.flat[-1], flow.dead[-1]), strict=True):
        assert float(got) == pytest.approx(100 * float(value), abs=0.51)
    layer = min(python.layer, python.depth)
    head, *cells = widget.locator(".sg-table").evaluate(
        "(t) => [t.querySelector('thead th'), ...t.querySelectorAll('td:last-child')]"
        ".filter((c) => c.closest('tbody') || c.tagName === 'TH').map((c) => c.textContent)")
    assert head == (f"layer {layer}" if layer else "input")
    for got, values in zip(cells, (flow.forward, flow.spread, flow.backward), strict=False):
        assert number(got) == near(values[layer])
    if layer:
        for got, values in zip(cells[3:], (flow.flat, flow.dead), strict=True):
            assert float(got.removesuffix(" %")) == pytest.approx(100 * float(values[layer]), abs=0.51)
    else:
        assert cells[3:] == ["–", "–"]
    return flow


def menu(widget, label):
    return widget.get_by_label(label, exact=True)


def slider(widget, label):
    return widget.get_by_role("slider", name=label, exact=True)


# ---- the same numbers

def test_networks_are_pythons(module):
    """Every activation, random gains, depths and seeds: all values, slopes and gradients."""
    generator, calls = np.random.default_rng(0), []
    for activation in ACTIVATIONS:
        for _ in range(4):
            # steeper networks are chaos, in which rounding grows with every layer
            calls.append([activation, float(generator.uniform(0.2, 1.5)), int(generator.integers(1, 13)),
                          int(generator.integers(1, 1000))])
    for start in range(0, len(calls), 23):
        part = calls[start:start + 23]
        for call, got in zip(part, module.call("propagate", part), strict=True):
            if call[0] == "step":
                continue                                         # below, layer by layer
            for name, value in propagate(*call)._asdict().items():
                scale = max(float(value.abs().max()), 1e-300)
                mine = np.reshape(got[name], value.shape) / scale
                # torch's softplus is a straight line from 20 on: 2e-9 of a difference
                np.testing.assert_allclose(mine, value / scale, atol=1e-8, err_msg=f"{call} {name}")


def test_a_layer_of_steps_is_pythons(module):
    """A step makes a difference of rounding whole, so that only one layer is compared."""
    calls = [["step", 1.0, 1, seed] for seed in range(1, 9)]
    for call, got in zip(calls, module.call("propagate", calls), strict=True):
        for name, value in propagate(*call)._asdict().items():
            np.testing.assert_allclose(np.reshape(got[name], value.shape), value, atol=1e-12)


@pytest.mark.parametrize(("activation", "gain"), [
    ("tanh", 1.0), ("relu", math.sqrt(2)), ("selu", 1.0), ("sigmoid", 1.0), ("tanh", 2.5), ("relu", 4.0),
    ("gelu", 0.1)])
def test_fifty_layers_are_pythons(module, activation, gain):
    got, = module.call("propagate", [[activation, gain, MOST, 5]])
    got = {name: np.array(got[name], float) for name in ("forward", "spread", "backward", "flat", "dead")}
    flow = propagate(activation, gain, MOST, 5)
    np.testing.assert_allclose(got["forward"], flow.forward, rtol=1e-6)
    np.testing.assert_allclose(got["backward"], flow.backward, rtol=1e-4)
    np.testing.assert_allclose(got["spread"], flow.spread, rtol=1e-6, atol=1e-14)
    np.testing.assert_allclose(got["flat"], flow.flat, atol=1e-3)
    np.testing.assert_allclose(got["dead"], flow.dead, atol=1e-2)


def test_gains_and_sizes_are_pythons(page, module):
    assert page.evaluate("[tested.WIDTH, tested.BATCH, tested.MOST]") == [WIDTH, BATCH, MOST]
    np.testing.assert_allclose(module.call("fittedGain", [[a] for a in ACTIVATIONS]),
                               [fitted_gain(a) for a in ACTIVATIONS], rtol=1e-8)
    assert page.evaluate("Object.keys(tested.INITS)") == list(INITS)
    calls = [[{"activation": a, "init": i, "gain": 0.7}] for a in ("tanh", "gelu") for i in INITS]
    expected = [Signal(c[0]["activation"], init=c[0]["init"], gain=0.7).used_gain() for c in calls]
    np.testing.assert_allclose(module.call("usedGain", calls), expected, rtol=1e-8)


def test_weights_are_pythons(page, module):
    for seed, layer in ((1, 1), (7, 50), (999, 13)):
        W, T = page.evaluate("([s, l]) => tested.numbersOf(s).layer(l).map((w) => Array.from(w))",
                             [seed, layer])
        expected = first_weights(seed, layer)
        np.testing.assert_allclose(np.reshape(W, (64, 64)), expected, atol=1e-14)
        np.testing.assert_allclose(np.reshape(T, (64, 64)), expected.T, atol=1e-14)


def test_shares_and_deviations(module):
    generator = np.random.default_rng(3)
    calls = [(generator.normal(size=(BATCH, WIDTH)) * 10.0 ** k).ravel() for k in range(-3, 3)]
    lists = [[c.tolist()] for c in calls]
    np.testing.assert_allclose(module.call("deviation", lists), [c.std() for c in calls], rtol=1e-12)
    np.testing.assert_allclose(module.call("spreadOf", lists), [
        math.sqrt(c.reshape(BATCH, WIDTH).var(0).mean()) for c in calls], rtol=1e-12)
    slopes = [np.where(generator.random((BATCH, WIDTH)) < p, 0.0, -0.5) for p in (0, 0.5, 0.95, 1)]
    for got, s in zip(module.call("flatShares", [[s.ravel().tolist()] for s in slopes]), slopes, strict=True):
        assert got == [(s == 0).mean(), (s == 0).all(0).mean()]


def test_histograms_count_everything(module):
    generator = np.random.default_rng(4)
    for scale in (1e-9, 0.3, 1, 700):
        values = generator.normal(size=1024) * scale
        got, = module.call("histogram", [[values.tolist()]])
        edge = got["edge"]
        assert np.abs(values).max() <= edge <= 2.6 * np.abs(values).max()
        assert sum(got["counts"]) == 1024
        counts, _ = np.histogram(values, bins=41, range=(-edge, edge))
        assert np.abs(np.array(got["counts"]) - counts).sum() <= 2       # a value may lie on an edge
    got, = module.call("histogram", [[[0.0] * 1024]])
    assert got["edge"] == 1 and got["counts"][20] == 1024


def test_small_helpers(module):
    assert module.call("decades", [[[1, 0.2, 3]], [[1, 1e-7, 0]], [[1, 1e12, 1e-3]]]) == [
        {"low": -1, "high": 1, "ticks": [-1, 0, 1]},
        {"low": -8, "high": 1, "ticks": [-8, -6, -4, -2, 0]},
        {"low": -4, "high": 16, "ticks": [-4, 0, 4, 8, 12, 16]}]
    assert module.call("percent", [[0], [0.004], [0.5], [1]]) == ["0 %", "0.4 %", "50 %", "100 %"]
    assert module.call("edgeText", [[-1], [0.05], [2e-7], [-1000], [5e9]]) == [
        "−1", "0.05", "2\xa0·\xa010⁻⁷", "−1000", "5\xa0·\xa010⁹"]


# ---- on the page

def test_first_state_is_pythons(widget):
    flow = expect_python(widget)
    d = widget.locator(".sg-lines .sg-curve.sg-backward").get_attribute("d")
    points = [tuple(map(float, p.split(","))) for p in re.findall(r"[ML]([^ML]+)", d)]
    assert len(points) == len(flow.backward)
    xs, ys = zip(*points, strict=True)
    np.testing.assert_allclose(xs, np.linspace(46, 288, len(xs)), atol=0.06)
    logs = np.log10(flow.backward.numpy())                       # a straight line leads to the pixels
    np.testing.assert_allclose(ys, np.polyval(np.polyfit(logs, ys, 1), logs), atol=0.2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(widget, activation):
    menu(widget, "Activation φ").select_option(activation)
    if activation == "step":
        done(widget)
        expect(widget.locator(".dlw-summary")).to_contain_text("to 0: no gradient comes back at all.")
    else:
        expect_python(widget, activation=activation)
    drawn = widget.locator(".sg-main path").evaluate_all("all => all.map((e) => e.getAttribute('d')).join()")
    assert "NaN" not in drawn and "Infinity" not in drawn


@pytest.mark.parametrize("init", [name for name in INITS if name != "own"])
def test_every_initialisation(widget, init):
    menu(widget, "Activation φ").select_option("relu")
    menu(widget, "First weights").select_option(init)
    expect_python(widget, activation="relu", init=init)
    gain = Signal("relu", init=init).used_gain()
    assert float(slider(widget, "Gain g").input_value()) == pytest.approx(gain, abs=0.006)
    menu(widget, "First weights").select_option("own")           # begins at the gain that was
    expect_python(widget, activation="relu", init="own", gain=round(gain, 2))


def test_every_slider(widget):
    slider(widget, "Gain g").press("ArrowRight")
    expect_python(widget, init="own", gain=1.01)
    assert menu(widget, "First weights").input_value() == "own"
    slider(widget, "Layers").press("Home")
    expect_python(widget, init="own", gain=1.01, depth=2)        # the tenth layer is gone: the last
    slider(widget, "Layers").fill("23")
    expect_python(widget, init="own", gain=1.01, depth=23)
    slider(widget, "Look at layer").press("End")
    expect_python(widget, init="own", gain=1.01, depth=23, layer=23)
    slider(widget, "Look at layer").press("Home")
    expect_python(widget, init="own", gain=1.01, depth=23, layer=0)
    expect(slider(widget, "Look at layer")).to_have_attribute("aria-valuetext", "input")
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget)


def test_new_weights(widget):
    widget.get_by_role("button", name="New weights").click()
    expect_python(widget, seed=2)
    widget.get_by_role("button", name="New weights").click()
    expect_python(widget, seed=3)


def test_a_slider_that_is_dragged_ends_at_its_value(widget):
    """Inputs come faster than networks can be computed: the last one counts."""
    slider(widget, "Layers").press("End")
    slider(widget, "Gain g").evaluate("""async (e) => { for (let i = 0; i <= 40; i++) {
        e.value = String(1 + i / 20); e.dispatchEvent(new Event('input', { bubbles: true }));
        if (i % 3 === 0) await new Promise((r) => requestAnimationFrame(r)); } }""")
    expect_python(widget, init="own", gain=3.0, depth=50)


@pytest.mark.parametrize("picture", [".sg-lines", ".sg-shares"])
def test_the_pointer_chooses_the_layer(widget, picture):
    svg = widget.locator(picture)
    svg.scroll_into_view_if_needed()
    box, mouse = svg.bounding_box(), widget.page.mouse
    low, wide = box["x"] + box["width"] * 46 / 300, box["width"] * 242 / 300
    middle = box["y"] + box["height"] / 2
    mouse.move(low + wide * 20 / 50, middle)
    mouse.down()
    expect_python(widget, layer=20)
    mouse.move(low + wide * 25.2 / 50, middle)
    expect_python(widget, layer=25)
    mouse.move(low + wide + 80, middle)                          # beyond the picture: the last layer
    mouse.up()
    expect_python(widget, layer=50)


@pytest.mark.parametrize("show", ["activation", "preactivation", "gradient"])
def test_the_histogram(widget, show):
    menu(widget, "Histogram of").select_option(show)
    slider(widget, "Look at layer").fill("3")
    flow = expect_python(widget, layer=3, show=show)
    values = {"activation": flow.activations[3], "preactivation": flow.preactivations[2],
              "gradient": flow.gradients[3]}[show].flatten()
    label = widget.locator(".sg-bars").get_attribute("aria-label")
    assert number(re.search(rf"standard deviation {NUMBER}", label)[1]) == near(values.std(correction=0))
    bars = re.findall(r"M([\d.]+),190V([\d.]+)", widget.locator(".sg-columns").get_attribute("d"))
    edge = next(e for e in (0.1, 0.2, 0.5, 1, 2, 5, 10) if e >= values.abs().max())
    counts = torch.histc(values, 41, -edge, edge)
    heights = torch.zeros(41, dtype=torch.float64)
    for x, y in bars:
        heights[round((float(x) - 46) / (242 / 41))] = 190 - float(y)
    torch.testing.assert_close(heights / heights.max(), counts / counts.max(), atol=0.02, rtol=0)
    slider(widget, "Look at layer").press("Home")                # the input has no pre-activation
    done(widget)
    expect(widget.locator("figcaption")).to_contain_text(
        "gradients ∂L/∂h of the input" if show == "gradient" else "activations h of the input")


def test_a_bar_that_towers_is_cut(widget):
    menu(widget, "Activation φ").select_option("relu")
    flow = expect_python(widget, activation="relu")
    share = (flow.activations[10] == 0).double().mean().item()
    expect(widget.locator("figcaption")).to_contain_text("The fullest bar is cut.")
    said = float(widget.locator(".sg-peak").text_content().removesuffix(" %"))
    assert share * 100 - 1 <= said <= share * 100 + 10           # the bar holds a few small ones, too


def test_words(widget):
    summary, activation, init = (widget.locator(".dlw-summary"), menu(widget, "Activation φ"),
                                 menu(widget, "First weights"))
    activation.select_option("sigmoid")
    done(widget)
    expect(summary).to_contain_text("There all inputs look alike.")
    expect(summary).to_contain_text("the gradient vanishes")
    activation.select_option("tanh")
    init.select_option("large")
    done(widget)
    expect(summary).to_contain_text("There the inputs still differ.")
    expect(summary).to_contain_text("gain 2.50 (too large)")
    expect(summary).to_contain_text("the gradient explodes")
    activation.select_option("relu")
    init.select_option("he")
    slider(widget, "Layers").fill("50")
    done(widget)
    expect(summary).to_contain_text("There the inputs have grown alike.")


def test_lines_differ_without_colour(widget):
    styles = widget.locator(".sg-lines .sg-curve").evaluate_all(
        "all => all.map((e) => getComputedStyle(e).strokeDasharray)")
    assert len(set(styles)) == 3


def test_the_height_does_not_change(widget):
    heights = set()
    for activation, gain, layers in (("tanh", "1", "30"), ("sigmoid", "0.2", "50"), ("relu", "3.5", "50"),
                                     ("logsigmoid", "0.57", "7")):
        menu(widget, "Activation φ").select_option(activation)
        slider(widget, "Gain g").fill(gain)
        slider(widget, "Layers").fill(layers)
        done(widget)
        heights.add(round(widget.bounding_box()["height"]))
    assert max(heights) - min(heights) <= 1, heights


def test_touch_targets_and_names(widget):
    assert small_controls(widget, 43.5) == []
    assert nameless_controls(widget) == 0


@pytest.mark.paint
@pytest.mark.parametrize(("activation", "field", "values"), [
    ("tanh", 0, "0.5 + (i % 50) / 25"), ("gelu", 0, "0.5 + (i % 50) / 25"), ("tanh", 1, "2 + i % 49"),
    ("relu", 2, "i % 31")])
def test_paint_is_quick(page, widget, paint_times, activation, field, values):
    menu(widget, "Activation φ").select_option(activation)
    done(widget)
    times = paint_times(page, f"""(i) => {{
        const field = document.querySelectorAll('.sg input[type=range]')[{field}];
        field.value = String({values});
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.paint
def test_new_weights_are_drawn_between_frames(page, widget, paint_times):
    slider(widget, "Layers").press("End")
    done(widget)
    times = paint_times(page, """(i) => { if (i % 10 === 0) [...document.querySelectorAll('.sg button')]
        .find((b) => b.textContent === 'New weights').click(); }""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".sg")
    widget.scroll_into_view_if_needed()
    heights = set()
    for activation, init, layers in (("tanh", "xavier", "30"), ("sigmoid", "small", "50"),
                                     ("relu", "large", "50"), ("leaky_relu", "torch", "2")):
        menu(widget, "Activation φ").select_option(activation)
        menu(widget, "First weights").select_option(init)
        slider(widget, "Layers").fill(layers)
        done(widget)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert widget.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
        assert small_controls(widget, 43.5) == []
        assert min(text_sizes(widget, ".sg-main figure > svg")) >= 11.5
        assert not texts_outside(widget, ".sg-main figure > svg")
        heights.add(round(widget.bounding_box()["height"]))
    assert max(heights) - min(heights) <= 1, heights
    widget.get_by_role("button", name="Reset").tap()
    svg = widget.locator(".sg-lines")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * (46 + 242 * 20 / 50) / 300, box["y"] + box["height"] / 2)
    expect_python(widget, layer=20)


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".sg")
    expect_python(widget)
    menu(widget, "Activation φ").select_option("elu")
    expect_python(widget, activation="elu")
