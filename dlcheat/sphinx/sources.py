"""Which files a chapter depends on, found by reading its imports.

A chapter runs again when its own code changes or any file of dlcheat that it
imports, directly or not; a module's ``.js``, ``.css``, ``.npz`` and
``.safetensors`` companions of the same name count as part of it.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

PACKAGE = Path(__file__).resolve().parents[1]
COMPANIONS = (".js", ".css", ".npz", ".safetensors")
#: Modules that use a large package where it is installed: what a chapter shows depends on that.
EXTRAS = {"tensorflow_loop.py": "tensorflow", "make_emoji.py": "efficientnet_lite_pytorch"}


def _modules_of(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(module: str) -> Path | None:
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if (path.exists() and len(parts) > 1) or (path.name == "__init__.py" and path.exists()):
            return path
    return None


@cache
def _imports(path: Path) -> frozenset[Path]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(f for m in _modules_of(tree) if (f := _file_of(m)) is not None)


def dependencies(code: str) -> list[Path]:
    """Return the files of dlcheat that a piece of code depends on, sorted.

    Args:
        code: Python code; IPython's own lines (``%…``, ``!…``) are passed over.

    >>> found = dependencies("from dlcheat.datasets import mnist")
    >>> sorted(p.name for p in found if p.parent.name == "datasets" and p.stem == "mnist")
    ['mnist.npz', 'mnist.py']
    """
    lines = [line if not line.lstrip().startswith(("%", "!")) else
             line[:len(line) - len(line.lstrip())] + "pass" for line in code.splitlines()]
    todo = {f for m in _modules_of(ast.parse("\n".join(lines))) if (f := _file_of(m)) is not None}
    done: set[Path] = set()
    while todo:
        path = todo.pop()
        done.add(path)
        todo |= _imports(path) - done
    extra = {c for p in done for s in COMPANIONS if (c := p.with_suffix(s)).exists()}
    if any(p.parent.name == "widgets" for p in done):
        extra |= set((PACKAGE / "widgets").glob("common.*"))
    return sorted(done | extra)


def notebook_code(path: Path) -> str:
    """Return the code cells of a notebook, one after another."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def fingerprint(path: Path) -> str:
    """Return a hash of all that decides a notebook's outputs besides its own cells."""
    digest = hashlib.sha256()
    for file in dependencies(notebook_code(path)):
        digest.update(file.relative_to(PACKAGE).as_posix().encode())
        digest.update(file.read_bytes())
        if file.name in EXTRAS:
            digest.update(str(find_spec(EXTRAS[file.name]) is not None).encode())
    return digest.hexdigest()


def _note(app: Sphinx, docname: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".ipynb":
        for file in dependencies(notebook_code(path)):
            app.env.note_dependency(str(file))


def setup(app: Sphinx) -> None:
    """Connect to Sphinx: a page is read again when one of its files changes."""
    app.connect("source-read", _note)
