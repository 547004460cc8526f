"""The book's own Sphinx extension.

| module | what it does |
|---|---|
| ``live_widgets`` | widgets live in the published page; a view that would be dead fails the build |
| ``katex`` | formulas are typeset when the book is built; bad TeX fails the build |
| ``cards`` | the cheat-sheet cards of all chapters on one printable page |
| ``launch`` | Binder, Colab and repository buttons that point where the build runs |
| ``assets`` | offline styles, scripts and icons; lighter pages |
| ``slim`` | style rules and code elements that no reader sees are left out |
| ``offscreen`` | sections off the screen are laid out when they come near |
| ``sources`` | which files a chapter depends on: they decide what runs again |
| ``execute`` | runs the notebooks, in parallel, into the build's cache |
| ``build`` | ``python -m dlcheat.sphinx``: execute, then build strictly |
| ``pdf`` | the cheat sheet as a PDF, printed by Chromium |
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from dlcheat.sphinx import assets, cards, katex, launch, live_widgets, offscreen, sources


def setup(app: Sphinx) -> dict[str, Any]:
    """Register every part with Sphinx."""
    for part in (assets, cards, katex, launch, live_widgets, offscreen, sources):
        part.setup(app)
    # when this package changes, its styles and scripts included, every page is written again
    here = Path(__file__).parent
    files = [p for p in sorted(here.rglob("*")) if p.is_file() and p.suffix != ".pyc"]
    text = b"".join(p.read_bytes() for p in (*files, here.parent / "widgets" / "common.css"))
    app.add_config_value("dlcheat_extension", hashlib.sha256(text).hexdigest(), "html")
    return {"version": "1", "env_version": 1, "parallel_read_safe": True,
            "parallel_write_safe": True}
