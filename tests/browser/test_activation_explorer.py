"""The activation explorer in Chromium: its values and slopes are dlcheat's, by mouse, keyboard and menus."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dlcheat.widgets.activation_explorer import ActivationExplorer
from dlcheat.widgets.activation_functions import ACTIVATIONS, PARAMETERS, with_slope
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
FIRST = {"activation": "gelu", "compare": ["relu", "sigmoid", "elu"]}
SAID = re.compile(r"^(.+) at x = (−?[\d.]+): value (−?[\d.]+), slope (−?[\d.]+)\. (.+)$")
CURVES = "all => all.map((e) => e.getAttribute('d'))"


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".ae")


@pytest.fixture
def module(page, js):
    return js(page, "activation_functions", "activation_explorer")


def number(text):
    return float(text.replace("−", "-"))


def said(widget):
    settle(widget.page)
    text = widget.locator(".dlw-summary").inner_text()
    found = SAID.match(text)
    assert found, text
    return found[1], number(found[2]), number(found[3]), number(found[4])


def rows(widget):
    """Name, value and slope of each visible row of the table."""
    settle(widget.page)
    cells = widget.locator("tbody tr:not(.ae-none)").evaluate_all(
        "all => all.map((r) => [...r.children].map((c) => c.textContent))")
    return [(name, number(value), number(slope)) for _, name, value, slope in cells]


def expect_python(widget, **state):
    """What is said, and what the table holds, is what Python computes in the same state."""
    python = ActivationExplorer(**FIRST | state)
    own, *others = rows(widget)
    name, at, value, slope = said(widget)
    assert own == (name, value, slope) and at == pytest.approx(python.at, abs=0.006)
    assert (value, slope) == pytest.approx(tuple(python.look()), abs=6e-4)
    assert len(others) == len(python.compare)
    for (_, value, slope), other in zip(others, python.compare, strict=True):
        assert (value, slope) == pytest.approx(tuple(python.look(other)), abs=6e-4)


def beside(activation):
    """The others that remain when this one is chosen."""
    return [other for other in FIRST["compare"] if other != activation]


def menu(widget, label="Activation"):
    return widget.get_by_label(label, exact=True)


def slider(widget, label):
    return widget.get_by_role("slider", name=label, exact=True)


def random_parameters(generator):
    return {name: float(generator.uniform(p.low, p.high)) for name, p in PARAMETERS.items()}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_values_and_slopes_are_dlcheats(module, activation):
    generator, calls, expected = np.random.default_rng(0), [], []
    for _ in range(60):
        given = random_parameters(generator)
        x = torch.tensor([*generator.uniform(-10, 10, 6), -3.0, 0.0, 3.0, 6.0])
        for v, value, slope in zip(x, *with_slope(activation, x, **given), strict=True):
            calls.append([activation, v.item(), given])
            expected.append([value.item(), slope.item()])
    # torch's softplus is a straight line from βx = 20 on: 2e-9 of a difference
    np.testing.assert_allclose(module.call("evaluate", calls), expected, rtol=1e-9, atol=3e-9)


def test_names_and_defaults_are_pythons(page, module):
    assert page.evaluate("Object.keys(tested.ACTIVATIONS)") == list(ACTIVATIONS)
    assert page.evaluate("tested.DEFAULTS") == {name: p.start for name, p in PARAMETERS.items()}


def test_the_normal_distribution(module):
    x = np.concatenate([np.linspace(-8.9, 8.9, 401), [0.0, -40.0, 40.0]])
    expected = torch.special.ndtr(torch.tensor(x)).numpy()
    got = module.call("normalBelow", [[float(v)] for v in x])
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-16)
    assert module.call("normalBelow", [[-0.03125], [0.03125]]) == pytest.approx([0.4875347, 0.5124653])


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_slopes_jump_at_the_kinks_and_nowhere_else(module, activation):
    generator = np.random.default_rng(1)
    for _ in range(3):
        state = random_parameters(generator) | {"reach": 7}

        def looks(points, state=state):
            return np.array(module.call("evaluate", [[activation, float(x), state] for x in points]))

        kinks, = module.call("kinks", [[activation, state]])
        which = int(activation != "step")                        # the step itself jumps
        for kink in kinks:
            before, after = looks([kink - 1e-6, kink + 1e-6])[:, which]
            assert abs(before - after) > 0.01
        grid = np.linspace(-7, 7, 203)
        steps = np.abs(np.diff(looks(grid)[:, which]))
        steps[[any(a <= k <= b for k in kinks) for a, b in pairwise(grid)]] = 0
        steepest = int(steps.argmax())                           # in small steps it has none as large
        fine = looks(np.linspace(grid[steepest], grid[steepest + 1], 200))[:, which]
        assert np.abs(np.diff(fine)).max() <= 0.1 * steps[steepest] + 1e-12


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_flat_parts(module, activation):
    """Inside the parts every slope is small; outside, but for thin places, none is."""
    generator = np.random.default_rng(2)
    for reach in (3, 10):
        given = random_parameters(generator)
        parts, = module.call("flatParts", [[activation, given | {"reach": reach}]])
        x = torch.linspace(-reach, reach, 2003, dtype=torch.float64)
        flat = (with_slope(activation, x, **given)[1].abs() < 0.01).numpy()
        inside = np.zeros(len(x), bool)
        for low, high in parts:
            part = (x.numpy() >= low + 1e-3) & (x.numpy() <= high - 1e-3)
            assert flat[part].all()
            inside |= (x.numpy() >= low - 1e-3) & (x.numpy() <= high + 1e-3)
        assert flat[~inside].sum() * 2 * reach / 2003 < 0.2


def test_small_helpers(module):
    assert module.call("niceTicks", [[-5, 5], [-0.2, 1.1], [-1.3, 5.3], [0, 1]]) == [
        [-5, -2.5, 0, 2.5, 5], [0, 0.5, 1], [0, 2, 4], [0, 0.25, 0.5, 0.75, 1]]
    assert module.call("anySize", [[0], [1], [0.25], [12.34], [9.5e-7], [-3.14e20], [0.0996]]) == [
        "0", "1.00", "0.25", "12.3", "9.5\xa0·\xa010⁻⁷", "−3.1\xa0·\xa010²⁰", "0.10"]
    found = module.call("consistent", [[{"activation": "elu", "compare": [
        "elu", "relu", "relu", "tanh", "gelu", "mish"], "at": -9, "reach": 4}]])
    assert found[0]["compare"] == ["relu", "tanh", "gelu"] and found[0]["at"] == -4


def test_first_state_is_pythons(widget):
    expect_python(widget)


def test_every_activation(widget):
    for activation in ACTIVATIONS:
        menu(widget).select_option(activation)
        expect_python(widget, activation=activation, compare=beside(activation))
        d = widget.locator(".ae-main .ae-curve.ae-own").evaluate_all(CURVES)
        assert len(d) == 2 and all("NaN" not in v and len(v) > 500 for v in d)
        if activation in FIRST["compare"]:                       # it is no longer drawn beside
            widget.get_by_role("button", name="Reset").click()


@pytest.mark.parametrize(("activation", "label", "trait", "key", "value"), [
    ("leaky_relu", "Negative slope s", "negative_slope", "ArrowRight", 0.02),
    ("prelu", "Learned slope a", "weight", "Home", -1.0),
    ("elu", "α", "alpha", "End", 3.0),
    ("celu", "α", "alpha", "ArrowLeft", 0.9),
    ("swish", "β", "beta", "End", 10.0),
    ("softplus", "β", "beta", "Home", 0.1),
    ("hardtanh", "Lower bound min", "min_val", "ArrowRight", -0.9),
    ("hardtanh", "Upper bound max", "max_val", "ArrowLeft", 0.9),
])
def test_every_slider(widget, activation, label, trait, key, value):
    if label != "α":                                             # ELU is drawn beside
        expect(slider(widget, label)).to_be_hidden()
    menu(widget).select_option(activation)
    at = -0.8 if trait != "max_val" else 0.95
    slider(widget, "Point x").fill(str(at))
    slider(widget, label).press(key)
    expect_python(widget, activation=activation, compare=beside(activation), at=at, **{trait: value})
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget)


def test_others_beside_it(widget):
    menu(widget).select_option("tanh")
    menu(widget, "and also").select_option("softplus")
    expect_python(widget, activation="tanh", compare=["relu", "sigmoid", "softplus"])
    expect(slider(widget, "α")).to_be_hidden()
    slider(widget, "β").press("End")                             # the other one's slider
    slider(widget, "Point x").fill("-2")
    state = {"activation": "tanh", "beta": 10.0, "at": -2.0}
    expect_python(widget, compare=["relu", "sigmoid", "softplus"], **state)
    menu(widget, "Beside it").select_option("")
    expect_python(widget, compare=["sigmoid", "softplus"], **state)
    shown = widget.locator(".ae-main .ae-curve").evaluate_all(CURVES)
    assert sum(bool(d) for d in shown) == 6                      # three in each picture
    styles = widget.locator(".ae-value .ae-curve").evaluate_all(
        "all => all.map((e) => getComputedStyle(e).strokeDasharray)")
    assert len(set(styles)) == 4                                 # told apart without colour


@pytest.mark.parametrize("picture", [".ae-value", ".ae-slope"])
def test_the_pointer_moves_the_point(widget, picture):
    svg = widget.locator(picture)
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    middle, low = box["y"] + box["height"] / 2, box["x"] + box["width"] * 40 / 300
    wide = box["width"] * 244 / 300                              # from −5 to 5
    mouse = widget.page.mouse
    mouse.move(low + wide / 2, middle)
    mouse.down()
    assert said(widget)[1] == pytest.approx(0, abs=0.051)
    mouse.move(low + wide * 0.9, middle)
    assert said(widget)[1] == pytest.approx(4, abs=0.051)
    mouse.move(low - 60, middle)                                 # beyond the picture: its edge
    mouse.up()
    assert said(widget)[1] == -5
    expect(slider(widget, "Point x")).to_have_attribute("aria-valuetext", "−5.00")


def test_the_keyboard_moves_point_and_range(widget):
    slider(widget, "Point x").press("ArrowLeft")
    expect_python(widget, at=0.95)
    slider(widget, "Point x").press("End")
    expect_python(widget, at=5.0)
    slider(widget, "Range of x").press("Home")                   # the point comes along
    assert said(widget)[1] == 2
    slider(widget, "Range of x").press("End")
    expect_python(widget, reach=10, at=5.0)
    expect(widget.locator(".dlw-summary")).to_contain_text("From x = −10 to 10")


def test_dots_lie_on_the_curves(widget):
    """Where each dot stands, its curve passes, in both pictures."""
    menu(widget).select_option("mish")
    for x in ("-4", "-1.2", "0.4", "3"):
        slider(widget, "Point x").fill(x)
        settle(widget.page)
        off = widget.evaluate("""(e) => ["ae-value", "ae-slope"].flatMap((p) =>
            ["ae-own", "ae-first", "ae-second", "ae-third"].map((line) => {
              const all = e.querySelectorAll(`.${p} .${line}`), box = all[1].getBBox();
              const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
              const points = all[0].getAttribute("d").match(/[ML][^ML]+/g)
                .map((t) => t.slice(1).split(",").map(Number));
              return Math.min(...points.map(([a, b]) => Math.hypot(a - x, b - y))); }))""")
        assert max(off) < 2.5, (x, off)


def test_words(widget):
    summary, point = widget.locator(".dlw-summary"), slider(widget, "Point x")
    expect(summary).to_contain_text("Steeper than 1: ten such slopes multiply to 2.23.")
    point.fill("-1")
    expect(summary).to_contain_text("It falls here: a gradient that passes changes its sign.")
    expect(summary).to_contain_text("it is under 0.01 where x < −3.1")
    menu(widget).select_option("sigmoid")
    point.fill("0")
    expect(summary).to_contain_text("Ten such slopes multiply to 9.5 · 10⁻⁷.")
    point.fill("-5")
    expect(summary).to_contain_text("Nearly flat: hardly any gradient passes.")
    expect(summary).to_contain_text("it is under 0.01 where x < −4.6 and x > 4.6.")
    menu(widget).select_option("relu")
    expect(summary).to_contain_text("Flat: no gradient passes.")
    point.fill("2")
    expect(summary).to_contain_text("A gradient passes unchanged.")
    point.fill("0")
    expect(summary).to_contain_text("A kink lies here: the slope jumps.")
    menu(widget).select_option("step")
    expect(summary).to_contain_text("The step lies here")
    expect(summary).to_contain_text("the slope is 0.00.")
    menu(widget).select_option("leaky_relu")
    expect(summary).to_contain_text("nowhere flat for long.")


def test_the_height_does_not_change(widget):
    heights = {}
    for activation in ("identity", "hardtanh", "hardswish"):
        menu(widget).select_option(activation)
        for value in ("-5", "-1.05", "0", "3", "5"):
            slider(widget, "Point x").fill(value)
            settle(widget.page)
            heights.setdefault(activation, set()).add(round(widget.bounding_box()["height"]))
    assert all(max(h) - min(h) <= 1 for h in heights.values()), heights


def test_touch_targets_and_names(widget):
    for activation in ("leaky_relu", "hardtanh", "swish"):
        menu(widget).select_option(activation)
        settle(widget.page)
        assert small_controls(widget, 43.5) == []
        assert nameless_controls(widget) == 0


@pytest.mark.paint
@pytest.mark.parametrize(("activation", "field", "low", "high"), [
    ("gelu", 0, -5, 5), ("elu", 1, 2, 10), ("elu", 4, 0.1, 3)])
def test_paint_is_quick(page, widget, paint_times, activation, field, low, high):
    menu(widget).select_option(activation)
    times = paint_times(page, f"""(i) => {{
        const field = document.querySelectorAll('.ae input[type=range]')[{field}];
        field.value = String({low} + ({high} - {low}) * (i % 50) / 49);
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".ae")
    widget.scroll_into_view_if_needed()
    for activation in ACTIVATIONS:
        menu(widget).select_option(activation)
        settle(page)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert widget.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1"), activation
        assert small_controls(widget, 43.5) == []
        assert min(text_sizes(widget, ".ae-main svg")) >= 11.5
        assert not texts_outside(widget, ".ae-main svg")
    svg = widget.locator(".ae-slope")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 162 / 300, box["y"] + box["height"] / 2)
    assert abs(said(widget)[1]) < 0.3


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".ae")
    expect_python(widget)
    slider(widget, "Point x").press("End")
    expect_python(widget, at=5.0)
