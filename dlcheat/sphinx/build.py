"""``python -m dlcheat.sphinx``: run what has changed, then build the book strictly."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from dlcheat.sphinx.execute import execute


def build(root: Path, output: Path, book: Path | None = None) -> int:
    """Execute the notebooks and build the HTML; return an exit status.

    Warnings are errors: a dead reference, bad TeX, an output on stderr, a widget that would be
    dead. After a failure the next build reads every page again, so that no warning is lost.

    Args:
        root: The folder with ``_config.yml`` and ``_toc.yml``.
        output: The folder that will hold ``html/``.
        book: The folder with the pages; None is ``root / "book"``.
    """
    book = book or root / "book"
    if not execute(book, output / ".jupyter_cache"):
        return 1
    jupyter_book = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", jupyter_book, "build", str(book), "--config",
               str(root / "_config.yml"), "--toc", str(root / "_toc.yml"), "--path-output",
               str(output.parent), "-W", "-n", "--keep-going", "--quiet"]
    status = subprocess.run(command, check=False).returncode
    if status:
        shutil.rmtree(output / ".doctrees", ignore_errors=True)
        shutil.rmtree(output / "html" / ".doctrees", ignore_errors=True)
        return status
    index = (output / "html" / "index.html").resolve()
    print(f"\nThe book is built: {index}\nOpen it:  {_opener()} {index}\n"
          "or:       make serve   (http://localhost:8000)")
    return 0


def _opener() -> str:
    return {"darwin": "open", "win32": "start"}.get(sys.platform, "xdg-open")


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m dlcheat.sphinx", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="folder with _config.yml")
    parser.add_argument("--clean", action="store_true", help="forget the last build and its outputs")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    if not (root / "_config.yml").exists():
        parser.error(f"{root} has no _config.yml: run this in the repository's folder")
    output = root / "_build"
    if arguments.clean:
        for part in ("html", ".doctrees", ".jupyter_cache", "jupyter_execute", "static"):
            shutil.rmtree(output / part, ignore_errors=True)
    return build(root, output)
