"""The cards of all chapters, collected on one printable page.

A card is an admonition of class ``cheatsheet`` in a chapter. The directive
``cheatsheet-cards`` stands for all of them, in the order of the book, each with
a link back to its chapter.
"""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective, new_document


class cards_here(nodes.General, nodes.Element):
    """The place where the cards will stand."""


class CheatsheetCards(SphinxDirective):
    """The directive ``cheatsheet-cards``."""

    def run(self) -> list[nodes.Node]:
        """Leave a mark; the cards are put in its place when every page has been read."""
        self.env.dlcheat_cards_page = self.env.docname
        return [cards_here()]


def _store(env: BuildEnvironment) -> dict[str, list[nodes.Element]]:
    if not hasattr(env, "dlcheat_cards"):
        env.dlcheat_cards = {}
    return env.dlcheat_cards


def _collect(app: Sphinx, doctree: nodes.document) -> None:
    app.env.dlcheat_cards_changed = True
    found = [card for card in doctree.findall(nodes.Admonition)
             if "cheatsheet" in card.get("classes", ())]
    if found:
        _store(app.env)[app.env.docname] = [card.deepcopy() for card in found]


def _purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    _store(env).pop(docname, None)


def _merge(app: Sphinx, env: BuildEnvironment, docnames: list[str],
           other: BuildEnvironment) -> None:
    _store(env).update({d: c for d, c in _store(other).items() if d in docnames})


def _refresh(app: Sphinx, env: BuildEnvironment) -> list[str]:
    page = getattr(env, "dlcheat_cards_page", None)
    changed = getattr(env, "dlcheat_cards_changed", False)
    env.dlcheat_cards_changed = False
    return [page] if changed and page in env.found_docs else []


def in_book_order(env: BuildEnvironment) -> Iterator[str]:
    """Yield the pages in the order of the table of contents."""
    seen: set[str] = set()

    def walk(docname: str) -> Iterator[str]:
        if docname in seen:
            return
        seen.add(docname)
        yield docname
        for child in env.toctree_includes.get(docname, ()):
            yield from walk(child)

    yield from walk(env.config.root_doc)


def _place(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for mark in list(doctree.findall(cards_here)):
        placed: list[nodes.Node] = []
        for source in in_book_order(app.env):
            for card in _store(app.env).get(source, ()):
                placed.append(_copy(app, card, source, docname))
        mark.replace_self(placed)


def _copy(app: Sphinx, card: nodes.Element, source: str, docname: str) -> nodes.Element:
    card = card.deepcopy()
    card["classes"] = [*card["classes"], "collected"]
    for node in card.findall(nodes.Element):
        node["ids"] = []
    for reference in card.findall(pending_xref):
        reference["refdoc"] = docname
    title = app.env.titles[source].astext()
    link = nodes.reference("", title, internal=True,
                           refuri=app.builder.get_relative_uri(docname, source))
    card.replace(card[0], nodes.title("", "", link))
    document = new_document("")          # references resolve inside a document only
    document += card
    app.env.resolve_references(document, docname, app.builder)
    document.remove(card)
    return card


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.add_node(cards_here)
    app.add_directive("cheatsheet-cards", CheatsheetCards)
    app.connect("doctree-read", _collect)
    app.connect("env-purge-doc", _purge)
    app.connect("env-merge-info", _merge)
    app.connect("env-updated", _refresh)
    app.connect("doctree-resolved", _place)
