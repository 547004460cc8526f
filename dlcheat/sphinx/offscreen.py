"""Sections off the screen cost nothing: the browser lays them out when they come near.

``book.css`` says ``content-visibility: auto`` for the sections of a chapter. Until a section is laid
out the browser needs a height in its place, or the scroll bar would jump: this module estimates
it from what stands in the section.
"""

from __future__ import annotations

import math
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

#: Pixels in a column of 700: of a line of text and of code, of the gaps after a block.
TEXT, CODE, GAP, LETTERS = 26, 16, 18, 92
FOLDED = {"dropdown", "tag_hide-input", "tag_hide-cell"}


def height(node: nodes.Node) -> float:
    """Return about how many pixels high a node of a page is.

    >>> height(nodes.literal_block("", "a = 1\\nb = 2"))
    72
    >>> height(nodes.paragraph("", "One line."))
    44
    """
    if isinstance(node, nodes.title):
        return 80
    if isinstance(node, nodes.paragraph):
        tex = sum(len(formula.astext()) for formula in node.findall(nodes.math))
        letters = len(node.astext()) - 0.6 * tex        # TeX is longer than what it prints
        return GAP + TEXT * math.ceil(letters / LETTERS)
    if isinstance(node, nodes.literal_block):
        return CODE * (1 + node.astext().count("\n")) + 40
    if isinstance(node, nodes.math_block):
        return 75
    if isinstance(node, nodes.raw):
        text = node.astext()
        drawn = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)" width="([\d.]+)"', text)
        if drawn:
            return GAP + float(drawn[3]) * float(drawn[2]) / float(drawn[1])
        return 45 * text.count("<tr") if "<tr" in text else 700     # a table or a widget
    if isinstance(node, nodes.table):
        return 45 * len(list(node.findall(nodes.row))) + GAP
    if not isinstance(node, nodes.Element):
        return 0
    if FOLDED & set(node.get("classes", ())):
        shown = [c for c in node.children if "cell_output" in getattr(c, "attributes", {}).get("classes", ())]
        return 60 + sum(map(height, shown))
    frame = 60 if isinstance(node, nodes.Admonition) else 0
    return frame + sum(map(height, node.children))


def _on_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any],
             doctree: nodes.document | None) -> None:
    if doctree is None or "body" not in context:
        return
    for page in doctree.children:
        for section in page.children if isinstance(page, nodes.section) else ():
            if isinstance(section, nodes.section) and section["ids"]:
                size = f'style="contain-intrinsic-height: auto {round(height(section))}px"'
                context["body"] = context["body"].replace(
                    f'<section id="{section["ids"][0]}"', f'<section {size} id="{section["ids"][0]}"', 1)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("html-page-context", _on_page)
