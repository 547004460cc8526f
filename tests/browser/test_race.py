"""The race in Chromium: its rules are dlcheat's optimizers, by mouse and keys."""

import json
import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dlcheat.widgets.race import (
    CONDITIONS,
    MOMENTA,
    NOISES,
    RACERS,
    RATES,
    STEPS,
    SURFACES,
    Race,
    gradient_noise,
    make_racer,
)
from tests.browser.widgets import (
    at_once,
    nameless_controls,
    settle,
    small_controls,
    text_sizes,
    texts_outside,
)

CHAPTER = "05-optimizers"
FIRST = ["SGD", "Momentum", "Adagrad", "Adam", "Lion"]


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".race")


def said(widget):
    settle(widget.page)
    return widget.locator(".dlw-summary").inner_text().replace("−", "-")


def row(widget, name):
    return widget.get_by_role("group", name=name, exact=True)


def loss_of(widget, name):
    """The loss that a racer's row shows: a number, or None where it diverged."""
    text = row(widget, name).locator(".race-loss").inner_text().replace("−", "-")
    return None if text == "lost" else float(text)


def expect_python(widget, python):
    """Every row shows the loss that Python computes; the summary names the lowest."""
    text, losses = said(widget), python.losses()
    assert text.startswith(f"Step {python.step} of {STEPS}, {SURFACES[python.surface].title}")
    ends = {}
    for name in RACERS:
        cell = row(widget, name).locator(".race-loss").inner_text()
        if name not in python.racing:
            assert cell == "–"
        elif len(losses[name]) <= python.step:
            assert cell == "lost" and f"{name} in step {len(losses[name])}" in text
        else:
            ends[name] = losses[name][python.step].item()
            shown = loss_of(widget, name)
            assert shown == pytest.approx(ends[name], rel=0.06, abs=1e-12), name
    if python.step and len(ends) > 1 and "all have" not in text:
        low = re.search(r"lowest (?:is|are) (.*?), loss", text)[1]
        assert min(ends, key=ends.get) in re.split(", | and ", low)
    return text


# ---- the same numbers

def test_losses_and_gradients_are_autograds(page, js):
    module, generator = js(page, "race"), np.random.default_rng(0)
    calls, expected = [], []
    for _ in range(400):
        surface, condition = str(generator.choice(list(SURFACES))), float(generator.choice(CONDITIONS))
        point = generator.uniform(-4, 4, 2)
        p = torch.tensor(point).requires_grad_()
        loss = SURFACES[surface].loss(p, condition)
        expected.append([loss.item(), *torch.autograd.grad(loss, p)[0].tolist()])
        calls.append([surface, condition, point.tolist()])
    np.testing.assert_allclose(module.call("surfaceAt", calls), expected, rtol=1e-11, atol=1e-10)


def test_the_rules_are_dlcheats_on_hundreds_of_gradient_sequences(page, js):
    """A hundred steps along given gradients: no surface that would forgive or magnify a slip."""
    module, generator = js(page, "race"), np.random.default_rng(1)
    calls, expected = [], []
    for k in range(360):
        name, lr, momentum = RACERS[k % 9], float(generator.choice(RATES)), float(generator.choice(MOMENTA))
        drift, scale = generator.normal(size=2), 10 ** generator.uniform(-3, 2)
        gradients = scale * (drift + generator.normal(size=(100, 2)))
        gradients[generator.integers(100, size=4)] = 0
        start = generator.normal(size=2)
        p = torch.tensor(start).requires_grad_()
        optimizer, path = make_racer(name, [p], lr, momentum), [p.tolist()]
        for g in gradients:
            p.grad = torch.tensor(g)
            optimizer.step(lambda: 0.0)
            path.append(p.tolist())
        calls.append([name, start.tolist(), gradients.tolist(), lr, momentum])
        expected.append(np.array(path))
    for got, path, call in zip(module.call("follow", calls), expected, calls, strict=True):
        inside = np.abs(path).max(1).cumsum() < 1e6             # L-BFGS on mere noise may leave
        size = np.abs(path[inside]).max()
        np.testing.assert_allclose(np.array(got, dtype=float)[inside], path[inside], rtol=1e-8,
                                   atol=1e-10 * size, err_msg=str((call[0], call[3:])))


def test_whole_runs_are_pythons(page, js):
    """From random starts with random settings: the same path as long as rounding stays small."""
    module, generator = js(page, "race"), np.random.default_rng(2)
    calls, expected = [], []
    for k in range(180):
        name, surface = RACERS[k % 9], str(generator.choice(list(SURFACES)))
        s = SURFACES[surface]
        start = [round(m + s.reach * float(u), 2) for m, u in zip(s.middle, generator.uniform(-0.9, 0.9, 2))]
        race = Race(surface=surface, start=start, condition=int(generator.choice(CONDITIONS)),
                    momentum=float(generator.choice(MOMENTA)), noise=float(generator.choice(NOISES)),
                    seed=int(generator.integers(1, 999)))
        lr = float(generator.choice(RATES[2:11]))
        path, nudged = race.path(name, lr), None
        race.start = [start[0] * (1 + 1e-12) + 1e-13, start[1]]
        nudged = race.path(name, lr)
        n = min(len(path), len(nudged))
        # as far as a change in the twelfth digit stays small: beyond it the run is chaotic
        apart = (path[:n] - nudged[:n]).abs().amax(1) > 1e-7 * path.abs().max().clamp(min=1)
        tame = int(apart.int().argmax()) if apart.any() else n
        calls.append([{"name": name, "surface": surface, "condition": race.condition, "start": start,
                       "lr": lr, "momentum": race.momentum, "noise": race.noise, "seed": race.seed}])
        expected.append((path.numpy(), tame, len(path) == len(nudged) == n and not apart.any()))
    whole = 0
    for got, (path, tame, all_of_it) in zip(module.call("run", calls), expected, strict=True):
        size = max(1, np.abs(path).max())
        np.testing.assert_allclose(got["path"][:tame], path[:tame], atol=1e-6 * size)
        if all_of_it:
            whole += 1
            assert len(got["path"]) == len(path)
    assert whole > 120, whole                            # most runs are compared to their end


def test_noise_tuning_and_judgement(page, js):
    module = js(page, "race")
    np.testing.assert_allclose(module.call("gradientNoise", [[7, 50]])[0], gradient_noise(7, 50), rtol=1e-12)
    race = Race(surface="turned", condition=100, racing=["SGD", "Momentum", "Adam", "Lion"])
    rates = race.tune()
    base = {"surface": "turned", "condition": 100, "start": race.start, "momentum": 0.9, "noise": 0,
            "seed": 1}
    got = module.call("bestRate", [[{**base, "name": name}] for name in race.racing])
    assert got == [rates[name] for name in race.racing]
    assert module.call("judge", [[[1.0, 2.0]]])[0] == [np.inf, np.inf]       # it diverged


def test_contours_lie_where_the_loss_has_the_level(page, js):
    module = js(page, "race")
    for name in ("turned", "himmelblau", "bumps"):
        s = SURFACES[name]
        values = module.call("gridOf", [[name, 30, s.middle, s.reach]])[0]
        values = list(values.values()) if isinstance(values, dict) else values
        levels = module.call("levelsOf", [[values]])[0]
        assert levels == sorted(levels) and len(levels) == 9
        segments = np.array(module.call("contour", [[values, levels[4]]])[0])      # (M, 4), in cells
        cells = torch.tensor(segments.reshape(-1, 2))
        points = torch.tensor(s.middle) + s.reach * (2 * cells / 72 - 1)
        off = (s.loss(points, 30) - levels[4]).abs()
        spread = torch.tensor(values).max() - torch.tensor(values).min()
        assert len(segments) > 40 and off.max() < 0.02 * spread


def test_words(page, js):
    module = js(page, "race")
    assert module.call("lossText", [[v] for v in (28.06, 0.0042, 3.06e-7, 1e-15, 123.4, 5e7)]) == [
        "28.1", "0.0042", "3.1e−7", "0", "123", "5.0e7"]
    runs = {"A": {"losses": [1, 0.5]}, "B": {"losses": [1, 0.1]}, "C": {"losses": [1]}}
    text = module.call("describe", [[{"step": 1, "title": "hill", "noise": 0, "runs": runs}]])[0]
    assert text == "Step 1 of 200, hill: lowest is B, loss 0.10; then A, 0.50. Diverged: C in step 1."
    even = {"A": {"losses": [1, 0]}, "B": {"losses": [1, 0]}}
    for given, end in (({"C": {"losses": [1]}}, "nobody is left. Diverged: C in step 1."),
                       ({}, "nobody runs."), (even, "all have loss 0.")):
        text = module.call("describe", [[{"step": 1, "title": "hill", "noise": 0, "runs": given}]])[0]
        assert text.endswith(end), text


# ---- on the page

def test_first_state_and_steps(widget):
    text = expect_python(widget, Race())
    assert "SGD, Momentum, Adagrad, Adam and Lion at the start" in text
    widget.get_by_role("button", name="1 step", exact=True).click()
    expect_python(widget, Race(step=1))
    widget.get_by_label("Step", exact=True).fill("80")
    expect_python(widget, Race(step=80))
    slider = widget.get_by_label("Step", exact=True)
    slider.press("End")
    expect_python(widget, Race(step=STEPS))
    assert widget.get_by_role("button", name="1 step", exact=True).is_disabled()


def test_the_paths_on_screen(widget):
    """What is drawn is where Python's runs are, in the picture and in the plot of losses."""
    widget.get_by_label("Step", exact=True).fill("60")
    settle(widget.page)
    race = Race()
    drawn = widget.locator(".race-map polyline").evaluate_all("all => all.map(e => e.getAttribute('points'))")
    for name in FIRST:
        points = np.array([[float(v) for v in p.split(",")] for p in drawn[RACERS.index(name)].split()])
        path = race.path(name)[:61].numpy()
        wanted = np.stack([46 + 266 * (path[:, 0] / 3 + 1) / 2, 274 - 266 * (path[:, 1] / 3 + 1) / 2], 1)
        np.testing.assert_allclose(points, wanted, atol=0.06)
    assert drawn[RACERS.index("L-BFGS")] == ""
    looks = widget.locator(".race-map polyline").evaluate_all(
        "all => all.map(e => [getComputedStyle(e).stroke, e.getAttribute('stroke-dasharray')])")
    shapes = widget.locator(".race-map .race-mark").evaluate_all("all => all.map(e => e.getAttribute('d'))")
    assert len({color for color, _ in looks}) == 9 and len(set(shapes)) == 9


def test_surface_condition_momentum_and_noise(widget):
    race = Race(step=40)
    widget.get_by_label("Step", exact=True).fill("40")
    widget.get_by_label("Condition number").fill(str(CONDITIONS.index(300)))
    race.condition = 300
    text = expect_python(widget, race)
    assert "κ = 300" in text and "Diverged: SGD in step" in text
    widget.get_by_label("Momentum μ, β₁").fill(str(MOMENTA.index(0.5)))
    race.momentum = 0.5
    expect_python(widget, race)
    widget.get_by_label("Surface", exact=True).select_option("turned")
    race.surface, race.start = "turned", list(SURFACES["turned"].start)
    expect_python(widget, race)
    widget.get_by_label("Noise on the gradient").fill(str(NOISES.index(0.3)))
    race.noise = 0.3
    assert ", noise 0.3:" in expect_python(widget, race)
    widget.get_by_role("button", name="New noise").click()
    race.seed = 2
    expect_python(widget, race)
    widget.get_by_label("Surface", exact=True).select_option("himmelblau")
    settle(widget.page)
    assert widget.get_by_label("Condition number").is_disabled()


def test_racers_and_rates(widget):
    widget.get_by_label("Step", exact=True).fill("100")
    race = Race(step=100)
    row(widget, "L-BFGS").get_by_role("checkbox").check()
    row(widget, "Adagrad").get_by_role("checkbox").uncheck()
    race.racing = ["SGD", "Momentum", "Adam", "Lion", "L-BFGS"]
    assert "lowest is L-BFGS, loss 0" in expect_python(widget, race)
    slider = widget.get_by_label("Rate η of SGD")
    slider.press("ArrowRight")
    race.rates = {**race.rates, "SGD": 0.1}
    assert "Diverged: SGD in step" in expect_python(widget, race)
    widget.get_by_label("Rate η of Lion").press("Home")
    race.rates = {**race.rates, "Lion": 1e-4}
    expect_python(widget, race)
    for name in race.racing:
        row(widget, name).get_by_role("checkbox").uncheck()
    assert said(widget).endswith("nobody runs.")


def test_tune_all(widget):
    widget.get_by_label("Surface", exact=True).select_option("rosenbrock")
    widget.get_by_label("Step", exact=True).fill("200")
    race = Race(surface="rosenbrock", step=200)
    assert "Diverged: SGD in step 3, Momentum in step 3" in expect_python(widget, race)
    widget.get_by_role("button", name="Tune all").click()
    race.tune()
    text = expect_python(widget, race)
    assert "Diverged" not in text
    for name in FIRST:
        assert float(row(widget, name).locator(".dlw-value").inner_text()) == race.rates[name]


def test_the_start_by_keys_and_mouse(page, widget):
    widget.get_by_label("Surface", exact=True).select_option("saddle")
    widget.get_by_label("Step", exact=True).fill("200")
    assert "all have" in said(widget) or "0.25" in said(widget)
    grip = widget.locator(".race-grip")
    grip.focus()
    grip.press("ArrowUp")
    race = Race(surface="saddle", start=[-1.6, 0.05], step=200)
    expect_python(widget, race)
    grip.press("Shift+ArrowRight")
    race.start = [-1.35, 0.05]
    expect_python(widget, race)
    box = grip.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.2, steps=4)
    page.mouse.up()
    settle(page)
    x, y = re.search(r"x (\S+), y (\S+)", grip.get_attribute("aria-label").replace("−", "-")).groups()
    assert float(x) == pytest.approx(1.6, abs=0.03) and float(y) == pytest.approx(1.2, abs=0.03)
    race.start = [float(x), float(y)]
    expect_python(widget, race)
    ring = widget.locator(".race-start")
    assert float(ring.get_attribute("cx")) == pytest.approx(46 + 266 * (float(x) / 2 + 1) / 2, abs=0.1)


def test_play_pause_start_over_and_reset(page, widget):
    page.wait_for_timeout(700)                       # the line for screen readers comes later
    before, height = widget.inner_text(), widget.bounding_box()["height"]
    widget.get_by_role("button", name="Play").click()
    pause = widget.get_by_role("button", name="Pause")
    expect(pause).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(250)
    pause.click()
    step = int(re.match(r"Step (\d+)", said(widget))[1])
    page.wait_for_timeout(150)
    assert 0 < step < STEPS and said(widget).startswith(f"Step {step} ")
    expect_python(widget, Race(step=step))
    widget.get_by_role("button", name="Play").click()
    play = widget.get_by_role("button", name="Play")
    expect(play).to_have_attribute("aria-pressed", "false", timeout=60_000)
    expect_python(widget, Race(step=STEPS))
    widget.get_by_role("button", name=re.compile("^Start over")).click()
    expect_python(widget, Race())
    widget.get_by_label("Surface", exact=True).select_option("beale")
    widget.get_by_label("Momentum μ, β₁").press("Home")
    row(widget, "RMSprop").get_by_role("checkbox").check()
    widget.get_by_role("button", name="Tune all").click()
    widget.get_by_role("button", name="Reset").click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(700)
    assert widget.inner_text() == before and widget.bounding_box()["height"] == height


def test_the_height_does_not_change(widget):
    heights = set()
    for name in RACERS:
        row(widget, name).get_by_role("checkbox").check()
    for surface in SURFACES:
        widget.get_by_label("Surface", exact=True).select_option(surface)
        for step in ("0", "200"):
            widget.get_by_label("Step", exact=True).fill(step)
            settle(widget.page)
            heights.add(round(widget.bounding_box()["height"]))
    assert max(heights) - min(heights) <= 2, heights


def test_touch_targets_and_names(widget):
    assert small_controls(widget, 43.5, "input:not([type=checkbox]), .dlw-check") == []
    assert nameless_controls(widget) == 0
    names = widget.locator("input[type=range]").evaluate_all("all => all.map(e => e.labels[0].textContent)")
    assert len(set(names)) == len(names)


@pytest.mark.paint
@pytest.mark.parametrize(("control", "count"), [("Condition number", 13), ("Momentum", 9), ("Noise", 8),
                                                ("Step", 201), ("Rate η of Adam", 16)])
def test_paint_is_quick(page, widget, paint_times, control, count):
    for name in RACERS:
        row(widget, name).get_by_role("checkbox").check()
    widget.get_by_label("Step", exact=True).fill("200")
    times = paint_times(page, f"""(i) => {{
        const field = [...document.querySelectorAll('.race input[type=range]')]
          .find((e) => e.labels[0].textContent.startsWith({json.dumps(control)}));
        field.value = String((i * 7) % {count});
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".race")
    widget.scroll_into_view_if_needed()
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    sizes = text_sizes(widget, "svg.race-plot")
    assert min(sizes) >= 11.5
    for surface in SURFACES:
        widget.get_by_label("Surface", exact=True).select_option(surface)
        settle(page)
        outside = texts_outside(widget, "svg.race-plot")
        assert not outside, surface
    narrow = widget.locator(".race-row input[type=range]").evaluate_all(
        "all => Math.min(...all.map((e) => e.getBoundingClientRect().width))")
    assert narrow > 120
    widget.get_by_role("button", name="Reset").tap()
    widget.get_by_role("button", name="1 step", exact=True).tap()
    expect_python(widget, Race(step=1))
    box = widget.locator(".race-grip").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 4)
    settle(page)
    assert "y 1.5" in widget.locator(".race-grip").get_attribute("aria-label")


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".race")
    widget.get_by_label("Step", exact=True).fill("30")
    expect_python(widget, Race(step=30))
