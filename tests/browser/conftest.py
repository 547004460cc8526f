"""Chromium on the built book: no request leaves the origin, no console error, no 404."""

from __future__ import annotations

import contextlib
import functools
import gzip
import http.server
import io
import json
import os
import statistics
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dlcheat.sphinx.chromium import ARGUMENTS, MISSING, find_chromium
from dlcheat.widgets.base import module_source

HTML = Path(os.environ.get("BOOK_HTML", Path(__file__).parents[2] / "_build" / "html"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@functools.cache
def compressed(path: Path, changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


class Pages(http.server.SimpleHTTPRequestHandler):
    """A static server as the book's readers meet it: connections stay open, texts are gzipped."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):      # the page was left
            super().handle()

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.suffix not in {".html", ".js", ".css", ".svg"} or not path.is_file():
            super().do_GET()
            return
        body = compressed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.copyfile(io.BytesIO(body), self.wfile)


@contextlib.contextmanager
def serving(handler: type[Pages]) -> Iterator[str]:
    """Serve the built book; give the address."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of a server of the built book."""
    if not (HTML / "index.html").exists():
        pytest.fail(f"expected the built book in {HTML}: run make book first")
    with serving(Pages) as address:
        yield address


@pytest.fixture(scope="session")
def disk() -> str:
    """The address of the built book on the disk."""
    return HTML.resolve().as_uri()


#: No name but this machine's own is found: the network is as good as cut.
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.fail(MISSING)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, OFFLINE])
        yield launched
        launched.close()


class Watch:
    """What a page did that no page of the book may do."""

    def __init__(self, context: BrowserContext, *origins: str) -> None:
        self.faults: list[str] = []
        allowed = (*origins, "data:", "blob:", "about:")
        context.on("request", lambda r: self.faults.append(f"request to {r.url}")
                   if not r.url.startswith(allowed) else None)

    def page(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.on("console", lambda m: self.faults.append(f"console: {m.text}")
                if m.type == "error" else None)
        page.on("pageerror", lambda e: self.faults.append(f"error: {e}"))
        page.on("response", lambda r: self.faults.append(f"{r.status}: {r.url}")
                if r.status >= 400 else None)
        # what a page that is left no longer waits for is aborted: no fault
        page.on("requestfailed", lambda r: self.faults.append(f"failed: {r.url}")
                if r.failure != "net::ERR_ABORTED" else None)
        return page


@contextlib.contextmanager
def watching(browser: Browser, site: str, disk: str) -> Iterator[Callable[..., Page]]:
    """Open pages with any context options; a fault of any of them is an error at the end."""
    contexts, watches = [], []

    def new_page(**options: object) -> Page:
        context = browser.new_context(base_url=site, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        watches.append(Watch(context, site, disk))
        return watches[-1].page(context)

    yield new_page
    for context in contexts:
        context.close()
    faults = [fault for watch in watches for fault in watch.faults]
    assert not faults, faults


@pytest.fixture
def watch_pages(browser: Browser, site: str, disk: str) -> Iterator[Callable[..., Page]]:
    with watching(browser, site, disk) as new_page:
        yield new_page


@pytest.fixture
def page(watch_pages: Callable[..., Page]) -> Page:
    return watch_pages(viewport={"width": 1280, "height": 900})


@pytest.fixture
def phone(watch_pages: Callable[..., Page]) -> Page:
    return watch_pages(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)


#: Lay out the sections off the screen too: what is read or examined must be there.
EVERY_SECTION = "section { content-visibility: visible !important; }"


@pytest.fixture
def open_chapter(disk: str, request: pytest.FixtureRequest) -> Callable[..., None]:
    """open_chapter(page, "07-architectures/03-convolution/cnn", disk=False): wait for its widget.

    All sections are laid out, so that a test can read any of them; not where times are measured.
    """
    as_readers_have_it = request.node.get_closest_marker("paint") is not None

    def go(page: Page, name: str, from_disk: bool = False) -> None:
        path = f"{name}.html"
        page.goto(f"{disk}/{path}" if from_disk else f"/{path}")
        page.locator(".dlw").first.wait_for(state="attached")
        if not as_readers_have_it:
            page.add_style_tag(content=EVERY_SECTION)
        page.locator(".dlw").first.scroll_into_view_if_needed()

    return go


class Module:
    """The exported functions of a widget's front end, called in Chromium.

    Numbers travel as text, which is many times faster than one by one; NaN and the infinities,
    for which JSON has no sign, by their names.
    """

    def __init__(self, page: Page, *names: str) -> None:
        self.page = page
        page.evaluate(
            """async (source) => { const url = URL.createObjectURL(new Blob([source],
               { type: "text/javascript" })); window.tested = await import(url); }""",
            module_source(*names))

    def call(self, function: str, calls: list[list[object]]) -> list[object]:
        """Return function(*arguments) for each list of arguments; arrays come back as lists."""
        return json.loads(self.page.evaluate(
            """([name, calls]) => {
               const plain = (key, v) => ArrayBuffer.isView(v) ? Array.from(v)
                 : typeof v === "number" && !Number.isFinite(v) ? `@${v}@` : v;
               const results = (0, eval)(calls).map((a) => window.tested[name](...a));
               return JSON.stringify(results, plain).replace(/"@(-?\\w+)@"/g, "$1"); }""",
            [function, json.dumps(calls)]))


@pytest.fixture
def js() -> Callable[[Page, str], Module]:
    """js(page, "convolution").call("step", [[state], …]): the front end's functions, run in Chromium."""

    def load(page: Page, *names: str) -> Module:
        if page.url == "about:blank":
            page.goto("/index.html")
        return Module(page, *names)

    return load


@pytest.fixture
def paint_times() -> Callable[..., list[float]]:
    """paint_times(page, "(i) => …", n): milliseconds of work from each input to its paint.

    The action runs in the page as a reader's input would. Counted is the processor time of the
    page's main thread until the frame is drawn: handlers, what they ask for before the next
    paint, style and layout; not the wait for the display's refresh or for a busy machine. What a
    frame without input costs, the measurement itself above all, is taken off.
    """

    def measure(page: Page, action: str, n: int = 100) -> list[float]:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def busy() -> float:
            metrics = session.send("Performance.getMetrics")["metrics"]
            return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

        def frame(i: int | None) -> float:
            before = busy()
            page.evaluate("i => new Promise(done => { if (i !== null) window.action(i); "
                          "requestAnimationFrame(() => setTimeout(done)); })", i)
            return busy() - before

        page.evaluate("source => { window.action = eval(source); }", action)
        idle = statistics.median(frame(None) for _ in range(20))
        times = [max(0, frame(i) - idle) for i in range(n)]
        session.detach()
        return times

    return measure
