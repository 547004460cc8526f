"""A notebook that was opened, run and saved becomes clean again."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import nbformat
import pytest

from dlcheat.sphinx.clean import clean, main
from tests.test_book import NOTEBOOKS, TEMPLATE


@pytest.mark.parametrize("path", [*NOTEBOOKS, TEMPLATE], ids=lambda p: p.stem)
def test_committed_notebooks_stay_as_they_are(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert clean(copy.deepcopy(notebook)) == notebook


def test_what_a_run_leaves_behind_goes_and_kept_outputs_stay(tmp_path: Path) -> None:
    notebook = nbformat.read(TEMPLATE, as_version=4)
    dirty = copy.deepcopy(notebook)
    dirty.metadata["widgets"] = {"state": {}}
    dirty.metadata["language_info"]["version"] = "3.12.1"
    for count, cell in enumerate(c for c in dirty.cells if c.cell_type == "code"):
        cell.execution_count = count
        cell.metadata["execution"] = {"iopub.execute_input": "now"}
        if "keep_output" not in cell.metadata.get("tags", []):
            cell.outputs = [nbformat.v4.new_output("stream", text="left behind")]
    path = tmp_path / "run.ipynb"
    nbformat.write(dirty, path)
    assert main([str(path)]) == 1
    assert json.loads(path.read_text()) == json.loads(TEMPLATE.read_text())
    assert main([str(path)]) == 0
