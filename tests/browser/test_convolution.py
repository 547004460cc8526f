"""The convolution stepper in the published page: its numbers are dlcheat's, its controls work."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from dlcheat.layers.convolution import output_size
from dlcheat.widgets.convolution import ConvolutionStepper, convolution_step
from tests.browser.widgets import nameless_controls, settle, small_controls
from tests.widgets.test_convolution import random_state

PAGE = "07-architectures/03-convolution/index"
FIRST = ConvolutionStepper().settings()


@pytest.fixture
def stepper(page: Page, open_chapter: Callable[..., None]) -> Locator:
    open_chapter(page, PAGE)
    return page.locator(".conv").first


def cells(stepper: Locator, name: str) -> list[str]:
    """Return what the cells of a map show, row after row."""
    settle(stepper.page)
    return stepper.locator(f".conv-{name} .conv-cell:visible").all_inner_texts()


def shown(value: float) -> str:
    """Return a number as the widget writes it: at most two decimals, a true minus sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return ("0" if text == "-0" else text).replace("-", "−")


def expect_picture(stepper: Locator, **changes: object) -> None:
    """Compare all that the widget shows with dlcheat's step on the same state."""
    step = convolution_step(**{**FIRST, **changes})
    total = step.output_size ** 2
    expect(stepper.locator(".dlw-player output")).to_have_text(f"{step.position + 1} of {total}")
    settle(stepper.page)
    expect(stepper.locator(".conv-image .conv-tap:visible")).to_have_count(len(step.cells))
    products = stepper.locator(".conv-work .conv-product:visible").all_inner_texts()
    assert products == [shown(v) for v in step.products]
    for name, rows in [("feature", step.feature_map), ("relu", step.relu_map)]:
        flat = [v for row in rows for v in row]
        assert cells(stepper, name) == [shown(v) if i <= step.position else "·"
                                        for i, v in enumerate(flat)]
    ready = [known for row in step.pooled_ready for known in row]
    pooled = [v for row in step.pooled_map for v in row]
    assert cells(stepper, "pooled") == [shown(v) if known else "·"
                                        for v, known in zip(pooled, ready)]


# ---- the same numbers -------------------------------------------------------------------------

@pytest.mark.parametrize("integers", [True, False])
def test_step_equals_dlcheat(page: Page, js: Callable, integers: bool) -> None:
    rng = random.Random(7)
    states = [FIRST] + [random_state(rng, integers) for _ in range(400)]
    got = js(page, "convolution").call("convolutionStep", [[state] for state in states])
    for state, result in zip(states, got, strict=True):
        expected = convolution_step(**state)._asdict()
        assert set(result) == set(expected)
        for name, value in expected.items():
            if integers and state["pooling"] != "average":
                assert result[name] == value, (name, state)
            else:
                assert flat(result[name]) == pytest.approx(flat(value), rel=1e-12, abs=1e-9)


def flat(value: object) -> list[float]:
    return [x for v in value for x in flat(v)] if isinstance(value, list) else [value]


def test_output_size_equals_dlcheat(page: Page, js: Callable) -> None:
    grid = [[n, k, s, p, d] for n in range(1, 10) for k in range(1, 6) for s in range(1, 4)
            for p in range(3) for d in range(1, 4)]
    for (n, k, s, p, d), got in zip(grid, js(page, "convolution").call("outputSize", grid)):
        fits = n + 2 * p >= d * (k - 1) + 1
        assert got == (output_size(n, k, s, p, d) if fits else 0)


def test_the_page_and_the_first_state(stepper: Locator) -> None:
    expect_picture(stepper)
    expect(stepper.locator(".conv-equations p").first).to_contain_text("Y(0, 0) =")
    expect(stepper.locator(".conv-sizes")).to_contain_text("⌊(4 + 2·0 − 1·(2 − 1) − 1) / 1⌋ + 1 = 3")
    expect(stepper.locator(".conv-sizes")).to_contain_text("= 2: the pooled map is 2 × 2")


def test_from_the_disk(page: Page, open_chapter: Callable[..., None]) -> None:
    open_chapter(page, PAGE, True)
    expect_picture(page.locator(".conv").first)


# ---- stepping ---------------------------------------------------------------------------------

def test_every_window_by_button(stepper: Locator) -> None:
    for position in range(9):
        expect_picture(stepper, position=position)
        if position < 8:
            stepper.get_by_role("button", name="one step forward").click()
    expect(stepper.get_by_role("button", name="one step forward")).to_be_disabled()
    assert cells(stepper, "feature") == ["7", "9", "−1", "13", "15", "1", "9", "11", "13"]
    assert cells(stepper, "pooled") == ["15"] * 4
    stepper.get_by_role("button", name="one step back").click()
    expect_picture(stepper, position=7)


def test_arrow_keys_on_the_slider_and_in_the_map(stepper: Locator) -> None:
    slider = stepper.get_by_label("Window", exact=True)
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    expect_picture(stepper, position=2)
    feature_map = stepper.locator(".conv-feature .conv-map")
    feature_map.press("ArrowDown")
    expect_picture(stepper, position=5)
    feature_map.press("ArrowLeft")
    expect_picture(stepper, position=4)
    feature_map.press("ArrowUp")
    feature_map.press("ArrowUp")
    expect_picture(stepper, position=1)


def test_click_in_the_map_chooses_the_window(stepper: Locator) -> None:
    stepper.locator(".conv-feature .conv-cell").nth(5).click()
    expect_picture(stepper, position=5)
    expect(stepper.locator(".dlw-summary")).to_contain_text("row 1, column 2 of the feature map is 1")


def test_play_and_pause(page: Page, stepper: Locator) -> None:
    play = stepper.locator(".dlw-player .primary")
    play.click()
    expect(play).to_have_text("Pause")
    expect(stepper.locator(".dlw-player output")).to_have_text("3 of 9", timeout=5000)
    play.click()
    expect(play).to_have_text("Play")
    settle(page)
    kept = stepper.locator(".dlw-player output").inner_text()
    page.wait_for_timeout(900)
    assert stepper.locator(".dlw-player output").inner_text() == kept


# ---- editing ----------------------------------------------------------------------------------

def test_edit_image_kernel_and_bias(stepper: Locator) -> None:
    stepper.get_by_label("image row 0, column 1").fill("-4,5")
    stepper.get_by_label("kernel row 1, column 1").fill("3")
    stepper.get_by_label("bias b", exact=True).fill("0.25")
    image, kernel = [list(row) for row in FIRST["image"]], [[1, 0], [-1, 3]]
    image[0][1] = -4.5
    expect(stepper.locator(".conv-equations p").first).to_contain_text("(−4.5)")
    expect_picture(stepper, image=image, kernel=kernel, bias=0.25)
    field = stepper.get_by_label("kernel row 0, column 0")
    field.press("ArrowUp")
    kernel[0][0] = 2
    expect(field).to_have_value("2")
    expect_picture(stepper, image=image, kernel=kernel, bias=0.25)


@pytest.mark.parametrize("text", ["abc", "1e9", "--2", "1000", "NaN"])
def test_what_is_no_number_is_refused(stepper: Locator, text: str) -> None:
    field = stepper.get_by_label("image row 1, column 1")
    field.fill(text)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(stepper.locator(".conv-alarm")).to_contain_text("is not a number from −999 to 999")
    expect_picture(stepper)
    field.press("Tab")
    expect(field).to_have_value("5")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    expect(stepper.locator(".conv-alarm")).to_have_text("")


def test_settings(stepper: Locator) -> None:
    def move(label: str, key: str, times: int = 1) -> None:
        for _ in range(times):
            stepper.get_by_label(label, exact=True).press(key)

    move("Padding p", "ArrowRight")
    expect_picture(stepper, padding=1)
    move("Stride s", "ArrowRight")
    expect_picture(stepper, padding=1, stride=2)
    move("Dilation d", "ArrowRight")
    expect_picture(stepper, padding=1, stride=2, dilation=2)
    stepper.get_by_label("Operation").select_option(label="convolution (kernel rotated)")
    expect_picture(stepper, padding=1, stride=2, dilation=2, flip=True)
    stepper.get_by_label("Pooling", exact=True).select_option(label="average")
    expect_picture(stepper, padding=1, stride=2, dilation=2, flip=True, pooling="average")
    stepper.get_by_label("ReLU").uncheck()
    expect(stepper.locator(".conv-relu")).to_be_hidden()
    stepper.get_by_label("Pooling", exact=True).select_option(label="none")
    expect(stepper.locator(".conv-pooled")).to_be_hidden()


def test_presets(stepper: Locator) -> None:
    stepper.get_by_label("Image", exact=True).select_option(label="single dot")
    stepper.get_by_label("Kernel", exact=True).select_option(label="1 to 9 (to see the flip)")
    stepper.get_by_label("Window", exact=True).press("End")
    assert cells(stepper, "feature") == list("987654321")
    stepper.get_by_label("Operation").select_option(label="convolution (kernel rotated)")
    expect(stepper.locator(".conv-feature .conv-cell").first).to_have_text("1")
    assert cells(stepper, "feature") == list("123456789")
    stepper.get_by_label("image row 0, column 0").fill("7")
    expect(stepper.get_by_label("Image", exact=True)).to_have_value("my own")


def test_a_kernel_that_does_not_fit_is_said_in_words(stepper: Locator) -> None:
    size = stepper.get_by_label("Kernel size k")
    size.press("End")
    summary = stepper.locator(".dlw-summary")
    expect(summary).to_contain_text("The kernel does not fit: with 5 × 5 weights")
    expect(stepper.locator(".conv-feature")).to_be_hidden()
    expect(stepper.get_by_label("Window", exact=True)).to_be_disabled()
    stepper.get_by_label("Padding p").press("ArrowRight")          # 4 + 2 = 6 ≥ 5: it fits again
    expect(stepper.locator(".conv-feature .conv-cell:visible")).to_have_count(4)
    stepper.get_by_label("Padding p").press("ArrowLeft")
    for _ in range(3):
        size.press("ArrowLeft")
    expect_picture(stepper)                                        # and the old kernel is back


def test_a_pooling_window_that_does_not_fit(stepper: Locator) -> None:
    stepper.get_by_label("Pooling window").select_option(label="3 × 3")
    stepper.get_by_label("Stride s").press("ArrowRight")
    expect(stepper.locator(".dlw-summary")).to_contain_text("pooling window does not fit")
    expect(stepper.locator(".conv-pooled")).to_be_hidden()


def test_reset_restores_the_first_state_exactly(stepper: Locator) -> None:
    def picture() -> str:
        return stepper.evaluate(
            """(e) => { const seen = (s) => [...e.querySelectorAll(s)].filter((i) => i.checkVisibility());
                 return JSON.stringify([
                   seen("input, select").map((i) => [i.value, i.checked, i.disabled, i.ariaLabel]),
                   seen(".dlw-title, .conv-cell, .dlw-note, .dlw-summary, output, .conv-equations, "
                        + ".conv-sizes, .conv-alarm, button").map((i) =>
                     [i.innerText, i.className, i.style.background, i.disabled])]); }""")

    before = picture()
    stepper.get_by_label("Image", exact=True).select_option(label="a seven (MNIST, 8 × 8)")
    stepper.get_by_label("Kernel", exact=True).select_option(label="sharpen")
    for label in ("Stride s", "Padding p", "Dilation d", "Window"):
        stepper.get_by_label(label, exact=True).press("ArrowRight")
    stepper.get_by_label("Operation").select_option(label="convolution (kernel rotated)")
    stepper.get_by_label("bias b", exact=True).fill("3")
    stepper.get_by_label("ReLU").uncheck()
    assert picture() != before
    stepper.get_by_role("button", name="Reset").click()
    expect_picture(stepper)
    assert picture() == before


# ---- the page ---------------------------------------------------------------------------------

@pytest.mark.parametrize("width", [320, 360])
def test_a_narrow_page_does_not_scroll_sideways(
        watch_pages: Callable[..., Page], open_chapter: Callable[..., None], width: int) -> None:
    page = watch_pages(viewport={"width": width, "height": 700})
    open_chapter(page, PAGE)
    stepper = page.locator(".conv").first
    for image, padding in [("cheat sheet’s X", 0), ("a seven (MNIST, 8 × 8)", 3)]:
        stepper.get_by_label("Image", exact=True).select_option(label=image)
        for _ in range(padding):
            stepper.get_by_label("Padding p").press("ArrowRight")
        stepper.get_by_label("Kernel size k").press("End")
        page.wait_for_timeout(100)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        right = stepper.evaluate("(e) => e.getBoundingClientRect().right")
        assert right <= width


def test_touch_targets_and_names(stepper: Locator) -> None:
    assert small_controls(stepper, 42, "input:not([type=checkbox])") == []
    assert nameless_controls(stepper) == 0


@pytest.mark.paint
@pytest.mark.parametrize("control", [".dlw-player input[type=range]", ".conv-image .dlw-number",
                                     ".conv-settings input"])
def test_paint_is_quick(page: Page, stepper: Locator, control: str,
                        paint_times: Callable[..., list[float]]) -> None:
    stepper.get_by_label("Image", exact=True).select_option(label="a seven (MNIST, 8 × 8)")
    stepper.get_by_label("Kernel", exact=True).select_option(label="sharpen")
    times = paint_times(page, f"""(i) => {{
        const field = document.querySelector('.conv {control}');
        field.value = String(i % (Number(field.max || 8) + 1));
        field.dispatchEvent(new Event('input', {{ bubbles: true }})); }}""")
    assert sorted(times)[int(0.95 * len(times))] < 16
