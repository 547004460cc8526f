"""The trade-off in Chromium: its step is autograd's, its front the closed form, by mouse and keys."""

import math
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dlcheat.multi_task import cosine, pcgrad
from dlcheat.widgets.trade_off import TradeOff, best_errors, first_weights, front, trade_off_step
from tests.browser.widgets import (
    at_once,
    nameless_controls,
    settle,
    small_controls,
    text_sizes,
    texts_outside,
)

CHAPTER = "02-training/multi_task"


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".to")


def said(widget):
    """The summary line: step, α, errors, best errors, width, angle, and the whole text."""
    settle(widget.page)
    text = widget.locator(".dlw-summary").inner_text()
    found = re.search(r"Step (\d+), α = ([\d.]+): errors ([\d.]+) of task 1 and ([\d.]+) of task 2; "
                      r"the best trunk for this weight has ([\d.]+) and ([\d.]+)\. .*trunk of (\d) "
                      r"units?, tasks (\d+)° apart", text)
    assert found, text
    return [float(v) for v in found.groups()], text


def expect_python(widget, python, steps=0):
    """What is said is what Python computes after as many steps."""
    look = python.train(steps) if steps else python.look()
    numbers, text = said(widget)
    expected = [python.steps, python.alpha, *look.errors.tolist(), *python.best(), python.width,
                python.angle]
    assert numbers == pytest.approx(expected, abs=5.1e-4)
    assert ("gradient surgery" in text) == python.surgery
    if look.gradients.norm(dim=1).min() > 1e-4:
        degrees = math.degrees(math.acos(max(-1, min(1, look.cosine))))
        assert f"radients {degrees:.0f}° apart" in text
        assert (", in conflict" in text or "head on" in text) == (look.cosine < 0)
    return look


# ---- the same numbers

def test_the_step_is_autograds_on_hundreds_of_random_networks(page, js):
    module, generator = js(page, "trade_off"), np.random.default_rng(0)
    calls, expected = [], []
    for k in range(400):
        width, angle = int(generator.integers(1, 5)), int(generator.integers(0, 91))
        alpha, surgery = float(generator.choice([0, 0.05, 0.5, 0.8, 1])), bool(k % 2)
        weights = generator.choice([0.3, 1, 3]) * generator.normal(size=8 * width)
        calls.append([{"weights": weights.tolist(), "alpha": alpha, "angle": angle,
                       "surgery": surgery}])
        expected.append(trade_off_step(torch.from_numpy(weights), alpha, angle, surgery))
    for got, step in zip(module.call("tradeOffStep", calls), expected, strict=True):
        assert got["cosine"] == pytest.approx(step.cosine, abs=1e-9)
        for name in ("errors", "gradients", "direction", "weights"):
            np.testing.assert_allclose(got[name], getattr(step, name), rtol=1e-9, atol=1e-11)


def test_the_front_is_the_closed_form(page, js):
    module, generator = js(page, "trade_off"), np.random.default_rng(1)
    cases = [[float(generator.uniform()), int(generator.integers(0, 91)), int(generator.integers(1, 5))]
             for _ in range(400)]
    for got, case in zip(module.call("bestErrors", cases), cases, strict=True):
        np.testing.assert_allclose(got, best_errors(*case), atol=1e-12)
    for angle, width in ((0, 1), (35, 1), (60, 2), (85, 3), (90, 4)):
        np.testing.assert_allclose(module.call("front", [[angle, width]])[0], front(angle, width),
                                   atol=1e-12)
    for width in (1, 4):
        got = module.call("firstWeights", [[width, 77]])[0]
        assert got == first_weights(width, 77).tolist()


def test_arrows_keep_lengths_angle_and_surgery(page, js):
    module, generator = js(page, "trade_off"), np.random.default_rng(2)
    pairs = [torch.from_numpy(generator.normal(size=(2, 8))) for _ in range(200)]
    for surgery in (False, True):
        calls = [[g.tolist(), surgery] for g in pairs]
        for got, g in zip(module.call("arrows", calls), pairs, strict=True):
            plain = torch.tensor(got["plain"], dtype=torch.double)
            torch.testing.assert_close(plain @ plain.T, g @ g.T)
            torch.testing.assert_close(cosine(plain), cosine(g))
            step = torch.tensor(got["step"], dtype=torch.double)
            used = pcgrad(g) if surgery else g.sum(0)
            torch.testing.assert_close(step.norm(), used.norm())
            torch.testing.assert_close(plain @ step, g @ used)


def test_small_helpers(page, js):
    module = js(page, "trade_off")
    points = [[0.1, 1, 2], [0.5, 3, 4], [0.9, 5, 6]]
    assert module.call("nearest", [[points, a] for a in (0, 0.29, 0.31, 0.71, 1)]) == [
        points[0], points[0], points[1], points[2], points[2]]
    assert module.call("niceTicks", [[1.0], [0.34]]) == [[0, 0.5, 1], [0, 0.1, 0.2, 0.3]]
    assert module.call("cosineOf", [[[0, 0], [1, 2]], [[3, 0], [-2, 0]]]) == [0, -1]


# ---- on the page

def test_first_state_and_steps(widget):
    expect_python(widget, TradeOff())
    widget.get_by_role("button", name="1 step", exact=True).click()
    python = TradeOff()
    expect_python(widget, python, 1)
    widget.get_by_role("button", name="100 steps").click()
    look = expect_python(widget, python, 100)
    x, y = (float(widget.locator(".to-errors .to-here").get_attribute(k)) for k in ("cx", "cy"))
    assert x == pytest.approx(44 + 244 * look.errors[0].item() / 1.2, abs=0.02)
    assert y == pytest.approx(258 - 244 * look.errors[1].item() / 1.2, abs=0.02)


def test_the_weight_moves_the_target_and_training_follows(widget):
    widget.get_by_role("button", name="100 steps").click()
    slider = widget.get_by_label("Weight of task 2")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    python = TradeOff()
    python.train(100)
    python.alpha = 0.7
    expect_python(widget, python)
    widget.get_by_role("button", name="100 steps").click()
    expect_python(widget, python, 100)
    slider.press("Home")
    python.alpha = 0.0
    expect_python(widget, python)


@pytest.mark.parametrize(("width", "angle"), [(1, 90), (3, 30), (4, 60)])
def test_width_and_angle(widget, width, angle):
    widget.get_by_label("Units in the trunk").fill(str(width))
    widget.get_by_label("Tasks apart").fill(str(angle))
    python = TradeOff(width=width, angle=angle)
    expect_python(widget, python)
    dots = widget.locator(".to-errors .to-dot").evaluate_all(
        "all => all.map((d) => [d.getAttribute('cx'), d.getAttribute('cy')].map(Number))")
    places = [[44 + 244 * a / 1.2, 258 - 244 * b / 1.2] for a, b in front(angle, width)]
    np.testing.assert_allclose(dots, places, atol=0.02)
    widget.get_by_role("button", name="100 steps").click()
    expect_python(widget, python, 100)


def test_surgery(widget):
    widget.get_by_label("The trunk follows").select_option(index=1)
    python = TradeOff(surgery=True)
    expect_python(widget, python)
    for _ in range(4):
        widget.get_by_role("button", name="100 steps").click()
    look = expect_python(widget, python, 400)
    assert look.cosine < -0.99
    assert "head on" in widget.locator(".to-verdict").text_content()


def test_the_arrows_on_screen(widget):
    """Lengths and angle of what is drawn are those of the gradients."""
    look = TradeOff().look()
    ends = {}
    for name in ("to-one", "to-two", "to-step"):
        head = widget.locator(f".to-head.{name}:not(.to-cut)").get_attribute("points").split()[0]
        x, y = map(float, head.split(","))
        ends[name] = np.array([x - 150, 218 - y])
    sizes = [np.linalg.norm(v) for v in ends.values()]
    lengths = [*look.gradients.norm(dim=1).tolist(), look.direction.norm().item()]
    np.testing.assert_allclose(np.array(sizes) / max(sizes), np.array(lengths) / max(lengths), atol=0.01)
    one, two = ends["to-one"], ends["to-two"]
    assert one @ two / sizes[0] / sizes[1] == pytest.approx(look.cosine, abs=0.01)
    np.testing.assert_allclose(one + two, ends["to-step"], atol=0.2)


def test_play_pause_start_over_and_reset(page, widget):
    page.wait_for_timeout(700)                       # the line for screen readers comes later
    before, height = widget.inner_text(), widget.bounding_box()["height"]
    widget.get_by_role("button", name="Play").click()
    pause = widget.get_by_role("button", name="Pause")
    expect(pause).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(300)
    pause.click()
    stopped = said(widget)[0]
    page.wait_for_timeout(150)
    assert said(widget)[0] == stopped and stopped[0] > 0
    assert widget.bounding_box()["height"] == height
    expect_python(widget, TradeOff(), int(stopped[0]))
    widget.get_by_role("button", name=re.compile("^Start over")).click()
    expect_python(widget, TradeOff())
    widget.get_by_role("button", name="New weights").click()
    expect_python(widget, TradeOff(seed=2))
    widget.get_by_label("Weight of task 2").press("End")
    widget.get_by_label("Units in the trunk").press("End")
    widget.get_by_role("button", name="Reset").click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(700)
    assert widget.inner_text() == before


def test_the_measured_runs_follow_the_weight(widget):
    caption = widget.locator("figure").nth(2).locator("figcaption")
    slider = widget.get_by_label("Weight of task 2")
    slider.press("Home")
    settle(widget.page)
    low = caption.inner_text()
    slider.press("End")
    settle(widget.page)
    high = caption.inner_text()
    assert "α = 0.05" in low and "α = 0.95" in high

    def numbers(text):
        return [list(map(float, pair)) for pair in re.findall(r"units: (\d\.\d+) and (\d\.\d+)", text)]

    assert len(numbers(low)) == 2
    for (class_low, slant_low), (class_high, slant_high) in zip(numbers(low), numbers(high)):
        assert class_low < class_high and slant_low > slant_high      # the trade-off, measured


def test_the_height_does_not_change(widget):
    heights = set()
    for alpha in ("0", "0.35", "1"):
        widget.get_by_label("Weight of task 2").fill(alpha)
        for width in "1234":
            widget.get_by_label("Units in the trunk").fill(width)
            settle(widget.page)
            heights.add(round(widget.bounding_box()["height"]))
    assert max(heights) - min(heights) <= 2, heights


def test_touch_targets_and_names(widget):
    assert small_controls(widget, 43.5) == []
    assert nameless_controls(widget) == 0


@pytest.mark.paint
@pytest.mark.parametrize(("control", "values"), [(0, "(i % 21) / 20"), (1, "5 * (i % 19)"),
                                                 (2, "1 + i % 4")])
def test_paint_is_quick(page, widget, paint_times, control, values):
    times = paint_times(page, f"""(i) => {{
        const field = document.querySelectorAll('.to input[type=range]')[{control}];
        field.value = String({values});
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".to")
    widget.scroll_into_view_if_needed()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    sizes = text_sizes(widget)
    assert min(sizes) >= 11.5
    widget.get_by_label("Tasks apart").press("End")
    for _ in range(4):                                   # to a rest, where the words are longest
        widget.get_by_role("button", name="100 steps").tap()
    outside = texts_outside(widget)
    assert not outside
    widget.get_by_role("button", name="Reset").tap()
    widget.get_by_role("button", name="100 steps").tap()
    expect_python(widget, TradeOff(), 100)


def test_play_stops_at_rest(widget):
    """At the front the trunk no longer moves: play ends by itself, and where it ends is said."""
    widget.get_by_role("button", name="100 steps").click()
    widget.get_by_role("button", name="100 steps").click()
    widget.get_by_role("button", name="100 steps").click()
    widget.get_by_role("button", name="Play").click()
    expect(widget.get_by_role("button", name="Play")).to_have_attribute(
        "aria-pressed", "false", timeout=60_000)


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".to")
    expect_python(widget, TradeOff())
    widget.get_by_role("button", name="1 step", exact=True).click()
    expect_python(widget, TradeOff(), 1)
