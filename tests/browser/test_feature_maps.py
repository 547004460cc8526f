"""The digit followed through the network, in the page: its numbers are dlcheat's."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect
from torch import Tensor

from dlcheat.architectures.cnn import seen_rows, translate
from dlcheat.widgets.feature_maps import Followed, centre, folded, follow, stroke
from tests.browser.widgets import settle
from tests.widgets.test_feature_maps import random_cnn

PAGE = "07-architectures/03-convolution/cnn"
Point = tuple[float, float]


class Widget:
    """The widget on the published page, and what dlcheat says about what it shows."""

    def __init__(self, page: Page) -> None:
        self.page, self.el = page, page.locator(".fmap").first
        self.digit = self.el.locator(".fmap-digit")
        self.map = self.el.locator(".fmap-stack").nth(1).locator("canvas")
        specs = page.locator('script[type="application/vnd.jupyter.widget-state+json"]')
        models = [m for text in specs.all_text_contents()
                  for m in json.loads(text)["state"].values()]
        self.spec = next(m for m in models if "kernel_size" in m["state"])
        self.state = self.spec["state"]
        self.bytes = {b["path"][0]: base64.b64decode(b["data"]) for b in self.spec["buffers"]}
        self.weights = self._weights()

    def _weights(self) -> list[Tensor]:
        values = torch.from_numpy(np.frombuffer(self.bytes["weights"], "<f4").copy())
        channels, k, size = (self.state[n] for n in ("channels", "kernel_size", "size"))
        shapes = [s for c, d in pairwise(channels[:-1]) for s in ((d, c, k, k), (d,))]
        side = size >> (len(channels) - 2)
        shapes += [(channels[-1], channels[-2] * side * side), (channels[-1],)]
        parts = values.split([int(np.prod(s)) for s in shapes])
        return [part.view(s) for part, s in zip(parts, shapes)]

    def image(self, number: int) -> Tensor:
        """One of the digits to choose from, uint8."""
        area = self.state["size"] ** 2
        pixels = self.bytes["images"][number * area:(number + 1) * area]
        return torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(self.state["size"], -1)

    def pixels(self) -> Tensor:
        """What stands on the digit's canvas now, uint8."""
        settle(self.page)
        data = self.digit.evaluate("(c) => Array.from(c.getContext('2d').getImageData(0, 0, "
                                   "c.width, c.height).data).filter((_, i) => i % 4 === 0)")
        return torch.tensor(data, dtype=torch.uint8).view(self.state["size"], -1)

    def expect(self, pixels: Tensor) -> Followed:
        """The digit shown is this one, and the ten probabilities are dlcheat's."""
        assert torch.equal(self.pixels(), pixels)
        followed = follow(self.weights, pixels[None].float() / 255)
        shown = self.el.locator(".fmap-bars td[data-p]").evaluate_all(
            "(cells) => cells.map((c) => Number(c.dataset.p))")
        shown = torch.tensor(shown, dtype=torch.float32)
        torch.testing.assert_close(shown, followed.probabilities, rtol=1e-3, atol=1e-4)
        best = followed.probabilities.argmax().item()
        said = self.el.locator(".dlw-summary").inner_text()
        assert f"network answers {best} with" in said
        expect(self.el.locator(".fmap-bars tr.best th")).to_have_text(str(best))
        return followed

    def expect_unit(self, step: int, channel: int, unit: list[int]) -> None:
        """The chosen unit, its value and its window are dlcheat's."""
        settle(self.page)
        followed = follow(self.weights, self.pixels()[None].float() / 255)
        value = followed.steps[step][channel][tuple(unit)].item()
        told = self.el.locator(".fmap-told")
        assert float(told.get_attribute("data-value")) == pytest.approx(value, rel=1e-3, abs=1e-4)
        assert told.inner_text().startswith(f"Row {unit[0] + 1}, column {unit[1] + 1}:")
        layer = 2 * (step // 3) + (step % 3 == 2)
        (top, bottom), (left, right) = (seen_rows(layer, u, self.state["kernel_size"])
                                        for u in unit)
        window = self.el.locator(".fmap-window")
        box = {name: int(window.get_attribute(name)) for name in ("x", "y", "width", "height")}
        assert box == {"x": left, "y": top, "width": right - left + 1, "height": bottom - top + 1}
        chosen = self.el.get_by_role("radio", checked=True)
        name = ("convolution", "ReLU", "pooling")[step % 3]
        expect(chosen).to_have_count(1)
        expect(chosen).to_have_attribute("aria-label",
                                         f"layer {step // 3 + 1}, {name}, map {channel + 1}")


@pytest.fixture
def widget(page: Page, open_chapter: Callable[..., None]) -> Widget:
    open_chapter(page, PAGE)
    found = Widget(page)
    found.el.scroll_into_view_if_needed()
    return found


# ---- the same numbers -------------------------------------------------------------------------

def test_forward_equals_torch_on_random_networks(page: Page, js: Callable) -> None:
    cases = []
    for seed in range(200):
        rng = random.Random(seed)
        channels = [rng.randint(1, 5) for _ in range(rng.randint(1, 3))]
        size, k = rng.randint(2 ** (len(channels) + 1), 18), rng.choice([1, 3, 5])
        model = random_cnn(seed, channels, k, size)
        weights, image = folded(model), torch.rand(1, size, size)
        flat = torch.cat([w.flatten() for w in weights]).tolist()
        cases.append((follow(weights, image),
                      [flat, [1, *channels, 10], k, size, image.flatten().tolist()]))
    got = js(page, "feature_maps").call("follow", [arguments for _, arguments in cases])
    def close(ours: list[float], theirs: Tensor, rtol: float, atol: float) -> None:
        ours = torch.tensor(ours, dtype=torch.float32)
        torch.testing.assert_close(ours, theirs.flatten(), rtol=rtol, atol=atol)

    for (expected, _), result in zip(cases, got, strict=True):
        assert len(result["steps"]) == len(expected.steps)
        for ours, theirs in zip(result["steps"], expected.steps):
            assert (ours["channels"], ours["size"]) == tuple(theirs.shape[:2])
            close(ours["values"], theirs, 1e-4, 1e-5 * (1 + theirs.abs().max().item()))
        close(result["scores"], expected.scores, 1e-4, 1e-4)
        close(result["probabilities"], expected.probabilities, 1e-3, 1e-5)


def test_drawing_and_moving_equal_dlcheat(page: Page, js: Callable) -> None:
    module, rng = js(page, "feature_maps"), np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 28, 28)) * (rng.random((300, 28, 28)) < 0.2)
    lines = rng.integers(-4, 64, (300, 4)) / 2
    calls = [[m.flatten().tolist(), 28, ln[:2].tolist(), ln[2:].tolist(), bool(i % 2)]
             for i, (m, ln) in enumerate(zip(images, lines))]
    got = module.call("strokePixels", calls)
    for (_, _, start, end, erase), m, result in zip(calls, images, got):
        drawn = stroke(torch.from_numpy(m).byte(), tuple(start), tuple(end), erase)
        difference = torch.tensor(result) - drawn.flatten().long()
        assert difference.abs().max() <= 1 and (difference != 0).sum() <= 2
    shifts = rng.integers(-30, 31, (300, 2)).tolist()
    moved = module.call("movePixels", [[m.flatten().tolist(), 28, *s]
                                       for m, s in zip(images, shifts)])
    centred = module.call("centrePixels", [[m.flatten().tolist(), 28] for m in images])
    for m, s, a, b in zip(images, shifts, moved, centred):
        image = torch.from_numpy(m).byte()
        assert a == translate(image[None, None], *s).flatten().tolist()
        assert b == centre(image).flatten().tolist()


def test_receptive_field_equals_dlcheat(page: Page, js: Callable) -> None:
    grid = [(step, unit, k) for step in range(9) for unit in range(28) for k in (1, 3, 5)]
    got = js(page, "feature_maps").call("receptiveField", [list(g) for g in grid])
    for (step, unit, k), ours in zip(grid, got):
        assert tuple(ours) == seen_rows(2 * (step // 3) + (step % 3 == 2), unit, k)


# ---- the page ---------------------------------------------------------------------------------

def test_first_state(widget: Widget) -> None:
    widget.expect(widget.image(widget.state["digit"]))
    widget.expect_unit(*(widget.state[n] for n in ("step", "channel", "unit")))


def test_from_the_disk(page: Page, open_chapter: Callable[..., None]) -> None:
    open_chapter(page, PAGE, True)
    widget = Widget(page)
    widget.expect(widget.image(widget.state["digit"]))


def test_every_digit_by_the_slider(widget: Widget) -> None:
    slider = widget.el.get_by_label("Digit", exact=True)
    slider.press("Home")
    for number, label in enumerate(widget.state["labels"]):
        widget.expect(widget.image(number))
        expect(slider).to_have_attribute("aria-valuetext", f"no. {number + 1}, labelled {label}")
        slider.press("ArrowRight")


def test_move_by_buttons(widget: Widget) -> None:
    pixels = widget.image(widget.state["digit"])
    rng = random.Random(1)
    moves = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
    for _ in range(12):
        name = rng.choice(list(moves))
        widget.el.get_by_role("button", name=f"move the digit one pixel {name}").click()
        pixels = translate(pixels[None, None], *moves[name])[0, 0]
        widget.expect(pixels)
    widget.el.get_by_role("button", name="move the centre of mass").click()
    widget.expect(centre(pixels))


def test_draw_by_mouse(widget: Widget) -> None:
    widget.el.get_by_role("button", name="clear: an empty image").click()
    empty = torch.zeros(28, 28, dtype=torch.uint8)
    widget.expect(empty)
    expect(widget.el.locator(".dlw-summary")).to_contain_text("The image is empty")
    widget.digit.scroll_into_view_if_needed()
    box = widget.digit.bounding_box()

    def at(row: float, column: float) -> Point:
        return (box["x"] + box["width"] * (column + 0.5) / 28,
                box["y"] + box["height"] * (row + 0.5) / 28)

    mouse, path = widget.page.mouse, [(5, 14), (12, 14), (22, 14)]
    mouse.move(*at(*path[0]))
    mouse.down()
    for point in path[1:]:
        mouse.move(*at(*point), steps=4)
    mouse.up()
    drawn = stroke(empty, path[0], path[-1])
    seen = widget.pixels()
    assert (seen.int() - drawn.int()).abs().float().mean() < 3      # the pointer has whole pixels
    widget.expect(seen)
    mouse.move(*at(20, 5))                                            # not pressed: nothing drawn
    assert torch.equal(widget.pixels(), seen)
    widget.el.get_by_label("Erase").check()
    mouse.move(*at(5, 14))
    mouse.down()
    mouse.move(*at(22, 14), steps=8)
    mouse.up()
    assert widget.pixels().int().sum() < 0.1 * seen.int().sum()


def test_draw_by_keys(widget: Widget) -> None:
    widget.el.get_by_role("button", name="clear: an empty image").click()
    pixels = torch.zeros(28, 28, dtype=torch.uint8)
    widget.digit.focus()
    for _ in range(3):
        widget.digit.press("ArrowUp")
    widget.expect_unit(*(widget.state[n] for n in ("step", "channel", "unit")))
    assert widget.pixels().sum() == 0                                 # moving alone paints nothing
    widget.digit.press(" ")
    pixels = stroke(pixels, (11, 14), (11, 14))
    widget.expect(pixels)
    for row in range(12, 18):
        widget.digit.press("Shift+ArrowDown")
        pixels = stroke(pixels, (row - 1, 14), (row, 14))
    widget.expect(pixels)
    widget.el.get_by_label("Erase").check()
    widget.digit.press(" ")
    widget.expect(stroke(pixels, (17, 14), (17, 14), erase=True))


def test_choose_a_map_by_click_and_keys(widget: Widget) -> None:
    unit = widget.state["unit"]
    widget.el.get_by_role("radio", name="layer 1, ReLU, map 5", exact=True).click()
    widget.expect_unit(1, 4, unit)
    press = widget.page.keyboard.press
    press("ArrowRight")
    widget.expect_unit(1, 5, unit)
    press("ArrowDown")
    widget.expect_unit(2, 5, [u // 2 for u in unit])
    press("ArrowDown")
    press("ArrowLeft")
    widget.expect_unit(3, 4, [u // 2 for u in unit])
    expect(widget.el.get_by_role("radio", checked=True)).to_be_focused()
    assert widget.el.locator("[role=radio][tabindex='0']").count() == 1
    expect(widget.el.locator(".fmap-filters")).to_have_attribute(
        "aria-label", re.compile(f"^filter: {widget.state['channels'][1]} slices, weights from "))


def colours(values: Tensor, limit: float) -> Tensor:
    """Signed values in the widget's colours, (…, 3): orange below zero, white, blue above."""
    strength = (values / limit).clamp(-1, 1).mul(255).round()[..., None]
    end = torch.where(strength < 0, torch.tensor([143., 58, 0]), torch.tensor([8., 74, 134]))
    return 255 + strength.abs() / 255 * (end - 255)


def test_pictures_show_every_map_and_the_filter(widget: Widget) -> None:
    widget.el.get_by_role("radio", name="layer 2, convolution, map 3", exact=True).click()
    settle(widget.page)
    pixels = widget.image(widget.state["digit"])
    steps = follow(widget.weights, pixels[None].float() / 255).steps
    kernels = widget.weights[2][2]

    def shown(canvas: Locator, count: int, size: int, side: int) -> Tensor:
        """Each map's colours, (count, size, size, 3), out of its frame."""
        width, height, data = canvas.evaluate(
            "(c) => [c.width, c.height, Array.from(c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data)]")
        cell = side + 4
        cells = torch.tensor(data).view(height // cell, cell, width // cell, cell, 4)
        cells = cells.transpose(1, 2).flatten(0, 1)[:count, 2:-2, 2:-2, :3]
        middle = (torch.arange(size) * side + side // 2) // size
        return cells[:, middle][:, :, middle].float()

    pictures = widget.el.locator(".fmap-picture")
    expect(pictures).to_have_count(len(steps))
    for number, maps in enumerate(steps):
        count, size = maps.shape[:2]
        seen = shown(pictures.nth(number), count, size, widget.state["size"])
        limit = steps[3 * (number // 3)].abs().max().item()
        assert (seen - colours(maps, limit)).abs().max() <= 1
    count, k = kernels.shape[:2]
    seen = shown(widget.el.locator(".fmap-filters"), count, k, 4 * k)
    assert (seen - colours(kernels, kernels.abs().max().item())).abs().max() <= 1


def test_choose_a_unit_by_pointer_and_keys(widget: Widget) -> None:
    box = widget.map.bounding_box()
    widget.map.click(position={"x": box["width"] * 20.5 / 28, "y": box["height"] * 9.5 / 28})
    widget.expect_unit(0, 0, [9, 20])
    widget.map.press("ArrowUp")
    widget.map.press("Shift+ArrowRight")
    widget.expect_unit(0, 0, [8, 25])
    widget.map.press("Shift+ArrowRight")
    widget.expect_unit(0, 0, [8, 27])


def test_reset_restores_the_first_state_exactly(widget: Widget) -> None:
    settle(widget.page)

    def picture() -> list[object]:
        return widget.el.evaluate(
            """(el) => [el.querySelector(".dlw-summary").textContent, el.querySelector(".fmap-told")
               .textContent, ...[...el.querySelectorAll("canvas")].map((c) => c.toDataURL()),
               ...[...el.querySelectorAll("rect")].map((r) => r.outerHTML),
               ...[...el.querySelectorAll("input")].map((i) => [i.value, i.checked])]""")

    before = picture()
    widget.el.get_by_label("Digit", exact=True).press("End")
    widget.el.get_by_label("Erase").check()
    widget.el.get_by_role("radio", name="layer 2, pooling, map 9", exact=True).click()
    widget.digit.press("ArrowLeft")
    widget.digit.press(" ")
    widget.el.get_by_role("button", name="move the digit one pixel up").click()
    settle(widget.page)
    assert picture() != before
    widget.el.get_by_role("button", name="Reset").click()
    settle(widget.page)
    assert picture() == before


def test_python_moves_it(page: Page, js: Callable) -> None:
    """A trait that changes in Python changes the picture; what the reader does reaches the trait."""
    model = random_cnn(3, (2, 3), 3, 12)
    flat = torch.cat([w.flatten() for w in folded(model)]).tolist()
    js(page, "feature_maps")
    said = page.evaluate(
        """async ([weights, n]) => {
          const bytes = (a) => new DataView(a.buffer), listeners = {};
          const images = Uint8Array.from({ length: 2 * n * n }, (_, i) => (37 * i) % 256);
          const state = { title: "t", weights: bytes(Float32Array.from(weights)), kernel_size: 3,
            channels: [1, 2, 3, 10], size: n, images: bytes(images), labels: [1, 2], digit: 0,
            pixels: bytes(images.slice(0, n * n)), step: 0, channel: 0, unit: [1, 2],
            first: { digit: 0, step: 0, channel: 0, unit: [1, 2] } };
          const model = { get: (k) => state[k], save_changes() {},
            set(k, v) { state[k] = v; (listeners[k] ?? []).forEach((f) => f()); },
            on(k, f) { (listeners[k.replace("change:", "")] ??= []).push(f); } };
          const el = document.createElement("div");
          document.body.append(el);
          window.tested.default.render({ model, el, signal: new AbortController().signal });
          const frame = () => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
          const told = () => Number(el.querySelector(".fmap-told").dataset.value);
          model.set("step", 4); model.set("channel", 2); model.set("unit", [0, 1]);
          await frame();
          const values = [told()];
          model.set("pixels", bytes(images.slice(n * n)));
          await frame();
          values.push(told());
          el.querySelector("button[aria-label^=clear]").click();
          await frame();
          return [values, new Uint8Array(state.pixels.buffer).some((g) => g), state.step]; }""",
        [flat, 12])
    images = (37 * torch.arange(288)) % 256
    expected = [follow(folded(model), image.view(1, 12, 12) / 255).steps[4][2, 0, 1].item()
                for image in images.split(144)]
    assert said == [pytest.approx(expected, rel=1e-4, abs=1e-5), False, 4]


def test_phone(phone: Page, open_chapter: Callable[..., None]) -> None:
    open_chapter(phone, PAGE)
    widget = Widget(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    small = widget.el.locator("button, input[type=range]").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect())"
        ".filter((r) => r.height < 43.9 || r.width < 43.9).length")
    assert small == 0
    widget.el.get_by_role("button", name="clear: an empty image").tap()
    widget.digit.tap()
    drawn = widget.pixels()
    assert drawn.max() == 255 or drawn.float().sum() > 255
    widget.expect(drawn)


@pytest.mark.parametrize("action", [
    """(i) => { const el = document.querySelector(".fmap-digit"); el.focus();
       el.dispatchEvent(new KeyboardEvent("keydown", { key: ["ArrowDown", "ArrowRight", "ArrowUp",
         "ArrowLeft"][Math.floor(i / 4) % 4], shiftKey: true, bubbles: true })); }""",
    """(i) => document.querySelectorAll(".fmap-tile")[(7 * i) % 120].click()""",
], ids=["draw", "choose a map"])
@pytest.mark.paint
def test_fast(widget: Widget, paint_times: Callable[..., list[float]], action: str) -> None:
    times = sorted(paint_times(widget.page, action))
    assert times[int(0.95 * len(times))] < 16


def test_the_digit_stays_in_sight_above_its_last_maps(widget: Widget) -> None:
    widget.el.locator(".fmap-tile").last.click()
    settle(widget.page)
    box = widget.digit.bounding_box()
    assert box["y"] > 0 and box["y"] + box["height"] < 900
