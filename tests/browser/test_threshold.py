"""The threshold explorer in Chromium: its numbers are dlcheat.metrics', by mouse, keys and play."""

import re

import numpy as np
import pytest
import scipy.stats
from playwright.sync_api import expect

from dlcheat.metrics import binary_ratios, precision_recall_curve, roc_curve
from dlcheat.widgets.threshold import (
    COSTS,
    PREVALENCES,
    SAMPLES,
    THRESHOLDS,
    ThresholdExplorer,
    counts_at,
    draw_scores,
)
from tests.browser.widgets import (
    at_once,
    nameless_controls,
    settle,
    small_controls,
    text_sizes,
    texts_outside,
)

CHAPTER = "06-metrics"
SAID = re.compile(r"Threshold (−?[\d.]+): (\d+) of (\d+) positives are reported, "
                  r"and (\d+) of (\d+) negatives\. "
                  r"Precision ([\d.]+), recall ([\d.]+), accuracy ([\d.]+), MCC (−?[\d.]+)\. "
                  r"AUC ([\d.]+), average precision ([\d.]+)\. With a miss as dear as ([\d.]+) false alarms? "
                  r"this costs ([\d.]+); the least is ([\d.]+) at (−?[\d.]+)\.")


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".th")


def said(widget):
    settle(widget.page)
    text = widget.locator(".dlw-summary").inner_text()
    found = SAID.search(text)
    assert found, text
    return [float(v.replace("−", "-")) for v in found.groups()]


def expect_python(widget, **state):
    """What is said, and what stands in the table, is what Python computes."""
    python = ThresholdExplorer(**state)
    look = python.look()
    (tn, fp, fn, tp), r = look.counts, look.ratios
    assert said(widget) == pytest.approx(
        [python.threshold, tp, tp + fn, fp, fp + tn, r.precision, r.recall, r.accuracy, r.mcc, look.auc,
         look.average_precision, python.cost, look.cost, look.least, look.cheapest], abs=0.051)
    assert said(widget)[5:11] == pytest.approx(
        [r.precision, r.recall, r.accuracy, r.mcc, look.auc, look.average_precision], abs=5.1e-4)
    cells = widget.locator(".th-n").all_text_contents()
    assert [int(c) for c in cells] == [tp, fn, fp, tn]
    shown = widget.locator(".th-share b, .th-more b").all_text_contents()
    assert [float(b.replace("−", "-")) for b in shown] == pytest.approx(
        [r.recall, r.specificity, r.precision, r.npv, r.accuracy, r.fpr, r.f1, r.mcc, r.kappa,
         r.balanced_accuracy], abs=5.1e-4)
    return look


def slider(widget, label):
    return widget.get_by_role("slider", name=label)


# ---- the same numbers

def test_four_hundred_random_states(page, js):
    module, g = js(page, "threshold"), np.random.default_rng(0)
    states = [{"threshold": float(g.choice(THRESHOLDS)), "separation": int(g.integers(0, 31)) / 10,
               "spread": int(g.integers(5, 21)) / 10, "prevalence": float(g.choice(PREVALENCES)),
               "samples": int(g.choice(SAMPLES[:5])), "cost": float(g.choice(COSTS)),
               "seed": int(g.integers(1, 1000))} for _ in range(400)]
    for got, state in zip(module.call("look", [[s] for s in states]), states, strict=True):
        look = ThresholdExplorer(**state).look()
        assert tuple(got["counts"]) == look.counts
        assert got["cheapest"] == look.cheapest
        for name in ("auc", "average_precision", "cost", "least"):
            assert got[name] == pytest.approx(getattr(look, name), rel=1e-12)
        for name, value in look.ratios._asdict().items():
            assert got["ratios"][name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def test_scores_and_curves(page, js):
    module, g = js(page, "threshold"), np.random.default_rng(1)
    for _ in range(60):
        state = {"separation": float(g.uniform(0, 3)), "spread": float(g.uniform(0.5, 2)),
                 "prevalence": float(g.choice(PREVALENCES)), "samples": int(g.choice(SAMPLES)),
                 "seed": int(g.integers(1, 1000))}
        labels, scores = draw_scores(**state)
        got = module.call("drawScores", [[state]])[0]
        np.testing.assert_allclose(got["negative"] + got["positive"], scores, rtol=1e-12, atol=1e-13)
        swept = module.call("sweep", [[got]])[0]
        fps, tps = np.array(swept["fps"]), np.array(swept["tps"])
        fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
        np.testing.assert_allclose(fps / fps[-1], fpr[1:])
        np.testing.assert_allclose(tps / tps[-1], tpr[1:])
        precision, _, thresholds = precision_recall_curve(labels, scores)
        np.testing.assert_allclose(tps / (tps + fps), precision[-2::-1])
        np.testing.assert_allclose(swept["thresholds"], thresholds[::-1], rtol=1e-12, atol=1e-13)


def test_equal_scores_are_one_threshold(page, js):
    module, g = js(page, "threshold"), np.random.default_rng(2)
    for _ in range(100):
        negative, positive = (g.integers(4, size=g.integers(1, 20)) / 2 for _ in range(2))
        scores = {"negative": negative.tolist(), "positive": positive.tolist()}
        swept = module.call("sweep", [[scores]])[0]
        labels = np.repeat([0, 1], [len(negative), len(positive)])
        both = np.concatenate([negative, positive])
        fpr, tpr, _ = roc_curve(labels, both, drop_intermediate=False)
        np.testing.assert_allclose(np.array(swept["fps"]) / len(negative), fpr[1:])
        np.testing.assert_allclose(np.array(swept["tps"]) / len(positive), tpr[1:])
        for t in (0, 0.5, 0.75):
            assert tuple(module.call("countsAt", [[scores, t]])[0]) == counts_at(labels, both, t)


def test_ratios_of_any_counts(page, js):
    g = np.random.default_rng(3)
    cases = [c for c in g.integers(0, 5, (300, 4)).tolist() if sum(c)]
    for got, counts in zip(js(page, "threshold").call("ratios", cases), cases, strict=True):
        for name, value in binary_ratios(*counts)._asdict().items():
            assert got[name] == pytest.approx(value, abs=1e-12, nan_ok=True), (name, counts)


def test_the_bells_themselves(page, js):
    module = js(page, "threshold")
    x = np.linspace(-9, 9, 181)
    np.testing.assert_allclose(module.call("upperTail", [[float(v)] for v in x]), scipy.stats.norm.sf(x),
                               rtol=1e-10)
    got = module.call("bells", [[{"separation": 1.5, "spread": 0.5}]])[0]
    assert all(np.diff(got["fpr"]) >= 0) and all(np.diff(got["tpr"]) >= 0)
    area = np.trapezoid(got["tpr"], got["fpr"])
    assert area == pytest.approx(scipy.stats.norm.cdf(1.5 / np.hypot(1, 0.5)), abs=2e-3)


def test_bars_are_a_histogram(page, js):
    module, g = js(page, "threshold"), np.random.default_rng(4)
    for _ in range(50):
        scores, t = 2 * g.normal(size=200) + 1, float(g.choice(THRESHOLDS))
        got = module.call("bars", [[scores.tolist(), t]])[0]
        for name, part in (("reported", scores[scores >= t]), ("left", scores[scores < t])):
            assert got[name] == np.histogram(part.clip(-4, 8), 48, (-4, 8))[0].tolist()


# ---- on the page

def test_first_state_is_pythons(widget):
    expect_python(widget)


def test_every_control(widget):
    state = {}
    for label, key, presses, name, value in (
            ("Threshold", "ArrowRight", 5, "threshold", 1.5),
            ("Separation", "ArrowRight", 4, "separation", 1.9),
            ("Spread", "ArrowLeft", 3, "spread", 0.7), ("Prevalence", "Home", 1, "prevalence", 0.01),
            ("Samples", "End", 1, "samples", 2000), ("A miss costs", "ArrowRight", 3, "cost", 10.0)):
        for _ in range(presses):
            slider(widget, label).press(key)
        state[name] = value
        expect_python(widget, **state)
    before = widget.locator(".th-bars").nth(3).get_attribute("d")
    widget.get_by_label("Bars show").select_option("numbers of samples")
    expect_python(widget, **state)
    assert widget.locator(".th-bars").nth(3).get_attribute("d") != before
    widget.get_by_role("button", name="Other samples").click()
    state["seed"] = 2
    look = expect_python(widget, **state)
    widget.get_by_role("button", name="Cheapest").click()
    now = expect_python(widget, **state | {"threshold": look.cheapest})
    assert now.cost == now.least
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget)


def test_points_stand_on_their_curves(widget):
    for press in range(5):
        look = expect_python(widget, threshold=round(1.25 - 0.5 * press, 2))
        r = look.ratios
        for name, (x, y) in (("roc", (r.fpr, r.recall)), ("pr", (r.recall, r.precision))):
            dot = widget.locator(f".th-{name} .th-here")
            got = [float(dot.get_attribute(k)) for k in ("cx", "cy")]
            assert got == pytest.approx([44 + 244 * x, 258 - 236 * y], abs=0.06)
        for _ in range(10):
            slider(widget, "Threshold").press("ArrowLeft")


def test_the_line_is_dragged(widget):
    hist = widget.locator(".th-hist")
    hist.scroll_into_view_if_needed()
    box = hist.bounding_box()
    mouse = widget.page.mouse
    mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    mouse.down()
    expect_python(widget, threshold=2.0)
    mouse.move(box["x"] + box["width"] * (8 + 284 / 4) / 300, box["y"] + 70, steps=4)
    expect_python(widget, threshold=-1.0)
    mouse.up()
    hist.press("ArrowRight")
    expect_python(widget, threshold=-0.95)
    hist.press("Shift+ArrowRight")
    expect_python(widget, threshold=-0.45)


def test_play_walks_down_and_stops(page, widget):
    slider(widget, "Threshold").press("End")
    widget.get_by_role("button", name="Play").click()
    pause = widget.get_by_role("button", name="Pause")
    expect(pause).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(300)
    pause.click()
    stopped = said(widget)[0]
    assert -4 < stopped < 8
    page.wait_for_timeout(150)
    expect_python(widget, threshold=stopped)
    slider(widget, "Threshold").fill("-3.9")
    widget.get_by_role("button", name="Play").click()
    expect(widget.get_by_role("button", name="Play")).to_have_attribute("aria-pressed", "false")
    assert said(widget)[0] == -4


def test_the_height_does_not_change(widget):
    heights = set()
    for threshold in ("-4", "0.5", "8"):
        slider(widget, "Threshold").fill(threshold)
        for samples in ("0", "6"):
            slider(widget, "Samples").fill(samples)
            for prevalence in ("0", "13"):
                slider(widget, "Prevalence").fill(prevalence)
                settle(widget.page)
                heights.add(round(widget.bounding_box()["height"]))
    assert max(heights) - min(heights) <= 2, heights


def test_touch_targets_and_names(widget):
    assert small_controls(widget, 43.5) == []
    assert nameless_controls(widget) == 0


@pytest.mark.paint
@pytest.mark.parametrize(("control", "values"), [(0, "-4 + (i % 120) / 10"), (1, "(i % 31) / 10"),
                                                 (3, "i % 14"), (4, "i % 7")])
def test_paint_is_quick(page, widget, paint_times, control, values):
    slider(widget, "Samples").press("End")
    times = paint_times(page, f"""(i) => {{
        const field = document.querySelectorAll('.th input[type=range]')[{control}];
        field.value = String({values});
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".th")
    widget.scroll_into_view_if_needed()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    assert widget.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
    slider(widget, "Samples").press("End")               # where the numbers are longest
    settle(page)
    sizes = text_sizes(widget)
    assert min(sizes) >= 11.5
    outside = texts_outside(widget)
    assert not outside
    cells = widget.evaluate(
        """(e) => [...e.querySelectorAll(".th-matrix th, .th-matrix td")]
             .filter((c) => c.scrollWidth > c.clientWidth + 1).map((c) => c.textContent)""")
    assert not cells
    widget.get_by_role("button", name="Cheapest").tap()
    look = ThresholdExplorer(samples=2000).look()
    expect_python(widget, samples=2000, threshold=look.cheapest)


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".th")
    expect_python(widget)
    slider(widget, "Threshold").press("ArrowRight")
    expect_python(widget, threshold=1.3)
