"""The transfer widget in Chromium: its head is Python's, its curves are the measurement."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from playwright.sync_api import expect

from dlcheat.transfer import LABELS, SOURCES, linear_probe, sweep
from dlcheat.widgets.transfer import Transfer, fit_head, shown
from tests.browser.widgets import at_once, nameless_controls, settle, small_controls

FINE, FROZEN = "02-training/04-transfer/fine_tuning", "02-training/04-transfer/feature_extraction"
NAMES = ["digits 0–4", "digits 0–4, pixels shuffled", "digits 0–4, random labels", "nothing"]


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, FINE, ".tf")


def lines(widget):
    """What the two summary lines say: of the curve, and of the reader's own head."""
    settle(widget.page)
    return widget.locator(".dlw-summary").all_inner_texts()


def expect_python(widget, python):
    """The page says what Python computes from the same state."""
    curve, own = lines(widget)
    percents = [float(v) for v in re.findall(r"([\d.]+) %", curve)]
    found = re.search(r"([\d.]+) % of the test digits right, ([\d.]+) to ([\d.]+) in five", curve)
    assert found, curve
    low, mean, high = python.scores()
    assert [float(v) for v in found.groups()] == pytest.approx(
        [100 * mean, 100 * low, 100 * high], abs=0.11)
    if python.source == "none" and python.frozen == 0:
        assert curve.startswith("From scratch")
    else:
        scratch = np.mean(python.scored[3][0][LABELS.index(python.labels)])
        assert NAMES[SOURCES.index(python.source)] in curve
        assert percents[-1] == pytest.approx(100 * scratch, abs=0.11)
    head = python.head()
    if head is None:
        assert "No labels" in own or "One class alone" in own
    else:
        right = round(250 * head.accuracy)
        assert f"Your {len(python.chosen)} labels" in own and f"{right} of 250" in own, own


def test_the_head_is_pythons_on_hundreds_of_random_features(page, js):
    module, g = js(page, "transfer"), np.random.default_rng(0)
    calls, expected = [], []
    for _ in range(200):
        n, d, classes = int(g.integers(2, 30)), int(g.integers(1, 33)), int(g.integers(2, 6))
        x = g.choice([0.01, 1, 30]) * g.normal(size=(n, d)) + g.normal()
        y = g.integers(0, classes, n)
        l2, steps = float(g.choice([0, 0.01, 1])), int(g.integers(1, 200))
        calls.append([{"features": x.ravel().tolist(), "labels": y.tolist(), "classes": classes,
                       "l2": l2, "steps": steps}])
        expected.append(linear_probe(torch.from_numpy(x), torch.from_numpy(y), classes, l2, steps))
    for got, (weight, bias) in zip(module.call("linearProbe", calls), expected, strict=True):
        np.testing.assert_allclose(got["weight"], weight.flatten(), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(got["bias"], bias, rtol=1e-7, atol=1e-9)


def test_random_choices_of_digits_give_pythons_heads(page, js):
    module, g, data = js(page, "transfer"), np.random.default_rng(1), shown()
    classes = list(data["classes"])
    table = np.frombuffer(data["features"], np.uint8).reshape(4, -1) * np.array(data["scales"])[:, None]
    calls, expected = [], []
    for k in range(60):
        chosen = sorted(g.permutation(30)[:int(g.integers(0, 31))].tolist())
        calls.append([{"features": table[k % 4].tolist(), "classes": classes, "chosen": chosen}])
        expected.append(fit_head(SOURCES[k % 4], chosen))
    for got, head in zip(module.call("fitHead", calls), expected, strict=True):
        assert (got is None) == (head is None)
        if head is not None:
            assert got["predictions"] == head.predictions.tolist()
            assert got["accuracy"] == pytest.approx(head.accuracy)
            np.testing.assert_allclose(got["weight"], head.weight.flatten(), rtol=1e-7, atol=1e-9)


def test_small_functions(page, js):
    module, g = js(page, "transfer"), torch.Generator().manual_seed(0)
    weight, bias, x = (torch.randn(*s, generator=g, dtype=torch.double) for s in ((5, 32), (5,), (40, 32)))
    got = module.call("predict", [[{"weight": weight.flatten().tolist(), "bias": bias.tolist(),
                                    "features": x.flatten().tolist()}]])[0]
    assert got == F.linear(x, weight, bias).argmax(1).tolist()
    found = module.call("spread", [[[0.5, 0.25, 0.75]]])[0]
    assert found == {"low": 0.25, "mean": 0.5, "high": 0.75}
    np.testing.assert_allclose(module.call("unpack", [[[0x0F, 0xA5], 0, 4], [[1, 2, 0xF0], 1, 2]])[0],
                               np.array([0, 15, 10, 5]) / 15, rtol=1e-6)


def test_every_state_says_the_measurement(widget):
    menu = widget.get_by_label("Learned before", exact=True)
    frozen, labels = (widget.get_by_role("slider", name=n) for n in ("Frozen", "Labels a class"))
    expect_python(widget, Transfer())
    for k, (source, name) in enumerate(zip(SOURCES, NAMES)):
        menu.select_option(label=name)
        for depth in range(4):
            at = (2 * depth + 3 * k) % len(LABELS)
            frozen.fill(str(depth))
            labels.fill(str(at))
            expect_python(widget, Transfer(source=source, frozen=depth, labels=LABELS[at]))
            marks = widget.locator(".tf-stage").all_inner_texts()
            assert ["frozen" in text for text in marks] == [i < depth for i in range(4)]


def test_the_curve_lies_where_the_numbers_are(widget):
    values = sweep().accuracy[0, 0].round(3).mean(1)
    d = widget.locator(".tf-mean").get_attribute("d")
    y = [float(v) for v in re.findall(r",([\d.]+)", d)]
    np.testing.assert_allclose(y, 12 + (250 - 48) * (1 - values) / 0.8, atol=0.11)
    dots = widget.locator(".tf-dot").evaluate_all("all => all.map((e) => +e.getAttribute('cy'))")
    five = sweep().accuracy[0, 0, LABELS.index(10)].round(3)
    np.testing.assert_allclose(dots, 12 + 202 * (1 - five) / 0.8, atol=0.11)


def test_labels_by_mouse_and_keyboard(page, widget):
    cells = widget.locator(".tf-cell")
    chosen = []
    for i in (1, 9, 14, 21, 28, 3):
        cells.nth(i).click()
        chosen = sorted([*chosen, i])
        expect(cells.nth(i)).to_have_attribute("aria-pressed", "true")
        expect_python(widget, Transfer(chosen=chosen))
    cells.nth(9).focus()
    page.keyboard.press("Enter")
    chosen.remove(9)
    expect_python(widget, Transfer(chosen=chosen))
    page.keyboard.press("Space")
    expect_python(widget, Transfer(chosen=sorted([*chosen, 9])))
    widget.get_by_role("button", name="One of each").click()
    expect_python(widget, Transfer(chosen=[0, 6, 12, 18, 24]))
    widget.get_by_role("button", name="All 30").click()
    expect_python(widget, Transfer(chosen=list(range(30))))
    for source, name in zip(SOURCES, NAMES):
        widget.get_by_label("Learned before", exact=True).select_option(label=name)
        expect_python(widget, Transfer(source=source, chosen=list(range(30))))
    widget.get_by_role("button", name="None").click()
    assert "No labels yet" in lines(widget)[1]
    assert not widget.locator(".tf-own").is_visible()


def test_arrow_keys_and_reset(page, widget):
    page.wait_for_timeout(700)                      # the line for screen readers comes later
    before = widget.inner_text()
    widget.get_by_role("slider", name="Frozen").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect_python(widget, Transfer(frozen=2))
    widget.get_by_role("slider", name="Labels a class").focus()
    page.keyboard.press("End")
    expect_python(widget, Transfer(frozen=2, labels=200))
    widget.locator(".tf-cell").nth(4).click()
    assert "One class alone" in lines(widget)[1]
    widget.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(700)
    assert widget.inner_text() == before


def test_mistakes_are_drawn_and_named(widget):
    canvas = widget.locator(".tf-mistakes")
    assert canvas.get_attribute("aria-label") == "no head yet"
    blank = canvas.evaluate("c => c.toDataURL()")
    widget.get_by_role("button", name="One of each").click()
    settle(widget.page)
    head = fit_head("digits", [0, 6, 12, 18, 24])
    wrong = 250 - round(250 * head.accuracy)
    assert canvas.get_attribute("aria-label").startswith(f"{wrong} test digits")
    assert f"18 of {wrong} mistakes" in widget.locator(".tf-wrong figcaption").inner_text()
    assert canvas.evaluate("c => c.toDataURL()") != blank


def test_the_other_chapter_begins_frozen(page, open_chapter):
    open_chapter(page, FROZEN)
    widget = page.locator(".tf")
    expect_python(widget, Transfer(frozen=3, labels=1, chosen=[0, 6, 12, 18, 24]))


def test_controls_have_names(widget):
    assert nameless_controls(widget) == 0


@pytest.mark.paint
def test_a_slider_and_a_label_are_drawn_in_time(page, widget, paint_times):
    widget.get_by_role("button", name="All 30").click()
    move = ("(i) => { const e = document.querySelectorAll('.tf-sliders input')[0]; "
            "e.value = i % 4; e.dispatchEvent(new Event('input')); }")
    assert np.quantile(paint_times(page, move), 0.95) < 16
    click = "(i) => document.querySelectorAll('.tf-cell')[i % 30].click()"
    assert np.quantile(paint_times(page, click), 0.95) < 16


def test_on_a_phone(phone, open_chapter):
    open_chapter(phone, FINE)
    widget = phone.locator(".tf")
    widget.scroll_into_view_if_needed()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert small_controls(widget, 43.9, "input[type=range]") == []
    frame = widget.bounding_box()
    assert frame["x"] >= 0 and frame["x"] + frame["width"] <= 360
    for control in widget.locator("button, select, input[type=range]").all():
        box = control.bounding_box()
        assert box["x"] >= frame["x"] and box["x"] + box["width"] <= frame["x"] + frame["width"] - 8
    widget.locator(".tf-cell").nth(0).tap()
    widget.locator(".tf-cell").nth(6).tap()
    expect_python(widget, Transfer(chosen=[0, 6]))
