"""The latent explorer in Chromium: its decoder is torch's, by pointer, keyboard and sliders."""

import base64
import gzip
import json
import re

import numpy as np
import pytest
import torch

from dlcheat.architectures.vae import VAE, interpolate
from dlcheat.datasets import mnist
from dlcheat.widgets.base import BookWidget
from dlcheat.widgets.latent import LatentExplorer
from tests.browser.widgets import settle

CHAPTER = "07-architectures/04-generative/vae"
ARROWS = {"ArrowLeft": (0, -1), "ArrowRight": (0, 1), "ArrowUp": (1, 1), "ArrowDown": (1, -1)}


def numbers(text):
    return [float(x.replace("−", "-")) for x in re.findall(r"[−-]?\d+(?:\.\d+)?", text)]


@pytest.fixture
def explorer(page, open_chapter):
    """The explorer of the chapter, on the screen."""
    open_chapter(page, CHAPTER)
    widget = page.locator(".lat")
    widget.scroll_into_view_if_needed()
    settle(page)
    return widget


@pytest.fixture
def python(page, explorer):
    """The same explorer in Python, made of what the page holds."""
    tags = page.locator('script[type="application/vnd.jupyter.widget-state+json"]').all()
    specs = [spec for tag in tags for spec in json.loads(tag.text_content())["state"].values()]
    spec = next(s for s in specs if "betas" in s["state"])
    state = dict(spec["state"])
    for buffer in spec["buffers"]:
        state[buffer["path"][-1]] = base64.b64decode(buffer["data"])
    widget = LatentExplorer.__new__(LatentExplorer)
    names = set(LatentExplorer.class_own_traits()) | {"title"}
    BookWidget.__init__(widget, **{k: v for k, v in state.items() if k in names})
    return widget


def greys(page, selector):
    """The grey values that a canvas shows, one row for each canvas."""
    shown = page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].map((canvas) => Array.from(
           canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data)
           .filter((_, i) => i % 4 === 0))""", selector)
    return np.array(shown)


def point(explorer):
    return [float(explorer.get_by_role("slider", name=name, exact=True).input_value())
            for name in ("z₁", "z₂")]


def walked(explorer):
    """What the widget says of t."""
    settle(explorer.page)
    return explorer.locator(".lat-play output").inner_text()


def codes(python):
    packed = np.frombuffer(python.codes, "<f4").reshape(len(python.betas), -1, 2)
    return packed[python.betas.index(python.beta)].astype(float)


def pixels(python):
    packed = np.frombuffer(python.images, np.uint8)
    return (np.stack([packed >> 4, packed & 15], -1).reshape(-1, 784) / 15).astype(float)


def expect_dlcheats_images(page, explorer, python):
    """Every picture and every number on the screen is what Python computes."""
    settle(page)
    python.z = point(explorer)
    python.beta = python.betas[int(explorer.get_by_role("slider", name="β").input_value())]
    assert np.abs(greys(page, ".lat-big canvas")[0] - 255 * python.decode().numpy()).max() <= 0.51
    distance = np.linalg.norm(codes(python) - python.z, axis=1)
    near = int(distance.argmin())
    x, again = pixels(python)[near], python.decode(codes(python)[near]).numpy()
    real, restored = greys(page, ".lat figure:not(.lat-big) canvas")
    assert np.abs(real - 255 * x).max() <= 0.51
    assert np.abs(restored - 255 * again).max() <= 0.51
    said = explorer.locator(".dlw-summary").inner_text()
    assert f" {python.labels[near]}, test digit {near}," in said
    error = float(((x - again) ** 2).sum())
    np.testing.assert_allclose(numbers(said)[:3], [python.beta, *python.z], atol=1e-9)
    np.testing.assert_allclose(numbers(said)[5:7], [distance[near], error], atol=0.051)


def test_the_decoder_equals_torch_on_hundreds_of_random_weights(page, js):
    module = js(page, "latent")
    torch.manual_seed(0)
    x, y = mnist().test_images[:12], mnist().test_labels[:12]
    calls, expected = [], []
    for seed in range(20):
        torch.manual_seed(seed)
        model = VAE(784, 2, hidden=((5,), (9, 4), (6, 5, 3))[seed % 3])
        for p in model.parameters():
            p.data.mul_(1 + seed % 4)
        python = LatentExplorer({1.0: model}, x, y)
        *hidden, last = [{"weight": w.flatten().tolist(), "scale": s, "bias": b.tolist(),
                          "activation": "relu"} for w, s, b in python.layers()]
        layers = [*hidden, {**last, "activation": "sigmoid"}]
        points = (3 * torch.randn(20, 2, dtype=torch.double)).tolist()
        calls += [[layers, z] for z in points]
        expected += [python.decode(z).numpy() for z in points]
    got = [v for i in range(0, len(calls), 20) for v in module.call("decode", calls[i:i + 20])]
    assert len(got) == 400
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


def test_the_trained_decoders_equal_torch(page, js, python):
    module = js(page, "latent")
    generator = np.random.default_rng(0)
    for beta in python.betas:
        *hidden, last = [{"weight": w.flatten().tolist(), "scale": s, "bias": b.tolist(),
                          "activation": "relu"} for w, s, b in python.layers(beta)]
        points = generator.normal(0, 2, (60, 2)).tolist()
        layers = [*hidden, {**last, "activation": "sigmoid"}]
        page.evaluate("(layers) => { window.layers = layers; }", layers)
        got = page.evaluate("(points) => points.map((z) => [...tested.decode(layers, z)])", points)
        np.testing.assert_allclose(got, python.decode(points, beta).numpy(), rtol=0, atol=1e-9)
    assert module.call("nearest", [[[0, 0, 1, 1, 2, 0], [1.2, 0.9]]])[0]["index"] == 1


def test_small_steps(page, js):
    module = js(page, "latent")
    a, b = torch.randn(2, 5, dtype=torch.double)
    got = module.call("interpolate", [[a.tolist(), b.tolist(), t] for t in (0, 0.25, 0.5, 0.75, 1)])
    np.testing.assert_allclose(got, interpolate(a, b, 5), atol=1e-15)
    assert module.call("clampPoint", [[[9, -9], 2.5], [[0.123, -0.678], 2.5]]) == \
        [[2.5, -2.5], [0.12, -0.68]]
    assert module.call("squaredError", [[[1, 2], [0, 0]]]) == [5]


def test_the_walk_equals_python(page, js):
    module = js(page, "latent")
    generator = np.random.default_rng(1)
    ends = generator.normal(0, 2, (300, 2, 2)).round(4)
    shares = generator.uniform(0, 1, 300).round(2)
    got = module.call("walkPoint", [[a.tolist(), b.tolist(), float(t), 3.5]
                                    for (a, b), t in zip(ends, shares)])
    expected = np.clip((1 - shares[:, None]) * ends[:, 0] + shares[:, None] * ends[:, 1], -3.5, 3.5)
    np.testing.assert_allclose(got, expected, atol=0.00501)
    calls = [[z, a.tolist(), b.tolist(), float(t), 3.5] for z, (a, b), t in zip(got, ends, shares)]
    assert all(module.call("onWalk", calls))
    moved = [[[z[0] + 0.05, z[1]], *rest] for z, *rest in calls]
    assert not any(module.call("onWalk", moved))


def test_weights_are_small_and_the_map_is_full(python):
    assert len(python.betas) >= 4
    assert len(gzip.compress(base64.b64encode(python.weights + python.biases))) < 300_000
    assert 500 <= len(python.labels) <= 1000
    assert sorted(set(python.labels)) == list(range(10))


def test_first_state_and_the_table(page, explorer, python):
    expect_dlcheats_images(page, explorer, python)
    assert point(explorer) == pytest.approx(codes(python)[python.a].tolist(), abs=0.0051)   # at A
    assert walked(explorer) == "0.00"
    rows = explorer.locator(".lat-table tbody tr")
    for i, beta in enumerate(python.betas):
        np.testing.assert_allclose(numbers(rows.nth(i).inner_text()),
                                   [beta, python.errors[i], python.kls[i]], atol=0.00501)
    assert explorer.locator("tr[aria-current=true] th").inner_text() == f"{python.beta:g}"


@pytest.mark.parametrize("index", range(4))
def test_every_beta(page, explorer, python, index):
    slider = explorer.get_by_role("slider", name="β")
    explorer.get_by_role("slider", name="t", exact=True).fill("0.4")
    slider.fill(str(index))
    expect_dlcheats_images(page, explorer, python)
    start, end = codes(python)[[python.a, python.b]]                # a point on the walk stays on it
    assert point(explorer) == pytest.approx((0.6 * start + 0.4 * end).tolist(), abs=0.0051)
    assert walked(explorer) == "0.40"
    assert explorer.locator("tr[aria-current=true]").count() == 1
    assert explorer.locator(".lat-table tbody tr").nth(index).get_attribute("aria-current") == "true"


def test_the_keyboard_alone(page, explorer, python):
    map_ = explorer.get_by_role("application")
    map_.focus()
    limit = python.limit
    for key, (axis, sign) in ARROWS.items():
        for modifier, step in (("", 0.02), ("Shift+", 0.1)):
            before = point(explorer)
            page.keyboard.press(modifier + key)
            expected = list(before)
            expected[axis] += sign * step * limit
            assert point(explorer) == pytest.approx(expected, abs=0.0051)
    for _ in range(30):
        page.keyboard.press("Shift+ArrowRight")
    assert point(explorer)[0] == limit
    expect_dlcheats_images(page, explorer, python)


def test_the_pointer(page, explorer, python):
    box = explorer.locator(".lat-map").bounding_box()
    limit = python.limit

    def at(u, v):
        return box["x"] + u * box["width"], box["y"] + v * box["height"]

    page.mouse.move(*at(0.25, 0.25))
    page.mouse.down()
    assert point(explorer) == pytest.approx([-limit / 2, limit / 2], abs=0.03)
    expect_dlcheats_images(page, explorer, python)
    page.mouse.move(*at(0.6, 0.7), steps=8)
    assert point(explorer) == pytest.approx([0.2 * limit, -0.4 * limit], abs=0.03)
    page.mouse.move(*at(2, -2), steps=2)
    assert point(explorer) == [limit, limit]
    page.mouse.up()
    page.mouse.move(*at(0.5, 0.5))
    assert point(explorer) == [limit, limit]
    expect_dlcheats_images(page, explorer, python)


def test_clicking_a_digit_shows_it(page, explorer, python):
    code = codes(python)
    limit = python.limit
    inside = np.abs(code).max(1) < limit
    lonely = int((np.linalg.norm(code, axis=1) * inside).argmax())
    box = explorer.locator(".lat-map").bounding_box()
    page.mouse.click(box["x"] + (code[lonely, 0] / limit + 1) / 2 * box["width"],
                     box["y"] + (1 - code[lonely, 1] / limit) / 2 * box["height"])
    settle(page)
    assert f"test digit {lonely}," in explorer.locator(".dlw-summary").inner_text()
    expect_dlcheats_images(page, explorer, python)


def test_sliders_move_z(page, explorer, python):
    for name, value in (("z₁", "-1.23"), ("z₂", "0.77")):
        explorer.get_by_role("slider", name=name, exact=True).fill(value)
    assert point(explorer) == [-1.23, 0.77]
    expect_dlcheats_images(page, explorer, python)


def test_t_is_shown_only_on_the_walk(page, explorer):
    slider = explorer.get_by_role("slider", name="t", exact=True)
    slider.fill("0.3")
    assert walked(explorer) == "0.30"
    explorer.get_by_role("slider", name="z₁", exact=True).fill("-2")
    assert walked(explorer) == "–"
    assert slider.get_attribute("aria-valuetext") == "z is not on the walk"
    explorer.get_by_role("slider", name="β").fill("0")
    assert point(explorer)[0] == -2 and walked(explorer) == "–"      # and z stays where it was put
    slider.fill("0.31")
    assert walked(explorer) == "0.31"


def test_names_begin_with_the_visible_text(page, explorer):
    for button in explorer.get_by_role("button").all():
        name = button.get_attribute("aria-label") or button.inner_text()
        assert name.startswith(button.inner_text())
    play = explorer.locator(".lat-play button")
    play.click()
    settle(page)
    assert play.inner_text() == "Pause"
    assert play.get_attribute("aria-label").startswith("Pause")


def test_the_walk_between_two_digits(page, explorer, python):
    menus = [explorer.get_by_label(name, exact=True) for name in ("From A", "to B")]
    for menu, digit in zip(menus, (4, 9), strict=True):
        menu.select_option(label=f"digit {digit}")
    a, b = (python.labels.index(digit) for digit in (4, 9))
    for t in (0.0, 0.37, 1.0):
        explorer.get_by_role("slider", name="t", exact=True).fill(str(t))
        expected = (1 - t) * codes(python)[a] + t * codes(python)[b]
        assert point(explorer) == pytest.approx(expected.tolist(), abs=0.0051)
        expect_dlcheats_images(page, explorer, python)
    strips = greys(page, ".lat-frames canvas").reshape(2, 7, 784)
    ends = [torch.from_numpy(v) for v in (codes(python)[[a, b]], pixels(python)[[a, b]])]
    latent = python.decode(interpolate(*ends[0], 7))
    assert np.abs(strips[0] - 255 * latent.numpy()).max() <= 0.51
    assert np.abs(strips[1] - 255 * interpolate(*ends[1], 7).numpy()).max() <= 0.51


def test_the_nearest_digit_can_become_an_end(page, explorer, python):
    explorer.get_by_role("slider", name="z₁", exact=True).fill("-1.5")
    settle(page)
    near = int(np.linalg.norm(codes(python) - point(explorer), axis=1).argmin())
    explorer.get_by_role("button", name="take the nearest test digit as B").click()
    settle(page)
    said = explorer.locator(".dlw-summary").inner_text()
    assert f", to a {python.labels[near]}, test digit {near}." in said.replace("to an ", "to a ")


def test_play_runs_to_the_end_and_reset_restores_everything(page, explorer):
    page.wait_for_timeout(700)                      # the line for screen readers comes later
    before, images = explorer.inner_text(), greys(page, ".lat canvas:not(.lat-map, .lat-base)")
    explorer.get_by_role("slider", name="β").fill("0")
    explorer.get_by_label("show decoded tiles").check()
    explorer.get_by_role("slider", name="t", exact=True).fill("0.9")
    explorer.get_by_role("button", name="walk from A to B").click()
    page.wait_for_function(
        "document.querySelector('.lat-play input').value === '1'")
    explorer.get_by_role("button", name="Reset").click()
    page.wait_for_timeout(700)
    assert explorer.inner_text() == before
    assert np.array_equal(greys(page, ".lat canvas:not(.lat-map, .lat-base)"), images)


@pytest.mark.paint
def test_a_move_decodes_in_under_5_ms_and_paints_in_time(page, explorer, paint_times):
    times = page.evaluate(
        """async () => {
           const input = document.querySelector(".lat-z input"), times = [];
           const frame = () => new Promise(requestAnimationFrame);
           for (let i = 0; i < 50; i++) {
             input.value = String(Math.sin(i)); input.dispatchEvent(new Event("input"));
             await frame(); await frame();
             times.push(Number(document.querySelector("[data-decode-ms]").dataset.decodeMs));
           }
           return times; }""")
    assert np.median(times) < 5
    paints = paint_times(page, """(i) => {
        const input = document.querySelectorAll(".lat-z input")[i % 2];
        input.value = String(2 * Math.sin(i)); input.dispatchEvent(new Event("input")); }""")
    assert np.quantile(paints, 0.95) < 16


def test_on_a_phone(phone, open_chapter):
    open_chapter(phone, CHAPTER)
    widget = phone.locator(".lat")
    widget.scroll_into_view_if_needed()
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for control in widget.locator("button, select, input[type=range]").all():
        assert control.bounding_box()["height"] >= 43.9
    before = point(widget)
    widget.locator(".lat-map").tap(position={"x": 30, "y": 30})
    settle(phone)
    assert point(widget) != before
    bottom = widget.locator(".lat-map").bounding_box()
    bottom = bottom["y"] + bottom["height"]
    for part in (".lat-play button", ".lat-big"):
        assert widget.locator(part).bounding_box()["y"] - bottom < 120


def test_a_finger_scrolls_the_page_unless_it_takes_the_cross(phone, open_chapter):
    open_chapter(phone, CHAPTER)
    widget = phone.locator(".lat")
    widget.locator(".lat-play").scroll_into_view_if_needed()
    session = phone.context.new_cdp_session(phone)

    def swipe(x, y, dx, dy):
        touches = [{"type": "touchStart", "touchPoints": [{"x": x, "y": y}]},
                   *({"type": "touchMove", "touchPoints": [{"x": x + dx * i / 10, "y": y + dy * i / 10}]}
                     for i in range(1, 11)), {"type": "touchEnd", "touchPoints": []}]
        for touch in touches:
            session.send("Input.dispatchTouchEvent", touch)
            phone.wait_for_timeout(16)
        phone.wait_for_timeout(500)

    before, top = point(widget), phone.evaluate("scrollY")
    box = widget.locator(".lat-map").bounding_box()
    swipe(box["x"] + 20, box["y"] + box["height"] - 20, 0, -60)
    assert point(widget) == before and phone.evaluate("scrollY") > top + 20
    line = widget.locator(".lat-cross .lat-line")
    line.evaluate("cross => cross.scrollIntoView({ block: 'center', behavior: 'instant' })")
    phone.wait_for_timeout(300)
    top, cross = phone.evaluate("scrollY"), line.bounding_box()
    swipe(cross["x"] + cross["width"] / 2, cross["y"] + cross["height"] / 2, -40, 40)
    assert point(widget) != before and phone.evaluate("scrollY") == top


def test_from_the_disk(page, open_chapter):
    open_chapter(page, CHAPTER, from_disk=True)
    widget = page.locator(".lat")
    page.wait_for_function("document.querySelector('.lat .dlw-summary').textContent !== ''")
    assert numbers(widget.locator(".dlw-summary").inner_text())
