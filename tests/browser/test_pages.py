"""Every page of the built book, as a reader meets it."""

from __future__ import annotations

import gzip
import importlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route

from dlcheat.sphinx.live_widgets import VIEW_TAG
from tests.browser.conftest import EVERY_SECTION, HTML, Pages, serving, watching
from tests.conftest import BOOK
from tests.test_book import title, toc

PAGES = [*toc(), "search", "genindex"]
every_page = pytest.mark.parametrize("name", PAGES)
every_widget_page = pytest.mark.parametrize(
    "name", [n for n in toc() if (BOOK / f"{n}.ipynb").exists()])

#: A formula is read from its MathML; the picture of it beside that is hidden from readers of the
#: screen, has the colour of the text around it, and is most of the elements of a page.
FORMULAS_APART = {"exclude": [[".katex-html"]]}
#: Faults of the theme that stay, each with its reason. (axe rule, a part of the element's HTML)
THEME_FAULTS: list[tuple[str, str]] = []


@dataclass
class Visit:
    """A page opened once for the tests that follow, and the bytes that it loaded, gzipped."""

    page: Page
    sizes: dict[str, int]


@pytest.fixture(scope="module", params=PAGES)
def visit(request: pytest.FixtureRequest, browser: Browser, site: str, disk: str) -> Iterator[Visit]:
    with watching(browser, site, disk) as new_page:
        page, sizes = new_page(viewport={"width": 1280, "height": 900}), {}
        page.on("response", lambda r: sizes.update({r.url: len(gzip.compress(r.body(), 6))})
                if r.url.startswith("http") and r.ok else None)
        page.goto(f"/{request.param}.html")
        page.wait_for_load_state("networkidle")
        yield Visit(page, sizes)


def expect_quiet_and_whole(page: Page) -> None:
    views = page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count()
    if views:
        page.wait_for_function("n => document.querySelectorAll('.dlw').length >= n", arg=views)
    assert page.locator(".katex-error, .math code").count() == 0
    assert page.evaluate("[...document.images].filter(i => !i.alt).map(i => i.src)") == []
    assert page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).length") == 0
    unnamed = ("[...document.querySelectorAll('.cell_output svg')]"
               ".filter(s => !s.closest('.dlw, button') && !s.getAttribute('aria-label')).length")
    assert page.evaluate(unnamed) == 0


def test_page_is_quiet_and_whole(visit: Visit) -> None:
    expect_quiet_and_whole(visit.page)


@every_page
def test_page_is_quiet_and_whole_from_the_disk(page: Page, disk: str, name: str) -> None:
    page.goto(f"{disk}/{name}.html")
    page.wait_for_load_state("load")
    expect_quiet_and_whole(page)


def test_page_is_light(visit: Visit) -> None:
    sizes = visit.sizes
    assert sum(sizes.values()) < 1_200_000, sorted(sizes.items(), key=lambda s: -s[1])[:5]


#: The rules that read colours.
OF_COLOUR = ["color-contrast", "link-in-text-block"]
#: One element of each look: texts of one size and colour, on the same grounds, under elements of the
#: same names. Contrast is a matter of these alone, and measured where they first occur.
LOOKS = """() => {
  const own = (e) => { const s = getComputedStyle(e);
    return [e.tagName, e.className.baseVal ?? e.className, s.color, s.backgroundColor,
            s.backgroundImage, s.opacity, s.position].join(" "); };
  const looks = new Map(), numbers = new Map([[null, 0]]);
  const look = (e) => {
    if (!numbers.has(e)) {
      const words = `${look(e.parentElement)} ${own(e)}`;
      numbers.set(e, looks.get(words) ?? looks.set(words, looks.size + 1).size);
    }
    return numbers.get(e); };
  const first = new Map();
  for (const e of document.body.querySelectorAll("*:not(.katex-html, .katex-html *)")) {
    const text = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!(text || e.matches("a, input, select, textarea")) || !e.getClientRects().length) continue;
    const { fontSize, fontWeight } = getComputedStyle(e);
    const key = `${look(e)} ${fontSize} ${fontWeight}`;
    if (!first.has(key)) first.set(key, e);
  }
  return [...first.values()];
}"""


def serious(page: Page, context: object, options: dict[str, object]) -> list[str]:
    """What axe finds serious or critical."""
    violations = page.evaluate(
        "([context, options]) => axe.run(context, { resultTypes: ['violations'], ...options })"
        ".then(r => r.violations)", [context, options])
    return [f"{v['id']}: {node['html'][:160]}" for v in violations
            if v["impact"] in ("serious", "critical") for node in v["nodes"]
            if not any(v["id"] == rule and part in node["html"] for rule, part in THEME_FAULTS)]


def test_axe_finds_nothing_serious(visit: Visit) -> None:
    page = visit.page
    page.add_style_tag(content=EVERY_SECTION)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait_for_timeout(300)
    page.evaluate(Axe().axe_script)
    found = serious(page, FORMULAS_APART, {"rules": {n: {"enabled": False} for n in OF_COLOUR}})
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
        page.wait_for_timeout(300)
        looks = page.evaluate_handle(LOOKS)
        assert page.evaluate("looks => looks.length", looks) > 10
        found += [f"{theme}: {fault}" for fault in serious(
            page, {"include": looks}, {"runOnly": OF_COLOUR})]
    assert not found, "\n".join(found)


@every_page
def test_a_phone_shows_the_page_without_sideways_scrolling(phone: Page, name: str) -> None:
    phone.goto(f"/{name}.html")
    phone.wait_for_load_state("load")
    phone.wait_for_timeout(200)
    phone.add_style_tag(content=EVERY_SECTION)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    small = phone.evaluate(
        """[...document.querySelectorAll('.dlw :is(button, select, input)')]
           .filter(e => e.offsetParent && e.type !== 'checkbox')
           .map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect().height])
           .filter(([, height]) => height < 43.5)""")
    assert small == []
    phone.wait_for_timeout(300)
    wrongly_focused = phone.evaluate(
        """[...document.querySelectorAll('.bd-article pre, .math-display')]
           .filter(box => (box.scrollWidth > box.clientWidth) !== (box.getAttribute('tabindex') === '0'))
           .map(box => box.textContent.slice(0, 60))""")
    assert wrongly_focused == [], "a box that scrolls, and no other, is reached by keyboard"


@every_widget_page
@pytest.mark.alone
def test_widget_is_there_within_a_second(watch_pages: Callable[..., Page], name: str) -> None:
    page = watch_pages(viewport={"width": 1280, "height": 900})
    page.add_init_script(FIRST_WIDGET)
    page.goto(f"/{name}.html")
    page.wait_for_function("window.firstWidget")
    assert page.evaluate("window.firstWidget") < 1000


@every_widget_page
@pytest.mark.alone
def test_widget_is_there_within_two_seconds_on_a_slow_phone(
        watch_pages: Callable[..., Page], name: str) -> None:
    page = watch_pages(viewport={"width": 390, "height": 800}, is_mobile=True, has_touch=True)
    page.add_init_script(FIRST_WIDGET)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", {
        "offline": False, "latency": 40, "downloadThroughput": 10e6 / 8, "uploadThroughput": 10e6 / 8})
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(f"/{name}.html")
    page.wait_for_function("window.firstWidget")
    assert page.evaluate("window.firstWidget") < 2000


#: The host marks the moment when it has shown a widget; it is drawn with the next frame.
FIRST_WIDGET = """
new PerformanceObserver((list, observer) => {
  if (!list.getEntriesByName('widget').length) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => { window.firstWidget = performance.now(); }));
}).observe({ type: 'mark', buffered: true });
"""


@every_widget_page
def test_a_widget_is_there_before_its_page_has_arrived(browser: Browser, name: str) -> None:
    rest = threading.Event()

    class Halting(Pages):
        """Sends a page up to its first widget, and the rest when the test says so."""

        def do_GET(self) -> None:
            if not self.path.endswith(".html"):
                super().do_GET()
                return
            body = Path(self.translate_path(self.path)).read_bytes()
            cut = body.index(b"<p", body.index(VIEW_TAG.encode()))
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])
            rest.wait(30)
            self.wfile.write(body[cut:])

    with serving(Halting) as address, browser.new_context(base_url=address) as context:
        page = context.new_page()
        page.goto(f"/{name}.html", wait_until="commit")
        try:
            page.locator(".dlw").first.wait_for(state="attached", timeout=15_000)
            assert page.evaluate("document.readyState") == "loading"
        finally:
            rest.set()
        page.wait_for_load_state("load")
        views = page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count()
        assert page.locator(".dlw").count() == views


@pytest.mark.parametrize("name", ["07-architectures/03-convolution/cnn", "cheatsheet", "search"])
def test_a_style_sheet_without_unused_rules_looks_the_same(
        watch_pages: Callable[..., Page], name: str) -> None:
    look = """() => { const all = [...document.querySelectorAll('body *')].filter(e => !e.closest('.dlw'));
      return all.map(e => { const s = getComputedStyle(e);
        return [e.tagName, e.className, s.display, s.color, s.backgroundColor, s.font, s.margin, s.padding,
                s.border, s.width, s.position].join('|'); }); }"""
    looks = []
    for sheets in ("cut", "whole"):
        page = watch_pages(viewport={"width": 1280, "height": 900})
        if sheets == "whole":
            page.route("**/*.css*", whole_sheet)
        page.goto(f"/{name}.html")
        page.wait_for_load_state("load")
        page.add_style_tag(content=EVERY_SECTION)
        page.wait_for_timeout(300)
        page.evaluate("document.fonts.ready")
        page.wait_for_timeout(200)
        looks.append(page.evaluate(look))
    changed = [pair for pair in zip(*looks, strict=True) if pair[0] != pair[1]]
    assert not changed, changed[:3]


def whole_sheet(route: Route) -> None:
    """Answer with the style sheet as its package has it."""
    name = Path(urlparse(route.request.url).path).name
    places = [Path(importlib.import_module(package).__file__).parent
              for package in ("pydata_sphinx_theme", "sphinx_book_theme", "sphinx_design")]
    found = [f for place in places for f in place.rglob(name)]
    if found:
        route.fulfill(path=found[0], content_type="text/css")
    else:
        route.fallback()


def test_pages_carry_no_element_or_rule_that_nobody_sees() -> None:
    for name in (n for n in toc() if (BOOK / f"{n}.ipynb").exists()):
        assert '<span class="n">' not in (HTML / f"{name}.html").read_text(encoding="utf-8")
    theme = (HTML / "_static/styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    assert ".fa-accessible-icon" not in theme and ".fa-solid" in theme


def test_cards_stand_on_one_page_in_order_with_links_back(page: Page) -> None:
    page.goto("/cheatsheet.html")
    links = page.locator(".cheatsheet.collected > .admonition-title a")
    shown = [(t.strip(), h) for t, h in zip(links.all_inner_texts(), links.evaluate_all(
        "all => all.map(a => a.getAttribute('href'))"), strict=True)]
    chapters = [n for n in toc() if (BOOK / f"{n}.ipynb").exists()]
    assert shown == [(title(BOOK / f"{n}.ipynb"), f"{n}.html") for n in chapters]
    links.last.click()
    page.wait_for_url(f"**/{chapters[-1]}.html")


def test_cheat_sheet_prints_on_a4(page: Page) -> None:
    page.goto("/cheatsheet.html")
    pdf = page.pdf(prefer_css_page_size=True)
    boxes = set(re.findall(rb"/MediaBox \[([^\]]+)\]", pdf))
    assert pdf.startswith(b"%PDF") and boxes
    for box in boxes:
        width, height = map(float, box.split()[2:])
        assert (round(width), round(height)) in {(595, 842), (596, 842), (595, 841), (594, 841)}
    page.set_viewport_size({"width": 703, "height": 1000})          # A4 without its margins
    page.emulate_media(media="print")
    assert not page.locator("#pst-primary-sidebar").is_visible()
    assert page.locator(".bd-article h1").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    cut = page.evaluate("""[...document.querySelectorAll('.math-display')].filter(box => {
        const all = document.createRange();
        all.selectNodeContents(box.querySelector('.katex-html'));
        return all.getBoundingClientRect().right > box.getBoundingClientRect().right + 1;
      }).map(box => box.textContent.slice(0, 60))""")
    assert cut == [], "a formula is cut off on paper"


def test_search_finds_a_chapter(page: Page) -> None:
    page.goto("/search.html?q=routing")
    page.locator("#search-results a").first.wait_for()
    assert any("CapsNet" in t for t in page.locator("#search-results a").all_inner_texts())


def test_search_works_from_the_disk(page: Page, disk: str) -> None:
    page.goto(f"{disk}/search.html?q=routing")
    page.locator("#search-results a").first.wait_for()


def test_next_leads_through_the_whole_book(page: Page) -> None:
    page.goto("/index.html")
    for name in toc()[1:]:
        page.locator("a.right-next").click()
        page.wait_for_url(f"**/{name}.html")


def test_no_page_is_an_orphan() -> None:
    built = {p.relative_to(HTML).with_suffix("").as_posix() for p in HTML.rglob("*.html")
             if not {"_static", "_modules", "_sources"} & set(p.relative_to(HTML).parts)}
    assert built - set(toc()) <= {"search", "genindex", "py-modindex"}


def test_no_page_names_another_host_for_what_it_loads() -> None:
    for path in HTML.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:[^"]+)"',
                            path.read_text(encoding="utf-8"))
        assert not loaded, (path, loaded)


def test_no_source_map_or_font_awesome_script_is_left() -> None:
    assert not list(Path(HTML).rglob("*.map"))
    assert not list(Path(HTML).rglob("fontawesome.js"))
