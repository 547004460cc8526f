"""Formulas typeset by KaTeX when the book is built.

The page needs no script for them, and TeX that KaTeX does not understand is a
warning, fatal in the book's build. KaTeX itself comes from the package
``djangocms-katex`` (its files alone: ``requirements-assets.txt``) and runs in V8
(``mini-racer``).
"""

from __future__ import annotations

import html
import importlib.util
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOG = logging.getLogger(__name__)
INSIDE = "djangocms_katex/static/djangocms_katex/vendor/katex"


def katex_folder(root: Path) -> Path:
    """Return the folder with ``katex.min.js``, its style and its fonts.

    Args:
        root: The folder of the repository.

    Raises:
        ExtensionError: If KaTeX is not installed.
    """
    places = [root / "_build" / "assets"]
    spec = importlib.util.find_spec("djangocms_katex")
    if spec is not None and spec.submodule_search_locations:
        places.append(Path(spec.submodule_search_locations[0]).parent)
    for place in places:
        if (place / INSIDE / "katex.min.js").exists():
            return place / INSIDE
    raise ExtensionError("KaTeX is missing: pip install --no-deps --target _build/assets "
                         "-r requirements-assets.txt")


@cache
def _engine(folder: Path) -> object:
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    engine.eval((folder / "katex.min.js").read_text(encoding="utf-8"))
    engine.eval("function render(tex, display) { try { return { html: katex.renderToString(tex, "
                "{ displayMode: display, throwOnError: true, strict: 'ignore' }) }; } "
                "catch (error) { return { error: error.message }; } }")
    return engine


@cache
def typeset(tex: str, display: bool, folder: Path) -> str:
    """Return the HTML of a formula, with its MathML for those who do not see it.

    Args:
        tex: TeX without delimiters.
        display: Whether it stands on a line of its own.
        folder: Where KaTeX is.

    Raises:
        ValueError: If KaTeX does not understand the formula.
    """
    result = _engine(folder).call("render", tex, display)
    if "error" in result:
        raise ValueError(result["error"])
    # the TeX inside the MathML is read by nobody
    return re.sub(r"<annotation.*?</annotation>", "", result["html"], flags=re.DOTALL)


def _render(self: HTML5Translator, node: nodes.Element, display: bool) -> str:
    tex = node.astext()
    if display and re.search(r"(?<!\\)\\\\(?![\w])", tex) and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    try:
        return typeset(tex, display, Path(self.config.dlcheat_katex))
    except ValueError as error:
        LOG.warning("bad TeX: %s", error, location=node, type="dlcheat", subtype="tex")
        return f"<code>{html.escape(tex)}</code>"


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write an inline formula."""
    self.body.append(f'<span class="math">{_render(self, node, False)}</span>')
    raise nodes.SkipNode


def visit_display(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula on a line of its own, scrollable where it is too wide, with its number."""
    anchor = f' id="{node["ids"][0]}"' if node.get("ids") else ""
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    self.body.append(f'<div class="math math-display"{anchor}>{number}'
                     f"{_render(self, node, True)}</div>\n")
    raise nodes.SkipNode


def _find(app: Sphinx, config: object) -> None:
    config.dlcheat_katex = str(katex_folder(Path(app.srcdir).parent))
    config.html_math_renderer = "katex"


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_config_value("dlcheat_katex", "", "")
    app.add_html_math_renderer("katex", (visit_inline, None), (visit_display, None))
    app.connect("config-inited", _find)
