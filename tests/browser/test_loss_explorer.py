"""The loss explorer in Chromium: its losses and slopes are dlcheat's, by mouse, keyboard and menus."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dlcheat.widgets.loss_explorer import AXES, LOSSES, PARAMETERS, LossExplorer, evaluate
from tests.browser.widgets import at_once, nameless_controls, settle, small_controls

CHAPTER = "04-losses/index"
SAID = re.compile(r"^(.+) at (\S+) = (−?[\d.]+): loss (−?[\d.]+|∞), slope (−?[\d.]+|−?∞)\. (.+)$")
PAIRS = [(loss, axis) for loss, axes in LOSSES.items() for axis in axes]


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".le")


def number(text):
    return float(text.replace("−", "-").replace("∞", "inf"))


def said(widget):
    settle(widget.page)
    text = widget.locator(".dlw-summary").inner_text()
    found = SAID.match(text)
    assert found, text
    return found[1], number(found[3]), number(found[4]), number(found[5])


def rows(widget):
    """Name, loss and slope of each visible row of the table."""
    settle(widget.page)
    cells = widget.locator("tbody tr:not(.le-none)").evaluate_all(
        "all => all.map((r) => [...r.children].map((c) => c.textContent))")
    return [(name, number(value), number(slope)) for _, name, value, slope in cells]


def expect_python(widget, python):
    """What is said, and what the table holds, is what Python computes in the same state."""
    own, *others = rows(widget)
    look = python.look()
    name, at, value, slope = said(widget)
    assert own == (name, value, slope) and at == pytest.approx(python.at, abs=0.006)
    assert (value, slope) == pytest.approx(tuple(look), abs=6e-4)
    assert len(others) == len(python.compare)
    for (_, value, slope), other in zip(others, python.compare, strict=True):
        assert (value, slope) == pytest.approx(tuple(python.look(other)), abs=6e-4)


def slider(widget, label):
    return widget.get_by_role("slider", name=label)


@pytest.mark.parametrize(("loss", "axis"), PAIRS)
def test_losses_and_slopes_are_dlcheats(page, js, loss, axis):
    module, generator = js(page, "loss_explorer"), np.random.default_rng(0)
    low, high, _ = AXES[axis]
    calls, expected = [], []
    for _ in range(60):
        given = {name: float(generator.uniform(lo, hi)) for name, (lo, hi, _) in PARAMETERS.items()}
        if generator.random() < 0.3:
            given |= {"smoothing": 0.0, "gamma": float(generator.integers(0, 4))}
        given |= {"label": int(generator.integers(2)), "classes": int(generator.integers(2, 11))}
        x = torch.tensor(generator.uniform(low, high, 5), requires_grad=True)
        value = evaluate(loss, axis, x, **given)
        slope, = torch.autograd.grad(value.sum(), x)
        calls += [[loss, axis, v, given] for v in x.tolist()]
        expected += zip(value.tolist(), slope.tolist(), strict=True)
    np.testing.assert_allclose(module.call("evaluate", calls), expected, rtol=1e-9, atol=1e-11)


def test_axes_and_first_states_are_pythons(page, js):
    module = js(page, "loss_explorer")
    assert page.evaluate("Object.keys(tested.LOSSES).sort()") == sorted(LOSSES)
    for loss, axes in LOSSES.items():
        assert module.call("axesOf", [[loss]])[0] == list(axes)
    for name, axis in AXES.items():
        assert page.evaluate("(n) => [tested.AXES[n].low, tested.AXES[n].high, tested.AXES[n].start]",
                             name) == list(axis)


@pytest.mark.parametrize(("loss", "axis"), PAIRS)
def test_slopes_jump_at_the_kinks_and_nowhere_else(page, js, loss, axis):
    module, generator = js(page, "loss_explorer"), np.random.default_rng(1)
    low, high, _ = AXES[axis]
    for _ in range(3):
        given = {name: float(generator.uniform(lo, hi)) for name, (lo, hi, _) in PARAMETERS.items()}
        given |= {"label": int(generator.integers(2)), "classes": 3, "gamma": 2.0}

        def slopes(places, given=given):
            found = module.call("evaluate", [[loss, axis, float(x), given] for x in places])
            return np.array(found)[:, 1]

        kinks = module.call("kinks", [[loss, axis, given]])[0]
        for kink in kinks:
            before, after = slopes([kink - 1e-6, kink + 1e-6])
            assert abs(before - after) > 0.01
        grid = np.linspace(low, high, 200)
        steps = np.abs(np.diff(slopes(grid)))
        steps[[any(a <= k <= b for k in kinks) for a, b in pairwise(grid)]] = 0
        steepest = int(steps.argmax())                           # in small steps it has none as large
        fine = slopes(np.linspace(grid[steepest], grid[steepest + 1], 200))
        assert np.abs(np.diff(fine)).max() <= 0.1 * steps[steepest] + 1e-12


def test_states_that_do_not_fit_are_mended(page, js):
    module = js(page, "loss_explorer")
    found = module.call("consistent", [
        [{"loss": "hinge", "axis": "value", "compare": ["mse", "bce", "hinge", "bce", "focal", "brier"],
          "at": 99}],
        [{"loss": "bce", "axis": "probability", "compare": [], "at": 0}]])
    assert found[0] == {"loss": "hinge", "axis": "score", "compare": ["bce", "focal"], "at": 6}
    assert found[1] == {"loss": "bce", "axis": "probability", "compare": [], "at": 0.01}


def test_first_state_is_pythons(widget):
    expect_python(widget, LossExplorer("mse", compare=["mae", "huber"]))


def test_every_loss_on_every_axis(widget):
    for loss, axes in LOSSES.items():
        widget.get_by_label("Loss", exact=True).select_option(loss)
        for axis in axes:
            if len(axes) > 1:
                widget.get_by_label("Across").select_option(axis)
            else:
                expect(widget.get_by_label("Across")).to_be_hidden()
            expect_python(widget, LossExplorer(loss, axis=axis))
            d = widget.locator(".le-curve.le-own[d]").evaluate_all(
                "all => all.map((e) => e.getAttribute('d'))")
            assert len(d) == 2 and all("NaN" not in v and len(v) > 500 for v in d)


@pytest.mark.parametrize(("loss", "label", "trait", "key", "value"), [
    ("mse", "Target y", "target", "ArrowRight", 0.25),
    ("huber", "Threshold δ", "delta", "ArrowLeft", 0.9),
    ("kl", "True probability p", "share", "ArrowLeft", 0.65),
    ("softmax", "Every other score", "rival", "ArrowRight", 0.5),
    ("softmax", "Classes C", "classes", "End", 10),
    ("cce", "Label smoothing", "smoothing", "End", 0.5),
    ("focal", "Focusing γ", "gamma", "Home", 0.0),
    ("focal", "Weight α", "alpha", "ArrowLeft", 0.95),
    ("gaussian_kl", "Deviation σ", "sigma", "ArrowRight", 0.6),
    ("triplet", "Distance to the positive", "other", "ArrowRight", 1.1),
    ("triplet", "Margin", "margin", "ArrowLeft", 0.9),
    ("contrastive", "Margin", "margin", "ArrowRight", 1.1),
])
def test_every_slider(widget, loss, label, trait, key, value):
    widget.get_by_label("Loss", exact=True).select_option(loss)
    slider(widget, label).press(key)
    beside = [other for other in ("mae", "huber") if loss in ("mse", "huber") and other != loss]
    expect_python(widget, LossExplorer(loss, compare=beside, **{trait: value}))
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget, LossExplorer("mse", compare=["mae", "huber"]))


def test_the_label_and_the_others(widget):
    widget.get_by_label("Loss", exact=True).select_option("hinge")
    widget.get_by_label("True label y").select_option("0")
    widget.get_by_label("Beside it").select_option("bce")
    widget.get_by_label("and", exact=True).select_option("focal")
    expect_python(widget, LossExplorer("hinge", compare=["bce", "focal"], label=0))
    expect(slider(widget, "Focusing γ")).to_be_visible()         # the other loss's slider
    widget.get_by_label("Beside it").select_option("")
    expect_python(widget, LossExplorer("hinge", compare=["focal"], label=0))
    widget.get_by_label("Loss", exact=True).select_option("huber")      # another axis: none left
    expect_python(widget, LossExplorer("huber"))
    expect(widget.get_by_label("True label y")).to_be_hidden()


@pytest.mark.parametrize("picture", [".le-loss", ".le-slope"])
def test_the_pointer_moves_the_point(widget, picture):
    svg = widget.locator(picture)
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    middle, low = box["y"] + box["height"] / 2, box["x"] + box["width"] * 40 / 300
    wide = box["width"] * 244 / 300                              # from −4 to 4
    widget.page.mouse.move(low + wide / 2, middle)
    widget.page.mouse.down()
    assert said(widget)[1] == pytest.approx(0, abs=0.03)
    widget.page.mouse.move(low + wide * 7 / 8, middle)
    assert said(widget)[1] == pytest.approx(3, abs=0.03)
    widget.page.mouse.move(low + wide + 60, middle)              # beyond the picture: its edge
    widget.page.mouse.up()
    assert said(widget)[1] == 4
    expect(slider(widget, "Prediction ŷ")).to_have_attribute("aria-valuetext", "4.00")


def test_the_keyboard_moves_the_point(widget):
    slider(widget, "Prediction ŷ").press("ArrowLeft")
    python = LossExplorer("mse", compare=["mae", "huber"], at=1.95)
    expect_python(widget, python)


def test_the_tangent_has_the_slope(widget):
    for key, presses in (("ArrowLeft", 20), ("Home", 1), ("ArrowRight", 30)):
        for _ in range(presses):
            slider(widget, "Prediction ŷ").press(key)
        _, at, value, slope = said(widget)
        x1, x2, y1, y2 = widget.locator(".le-tangent").evaluate(
            "(e) => ['x1', 'x2', 'y1', 'y2'].map((n) => Number(e.getAttribute(n)))")
        unit_x, unit_y = 244 / 8, 144 / 8.4                      # pixels of the drawing in a unit
        assert (y1 - y2) / (x2 - x1) * unit_x / unit_y == pytest.approx(slope, abs=0.05)
        assert (x1 + x2) / 2 == pytest.approx(40 + (at + 4) * unit_x, abs=0.11)
        if value > 8:
            expect(widget.locator(".le-tangent")).to_have_attribute("visibility", "hidden")


def test_words(widget):
    summary, prediction = widget.locator(".dlw-summary"), slider(widget, "Prediction ŷ")
    expect(summary).to_contain_text("the loss rises by 4.00: descent moves ŷ down")
    prediction.press("Home")
    expect(summary).to_contain_text("the loss falls by 8.00: descent moves ŷ up. It lies above the picture.")
    prediction.fill("0")
    expect(summary).to_contain_text("Nothing is lost and nothing moves.")
    widget.get_by_label("Loss", exact=True).select_option("mae")
    expect(summary).to_contain_text("A kink lies here: the slope jumps.")
    widget.get_by_label("Loss", exact=True).select_option("brier")
    slider(widget, "Score z").press("Home")
    expect(summary).to_contain_text("Nearly flat: descent hardly moves z.")
    widget.get_by_label("Loss", exact=True).select_option("ce")
    slider(widget, "Probability q").fill("0.7")
    expect(summary).to_contain_text("Flat here: descent leaves q where it is.")


def test_the_table_has_a_row_a_loss_and_no_empty_ones(widget):
    heights = []
    for count, menu in ((3, None), (2, "and"), (1, "Beside it")):
        if menu:
            widget.get_by_label(menu, exact=True).select_option("")
        settle(widget.page)
        shown = widget.locator("tbody tr").evaluate_all("all => all.filter((e) => e.offsetHeight).length")
        assert shown == len(rows(widget)) == count
        heights.append(widget.locator(".le-table").bounding_box()["height"])
    steps = -np.diff(heights)
    assert (steps > 15).all() and np.ptp(steps) <= 4, heights


def test_the_height_does_not_change(widget):
    heights = set()
    for value in ("-4", "-1.05", "0", "0.5", "4"):
        slider(widget, "Prediction ŷ").fill(value)
        settle(widget.page)
        heights.add(round(widget.bounding_box()["height"]))
    assert max(heights) - min(heights) <= 1, heights


def test_touch_targets_and_names(widget):
    for loss in ("softmax", "focal", "triplet"):
        widget.get_by_label("Loss", exact=True).select_option(loss)
        settle(widget.page)
        assert small_controls(widget, 43.5) == []
        assert nameless_controls(widget) == 0


@pytest.mark.paint
@pytest.mark.parametrize("loss", ["mse", "softmax", "squared_triplet"])
def test_paint_is_quick(page, widget, paint_times, loss):
    widget.get_by_label("Loss", exact=True).select_option(loss)
    times = paint_times(page, """(i) => {
        const field = document.querySelector('.le input[type=range]');
        const low = Number(field.min), high = Number(field.max);
        field.value = String(low + (high - low) * (i % 50) / 49);
        field.dispatchEvent(new Event('input', { bubbles: true })); }""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".le")
    widget.scroll_into_view_if_needed()
    for loss in LOSSES:
        widget.get_by_label("Loss", exact=True).select_option(loss)
        settle(page)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert widget.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1"), loss
        assert small_controls(widget, 43.5) == []
        sizes, outside = widget.evaluate(
            """(e) => { const all = [...e.querySelectorAll(".le-main svg")].flatMap((svg) => {
                 const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
                 return [...svg.querySelectorAll("text")].map((t) => [t, t.getBoundingClientRect(), box,
                   scale * parseFloat(getComputedStyle(t).fontSize)]); });
               return [all.map((a) => a[3]), all.filter(([, r, b]) => r.width &&
                 (r.left < b.left - 1 || r.right > b.right + 1)).map(([t]) => t.textContent)]; }""")
        assert min(sizes) >= 11.5 and not outside
    widget.get_by_label("Loss", exact=True).select_option("huber")
    box = widget.locator(".le-loss").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    assert abs(said(widget)[1]) < 0.6


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".le")
    expect_python(widget, LossExplorer("mse", compare=["mae", "huber"]))
    slider(widget, "Prediction ŷ").press("End")
    expect_python(widget, LossExplorer("mse", compare=["mae", "huber"], at=4.0))
