"""Styles, scripts and icons, all from the book's own origin.

What the theme loads and the book does not need is left out: Font Awesome's
1.4 MB script (its web font shows the same icons, cut down to those in use), the
search index on pages other than the search page, Thebe.
"""

from __future__ import annotations

import re
import shutil
from logging import WARNING, getLogger
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from dlcheat.sphinx.katex import katex_folder
from dlcheat.sphinx.slim import merge_plain_tokens, names_in_use, plain_tokens, purge

LOG = logging.getLogger(__name__)
HERE = Path(__file__).parent


def _static_folder(app: Sphinx) -> Path:
    return Path(app.doctreedir).parent / "static"


def _prepare(app: Sphinx) -> None:
    """Gather what the pages load in one folder that Sphinx copies."""
    target, katex = _static_folder(app), katex_folder(Path(app.srcdir).parent)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(HERE / "static", target)
    (target / "katex" / "fonts").mkdir(parents=True)
    for font in (katex / "fonts").glob("*.woff2"):
        shutil.copy(font, target / "katex" / "fonts")
    css = (katex / "katex.min.css").read_text(encoding="utf-8")
    css = re.sub(r',url\([^)]*\.(?:woff|ttf)\) format\("[a-z]+"\)', "", css)
    (target / "katex" / "katex.min.css").write_text(css, encoding="utf-8")
    common = (HERE.parent / "widgets" / "common.css").read_text(encoding="utf-8")
    colors = re.match(r"(?s).*?\n}\n.*?\n}\n", common)[0]        # the palette of figures and widgets
    book = (HERE / "static" / "book.css").read_text(encoding="utf-8")
    (target / "book.css").write_text(colors + book, encoding="utf-8")
    app.config.html_static_path.append(str(target))


def _deferred(script: Any) -> Any:
    """Return a script that waits for the end of the page; the search page's own cannot wait."""
    name = str(getattr(script, "filename", "") or "")
    if not name or "documentation_options" in name or "async" in script.attributes:
        return script
    return type(script)(script.filename, priority=script.priority,    # all pages share the original
                        **{**script.attributes, "defer": "defer"})


def _on_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any],
             doctree: nodes.document | None) -> None:
    seen: set[object] = set()
    kept = []
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body")
        name = str(getattr(script, "filename", script))
        key = body or name
        # Sphinx 7.4 doubles scripts that have a body; Thebe would fetch from a CDN
        if key in seen or "thebe" in (body or "").lower() or "thebe" in name:
            continue
        seen.add(key)
        kept.append(script if pagename == "search" else _deferred(script))
    context["script_files"][:] = kept
    context["css_files"][:] = [f for f in context.get("css_files", ()) if "thebe" not in str(f)]
    context.setdefault("default_mode", "auto")    # without it the theme logs an error


#: What the theme and the bibliography write, and what the book puts in its place: the button that
#: unfolds a chapter in the sidebar gets a name, a list of references no role that its entries lack.
MENDS = (('<summary><span class="toctree-toggle"',
          '<summary aria-label="Show its sections"><span class="toctree-toggle"'),
         ('<div role="list" class="citation-list">', '<div class="citation-list">'))
#: What the theme's scripts do with the whole page again and again, and less work to the same end.
#: It lays out the page after every change, to find boxes that scroll: book.js finds them when they
#: come into view. At every click it looks for a dozen kinds of buttons everywhere: only what was
#: clicked, and what it stands in, can be one.
SCRIPTS = {
    "pydata-sphinx-theme.js": (
        re.compile(re.escape('window.addEventListener("resize",t),new MutationObserver(t).observe('
                             'document.getElementById("main-content"),{subtree:!0,childList:!0}),e()')),
        "/* see dlcheat.sphinx.assets */"),
    "bootstrap.js": (
        re.compile(r"const (\w)=\w\.querySelectorAll\((?P<selector>\w)\);"
                   r"(?P<way>for\(let\{target:(?P<at>\w)\}=[^)]*\))"
                   r"for\(const (\w) of \1\)if\(\5===(?P=at)\)"),
        r"/* see dlcheat.sphinx.assets */\g<way>if(\g<at>.matches(\g<selector>))"),
}


def _mend(page: Path, plain: set[str]) -> str:
    """Mend a page, take off the elements that no reader sees, and return its text."""
    text = page.read_text(encoding="utf-8")
    mended = merge_plain_tokens(text, plain)
    for fault, better in MENDS:
        mended = mended.replace(fault, better)
    if mended != text:
        page.write_text(mended, encoding="utf-8")
    return mended


def _slim(static: Path, pages: list[str]) -> None:
    """Cut the theme's styles and scripts down to what the pages use."""
    for name, (pattern, better) in SCRIPTS.items():
        path = static / "scripts" / name
        script = path.read_text(encoding="utf-8")
        mended, found = pattern.subn(better, script)
        if found:
            path.write_text(mended, encoding="utf-8")
        elif "/* see dlcheat.sphinx.assets */" not in script:
            LOG.warning("%s has changed: see SCRIPTS in dlcheat.sphinx.assets", name)
    used = names_in_use(c for text in pages for c in set(re.findall(r'class="([^"]*)"', text)))
    used |= names_in_use(f.read_text(encoding="utf-8") for f in static.rglob("*.js")
                         if "locales" not in f.parts)
    for sheet in (*static.glob("styles/*.css"), *static.glob("*.css")):
        css = sheet.read_text(encoding="utf-8")
        slim = purge(css, used)
        if len(slim) < len(css):
            sheet.write_text(slim, encoding="utf-8")


def _icons_in_use(text: str, css: str) -> set[int]:
    names = set(re.findall(r"\bfa-([a-z0-9-]+)", text))
    rules = re.findall(r'((?:\.fa-[a-z0-9-]+:before,?)+)\{content:"\\([0-9a-f]+)"\}', css)
    codes = {int(code, 16) for selectors, code in rules
             if names & set(re.findall(r"fa-([a-z0-9-]+)", selectors))}
    codes |= {ord(c) for c in re.findall(r'--pst-icon-[a-z-]+:"(.)"', css)}
    return codes


def _finish(app: Sphinx, error: Exception | None) -> None:
    """Mend the pages; keep of the theme's icon fonts the glyphs that the pages show."""
    if error is not None or app.builder.format != "html":
        return
    from fontTools import subset

    getLogger("fontTools").setLevel(WARNING)
    out = Path(app.outdir)
    for unused in ("scripts/fontawesome.js", "scripts/fontawesome.js.map",
                   "scripts/fontawesome.js.LICENSE.txt"):
        (out / "_static" / unused).unlink(missing_ok=True)
    for source_map in out.glob("_static/**/*.map"):
        source_map.unlink()
    css = (out / "_static/styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    plain = plain_tokens((out / "_static/pygments.css").read_text(encoding="utf-8"))
    pages = [_mend(page, plain) for page in sorted(out.rglob("*.html"))]
    codes = _icons_in_use("".join(pages), css)
    _slim(out / "_static", pages)
    import pydata_sphinx_theme

    theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
    for font in (theme / "vendor/fontawesome/webfonts").glob("*.ttf"):
        target = out / "_static/vendor/fontawesome/webfonts" / font.name
        target.unlink(missing_ok=True)
        options = subset.Options(flavor="woff2", layout_features=[], notdef_outline=True)
        loaded = subset.load_font(str(font), options)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=codes)
        cutter.subset(loaded)
        subset.save_font(loaded, str(target.with_suffix(".woff2")), options)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.config.templates_path.append(str(HERE / "templates"))
    app.add_css_file("katex/katex.min.css")
    app.add_css_file("book.css")
    app.add_js_file("book.js")
    app.connect("builder-inited", _prepare)
    app.connect("html-page-context", _on_page, priority=950)
    app.connect("build-finished", _finish, priority=900)     # after the theme's own
