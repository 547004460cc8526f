"""``python -m dlcheat.sphinx.clean NOTEBOOK …``: make a notebook clean for git.

What opening, running and saving leaves behind goes: outputs (but for cells
tagged ``keep_output``, whose execution count becomes 1), execution counts,
timings, widget states, the editor's own metadata. ``nbstripout`` does it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the notebook without what a run leaves behind; it is changed in place.

    Args:
        notebook: Any notebook of format 4.
    """
    from nbstripout import strip_output

    keep = {"metadata.execution", "cell.metadata.execution"}
    strip_output(notebook, keep_output=False, keep_count=False, keep_id=True,
                 extra_keys=[*keep, "metadata.widgets", "cell.metadata.collapsed",
                             "cell.metadata.scrolled", "cell.metadata.editable",
                             "cell.metadata.slideshow"])
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        count = 1 if cell.outputs else None      # nbval takes outputs without a count for a mistake
        cell.execution_count = count
        for output in cell.outputs:
            if output["output_type"] == "execute_result":
                output["execution_count"] = count
    return notebook


def main(paths: list[str]) -> int:
    """Clean the files; return 1 if any has changed, as a pre-commit hook does."""
    changed = 0
    for path in map(Path, paths):
        before = path.read_text(encoding="utf-8")
        after = nbformat.writes(clean(nbformat.reads(before, as_version=4))) + "\n"
        if json.loads(before) != json.loads(after):
            path.write_text(after, encoding="utf-8")
            print(f"cleaned {path}")
            changed = 1
    return changed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
