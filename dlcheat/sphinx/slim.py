"""What no reader sees is left out of the built pages.

The theme's style sheets hold a rule for every icon and component that any book might use, and
the highlighter wraps each name and bracket of the code in an element of its own, though it has the
colour of the text around it. A browser reads, matches and lays out all of that before it shows a
widget.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import tinycss2

TOKEN = re.compile(r'<span class="([a-z][a-z0-9]{0,2})">([^<]*)</span>')


def plain_tokens(pygments_css: str) -> set[str]:
    """Return the classes of code tokens that look like the text around them in every theme.

    Operators are among them: their colour says nothing that their shape does not say.

    >>> css = ".highlight { color: #111 } .highlight .n { color: #111 } .highlight .k { color: #00f }"
    >>> sorted(plain_tokens(css))
    ['n', 'o']
    """
    ground = set(re.findall(r"\.highlight \{ (?:background: [^;]+; )?color: (#\w+)", pygments_css))
    rules = re.findall(r"\.highlight \.(\w+) \{ ([^}]*) \}", pygments_css)
    special = {name for name, body in rules
               if not re.fullmatch(r"color: #\w+", body) or body.removeprefix("color: ") not in ground}
    return {name for name, _ in rules} - special | {"o"}


def merge_plain_tokens(html: str, plain: set[str]) -> str:
    """Take the elements off the tokens of code that need none.

    >>> merge_plain_tokens('<span class="n">x</span><span class="o">=</span>', {"n"})
    'x<span class="o">=</span>'
    """
    return TOKEN.sub(lambda m: m[2] if m[1] in plain else m[0], html)


def names_in_use(texts: Iterable[str]) -> set[str]:
    """Return every word of the texts that could name a class.

    >>> sorted(names_in_use(['<p class="a b-c">', "el.classList.add('d')"]))
    ['a', 'add', 'b-c', 'class', 'classList', 'd', 'el', 'p']
    """
    return {word for text in texts for word in re.findall(r"[A-Za-z_][\w-]*", text)}


def purge(css: str, used: set[str]) -> str:
    """Return the style sheet without the rules for classes that no page has.

    >>> purge(".a, .b { color: red } .b:hover { color: blue } p:not(.b) { top: 0 }", {"a"})
    '.a{ color: red }p:not(.b) { top: 0 }'
    """
    return "".join(_rule(rule, used) for rule in
                   tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True))


def _rule(rule: tinycss2.ast.Node, used: set[str]) -> str:
    if rule.type == "qualified-rule":
        selectors: list[list[tinycss2.ast.Node]] = [[]]
        for node in rule.prelude:
            if node.type == "literal" and node.value == ",":
                selectors.append([])
            else:
                selectors[-1].append(node)
        kept = [s for s in selectors if _classes(s) <= used]
        if not kept:
            return ""
        if len(kept) == len(selectors):
            return rule.serialize()
        names = ",".join(tinycss2.serialize(s).strip() for s in kept)
        return f"{names}{{{tinycss2.serialize(rule.content)}}}"
    if rule.type == "at-rule" and rule.lower_at_keyword in {"media", "supports"} and rule.content:
        inside = "".join(_rule(r, used) for r in tinycss2.parse_rule_list(
            rule.content, skip_comments=True, skip_whitespace=True))
        return f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inside}}}" if inside else ""
    return rule.serialize()


def _classes(selector: list[tinycss2.ast.Node]) -> set[str]:
    """Return the classes that an element needs; those inside :not() and :is() do not count."""
    return {after.value for dot, after in pairwise(selector)
            if dot.type == "literal" and dot.value == "." and after.type == "ident"}
