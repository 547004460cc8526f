"""The playground in Chromium: its training step is autograd's, by mouse, keyboard and sliders."""

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

from dlcheat.widgets.playground import (
    ACTIVATIONS,
    Playground,
    forward,
    initial_weights,
    layer_sizes,
    parameter_count,
    train_step,
    uniforms,
)
from tests.browser.widgets import at_once, settle

CHAPTER = "01-introduction"


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".pg")


def said(widget):
    """The summary line: step, loss, right, points, parameters, seed."""
    settle(widget.page)
    text = widget.locator(".dlw-summary").inner_text()
    found = re.search(r"Step (\d+): loss ([\d.]+), (\d+) of (\d+) points right.*, "
                      r"(\d+) parameters, first weights no. (\d+)\.", text)
    assert found, text
    step, loss, *rest = found.groups()
    return int(step), float(loss), *map(int, rest)


def expect_python(widget, python, steps):
    """What is said is what Python computes after as many steps."""
    result = python.train(steps) if steps else first_look(python)
    count = len(python.tensors()[0])
    expected = (steps, round(result.accuracy * count), count, parameter_count(python.sizes),
                python.seed)
    step, loss, *rest = said(widget)
    assert (step, *rest) == expected
    assert loss == pytest.approx(result.loss, abs=5.1e-5)


def first_look(python):
    points, labels = python.tensors()
    return train_step(initial_weights(python.sizes, python.seed), python.sizes, python.activation,
                      points, labels, python.rate)


def pixels(widget):
    settle(widget.page)
    return widget.locator("canvas").evaluate_all("all => all.map((c) => c.toDataURL())")


def plane_at(widget, x, y):
    box = widget.locator(".pg-plane").bounding_box()
    return (box["x"] + (x / 3 + 1) / 2 * box["width"], box["y"] + (1 - y / 3) / 2 * box["height"])


def test_the_step_is_autograds_on_hundreds_of_random_networks(page, js):
    module, generator = js(page, "playground"), np.random.default_rng(0)
    calls, expected = [], []
    for k in range(400):
        sizes = layer_sizes(int(generator.integers(0, 4)), int(generator.integers(1, 9)))
        activation = list(ACTIVATIONS)[k % 4]
        n = int(generator.integers(1, 41))
        weights = generator.choice([0.3, 1, 3]) * generator.normal(size=parameter_count(sizes))
        points = generator.uniform(-3, 3, (n, 2))
        labels = generator.integers(0, 2, n)
        rate = float(generator.choice([0.001, 0.3, 10]))
        rows = [[*p, int(c)] for p, c in zip(points.tolist(), labels)]
        calls.append([{"weights": weights.tolist(), "sizes": sizes, "activation": activation,
                       "points": rows, "rate": rate}])
        expected.append(train_step(torch.from_numpy(weights), sizes, activation,
                                   torch.from_numpy(points), torch.from_numpy(labels), rate))
    for got, step in zip(module.call("trainStep", calls), expected, strict=True):
        assert got["loss"] == pytest.approx(step.loss, rel=1e-10, abs=1e-13)
        assert got["accuracy"] == pytest.approx(step.accuracy, abs=1e-12)
        for name in ("logits", "gradient", "weights"):
            np.testing.assert_allclose(got[name], getattr(step, name), rtol=1e-8, atol=1e-11)


def test_a_hundred_steps_stay_together(page, js):
    """The page's weights after many steps, not one: the error does not grow."""
    module = js(page, "playground")
    for settings in ({}, {"activation": "relu", "data": "xor"}, {"hidden": 3, "units": 8}):
        python = Playground(**settings)
        state = {"weights": initial_weights(python.sizes, python.seed).tolist(),
                 "sizes": python.sizes, "activation": python.activation,
                 "points": python.sets[python.data], "rate": python.rate}
        last = page.evaluate(
            """(state) => { for (let k = 0; k < 100; k++)
                 state = { ...state, weights: tested.trainStep(state).weights };
               return Array.from(state.weights); }""",
            {**state, "weights": state["weights"]})
        python.train(100)
        np.testing.assert_allclose(last, python.weights, rtol=1e-7, atol=1e-9)
    assert module.call("parameterCount", [[[2, 8, 8, 8, 1]]]) == [177]


def test_first_weights_and_small_steps(page, js):
    module = js(page, "playground")
    for seed in (0, 1, 2, 77, 999, 2 ** 32 - 1):
        source = uniforms(seed)
        assert module.call("uniforms", [[seed, 50]])[0] == [next(source) for _ in range(50)]
        for hidden, units in ((0, 3), (1, 1), (2, 4), (3, 8)):
            sizes = layer_sizes(hidden, units)
            assert module.call("layerSizes", [[hidden, units]]) == [sizes]
            np.testing.assert_allclose(module.call("initialWeights", [[sizes, seed]])[0],
                                       initial_weights(sizes, seed), rtol=1e-14)
    assert module.call("clampPlace", [[[9, -9]], [[0.123, -0.004]]]) == [[3, -3], [0.12, 0]]
    assert module.call("parseColor", [["#0b62b0"], ["rgb(1, 2, 3)"]]) == [[11, 98, 176], [1, 2, 3]]


def test_the_line_lies_where_the_values_cross_zero(page, js):
    module, n = js(page, "playground"), 12
    grid = np.array(module.call("gridPoints", [[n]])[0]).reshape(-1, 2)
    assert grid[0].tolist() == [-2.75, 2.75] and grid[-1].tolist() == [2.75, -2.75]
    weights = torch.tensor([1.0, -2.0, 0.3], dtype=torch.double)      # x − 2y + 0.3 = 0
    values = forward(weights, [2, 1], "tanh", torch.from_numpy(grid)).tolist()
    segments = np.array(module.call("zeroLine", [[values, n]])[0]).reshape(-1, 2)
    assert len(segments) > 10
    x, y = -2.75 + 0.5 * segments[:, 0], 2.75 - 0.5 * segments[:, 1]
    np.testing.assert_allclose(x - 2 * y + 0.3, 0, atol=1e-9)
    assert module.call("zeroLine", [[[1.0] * n * n, n]]) == [[]]


def test_first_state_and_steps(widget):
    expect_python(widget, Playground(), 0)
    widget.get_by_role("button", name="1 step", exact=True).click()
    expect_python(widget, Playground(), 1)
    widget.get_by_role("button", name="100 steps").click()
    expect_python(widget, Playground(), 101)


@pytest.mark.parametrize(("data", "activation", "hidden", "units", "rate"), [
    ("XOR", "tanh", 0, 4, 5), ("two moons", "identity", 3, 8, 6), ("rings", "ReLU", 1, 8, 4),
    ("spirals", "sigmoid", 3, 8, 7), ("XOR", "tanh", 1, 1, 6)])
def test_every_setting_shows_pythons_numbers(widget, data, activation, hidden, units, rate):
    rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
    widget.get_by_label("Points", exact=True).select_option(label=data)
    widget.get_by_label("Activation").select_option(label=activation)
    widget.get_by_role("slider", name="Units").fill(str(units))
    widget.get_by_role("slider", name="Learning rate").fill(str(rate))
    widget.get_by_role("slider", name="Hidden layers").fill(str(hidden))
    python = {"data": {"two moons": "moons"}.get(data, data.lower()), "hidden": hidden,
              "activation": activation.lower(), "units": units, "rate": rates[rate]}
    expect_python(widget, Playground(**python), 0)
    widget.get_by_role("button", name="100 steps").click()
    expect_python(widget, Playground(**python), 100)


def test_the_predictions_of_the_page(widget):
    """A line fails on XOR; a hidden layer of four succeeds."""
    widget.get_by_label("Points", exact=True).select_option(label="XOR")
    slider = widget.get_by_role("slider", name="Hidden layers")
    slider.fill("0")
    for _ in range(4):
        widget.get_by_role("button", name="100 steps").click()
    _, loss, right, *_ = said(widget)
    assert abs(loss - np.log(2)) < 0.002 and right <= 60
    slider.fill("1")
    for _ in range(6):
        widget.get_by_role("button", name="100 steps").click()
    assert said(widget)[2] >= 98


def test_play_learns_moons_without_moving_the_page(page, widget):
    play = widget.get_by_role("button", name="Play")
    height = widget.bounding_box()["height"]
    tops = "all => all.map((e) => e.getBoundingClientRect().top)"
    before = widget.locator("*").evaluate_all(tops)
    play.click()
    page.wait_for_function("""() => /9[89] of 100|100 of 100/.test(
        document.querySelector(".pg .dlw-summary").textContent)""")
    pause = widget.get_by_role("button", name="Pause")
    expect(pause).to_have_attribute("aria-pressed", "true")
    pause.click()
    stopped = said(widget)
    page.wait_for_timeout(200)
    assert said(widget) == stopped                               # it does not run on
    assert widget.bounding_box()["height"] == height
    moved = np.abs(np.array(widget.locator("*").evaluate_all(tops)) - before)
    assert moved.max() < 0.5
    expect_python(widget, Playground(), stopped[0])


def test_start_over_new_weights_and_reset(page, widget):
    page.wait_for_timeout(700)                      # the line for screen readers comes later
    text, images = widget.inner_text(), pixels(widget)
    widget.get_by_role("button", name="100 steps").click()
    trained = said(widget)
    widget.get_by_role("button", name=re.compile("^Start over")).click()
    assert said(widget)[0] == 0 and pixels(widget) == images
    widget.get_by_role("button", name="100 steps").click()
    assert said(widget) == trained                               # same seed, same start
    widget.get_by_role("button", name="New weights").click()
    expect_python(widget, Playground(seed=2), 0)
    widget.get_by_label("Points", exact=True).select_option(label="spirals")
    widget.get_by_label("A click adds").select_option(index=1)
    widget.get_by_role("slider", name="Units").fill("7")
    page.mouse.click(*plane_at(widget, 1, 1))
    widget.get_by_role("button", name="100 steps").click()
    widget.get_by_role("button", name="Reset").click()
    page.mouse.move(0, 0)
    page.wait_for_timeout(700)
    assert widget.inner_text() == text
    widget.get_by_role("button", name="Reset").focus()
    assert pixels(widget) == images
    widget.get_by_role("button", name="100 steps").click()
    assert said(widget) == trained


def test_points_by_click(page, widget):
    widget.get_by_role("button", name="Remove all").click()
    settle(page)
    assert "no points" in widget.locator(".dlw-summary").inner_text()
    assert widget.get_by_role("button", name="Play").is_disabled()
    rows = [[-1.0, 0.5, 0], [2.0, -2.0, 0], [0.0, 1.5, 1], [-2.5, -2.5, 1]]
    box = widget.locator(".pg-plane").bounding_box()["width"]
    for x, y, c in rows:
        widget.get_by_label("A click adds").select_option(index=c)
        page.mouse.click(*plane_at(widget, x, y))
    step, _, _, count, *_ = said(widget)
    assert (step, count) == (0, 4)
    assert widget.get_by_label("Points", exact=True).input_value() == "own"
    python = Playground(data="own", points=rows)
    assert said(widget)[1] == pytest.approx(first_look(python).loss, abs=0.1 * 6 / box * 6)
    widget.get_by_role("button", name="Remove last").click()
    assert said(widget)[3] == 3


def test_the_keyboard_alone(page, widget):
    widget.get_by_role("button", name="Remove all").click()
    widget.get_by_role("application").focus()
    for key in ("ArrowRight", "Shift+ArrowUp", "Enter"):         # class 0 at (0.1, 0.5)
        page.keyboard.press(key)
    widget.get_by_label("A click adds").select_option(index=1)
    widget.get_by_role("application").focus()
    for key in ("Shift+ArrowLeft", "ArrowDown", "Enter"):        # class 1 at (−0.4, 0.4)
        page.keyboard.press(key)
    rows = [[0.1, 0.5, 0], [-0.4, 0.4, 1]]
    expect_python(widget, Playground(data="own", points=rows), 0)
    page.keyboard.press("Delete")
    expect_python(widget, Playground(data="own", points=rows[:1]), 0)
    widget.get_by_role("slider", name="Hidden layers").focus()
    page.keyboard.press("ArrowLeft")
    expect_python(widget, Playground(data="own", points=rows[:1], hidden=1), 0)
    widget.get_by_role("button", name="1 step", exact=True).focus()
    page.keyboard.press("Enter")
    expect_python(widget, Playground(data="own", points=rows[:1], hidden=1), 1)


def test_two_hundred_points_are_enough(page, widget):
    widget.get_by_role("application").focus()
    for _ in range(101):
        page.keyboard.press("Enter")
    assert said(widget)[3] == 200
    assert "200 points" in widget.locator(".pg-alarm").inner_text()
    widget.get_by_role("button", name="Remove last").click()
    assert said(widget)[3] == 199
    assert widget.locator(".pg-alarm").inner_text() == ""


def test_a_new_rate_goes_on_with_the_same_weights(widget):
    widget.get_by_role("button", name="100 steps").click()
    before = said(widget)
    widget.get_by_role("slider", name="Learning rate").fill("8")
    assert said(widget) == before
    widget.get_by_role("button", name="1 step", exact=True).click()
    python = Playground()
    python.train(100)
    python.rate = 10.0
    assert said(widget)[1] == pytest.approx(python.train(1).loss, abs=5.1e-5)


def test_a_learning_rate_that_is_too_large_is_survived(page, js, widget):
    """Weights that are no longer numbers end the training with a word, not with an error."""
    module = js(page, "playground")
    state = {"weights": [1e308, 1e308, 0.0], "sizes": [2, 1], "activation": "tanh",
             "points": [[3, 3, 0], [1, 1, 1]], "rate": 10}
    got = module.call("trainStep", [[state]])[0]
    assert not np.isfinite(got["loss"])
    widget.get_by_role("slider", name="Learning rate").fill("8")
    for _ in range(3):
        widget.get_by_role("button", name="100 steps").click()
    assert said(widget)[0] <= 300


@pytest.mark.paint
def test_a_frame_of_the_largest_network_is_drawn_in_time(page, widget, paint_times):
    widget.get_by_role("slider", name="Units").fill("8")
    widget.get_by_role("slider", name="Hidden layers").fill("3")
    widget.get_by_label("Points", exact=True).select_option(label="spirals")
    settle(page)
    click = "document.querySelectorAll('.pg-player button')[1].click()"      # 1 step
    assert np.quantile(paint_times(page, f"(i) => {{ {click} }}"), 0.95) < 16
    move = ("(i) => { const e = document.querySelectorAll('.pg-sliders input')[1]; "
            "e.value = 7 + i % 2; e.dispatchEvent(new Event('input')); }")
    assert np.quantile(paint_times(page, move), 0.95) < 16
    widget.get_by_role("button", name="Play").click()
    assert np.quantile(paint_times(page, "(i) => {}"), 0.95) < 16


def test_on_a_phone(phone, open_chapter):
    open_chapter(phone, CHAPTER)
    widget = phone.locator(".pg")
    widget.scroll_into_view_if_needed()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for control in widget.locator("button, select, input[type=range]").all():
        box = control.bounding_box()
        assert box["height"] >= 43.9
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
    before = said(widget)
    plane = widget.locator(".pg-plane")
    plane.scroll_into_view_if_needed()
    plane.tap(position={"x": 40, "y": 40})
    assert said(widget)[3] == before[3] + 1
    height = widget.bounding_box()["height"]
    widget.get_by_role("button", name="100 steps").tap()
    assert said(widget)[0] == 100
    assert widget.bounding_box()["height"] == height


def test_dark_looks_dark(page, open_chapter):
    page.emulate_media(color_scheme="dark")
    open_chapter(page, CHAPTER)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    widget = page.locator(".pg")
    settle(page)
    corner = widget.locator(".pg-plane").evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)")
    shades = np.array(corner).reshape(-1, 4)[:, :3].mean(1)
    assert np.median(shades) < 140


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".pg")
    expect_python(widget, Playground(), 0)
    widget.get_by_role("button", name="1 step", exact=True).click()
    expect_python(widget, Playground(), 1)
