"""Two Gaussians in Chromium: divergences and best q are dlcheat's, by mouse, keyboard and menus."""

import math
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from dlcheat.widgets.gaussians import PARAMETERS, VIEWS, Gaussians, best_forward, best_reverse
from tests.browser.widgets import (
    at_once,
    nameless_controls,
    settle,
    small_controls,
    text_sizes,
    texts_outside,
)

CHAPTER = "04-losses/kl_divergence"
ROWS = ("forward", "reverse")


@pytest.fixture
def widget(page, open_chapter):
    """The first of the page's widgets: the view of two Gaussians."""
    open_chapter(page, CHAPTER)
    found = page.locator(".ga").first
    found.scroll_into_view_if_needed()
    settle(page)
    return found


def number(text):
    return float(text.replace("−", "-"))


def cells(widget):
    """The numbers of the visible table, row after row."""
    settle(widget.page)
    rows = widget.locator("table:visible tbody tr").evaluate_all(
        "all => all.map((r) => [...r.querySelectorAll('td')].map((c) => c.textContent))")
    return [[number(t) for t in row if t != "–"] for row in rows]


def said(widget):
    settle(widget.page)
    return widget.locator(".dlw-summary").inner_text()


def show(widget, view):
    widget.get_by_label("Show").select_option(view)
    settle(widget.page)


def slider(widget, label):
    return widget.get_by_role("slider", name=label, exact=True)


def expect_python(widget, python):
    """What the table and the summary hold is what Python computes in the same state."""
    found, text = cells(widget), said(widget)
    if python.view == "prior":
        t = python.terms()
        rows = [[a, b, a + b] for a, b in zip(t.place, t.width, strict=True)]
        total = np.sum(rows, 0)
        np.testing.assert_allclose(found, [*rows, total, total / 2], atol=5.1e-4)
        assert number(re.search(r"the formula gives (\S+) nats", text)[1]) == pytest.approx(
            t.formula, abs=5.1e-4)
        if python.rho:
            exact = re.search(r"from N\(0, I\) is (\S+) nats: the formula does not see", text)[1]
            assert number(exact) == pytest.approx(t.exact, abs=5.1e-4)
        return
    look = python.look()
    for row, name in zip(found, ROWS, strict=False):
        assert row == pytest.approx(tuple(getattr(look, name)), abs=5.1e-4)
    assert found[2] == pytest.approx([look.jensen_shannon], abs=5.1e-4)
    there, back = re.search(r"KL\(p‖q\) = (\S+), KL\(q‖p\) = (\S+) nats", text).groups()
    assert (number(there), number(back)) == pytest.approx(
        (look.forward.divergence, look.reverse.divergence), abs=5.1e-4)
    if python.view == "mixture":
        least = re.findall(r"Least \S+: N\((\S+), (\S+)²\), (\d+\.\d+)", text)
        np.testing.assert_allclose([[number(v) for v in row] for row in least], python.best(), atol=5.1e-3)


# ---- the same numbers

def states(count, seed):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield {name: float(generator.uniform(low, high)) for name, (low, high, _) in PARAMETERS.items()}


@pytest.mark.parametrize("view", VIEWS)
def test_numbers_are_pythons_on_hundreds_of_random_states(page, js, view):
    module, given = js(page, "gaussians"), list(states(300, 0))
    if view == "prior":
        for got, state in zip(module.call("terms", [[s] for s in given]), given, strict=True):
            terms = Gaussians(view, **state).terms()
            for name in ("place", "width", "formula", "exact"):
                np.testing.assert_allclose(got[name], getattr(terms, name), rtol=1e-9, atol=1e-12)
        return
    for got, state in zip(module.call("look", [[s | {"view": view}] for s in given]), given, strict=True):
        look = Gaussians(view, **state).look()
        for name in ROWS:
            np.testing.assert_allclose(got[name], getattr(look, name), rtol=1e-8, atol=1e-9)
        assert got["js"] == pytest.approx(look.jensen_shannon, rel=1e-8, abs=1e-10)


def test_the_best_q_is_pythons(page, js):
    module = js(page, "gaussians")
    given = [{k: s[k] for k in ("gap", "share", "width")} for s in states(200, 1)]
    given += [{"gap": 4.0, "share": 0.5, "width": 0.6}, {"gap": 0.0, "share": 0.3, "width": 1.0}]
    for name, best in (("bestForward", best_forward), ("bestReverse", best_reverse)):
        for got, state in zip(module.call(name, [[s] for s in given]), given, strict=True):
            np.testing.assert_allclose(got, best(**state), rtol=1e-6, atol=1e-6)


def test_ranges_and_scales(page, js):
    module = js(page, "gaussians")
    ranges = page.evaluate("tested.RANGES")
    assert {k: tuple(v) for k, v in ranges.items()} == {k: v[:2] for k, v in PARAMETERS.items()}
    found = module.call("roundUp", [[v] for v in (0.0, 0.1, 0.11, 0.5, 1.2, 7.0, 90.0)])
    assert found == pytest.approx([0.1, 0.1, 0.2, 0.5, 2, 10, 100])


# ---- on the page

def test_first_states(widget):
    for view in VIEWS:
        show(widget, view)
        expect_python(widget, Gaussians(view))
        d = widget.locator(".ga-main:visible .ga-curve[d]").evaluate_all(
            "all => all.map((e) => e.getAttribute('d'))")
        assert len(d) >= 2 and all("NaN" not in v and len(v) > 300 for v in d)


@pytest.mark.parametrize(("view", "label", "trait", "key", "value"), [
    ("two", "Mean of p", "mu_p", "ArrowRight", 0.05), ("two", "Deviation of p", "sigma_p", "Home", 0.4),
    ("two", "Mean of q", "mu_q", "End", 4.0), ("two", "Deviation of q", "sigma_q", "ArrowRight", 0.65),
    ("mixture", "Peaks of p apart", "gap", "ArrowLeft", 3.9),
    ("mixture", "Left peak's share", "share", "ArrowRight", 0.55),
    ("mixture", "Peaks' deviation", "width", "End", 1.2),
    ("mixture", "Mean of q", "mu_q", "ArrowLeft", 1.45), ("prior", "μ₁", "mu_1", "Home", -3.0),
    ("prior", "σ₁", "sigma_1", "Home", 0.1), ("prior", "μ₂", "mu_2", "ArrowRight", -0.95),
    ("prior", "σ₂", "sigma_2", "End", 3.0), ("prior", "Correlation ρ", "rho", "End", 0.95),
])
def test_every_slider(widget, view, label, trait, key, value):
    show(widget, view)
    slider(widget, label).press(key)
    expect_python(widget, Gaussians(view, **{trait: value}))
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget, Gaussians("two"))


def test_swap_and_reset(widget):
    widget.get_by_role("button", name="Swap p and q").click()
    expect_python(widget, Gaussians("two", mu_p=1.5, sigma_p=0.6, mu_q=0.0, sigma_q=1.0))
    widget.get_by_role("button", name="Reset").click()
    expect_python(widget, Gaussians("two"))


def test_the_buttons_move_q_to_the_best(widget):
    show(widget, "mixture")
    python = Gaussians("mixture")
    for name, best in zip(("Least KL(p‖q)", "Least KL(q‖p)"), python.best(), strict=True):
        widget.get_by_role("button", name=re.compile(re.escape(name))).click()
        python.mu_q, python.sigma_q = best.mu, best.sigma
        expect_python(widget, python)
    slider(widget, "Left peak's share").fill("0.2")
    python.share = 0.2
    expect_python(widget, python)
    assert "right peak" not in said(widget)


def drag(page, handle, dx, dy):
    box = handle.locator(".ga-disc").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    page.mouse.up()


def test_dragging_a_top_moves_mean_and_deviation(page, widget):
    handle = widget.get_by_role("application", name=re.compile("^top of q"))
    scale = widget.locator(".ga-densities").bounding_box()["width"] / 300
    peak = 1 / (0.6 * math.sqrt(2 * math.pi))
    high = 0.5 * peak                                            # half as high: twice as wide
    drag(page, handle, -1.5 * 254 / 12 * scale, (peak - high) * 152 / 1.05 * scale)
    expect(slider(widget, "Mean of q")).to_have_attribute("aria-valuetext", re.compile(r"−?0\.0[0-3]"))
    text = said(widget)
    mu, sigma = re.search(r"q = N\((\S+), (\S+)²\)", text).groups()
    assert number(mu) == pytest.approx(0, abs=0.04) and number(sigma) == pytest.approx(1.2, abs=0.05)
    expect_python(widget, Gaussians("two", mu_q=number(mu), sigma_q=number(sigma)))


def test_dragging_the_centre_of_the_cloud(page, widget):
    show(widget, "prior")
    scale = widget.locator(".ga-plane").bounding_box()["width"] / 300
    drag(page, widget.get_by_role("application", name="centre of q"), -1.5 * 26 * scale, -26 * scale)
    means = re.search(r"means \((\S+), (\S+)\)", said(widget)).groups()
    assert [number(m) for m in means] == pytest.approx([0, 0], abs=0.04)


@pytest.mark.parametrize(("view", "name", "key", "trait", "value"), [
    ("two", "top of q", "ArrowLeft", "mu_q", 1.45), ("two", "top of q", "Shift+ArrowRight", "mu_q", 1.75),
    ("two", "top of p", "ArrowUp", "sigma_p", 0.95), ("two", "top of q", "ArrowDown", "sigma_q", 0.65),
    ("mixture", "top of q", "ArrowUp", "sigma_q", 0.55), ("prior", "centre of q", "ArrowRight", "mu_1", 1.55),
    ("prior", "centre of q", "Shift+ArrowUp", "mu_2", -0.75)])
def test_handles_by_keys(widget, view, name, key, trait, value):
    show(widget, view)
    handle = widget.get_by_role("application", name=re.compile(f"^{name}"))
    handle.focus()
    handle.press(key)
    expect_python(widget, Gaussians(view, **{trait: value}))


def test_words(widget):
    assert "KL(p‖q) is the dearer: where p is, q is too sparing." in said(widget)
    widget.get_by_role("button", name="Swap p and q").click()
    assert "KL(q‖p) is the dearer: q is where p is sparing." in said(widget)
    for name in ("p", "q"):
        slider(widget, f"Deviation of {name}").fill("1")
    assert "Both directions cost the same here." in said(widget)
    for name in ("p", "q"):
        slider(widget, f"Mean of {name}").fill("1")
    assert "The two are one: nothing to pay." in said(widget)
    show(widget, "prior")
    assert "That is the divergence from N(0, I)." in said(widget)
    slider(widget, "Correlation ρ").fill("0.8")
    assert "the formula does not see the correlation" in said(widget)


def test_two_widgets_of_a_page_do_not_meet(page, widget):
    other = page.locator(".ga").nth(1)
    other.scroll_into_view_if_needed()
    before = said(other)
    slider(widget, "Mean of q").press("Home")
    assert said(other) == before
    expect_python(other, Gaussians("mixture"))


def test_the_height_does_not_change(widget):
    for view, names in (("two", ("Mean of q", "Deviation of q")), ("prior", ("μ₁", "Correlation ρ")),
                        ("mixture", ("Mean of q", "Left peak's share"))):
        show(widget, view)
        heights = set()
        for first in ("Home", "End"):
            for second in ("Home", "End"):
                slider(widget, names[0]).press(first)
                slider(widget, names[1]).press(second)
                settle(widget.page)
                heights.add(round(widget.bounding_box()["height"]))
        assert max(heights) - min(heights) <= 1, (view, heights)


def test_touch_targets_and_names(widget):
    for view in VIEWS:
        show(widget, view)
        assert small_controls(widget, 43.5) == []
        assert nameless_controls(widget) == 0


@pytest.mark.paint
@pytest.mark.parametrize(("view", "control"), [("two", "Mean of q"), ("mixture", "Mean of q"),
                                               ("mixture", "Peaks of p apart"), ("prior", "μ₁")])
def test_paint_is_quick(page, widget, paint_times, view, control):
    show(widget, view)
    field = slider(widget, control).get_attribute("id")
    times = paint_times(page, f"""(i) => {{
        const field = document.getElementById('{field}'), low = Number(field.min), high = Number(field.max);
        field.value = String(low + (high - low) * (i % 50) / 49);
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert np.quantile(times, 0.95) < 16


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone(watch_pages, open_chapter, width):
    page = watch_pages(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    open_chapter(page, CHAPTER)
    widget = page.locator(".ga").first
    widget.scroll_into_view_if_needed()
    for view in VIEWS:
        show(widget, view)
        for key in ("Home", "End"):
            widget.get_by_role("slider").first.press(key)
            slider(widget, "μ₂" if view == "prior" else "Mean of q").press(key)
            settle(page)
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width
            assert widget.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1"), view
            assert widget.locator("table:visible").evaluate(
                "(e) => e.getBoundingClientRect().right < e.closest('.ga').getBoundingClientRect().right")
            assert small_controls(widget, 43.5) == []
            assert min(text_sizes(widget, ".ga-main:not([hidden]) svg")) >= 11.5
            assert texts_outside(widget, ".ga-main:not([hidden]) svg") == []
        reach = widget.locator(".ga-main:visible .ga-reach").last.bounding_box()
        assert min(reach["width"], reach["height"]) >= 43.5
    show(widget, "mixture")
    widget.get_by_role("button", name=re.compile("^Least KL\\(p")).tap()
    assert "q = N(" in said(widget)


def test_a_finger_drags_and_the_page_stays(phone, open_chapter):
    open_chapter(phone, CHAPTER)
    widget = phone.locator(".ga").first
    picture = widget.locator(".ga-densities")
    picture.scroll_into_view_if_needed()
    settle(phone)
    disc = widget.locator(".ga-disc.ga-q").first.bounding_box()
    x, y = disc["x"] + disc["width"] / 2, disc["y"] + disc["height"] / 2
    before, touch = phone.evaluate("scrollY"), phone.context.new_cdp_session(phone)
    for kind, points in (("touchStart", [(x, y)]), ("touchMove", [(x - 5, y + 10)]),
                         ("touchMove", [(x - 20, y + 40)]), ("touchEnd", [])):
        touch.send("Input.dispatchTouchEvent", {
            "type": kind, "touchPoints": [{"x": a, "y": b} for a, b in points]})
    mu, sigma = map(number, re.search(r"q = N\((\S+), (\S+)²\)", said(widget)).groups())
    assert mu < 1.2 and sigma > 0.8 and phone.evaluate("scrollY") == before
    expect_python(widget, Gaussians("two", mu_q=mu, sigma_q=sigma))


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".ga").first
    expect_python(widget, Gaussians("two"))
    slider(widget, "Deviation of q").press("End")
    expect_python(widget, Gaussians("two", sigma_q=3.0))


def test_the_page_of_the_prior(page, open_chapter):
    found = at_once(open_chapter, page, "04-losses/gaussian_kl", ".ga")
    expect_python(found, Gaussians("prior"))
