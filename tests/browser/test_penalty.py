"""The penalty explorer in Chromium: its solutions are Python's, by mouse, keyboard and traits."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from dlcheat.widgets.penalty import (
    EXPONENTS,
    TRUTHS,
    PenaltyExplorer,
    covariance,
    draw_samples,
    normals,
)
from tests.browser.widgets import at_once, nameless_controls, settle, small_controls

CHAPTER = "02-training/regularization"
SAID = re.compile(r"λ = ([\d.]+): (\d) of 8 weights (?:is|are) exactly 0; squared error "
                  r"([\d.]+) in training, "
                  r"([\d.]+) on new samples \(least here: ([\d.]+) at λ = ([\d.]+)\)\. (\d+) samples, "
                  r"no\. (\d+)\.")


@pytest.fixture
def widget(page, open_chapter):
    return at_once(open_chapter, page, CHAPTER, ".pen")


def said(widget):
    settle(widget.page)
    text = widget.locator(".dlw-summary").inner_text()
    found = SAID.search(text)
    assert found, text
    return text.split(",")[0], [float(v) for v in found.groups()]


def expect_python(widget, **state):
    """What is said is what Python computes in the same state."""
    python = PenaltyExplorer(**state)
    path = python.path()
    now, least = path[EXPONENTS.index(python.exponent)], min(path, key=lambda f: f.test)
    kind, (_, zeros, train, test, low, _, samples, seed) = said(widget)
    assert kind == {0.0: "L2 alone", 1.0: "L1 alone"}.get(python.l1_ratio, kind)
    assert zeros == int((now.weights == 0).sum())
    assert train == pytest.approx(now.train, abs=6e-4)
    assert test == pytest.approx(now.test, abs=6e-4)
    assert low == pytest.approx(least.test, abs=6e-4)
    assert (samples, seed) == (python.samples, python.seed)


def slider(widget, label):
    return widget.get_by_role("slider", name=label)


def test_data_and_solutions_are_pythons(page, js):
    module, generator = js(page, "penalty"), np.random.default_rng(0)
    for seed in (0, 1, 77, 999):
        got = module.call("normals", [[seed, 25]])[0]
        np.testing.assert_allclose([got[str(k)] for k in range(25)] if isinstance(got, dict) else got,
                                   normals(seed, 25), rtol=1e-13)
    states = [{"l1_ratio": float(generator.choice([0, 0.1, 0.5, 0.9, 1])),
               "noise": float(generator.uniform(0, 3)),
               "samples": int(generator.integers(10, 61)), "seed": int(generator.integers(1, 1000)),
               "truth": str(generator.choice(list(TRUTHS)))} for _ in range(25)]
    paths = page.evaluate("(all) => all.map((s) => tested.penaltyPath(s).fits)",
                          [{**s, "weights": TRUTHS[s["truth"]]} for s in states])
    for state, fits in zip(states, paths, strict=True):
        widget = PenaltyExplorer(**state)
        picked = sorted(generator.choice(41, 12, replace=False))
        for k, python in zip(picked, widget._fits([EXPONENTS[k] for k in picked]), strict=True):
            page_fit = fits[k]
            np.testing.assert_allclose(page_fit["weights"], python.weights, atol=3e-6)
            assert page_fit["train"] == pytest.approx(python.train, abs=1e-5)
            assert page_fit["test"] == pytest.approx(python.test, abs=3e-5)


def test_three_hundred_single_solutions(page, js):
    """The minimum itself: no small step in any direction lowers the page's objective."""
    js(page, "penalty")
    generator = np.random.default_rng(1)
    calls = [[int(generator.integers(10, 61)), float(generator.uniform(0, 3)), list(TRUTHS[name]),
              int(generator.integers(1, 1000)), float(10 ** generator.uniform(-2, 1)),
              float(generator.uniform())] for name in generator.choice(list(TRUTHS), 300)]
    found = page.evaluate(
        """(calls) => calls.map(([n, noise, w, seed, alpha, ratio]) => {
             const data = tested.moments(tested.drawSamples(n, noise, w, seed));
             return Array.from(tested.elasticNet(data, alpha, ratio)); })""", calls)
    for (n, noise, truth, seed, alpha, ratio), w in zip(calls, found, strict=True):
        name = next(k for k, v in TRUTHS.items() if list(v) == truth)
        X, y = (v.numpy() for v in draw_samples(n, noise, name, seed))
        w = np.array(w)
        pull = X.T @ (y - X @ w) / n - alpha * (1 - ratio) * w          # what the data still ask
        inside = w == 0
        assert (np.abs(pull[inside]) <= alpha * ratio + 1e-7).all()
        np.testing.assert_allclose(pull[~inside], alpha * ratio * np.sign(w[~inside]), atol=1e-6)


def test_the_plane_and_the_border(page, js):
    module, generator = js(page, "penalty"), np.random.default_rng(2)
    for _ in range(100):
        A = generator.normal(size=(8, 8))
        gram, moment, w = A @ A.T / 8 + 0.1 * np.eye(8), generator.normal(size=8), generator.normal(size=8)
        i, j = (int(v) for v in generator.choice(8, 2, replace=False))
        got = module.call("plane", [[{"gram": gram.tolist(), "moment": moment.tolist()}, w.tolist(),
                                     [i, j]]])[0]
        rest = [k for k in range(8) if k not in (i, j)]
        small = gram[np.ix_([i, j], [i, j])]
        center = np.linalg.solve(small, moment[[i, j]] - gram[np.ix_([i, j], rest)] @ w[rest])
        np.testing.assert_allclose(got["center"], center, rtol=1e-6, atol=1e-9)
        turn = np.array([[np.cos(got["angle"]), -np.sin(got["angle"])],
                         [np.sin(got["angle"]), np.cos(got["angle"])]])
        np.testing.assert_allclose(turn @ np.diag(got["curvatures"]) @ turn.T, small, atol=1e-9)
        ratio, x, y = generator.uniform(), *generator.normal(size=2)
        for a, b in module.call("border", [[ratio, x, y]])[0]:
            price = [ratio * (abs(p) + abs(q)) + (1 - ratio) / 2 * (p * p + q * q)
                     for p, q in ((a, b), (x, y))]
            assert price[0] == pytest.approx(price[1], rel=1e-9)


def test_first_state_is_pythons(widget):
    expect_python(widget)
    assert said(widget)[0].startswith("L2 alone")


def test_every_control(widget):
    state = {}
    for label, key, presses, name, value in (
            ("Share of L1", "End", 1, "l1_ratio", 1.0), ("Strength λ", "ArrowLeft", 3, "exponent", -0.8),
            ("Samples", "ArrowRight", 3, "samples", 17), ("Noise", "ArrowLeft", 2, "noise", 0.5)):
        for _ in range(presses):
            slider(widget, label).press(key)
        state[name] = value
        expect_python(widget, **state)
    widget.get_by_label("True weights").select_option("all eight")
    state["truth"] = "all eight"
    expect_python(widget, **state)
    widget.get_by_role("button", name="Other samples").click()
    state["seed"] = 49
    expect_python(widget, **state)
    widget.get_by_role("button", name="Least test error").click()
    _, (now, _, _, test, low, best, _, _) = said(widget)
    assert now == best and test == low
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget)


def test_strength_by_mouse(widget):
    bar = slider(widget, "Strength λ")
    box = bar.bounding_box()
    widget.page.mouse.click(box["x"] + box["width"] - 12, box["y"] + box["height"] / 2)
    expect_python(widget, exponent=1.0)
    expect(bar).to_have_attribute("aria-valuetext", "10")


def test_the_plane_follows_its_menus(widget):
    plane = widget.locator(".pen-plane")
    expect(plane).to_have_attribute("aria-label", re.compile(r"plane of w₁ and w₄"))
    widget.get_by_label("Plane: across").select_option("8")
    expect(plane).to_have_attribute("aria-label", re.compile(r"plane of w₈ and w₄"))
    widget.get_by_label("up", exact=True).select_option("8")                  # the two change places
    expect(plane).to_have_attribute("aria-label", re.compile(r"plane of w₄ and w₈"))


def test_solution_lies_on_the_border(widget):
    """The dot, the touching contour and the shaded set meet in one point."""
    slider(widget, "Share of L1").press("End")
    settle(widget.page)
    x, y, corners = widget.evaluate(
        """(e) => { const d = e.querySelector(".pen-dot"), a = e.querySelector(".pen-area");
             return [+d.getAttribute("cx"), +d.getAttribute("cy"),
               a.getAttribute("points").split(" ").map((p) => p.split(",").map(Number))]; }""")
    radius = abs(x - 150) + abs(y - 150)
    for a, b in corners:
        assert abs(a - 150) + abs(b - 150) == pytest.approx(radius, abs=0.4)


def test_what_leaves_the_picture_is_said(widget):
    slider(widget, "Samples").press("Home")
    slider(widget, "Noise").press("End")
    slider(widget, "Strength λ").press("Home")
    for _ in range(40):                                  # until a draw with a weight beyond the plane
        settle(widget.page)
        if "outside the picture" in widget.locator(".pen-left figcaption").inner_text():
            break
        widget.get_by_role("button", name="Other samples").click()
    else:
        raise AssertionError("no draw of forty left the plane")
    values = [float(t.replace("−", "-")) for t in widget.locator(".pen-bars .pen-small").all_text_contents()]
    tips = widget.locator(".pen-cut").evaluate_all("all => all.map((e) => !!e.getAttribute('d'))")
    assert tips == [abs(v) > 3.2 for v in values] and any(tips)


def test_phone(phone, open_chapter):
    open_chapter(phone, CHAPTER)
    widget = phone.locator(".pen")
    widget.scroll_into_view_if_needed()
    settle(phone)
    assert not small_controls(widget, 44) and nameless_controls(widget) == 0
    assert widget.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")


def test_covariance_is_the_pages(page, js):
    got = js(page, "penalty").call("covariance", [[i, j] for i in range(8) for j in range(8)])
    np.testing.assert_allclose(np.reshape(got, (8, 8)), covariance(), rtol=1e-14)
