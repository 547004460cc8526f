"""The embedding in Chromium: its steps are autograd's, by mouse, touch, keys and buttons."""

import json
import math
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from dlcheat.widgets.embedding import (
    ANGLES,
    MODES,
    NEGATIVES,
    RATES,
    TEMPERATURES,
    Embedding,
    embedding_step,
    kind_of,
)
from tests.browser.widgets import (
    at_once,
    nameless_controls,
    settle,
    small_controls,
    text_sizes,
    texts_outside,
)

CHAPTER = "04-losses/triplet"
TRIPLET = re.compile(r"^After (\d+) steps?: d\(a, p\)(²?) = ([\d.]+), d\(a, n\)²? = ([\d.]+), "
                     r"margin ([\d.]+), loss ([\d.]+)\. (Hard|Semi-hard|Easy): ")
PAIR = re.compile(r"^After (\d+) steps?: d = ([\d.]+)(?:, margin ([\d.]+))?, loss ([\d.]+)\. ")
KEYS = re.compile(r"^After (\d+) steps?: (\d) keys, temperature ([\d.]+): the query's own key has "
                  r"probability ([\d.]+), loss ([\d.]+); blind guessing has ([\d.]+)\. ")


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".em")


def said(widget):
    settle(widget.page)
    return widget.locator(".dlw-summary").inner_text()


def expect_python(widget, python):
    """What is said is what Python computes in the same state."""
    text, loss = said(widget), python.look().loss
    if python.mode == "triplet":
        found = TRIPLET.match(text)
        assert found, text
        steps, two, near, far, margin, shown, kind = found.groups()
        a, p, n = python.triplet
        power = 2 if python.squared else 1
        assert bool(two) == python.squared and kind.lower() == python.kind()
        numbers = [float(v) for v in (near, far, margin, shown)]
        expected = [math.dist(a, p) ** power, math.dist(a, n) ** power, python.margin, loss]
    elif python.mode == "contrastive":
        found = PAIR.match(text)
        assert found, text
        steps, d, margin, shown = found.groups()
        assert (margin is None) == python.similar
        numbers, expected = [float(d), float(shown)], [math.dist(*python.pair), loss]
    else:
        found = KEYS.match(text)
        assert found, text
        steps, count, temperature, own, shown, blind = found.groups()
        p = python.probabilities()
        numbers = [float(v) for v in (count, temperature, own, shown, blind)]
        expected = [len(p), python.temperature, p[0].item(), loss, math.log(len(p))]
        assert ("Its own key leads" in text) == (p[0] > p[1:].max()).item()
        share = p[1:].max() / p[1:].sum()
        assert f"{100 * share:.0f} %" in text
    assert int(steps) == python.steps
    assert numbers == pytest.approx(expected, abs=5.1e-4)
    return text


def choose(widget, label, option):
    widget.get_by_label(label, exact=True).select_option(label=option)


def mode(widget, name):
    widget.get_by_label("Loss", exact=True).select_option(name)
    settle(widget.page)


def place_of(widget, letter):
    """Where the middle of a point is on the screen."""
    box = widget.locator(".em-point", has_text=letter).locator(".em-grip").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page, start, end, steps=5):
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=steps)
    page.mouse.up()
    settle(page)


def on_screen(widget, x, y, reach=2):
    box = widget.locator(".em-plane").bounding_box()
    unit = box["width"] / 320
    return (box["x"] + unit * (26 + 284 * (x / reach + 1) / 2),
            box["y"] + unit * (292 - 284 * (y / reach + 1) / 2))


# ---- the same numbers

@pytest.mark.parametrize("which", MODES)
def test_the_step_is_autograds_on_hundreds_of_random_points(page, js, which):
    module, generator = js(page, "embedding"), np.random.default_rng(0)
    calls, expected = [], []
    for k in range(400):
        options = {"margin": float(generator.choice([0.1, 0.5, 1, 2])), "squared": bool(k % 2),
                   "similar": bool(k % 3), "temperature": float(generator.choice(TEMPERATURES))}
        if which == "info_nce":
            points = generator.uniform(-180, 180, generator.integers(3, 9))
        else:
            scale = generator.choice([0.01, 1, 5])
            points = scale * generator.normal(size=(3 if which == "triplet" else 2, 2))
            if k % 20 == 0:
                points[1] = points[0]                            # two on one spot
        lr = float(generator.choice(RATES))
        calls.append([which, points.tolist(), lr, options])
        expected.append(embedding_step(which, points, lr, **options))
    for got, step in zip(module.call("embeddingStep", calls), expected, strict=True):
        assert got["loss"] == pytest.approx(step.loss, rel=1e-9, abs=1e-11)
        np.testing.assert_allclose(got["gradients"], step.gradients, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(got["points"], step.points, rtol=1e-8, atol=1e-8)


def test_ties_are_torchs(page, js):
    """Exactly at the margin the plain form still pulls, the squared one no more."""
    module = js(page, "embedding")
    for points, margin in (([[0, 0], [1, 0], [0, 1.5]], 0.5), ([[0, 0], [0.5, 0], [0, 1]], 0.75)):
        calls, expected = [], []
        for squared in (False, True):
            options = {"margin": margin, "squared": squared, "similar": False, "temperature": 1.0}
            calls.append(["triplet", points, 0.1, options])
            expected.append(embedding_step("triplet", np.array(points, float), 0.1, **options))
        for got, step in zip(module.call("embeddingStep", calls), expected, strict=True):
            assert got["loss"] == step.loss
            np.testing.assert_allclose(got["gradients"], step.gradients, atol=1e-15)


def test_kinds_and_the_free_circle(page, js):
    module, generator = js(page, "embedding"), np.random.default_rng(1)
    cases = [[generator.normal(size=(3, 2)).tolist(), float(generator.uniform(0.1, 2)), bool(k % 2)]
             for k in range(300)]
    for got, (points, margin, squared) in zip(module.call("kindOf", cases), cases, strict=True):
        assert got["kind"] == kind_of(points, margin, squared)
        assert got["near"] == pytest.approx(math.dist(points[0], points[1]))
        # on the circle the loss is 0, just within it is not
        for factor, zero in ((1.000001, True), (0.999, False)):
            moved = [points[0], points[1], [points[0][0] + factor * got["free"], points[0][1]]]
            loss = embedding_step("triplet", moved, margin=margin, squared=squared).loss
            assert (loss == 0) == zero


def test_small_helpers(page, js):
    module = js(page, "embedding")
    points = [[[0, 0], [1.9, -1.9]]], [[[0, 0], [1.95, 0]]], [[[0, -7.7]]]
    assert module.call("reachOf", list(points)) == [2, 4, 16]
    assert module.call("ceiling", [[0.5], [0.51], [1.83], [2.1], [7.0], [0.03]]) == [0.5, 1, 2, 5, 10, 0.05]
    angles = list(ANGLES)
    found = module.call("sharesOf", [[angles[:2 + k], t] for k in (1, NEGATIVES) for t in TEMPERATURES])
    expected = [Embedding(mode="info_nce", negatives=k, temperature=t).probabilities()
                for k in (1, NEGATIVES) for t in TEMPERATURES]
    for got, p in zip(found, expected, strict=True):
        np.testing.assert_allclose(got["shares"], p, rtol=1e-9, atol=1e-300)


# ---- on the page

def test_first_state_and_steps(widget):
    python = Embedding()
    assert "Hard" in expect_python(widget, python)
    for name, steps in (("1 step", 1), ("10 steps", 10)):
        widget.get_by_role("button", name=name, exact=True).click()
        python.train(steps)
        expect_python(widget, python)


@pytest.mark.parametrize(("state", "clicks"), [
    ({"mode": "triplet", "squared": True}, [("Distance", "squared (FaceNet)")]),
    ({"mode": "contrastive"}, []),
    ({"mode": "contrastive", "similar": True}, [("The pair is", "similar, y = 1")]),
    ({"mode": "info_nce"}, [])])
def test_every_mode_walks_with_python(widget, state, clicks):
    mode(widget, state["mode"])
    for label, option in clicks:
        choose(widget, label, option)
    python = Embedding(**state)
    expect_python(widget, python)
    for _ in range(3):
        widget.get_by_role("button", name="10 steps").click()
        python.train(10)
        expect_python(widget, python)


@pytest.mark.parametrize(("name", "label", "key", "trait", "value"), [
    ("triplet", "Margin", "ArrowRight", "margin", 0.6), ("triplet", "Learning rate", "End", "lr", 0.5),
    ("contrastive", "Margin", "End", "margin", 2.0),
    ("info_nce", "Temperature τ", "ArrowLeft", "temperature", 0.1),
    ("info_nce", "Other keys", "End", "negatives", 6), ("info_nce", "Learning rate", "Home", "lr", 0.01)])
def test_every_slider(widget, name, label, key, trait, value):
    mode(widget, name)
    widget.get_by_role("slider", name=label).press(key)
    python = Embedding(mode=name, **{trait: value})
    expect_python(widget, python)
    widget.get_by_role("button", name="10 steps").click()
    python.train(10)
    expect_python(widget, python)
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget, Embedding())


def test_only_what_counts_is_shown(widget):
    shown = {"triplet": ["Distance", "Margin"], "contrastive": ["The pair is", "Margin"],
             "info_nce": ["Temperature τ", "Other keys"]}
    for name in MODES:
        mode(widget, name)
        for label in {"Distance", "The pair is", "Margin", "Temperature τ", "Other keys"}:
            control = widget.get_by_label(label, exact=True)
            expect(control).to_be_visible(visible=label in shown[name])
        count = {"triplet": 3, "contrastive": 2, "info_nce": 6}[name]
        assert widget.locator(".em-point:visible").count() == count
    mode(widget, "contrastive")
    choose(widget, "The pair is", "similar, y = 1")
    settle(widget.page)
    assert widget.get_by_label("Margin").is_disabled()           # it plays no part


def test_the_pointer_drags_a_point(page, widget):
    widget.locator(".em-plane").scroll_into_view_if_needed()
    drag(page, place_of(widget, "n"), on_screen(widget, 1.5, -1.25))
    point = widget.locator(".em-point", has_text="n")
    x, y = (float(v) for v in re.search(r"x (\S+), y (\S+)", point.get_attribute(
        "aria-label").replace("−", "-")).groups())
    assert (x, y) == pytest.approx((1.5, -1.25), abs=0.02)
    python = Embedding(triplet=[[-0.5, -0.2], [0.7, 0.3], [x, y]])
    assert "Easy" in expect_python(widget, python)
    assert place_of(widget, "n") == pytest.approx(on_screen(widget, x, y), abs=1)
    drag(page, place_of(widget, "n"), on_screen(widget, 9, 0))   # beyond the picture: its edge
    assert "x 1.92, y 0" in point.get_attribute("aria-label")
    expect(point).to_be_focused()


def test_the_keyboard_moves_a_point(widget):
    point = widget.locator(".em-point", has_text="p")
    point.focus()
    expect(point.locator(".em-ring")).to_be_visible()
    point.press("ArrowUp")
    python = Embedding(triplet=[[-0.5, -0.2], [0.7, 0.35], [-0.1, 0.9]])
    expect_python(widget, python)
    point.press("Shift+ArrowRight")
    python.triplet = [[-0.5, -0.2], [0.95, 0.35], [-0.1, 0.9]]
    expect_python(widget, python)
    for _ in range(30):
        point.press("Shift+ArrowRight")                          # out of the picture: it grows
    python.triplet = [[-0.5, -0.2], [8.45, 0.35], [-0.1, 0.9]]
    expect_python(widget, python)
    x, _ = place_of(widget, "p")
    box = widget.locator(".em-plane").bounding_box()
    assert box["x"] < x < box["x"] + box["width"]


def test_keys_on_the_circle(page, widget):
    mode(widget, "info_nce")
    point = widget.locator(".em-point", has_text="+")
    point.focus()
    point.press("ArrowLeft")
    angles = [90, 32, *ANGLES[2:]]
    expect_python(widget, Embedding(mode="info_nce", angles=angles))
    drag(page, place_of(widget, "q"), on_screen(widget, -1.2, 0, reach=1.5))
    angles[0] = 180
    text = widget.locator(".em-point", has_text="q").get_attribute("aria-label")
    assert abs(float(re.search(r"(−?\d+) degrees", text)[1].replace("−", "-"))) == 180
    expect_python(widget, Embedding(mode="info_nce", angles=angles))
    assert place_of(widget, "q") == pytest.approx(on_screen(widget, -1, 0, reach=1.5), abs=1)


def test_start_over_and_reset(page, widget):
    page.wait_for_timeout(700)                       # the line for screen readers comes later
    before, height = widget.inner_text(), widget.bounding_box()["height"]
    point = widget.locator(".em-point", has_text="a")
    point.focus()
    point.press("ArrowDown")
    widget.get_by_role("button", name="10 steps").click()
    widget.get_by_role("button", name=re.compile("^Start over")).click()
    expect_python(widget, Embedding(triplet=[[-0.5, -0.25], [0.7, 0.3], [-0.1, 0.9]]))
    mode(widget, "info_nce")
    widget.get_by_role("slider", name="Other keys").press("Home")
    widget.get_by_role("button", name="10 steps").click()
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget, Embedding())
    page.mouse.move(0, 0)
    page.wait_for_timeout(700)
    assert widget.inner_text() == before and widget.bounding_box()["height"] == height


def test_play_ends_at_rest(page, widget):
    widget.get_by_role("button", name="Play").click()
    play = widget.get_by_role("button", name="Play")
    expect(play).to_have_attribute("aria-pressed", "false", timeout=60_000)
    text = said(widget)
    assert "Easy" in text and "loss 0.000" in text
    python = Embedding()
    python.train(int(TRIPLET.match(text)[1]))
    expect_python(widget, python)
    mode(widget, "info_nce")
    widget.get_by_role("button", name="Play").click()
    page.wait_for_timeout(250)
    widget.get_by_role("button", name="Pause").click()
    steps = int(KEYS.match(said(widget))[1])
    page.wait_for_timeout(150)
    python = Embedding(mode="info_nce")
    python.train(steps)
    assert steps > 0
    expect_python(widget, python)


def test_words(widget):
    mode(widget, "contrastive")
    assert "pushes apart, with force 0.139" in said(widget)
    point = widget.locator(".em-point", has_text="2")
    point.focus()
    for _ in range(20):
        point.press("ArrowRight")
    assert "Outside the margin: nothing is lost and nothing moves." in said(widget)
    choose(widget, "The pair is", "similar, y = 1")
    assert "pulls together" in said(widget)
    choose(widget, "The pair is", "dissimilar, y = 0")
    for _ in range(26):
        point.press("ArrowLeft")
    for _ in range(4):
        point.press("ArrowDown")
    assert "no direction to part in" in said(widget)


def test_what_is_drawn(widget):
    """The circles, and directions and lengths of the arrows, are those of the state."""
    look = Embedding().look()
    scale = 284 / 4
    for name, radius in ((".em-region", 1.8), (".em-inner", 1.3)):
        ring = widget.locator(name)
        assert float(ring.get_attribute("r")) == pytest.approx(radius * scale, abs=0.1)
        assert float(ring.get_attribute("cx")) == pytest.approx(26 + scale * 1.5, abs=0.1)
    found = widget.locator(".em-arrow").evaluate_all(
        """all => all.filter((e) => e.getAttribute("visibility") !== "hidden")
           .map((e) => ["x1", "y1", "x2", "y2"].map((k) => Number(e.getAttribute(k))))""")
    found = np.array(found)                                      # (3, 4)
    arrows = (found[:, 2:] - found[:, :2]) * [1, -1]
    lengths = np.hypot(*arrows.T)
    pull = -look.gradients.numpy()
    sizes = np.hypot(*pull.T)
    np.testing.assert_allclose(arrows / lengths[:, None], pull / sizes[:, None], atol=0.02)
    np.testing.assert_allclose(lengths / lengths.max(), sizes / sizes.max(), atol=0.01)
    mode(widget, "info_nce")
    widths = widget.locator(".em-bar").evaluate_all(
        "all => all.map((e) => Number(e.getAttribute('width')))")[:5]
    np.testing.assert_allclose(widths, 160 * Embedding(mode="info_nce").probabilities(), atol=0.5)


@pytest.mark.parametrize("name", MODES)
def test_the_height_does_not_change(widget, name):
    mode(widget, name)
    heights = {round(widget.bounding_box()["height"])}
    point = widget.locator(".em-point:visible").last
    point.focus()
    for _ in range(4):
        for _ in range(4):
            point.press("Shift+ArrowLeft")
        settle(widget.page)
        heights.add(round(widget.bounding_box()["height"]))
        widget.get_by_role("button", name="10 steps").click()
        settle(widget.page)
        heights.add(round(widget.bounding_box()["height"]))
        point.focus()
    assert max(heights) - min(heights) <= 2, heights


def test_touch_targets_and_names(widget):
    for name in MODES:
        mode(widget, name)
        assert small_controls(widget, 43.5) == []
        assert nameless_controls(widget) == 0
        labels = widget.locator(".em-point:visible").evaluate_all("all => all.map((e) => e.ariaLabel)")
        assert len(set(labels)) == len(labels) and all(labels)


@pytest.mark.paint
@pytest.mark.parametrize("name", MODES)
def test_paint_is_quick(page, widget, paint_times, name):
    mode(widget, name)
    times = paint_times(page, f"""(i) => {{
        const point = document.querySelectorAll('.em-point')[1];
        const key = {json.dumps(["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"])}[(i >> 3) % 4];
        point.dispatchEvent(new KeyboardEvent('keydown', {{ key, bubbles: true }})); }}""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".em")
    widget.scroll_into_view_if_needed()
    for name in MODES:
        mode(widget, name)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        assert widget.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1"), name
        assert min(text_sizes(widget, ".em-main svg")) >= 11.5
        assert not texts_outside(widget, ".em-main svg")
        assert small_controls(widget, 43.5) == []
        grips = widget.locator(".em-point:visible .em-grip").evaluate_all(
            "all => all.map((e) => e.getBoundingClientRect().width)")
        assert min(grips) >= 43.5
    mode(widget, "triplet")
    widget.get_by_role("button", name="1 step", exact=True).tap()
    python = Embedding()
    python.train()
    expect_python(widget, python)
    widget.locator(".em-plane").scroll_into_view_if_needed()
    x, y = place_of(widget, "n")                                 # a finger drags the negative
    touch = page.context.new_cdp_session(page)
    for kind, points in (("touchStart", [(x, y)]), ("touchMove", [(x + 20, y + 30)]),
                         ("touchMove", [on_screen(widget, 1, -1.5)]), ("touchEnd", [])):
        touch.send("Input.dispatchTouchEvent", {
            "type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})
    settle(page)
    label = widget.locator(".em-point", has_text="n").get_attribute("aria-label")
    x, y = (float(v) for v in re.search(r"x (\S+), y (\S+)", label.replace("−", "-")).groups())
    assert (x, y) == pytest.approx((1, -1.5), abs=0.05)


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".em")
    widget.get_by_role("button", name="10 steps").click()
    python = Embedding()
    python.train(10)
    expect_python(widget, python)
