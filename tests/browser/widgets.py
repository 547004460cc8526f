"""What the tests of all widgets ask of a page."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page


def settle(page: Page) -> None:
    """Wait until what was asked for has been painted: controls answer at once, pictures then."""
    page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def at_once(open_chapter: Callable[..., None], page: Page, chapter: str, selector: str) -> Locator:
    """Open a chapter, bring the widget into view, and wait until it has been painted."""
    open_chapter(page, chapter)
    found = page.locator(selector)
    found.scroll_into_view_if_needed()
    settle(page)
    return found


def small_controls(widget: Locator, least: float, fields: str = "input") -> list[str]:
    """Return the visible buttons, menus and fields that are narrower or lower than ``least``."""
    return widget.evaluate(
        """(e, [least, fields]) => [...e.querySelectorAll(`button, select, ${fields}`)]
           .filter((c) => c.offsetParent).map((c) => [c.getBoundingClientRect(), c])
           .filter(([r]) => r.height < least || r.width < least)
           .map(([r, c]) => `${c.ariaLabel ?? c.textContent} ${r.width} × ${r.height}`)""",
        [least, fields])


def text_sizes(widget: Locator, pictures: str = "svg") -> list[float]:
    """Return the size in pixels at which each text of the widget's drawings is seen."""
    return widget.evaluate(
        """(e, pictures) => [...e.querySelectorAll(pictures)].flatMap((svg) => {
             const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
             return [...svg.querySelectorAll("text")].map((t) =>
               scale * parseFloat(getComputedStyle(t).fontSize)); })""", pictures)


def texts_outside(widget: Locator, pictures: str = "svg") -> list[str]:
    """Return the texts that are cut off at the left or the right edge of their drawing."""
    return widget.evaluate(
        """(e, pictures) => [...e.querySelectorAll(pictures)].flatMap((svg) => {
             const box = svg.getBoundingClientRect();
             return [...svg.querySelectorAll("text")].map((t) => [t, t.getBoundingClientRect()])
               .filter(([, r]) => r.width && (r.left < box.left - 1 || r.right > box.right + 1))
               .map(([t]) => t.textContent); })""", pictures)


def nameless_controls(widget: Locator) -> int:
    """Return how many buttons, menus and fields a screen reader has no name for."""
    return widget.evaluate(
        """(e) => [...e.querySelectorAll("button, select, input")].filter((c) =>
           !(c.ariaLabel || c.labels?.length || c.textContent.trim())).length""")
