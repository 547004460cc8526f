"""explore() without a kernel: its sliders run over the frames that the build stored."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from dlcheat.widgets.explore import explore

PAGE = "07-architectures/04-generative/autoencoder"


@pytest.mark.parametrize("from_disk", [False, True])
def test_slider_plays_frames(page: Page, open_chapter: Callable[..., None], from_disk: bool) -> None:
    open_chapter(page, PAGE, from_disk)
    box = page.locator(".dlw:has(.explore-stage)").first
    slider = box.get_by_role("slider").first
    first = box.locator(".explore-stage").inner_html()
    slider.press("Home")
    seen = [box.locator(".explore-stage").inner_html()]
    for _ in range(int(slider.get_attribute("max"))):
        slider.press("ArrowRight")
        seen.append(box.locator(".explore-stage").inner_html())
    assert all(seen) and len(set(seen)) == len(seen), "every position shows a frame of its own"
    box.get_by_role("button", name="Reset").click()
    assert box.locator(".explore-stage").inner_html() == first


def test_mouse_moves_the_slider(page: Page, open_chapter: Callable[..., None]) -> None:
    open_chapter(page, PAGE)
    box = page.locator(".dlw:has(.explore-stage)").first
    before = box.locator(".explore-stage").inner_html()
    slider = box.get_by_role("slider").first
    slider.scroll_into_view_if_needed()
    where = slider.bounding_box()
    page.mouse.click(where["x"] + where["width"] * 0.9, where["y"] + where["height"] / 2)
    assert box.locator(".explore-stage").inner_html() != before


def test_frames_are_those_of_the_function(page: Page, js: Callable) -> None:
    sizes = [3, 2, 4]
    expected = {at: i for i, at in enumerate(itertools.product(*map(range, sizes)))}
    got = js(page, "explore").call("frameNumber", [[list(at), sizes] for at in expected])
    assert got == list(expected.values())


@pytest.mark.paint
def test_paint_is_quick(page: Page, open_chapter: Callable[..., None],
                        paint_times: Callable[..., list[float]]) -> None:
    open_chapter(page, PAGE)
    times = paint_times(page, """(i) => {
        const s = document.querySelector('.dlw:has(.explore-stage) input[type=range]');
        s.value = i % (Number(s.max) + 1); s.dispatchEvent(new Event('input', { bubbles: true })); }""")
    assert sorted(times)[int(0.95 * len(times))] < 16


def test_the_number_of_frames_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLCHEAT_BUILD", "1")
    with pytest.raises(ValueError, match=r"expected at most 400 frames, received 30 × 30 = 900"):
        explore(lambda a, b: "", a=(1, 30), b=(1, 30))
