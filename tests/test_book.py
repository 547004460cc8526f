"""The form of the book: what every page must have, and must not have."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import statistics
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml

import dlcheat
from tests.conftest import BOOK, ROOT
from tests.headings import HEADINGS

NOTEBOOKS = sorted(p for p in BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
PAGES = sorted([*NOTEBOOKS, *BOOK.rglob("*.md")])
TEMPLATE = ROOT / "templates" / "chapter.ipynb"
every_notebook = pytest.mark.parametrize(
    "path", [*NOTEBOOKS, TEMPLATE], ids=lambda p: p.relative_to(ROOT).as_posix())


def toc_files(entry: object) -> list[str]:
    """The files that a table of contents names, in order."""
    if isinstance(entry, list):
        return [f for e in entry for f in toc_files(e)]
    if isinstance(entry, dict):
        own = [entry[k] for k in ("root", "file") if k in entry]
        return own + [f for k in ("parts", "chapters", "sections") for f in toc_files(entry.get(k))]
    return []


@cache
def toc() -> list[str]:
    text = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return [re.sub(r"\.(md|ipynb)$", "", f) for f in toc_files(yaml.safe_load(text))]


@cache
def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def sources(path: Path, kind: str) -> list[str]:
    return ["".join(c["source"]) for c in load(path)["cells"] if c["cell_type"] == kind]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def title(path: Path) -> str:
    text = "\n".join(sources(path, "markdown")) if path.suffix == ".ipynb" else path.read_text()
    return re.search(r"^# (.+)$", text, re.M)[1].strip()


def test_every_page_is_listed_once_and_exists() -> None:
    listed = toc()
    assert len(listed) == len(set(listed))
    assert set(listed) == {p.relative_to(BOOK).with_suffix("").as_posix() for p in PAGES}


def test_numbers_are_the_cheat_sheets_and_in_its_order() -> None:
    numbers = []
    for name in toc():
        path = next(p for p in (BOOK / f"{name}.ipynb", BOOK / f"{name}.md") if p.exists())
        match = re.match(r"(\d+(?:\.\d+)*) (.+)", title(path))
        if match is None:
            assert path.parent == BOOK and path.suffix == ".md", f"{path} has no number"
            continue
        number = match[1]
        assert HEADINGS[number] == match[2], f"{path}: expected {number} {HEADINGS[number]}"
        folders = [int(n) for n in re.findall(r"(\d+)-", path.relative_to(BOOK).parent.as_posix())]
        assert number.split(".")[:len(folders)] == [str(n) for n in folders], path
        numbers.append(tuple(map(int, number.split("."))))
    assert numbers == sorted(numbers)
    assert all(n[:-1] in numbers or len(n) == 1 for n in numbers), "a chapter without its parent"


@every_notebook
def test_notebook_is_clean(path: Path) -> None:
    notebook = load(path)
    ids = [cell.get("id") for cell in notebook["cells"]]
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(ids) and len(ids) == len(set(ids)), "cells need ids of their own"
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        kept = "keep_output" in tags(cell)
        assert kept == ("nbval-check-output" in tags(cell)), f"{cell['id']}: both tags or none"
        assert cell["execution_count"] == (1 if kept else None), cell["id"]
        assert bool(cell["outputs"]) == kept, f"{cell['id']}: outputs and keep_output go together"
        for output in cell["outputs"]:
            assert output["output_type"] in ("stream", "execute_result", "display_data"), cell["id"]
            assert output.get("name") != "stderr", cell["id"]
            assert not set(output.get("data", {})) & {"image/png", "text/html"}, cell["id"]
            assert "0x" not in json.dumps(output) and str(ROOT) not in json.dumps(output), cell["id"]


@every_notebook
def test_cells_are_short(path: Path) -> None:
    cells = sources(path, "code")
    lengths = [len(c.strip().splitlines()) for c in cells]
    assert all(lengths), "an empty cell"
    assert max(lengths) <= 25, f"a cell of {max(lengths)} lines"
    assert statistics.median(lengths) <= 8, f"median {statistics.median(lengths)} lines"


@every_notebook
def test_lines_fit_the_page(path: Path) -> None:
    for cell in load(path)["cells"]:
        if cell["cell_type"] == "code" and "remove-cell" not in tags(cell):
            longest = max("".join(cell["source"]).splitlines(), key=len)
            assert len(longest) <= 88, f"{len(longest)} letters, the page shows 88: {longest}"


@every_notebook
def test_anatomy(path: Path) -> None:
    text = "\n".join(sources(path, "markdown"))
    assert len(re.findall(r"^# ", text, re.M)) == 1, "one title"
    assert re.search(r"^\([\w-]+\)=\n# ", text, re.M), "a target before the title"
    assert len(re.findall(r"\{admonition\} Cheat sheet", text)) == 1, "one card"
    assert len(re.findall(r":class: cheatsheet", text)) == 1, "one card"
    assert re.search(r"^## What to read", text, re.M)
    assert re.search(r"\{cite:[pt]\}", text)
    assert re.search(r"predict", text, re.I), "the reader predicts before the widget moves"
    assert not re.search(r"\b[Ee]xercise \d", text), "exercises count through the book: {ref} them"
    assert not re.search(r"TODO|FIXME|placeholder|coming soon|left as an exercise", text, re.I)


@every_notebook
def test_the_calls_of_the_card_run(path: Path) -> None:
    card = next(s for s in sources(path, "markdown") if "{admonition} Cheat sheet" in s)
    calls = re.findall(r"`([^`\n]+)`", "".join(re.findall(r"^\*\*Call\*\* .*$", card, re.M)))
    assert calls, "a card ends with **Call** and the code"
    for call in calls:
        assert eval(call, names_of_cards()) is not None, call


@cache
def names_of_cards() -> dict[str, object]:
    """All that dlcheat's modules define, torch's usual short names, and inputs to call them on."""
    names: dict[str, object] = {}
    for module in pkgutil.walk_packages(dlcheat.__path__, "dlcheat."):
        if not module.name.startswith(("dlcheat.sphinx", "dlcheat.widgets")):
            found = vars(importlib.import_module(module.name))
            names |= {k: v for k, v in found.items() if getattr(v, "__module__", "") == module.name}
    x, images = torch.rand(2, 784), torch.rand(2, 1, 28, 28)
    inputs = {"x": x, "X": x, "Y": x, "y": x, "y_hat": x, "images": images, "target": torch.tensor([1, 2]),
              "predictions": torch.rand(2, 6, 3, 4), "lengths": torch.rand(2, 10),
              "model": torch.nn.Linear(784, 784), "f": lambda theta: theta.square().sum(),
              "theta": torch.rand(9, dtype=torch.double),
              "loss": lambda model, x, y: torch.nn.functional.mse_loss(model(x), y)}
    return names | inputs | {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}


@every_notebook
def test_exercises_are_solved(path: Path) -> None:
    text = "\n".join(sources(path, "markdown"))
    asked = re.findall(r"\{exercise\}[^\n]*\n:label: ([\w-]+)", text)
    assert len(asked) >= 3 and len(set(asked)) == len(asked)
    assert asked == re.findall(r"\{solution-start\} ([\w-]+)\n:class: dropdown", text)
    assert len(re.findall(r"\{solution-end\}", text)) == len(asked)
    code, inside = 0, None
    for cell in load(path)["cells"]:
        source = "".join(cell["source"])
        if "{solution-start}" in source:
            inside, code = re.search(r"solution-start\} ([\w-]+)", source)[1], 0
        elif "{solution-end}" in source:
            assert code, f"the solution of {inside} runs nothing"
            inside = None
        elif inside and cell["cell_type"] == "code":
            code += 1


@every_notebook
def test_code_cells(path: Path) -> None:
    first = load(path)["cells"][1]
    assert "".join(first["source"]) == "".join(load(TEMPLATE)["cells"][1]["source"]), "Colab's cell"
    assert set(tags(first)) == {"colab", "remove-cell"}
    for source in sources(path, "code"):
        assert "plt.show()" not in source, "use show_figure(fig, alt)"
        assert not re.search(r"time\.|datetime|/tmp|/work|expanduser", source), source


def test_exercise_labels_are_unique() -> None:
    labels = [label for p in NOTEBOOKS for label in
              re.findall(r"\{exercise\}[^\n]*\n:label: ([\w-]+)", "\n".join(sources(p, "markdown")))]
    assert len(labels) == len(set(labels))


def test_every_erratum_is_on_the_errata_page() -> None:
    targets = {t for p in NOTEBOOKS for t in re.findall(
        r"^\((erratum-[\w-]+)\)=", "\n".join(sources(p, "markdown")), re.M)}
    listed = set(re.findall(r"<(erratum-[\w-]+)>", (BOOK / "errata.md").read_text()))
    assert targets == listed


def test_bibliography_is_cited_and_complete() -> None:
    text = (BOOK / "references.bib").read_text(encoding="utf-8")
    keys = re.findall(r"^@\w+\{([^,]+),", text, re.M)
    assert len(keys) == len(set(keys))
    cited = {k.strip() for p in PAGES for keys in re.findall(
        r"\{cite:[pt]\}`([^`]+)`", "\n".join(sources(p, "markdown")) if p.suffix == ".ipynb"
        else p.read_text()) for k in keys.split(",")}
    assert set(keys) == cited
    for entry in re.split(r"^@", text, flags=re.M)[1:]:
        for field in ("title", "author", "year"):
            assert re.search(rf"\b{field}\s*=", entry), f"no {field}: @{entry[:40]}"


@pytest.mark.parametrize("name", ["LICENSE", "LICENSE-text", "CITATION.cff", "CONTRIBUTING.md",
                                  "README.md", "constraints.txt", "binder/requirements.txt",
                                  ".pre-commit-config.yaml", ".github/workflows/publish.yml"])
def test_the_house_is_complete(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_constraints_pin_every_requirement() -> None:
    pinned = {re.split("==", line)[0].lower().replace("_", "-").replace(".", "-")
              for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / file).read_text().splitlines():
            if line and not line.startswith("#"):
                name = re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")
                assert name in pinned, f"{file}: {name} has no tested version"
