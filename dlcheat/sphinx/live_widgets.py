"""Widgets that live in the published page: no kernel, no CDN.

Jupyter stores a widget's state in the notebook, and myst-nb writes it into the
page. This module

1. stores each distinct front end once a page instead of once a widget,
2. warns, fatally in the book's build, of a displayed view that the host cannot show: it would be
   a dead picture,
3. warns of an ``explore`` without the frames that its sliders would play,
4. loads the host, ``static/host.js``, on the pages that have widgets,
5. moves the state in front of the first widget: the page above it is drawn before the state's
   bytes arrive, and the widget as soon as they are there.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)
STATE = "application/vnd.jupyter.widget-state+json"
VIEW_TAG = '<script type="application/vnd.jupyter.widget-view+json">'
#: Behind each view: the host, where it is there already, shows the widget before the page goes on.
SHOW = "<script>window.showWidgets?.()</script>"
VIEW = re.compile(r'vnd\.jupyter\.widget-view\+json">([^<]*)<')


def as_function(module: str) -> str:
    """Return the body of a function that returns what a front end exports by default.

    A browser evaluates it at once, where it would fetch a module only after the page's other
    scripts. A module that imports another, or exports in another form, stays as it is.

    >>> print(as_function("export function f() {}\\nexport default { render: f };"))
    "use strict";
    function f() {}
    const frontEnd = { render: f };
    return frontEnd;
    """
    body, defaults = re.subn(r"(?m)^export default (?=\{)", "const frontEnd = ", module)
    body = re.sub(r"(?m)^export (?=(?:async )?(?:function|const|let|class)\b)", "", body)
    if defaults != 1 or re.search(r"(?m)^\s*(?:import|export)\b|\bfrontEnd\b(?! = )", body):
        return module
    return f'"use strict";\n{body}\nreturn frontEnd;'


def share_front_ends(data: dict[str, Any]) -> dict[str, Any]:
    """Replace the ``_esm`` and ``_css`` of every model by a key into one table.

    >>> spec = {"model_module": "anywidget", "state": {"_esm": "export default {}"}}
    >>> data = share_front_ends({"state": {"a": spec}})
    >>> key = data["state"]["a"]["state"]["_esm"]
    >>> data["shared"][key.removeprefix("shared:")]
    '"use strict";\\nconst frontEnd = {}\\nreturn frontEnd;'
    """
    shared = data.setdefault("shared", {})
    for model in data["state"].values():
        if model.get("model_module") != "anywidget":
            continue
        for key in ("_esm", "_css"):
            source = model["state"].get(key)
            if source and not source.startswith("shared:"):
                name = hashlib.sha256(source.encode()).hexdigest()[:16]
                shared[name] = as_function(source) if key == "_esm" else source
                model["state"][key] = "shared:" + name
    return data


def _on_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any],
             doctree: nodes.document | None) -> None:
    models: dict[str, Any] = {}
    state = ""
    for script in list(context.get("script_files", [])):
        attributes = getattr(script, "attributes", {})
        if attributes.get("type") == STATE and "body" in attributes:
            data = share_front_ends(json.loads(attributes["body"]))
            models.update(data["state"])
            state = json.dumps(data).replace("<", "\\u003c")
            context["script_files"].remove(script)
    if state:
        body = re.sub(rf"{re.escape(VIEW_TAG)}[^<]*</script>", rf"\g<0>{SHOW}", context["body"])
        first = f'<script type="{STATE}">{state}</script>\n{VIEW_TAG}'
        context["body"] = body.replace(VIEW_TAG, first, 1)
    for node in doctree.findall(nodes.raw) if doctree is not None else ():
        for view in VIEW.findall(node.astext()):
            model_id = json.loads(view)["model_id"]
            module = models.get(model_id, {}).get("model_module", "missing from the page")
            if module == "anywidget" and _has_no_frames(models[model_id]):
                LOG.warning("explore() was run without the build's frames: its sliders would be dead",
                            location=pagename, type="dlcheat", subtype="dead_view")
            if module != "anywidget":
                name = models.get(model_id, {}).get("model_name", "widget")
                LOG.warning("%s (%s) would be dead in the published page: use a widget of dlcheat "
                            "or explore()", name, module, location=pagename, type="dlcheat",
                            subtype="dead_view")


def _has_no_frames(model: dict[str, Any]) -> bool:
    stored = {tuple(b["path"]): b["data"] for b in model.get("buffers", ())}
    return model["state"].get("live") is True and not stored.get(("frames",))


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    os.environ["DLCHEAT_BUILD"] = "1"       # a notebook that Sphinx itself runs stores frames too
    app.connect("html-page-context", _on_page, priority=900)
    app.connect("config-inited", _load_host)


def _load_host(app: Sphinx, config: Any) -> None:
    config.nb_ipywidgets_js = {"host.js": {"async": "async"}}
