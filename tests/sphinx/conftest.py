"""Small books, built as the book is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
import pytest

from tests.conftest import ROOT


@pytest.fixture
def small_book(tmp_path: Path) -> Callable[..., tuple[int, str, Path]]:
    """Build pages {name: text, or list of cells}; return status, what was printed, the HTML."""

    def make(pages: Mapping[str, str | list[tuple[str, str]]], toc: str | None = None,
             environ: Mapping[str, str] | None = None) -> tuple[int, str, Path]:
        book = tmp_path / "book"
        shutil.copy(ROOT / "_config.yml", tmp_path)
        (tmp_path / "_build").mkdir(exist_ok=True)
        if not (tmp_path / "_build" / "assets").exists():
            (tmp_path / "_build" / "assets").symlink_to(ROOT / "_build" / "assets")
        for name, content in pages.items():
            path = book / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
                continue
            cells = [getattr(nbformat.v4, f"new_{kind}_cell")(source) for kind, source in content]
            kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
            nbformat.write(nbformat.v4.new_notebook(
                cells=cells, metadata={"kernelspec": kernel}), path)
        (book / "references.bib").touch()
        others = "".join(f"  - file: {n}\n" for n in pages if not n.startswith("index."))
        (tmp_path / "_toc.yml").write_text(
            toc or f"format: jb-book\nroot: index\nchapters:\n{others}")
        base = {k: v for k, v in os.environ.items() if not k.startswith("GITHUB_")}
        done = subprocess.run(
            [sys.executable, "-m", "dlcheat.sphinx", "--root", str(tmp_path)],
            capture_output=True, text=True, env={**base, **(environ or {})}, check=False)
        text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
        return done.returncode, text, tmp_path / "_build" / "html"

    return make
