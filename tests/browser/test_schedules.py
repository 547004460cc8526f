"""The schedules widget in Chromium: its training is autograd's, its runs are Python's."""

import re
from itertools import islice

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dlcheat.widgets.schedules import (
    BATCHES,
    COUNT,
    MOMENTA,
    RATES,
    SCHEDULES,
    STEPS,
    Schedules,
    digits,
    factor,
    initial_weights,
    shuffled_batches,
    train_step,
)
from tests.browser.widgets import at_once, nameless_controls, settle, small_controls

CHAPTER = "02-training/wild"
NAMES = ["constant", "step decay", "exponential decay", "cosine", "warm-up + cosine", "one-cycle"]


@pytest.fixture
def widget(page, open_chapter):
    found = at_once(open_chapter, page, CHAPTER, ".sc")
    wait_until_trained(found)
    return found


def wait_until_trained(widget):
    """Every run that was asked for is finished and drawn: no number is missing any more."""
    settle(widget.page)                                          # the line says what was asked for
    expect(widget.locator(".dlw-summary")).not_to_contain_text(re.compile("training …|to go"),
                                                              timeout=20_000)
    expect(widget.get_by_role("cell", name="…", exact=True)).to_have_count(0, timeout=20_000)
    settle(widget.page)


def said(widget):
    """The summary line: updates, training loss, held-out loss, per cent right."""
    wait_until_trained(widget)
    text = widget.locator(".dlw-summary").inner_text()
    found = re.search(r"after (\d+) updates loss ([\d.]+) on the 600 training digits, "
                      r"([\d.]+) on 400 held-out ones, ([\d.]+) % of these right\.", text)
    assert found, text
    return [float(v) for v in found.groups()]


def expect_python(widget, **state):
    run = Schedules(**state).train()
    steps, training, held_out, right = said(widget)
    assert steps == STEPS
    assert training == pytest.approx(run.training_loss, abs=6e-4)
    assert held_out == pytest.approx(run.held_out_loss, abs=6e-4)
    assert right == pytest.approx(100 * run.accuracy, abs=0.051)


def pixels(widget):
    wait_until_trained(widget)
    return widget.locator("canvas").evaluate_all("all => all.map((c) => c.toDataURL())")


def table(widget):
    return widget.locator("tbody tr").evaluate_all(
        "rows => rows.map((r) => [...r.children].map((c) => c.textContent))")


def test_the_step_is_autograds_on_hundreds_of_random_networks(page, js):
    module, g = js(page, "schedules"), np.random.default_rng(0)
    calls, expected = [], []
    for _ in range(200):
        n = int(g.integers(1, 9))
        weights = g.choice([0.05, 0.3, 2]) * g.normal(size=COUNT)
        velocity, x = g.normal(size=COUNT), g.uniform(0, 1, (n, 49))
        y, rate = g.integers(0, 10, n), float(g.choice([0.003, 0.1, 3]))
        momentum = float(g.choice(MOMENTA))
        calls.append([{"weights": weights.tolist(), "velocity": velocity.tolist(),
                       "inputs": x.ravel().tolist(), "labels": y.tolist(), "rate": rate,
                       "momentum": momentum}])
        expected.append(train_step(*map(torch.from_numpy, (weights, velocity, x, y)), rate,
                                   momentum))
    for got, step in zip(module.call("trainStep", calls), expected, strict=True):
        assert got["loss"] == pytest.approx(step.loss, rel=1e-10, abs=1e-13)
        for name in ("gradient", "weights", "velocity"):
            np.testing.assert_allclose(got[name], getattr(step, name), rtol=1e-8, atol=1e-11)


def test_the_schedules_are_dlcheats(page, js):
    module, g = js(page, "schedules"), np.random.default_rng(1)
    calls = []
    for k in range(600):
        total = int(g.integers(60, 400))
        calls.append([SCHEDULES[k % 6], int(g.integers(total)), total, int(g.integers(0, 51))])
    got = module.call("factor", calls)
    np.testing.assert_allclose(got, [factor(*call) for call in calls], rtol=1e-12, atol=1e-15)


def test_weights_and_batches_are_the_same(page, js):
    module = js(page, "schedules")
    for seed in (1, 2, 999):
        np.testing.assert_allclose(module.call("initialWeights", [[seed]])[0],
                                   initial_weights(seed), rtol=1e-14)
        for batch in BATCHES:
            assert module.call("firstBatches", [[seed, 600, batch, 100]])[0] == list(
                islice(shuffled_batches(seed, 600, batch), 100))
    values = np.random.default_rng(0).normal(size=40)
    means = [values[max(0, i - 14):i + 1].mean() for i in range(40)]
    np.testing.assert_allclose(module.call("smooth", [[values.tolist()]])[0], means)
    np.testing.assert_allclose(module.call("ratePlace", [[0.003], [3], [0.3]]), [0, 1, 2 / 3])


def test_whole_runs_stay_together(page, js):
    """Three hundred updates, every schedule, not one: the error does not grow."""
    module, g = js(page, "schedules"), np.random.default_rng(2)
    greys, classes = digits()
    data = {"inputs": (greys.double() / 255).flatten().tolist(), "labels": classes.tolist()}
    states = [{"schedule": s, "rate": float(g.choice(RATES[:9])), "warmup": int(g.integers(51)),
               "batch": int(g.choice(BATCHES)), "momentum": float(g.choice(MOMENTA)),
               "seed": int(g.integers(1, 1000))} for s in SCHEDULES]
    page.evaluate("data => { window.digits = data; }", data)
    for state in states:
        got = page.evaluate("s => tested.wholeRun(s, window.digits)", state)
        run = Schedules(**state).train()
        np.testing.assert_allclose(got["rates"], run.rates, rtol=1e-9)
        np.testing.assert_allclose(got["losses"], run.losses, rtol=1e-6, atol=1e-8)
        assert got["result"]["training"] == pytest.approx(run.training_loss, rel=1e-6)
        assert got["result"]["heldOut"] == pytest.approx(run.held_out_loss, rel=1e-6)
        assert got["result"]["accuracy"] == run.accuracy
    assert module.call("words", [[states[0]]])[0].startswith("constant, peak rate ")


def test_first_state(widget):
    expect_python(widget)
    assert [row[0] for row in table(widget)] == ["now", "A", "B", "C"]
    assert all(cell == "–" for row in table(widget)[1:] for cell in row[1:])


@pytest.mark.parametrize("name", NAMES[1:])
def test_every_schedule_by_its_menu(widget, name):
    widget.get_by_label("Schedule", exact=True).select_option(label=name)
    schedule = SCHEDULES[NAMES.index(name)]
    expect_python(widget, schedule=schedule)
    rises = schedule in ("warmup_cosine", "one_cycle")
    assert widget.get_by_role("slider", name="Updates that rise").is_enabled() == rises
    assert widget.locator(".dlw-summary").inner_text().lower().startswith(name)


def test_every_other_control(widget):
    widget.get_by_label("Schedule", exact=True).select_option(label="warm-up + cosine")
    widget.get_by_role("slider", name="Updates that rise").fill("30")
    widget.get_by_role("slider", name="Peak rate").fill(str(RATES.index(0.3)))
    widget.get_by_label("Batch", exact=True).select_option(label="64")
    widget.get_by_label("Momentum", exact=True).select_option(label="0.5")
    widget.get_by_role("button", name="New seed").click()
    expect_python(widget, schedule="warmup_cosine", warmup=30, rate=0.3, batch=64, momentum=0.5,
                  seed=2)


def test_the_keyboard_alone(page, widget):
    widget.get_by_role("slider", name="Peak rate").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect_python(widget, rate=0.3)
    widget.get_by_label("Schedule", exact=True).focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect_python(widget, rate=0.3, schedule="cosine")
    widget.get_by_role("button", name="Keep this run").focus()
    page.keyboard.press("Enter")
    settle(page)
    assert table(widget)[1][1:3] == ["cosine", "0.3"]


def test_kept_runs_stay_and_are_no_more_than_three(widget):
    slider, keep = widget.get_by_role("slider", name="Peak rate"), widget.get_by_role(
        "button", name="Keep this run")
    kept = []
    for rate in (0.01, 0.1, 0.3, 1.0):
        slider.fill(str(RATES.index(rate)))
        said(widget)
        keep.click()
        expect(keep).to_be_disabled()                            # the same run is not kept twice
        run = Schedules(rate=rate).train()
        kept.append([str(rate) if rate < 1 else "1", f"{run.training_loss:.3f}"])
    wait_until_trained(widget)
    assert [[row[2], row[4]] for row in table(widget)[1:]] == kept[1:]
    before = pixels(widget)
    widget.get_by_role("button", name="Remove kept").click()
    after = pixels(widget)
    assert after[0] != before[0] and after[1] != before[1]
    assert all(row[1] == "–" for row in table(widget)[1:])


def test_all_rates_of_two_schedules(widget):
    for name in ("constant", "cosine"):
        widget.get_by_label("Schedule", exact=True).select_option(label=name)
        widget.get_by_role("button", name="Try all rates").click()
        wait_until_trained(widget)
    text = widget.locator(".sc-dots").get_attribute("aria-label")
    found = re.findall(r"(constant|cosine): lowest loss ([\d.]+) at peak rate ([\d.]+), "
                       r"(\d+) rates tried", text)
    assert [row[0] for row in found] == ["constant", "cosine"] and found[0][3] == "13"
    for name, lowest, rate, _ in found:
        losses = {r: Schedules(schedule=name, rate=r).train().training_loss for r in RATES}
        best = min(losses, key=losses.get)
        assert float(rate) == best and float(lowest) == pytest.approx(losses[best], abs=6e-4)
    assert float(found[1][2]) > float(found[0][2])               # a falling rate wants a larger peak


def test_the_table_fits_its_column(widget):
    widget.get_by_label("Schedule", exact=True).select_option(label="warm-up + cosine")
    widget.get_by_role("slider", name="Peak rate").fill("0")
    said(widget)
    widget.get_by_role("button", name="Keep this run").click()
    settle(widget.page)
    widths = widget.locator(".sc-scroll").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert widths[0] <= widths[1]


def test_reset_is_the_first_state(page, widget):
    page.wait_for_timeout(700)                                   # the line for screen readers comes later
    text, images = widget.inner_text(), pixels(widget)
    widget.get_by_label("Schedule", exact=True).select_option(label="one-cycle")
    widget.get_by_role("slider", name="Peak rate").fill("9")
    said(widget)
    widget.get_by_role("button", name="Keep this run").click()
    widget.get_by_role("button", name="Try all rates").click()
    widget.get_by_role("button", name="Reset").click()
    said(widget)
    page.wait_for_timeout(700)
    assert widget.inner_text() == text and pixels(widget) == images


def test_nothing_moves_while_it_trains(page, widget):
    tops = "all => all.map((e) => e.getBoundingClientRect().top)"
    before = widget.locator("*").evaluate_all(tops)
    widget.get_by_role("button", name="Try all rates").click()
    settle(page)
    during = widget.locator("*").evaluate_all(tops)
    wait_until_trained(widget)
    assert np.abs(np.array(during) - before).max() < 0.5
    assert np.abs(np.array(widget.locator("*").evaluate_all(tops)) - before).max() < 0.5


def test_a_rate_that_is_too_large_is_survived(widget):
    widget.get_by_label("Batch", exact=True).select_option(label="8")
    widget.get_by_role("slider", name="Peak rate").fill(str(len(RATES) - 1))
    wait_until_trained(widget)
    text = widget.locator(".dlw-summary").inner_text()
    loss = re.search(r"updates loss ([\d.]+|not a number|∞) on", text)
    assert loss, text
    assert not loss[1][0].isdigit() or float(loss[1]) > 2


@pytest.mark.paint
def test_a_slider_event_is_drawn_in_time(page, widget, paint_times):
    for _ in range(3):
        widget.get_by_role("button", name="New seed").click()
        said(widget)
        widget.get_by_role("button", name="Keep this run").click()
    move = ("(i) => { const e = document.querySelectorAll('.sc-sliders input')[0]; "
            "e.value = 4 + i % 5; e.dispatchEvent(new Event('input')); }")
    assert np.quantile(paint_times(page, move), 0.95) < 16


def test_on_a_phone(phone, open_chapter):
    widget = at_once(open_chapter, phone, CHAPTER, ".sc")
    wait_until_trained(widget)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert small_controls(widget, 43.9) == [] and nameless_controls(widget) == 0
    for control in widget.locator("button, select, input[type=range]").all():
        box = control.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
