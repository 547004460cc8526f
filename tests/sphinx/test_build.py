"""The strict build: what must fail does fail, and says why."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from dlcheat.sphinx.launch import branch_name, github_repository
from tests.conftest import BOOK, ROOT
from tests.test_book import NOTEBOOKS, title

Build = Callable[..., tuple[int, str, Path]]


def test_every_fault_of_a_page_fails_the_build(small_book: Build) -> None:
    status, said, _ = small_book({
        "index.md": "# A\n\n$\\badcommand{x}$ and {ref}`nowhere <nowhere>`\n",
        "dead.ipynb": [("markdown", "# Dead view"), ("code", "import ipywidgets\n"
                        "ipywidgets.VBox([ipywidgets.IntSlider()])")],
        "stderr.ipynb": [("markdown", "# Stderr"), ("code", "import sys\n"
                          "print('a warning', file=sys.stderr)")]})
    assert status != 0
    assert "bad TeX" in said and "badcommand" in said
    assert "undefined label: 'nowhere'" in said
    assert "would be dead in the published page" in said
    assert re.search(r"stderr\.ipynb.*stderr", said)


def test_an_error_in_a_notebook_fails_before_the_build(small_book: Build) -> None:
    status, said, html = small_book({
        "index.md": "# A\n", "bad.ipynb": [("markdown", "# Bad"), ("code", "1 / 0")]})
    assert status != 0
    assert "bad.ipynb: FAILED" in said and "ZeroDivisionError" in said
    assert not html.exists()


def test_nothing_changed_runs_nothing_and_one_change_runs_one(small_book: Build) -> None:
    pages = {"index.md": "# A\n", "one.ipynb": [("markdown", "# One"), ("code", "print(1)")],
             "two.ipynb": [("markdown", "# Two"), ("code", "print(2)")]}
    status, said, html = small_book(pages)
    assert status == 0, said
    assert "2 of 2 notebooks to run" in said
    assert "0 of 2 notebooks to run" in small_book(pages)[1]
    status, said, html = small_book(
        {**pages, "two.ipynb": [("markdown", "# Two"), ("code", "print(3)")]})
    assert status == 0 and "1 of 2 notebooks to run" in said
    assert ">3\n" in (html / "two.html").read_text() and ">1\n" in (html / "one.html").read_text()


def test_launch_links_open_notebooks_that_exist(small_book: Build) -> None:
    pages = {p.relative_to(BOOK).as_posix(): [("markdown", f"# {title(p)}")] for p in NOTEBOOKS}
    status, said, html = small_book(
        {"index.md": "# A\n", **pages},
        environ={"GITHUB_REPOSITORY": "ada/fork", "GITHUB_REF_NAME": "main",
                 "GITHUB_REF_TYPE": "branch"})
    assert status == 0, said
    for path in NOTEBOOKS:
        text = (html / path.relative_to(BOOK).with_suffix(".html")).read_text()
        binder = re.findall(r'https://mybinder\.org/v2/gh/ada/fork/main\?urlpath=lab/tree/([^"]+)',
                            text)
        colab = re.findall(r'https://colab\.research\.google\.com/github/ada/fork/blob/main/([^"]+)',
                           text)
        assert binder and colab, path
        for found in (*binder, *colab):
            assert ROOT / unquote(found) == path
        download = re.findall(r'href="([^"]*_sources/[^"]+\.ipynb)"', text)
        here = (html / path.relative_to(BOOK)).parent
        assert download and all((here / unquote(d)).resolve().exists() for d in download)


def test_without_a_repository_there_are_no_launch_links(small_book: Build) -> None:
    status, said, html = small_book(
        {"index.md": "# A\n", "one.ipynb": [("markdown", "# One"), ("code", "print(1)")]})
    assert status == 0, said
    assert not re.search(r"mybinder|colab\.research|github\.com", (html / "one.html").read_text())


@pytest.mark.parametrize(("environ", "expected"), [
    ({"GITHUB_REPOSITORY": "ada/fork"}, "ada/fork"), ({"GITHUB_REPOSITORY": "nonsense"}, None), ({}, None)])
def test_repository_from_the_environment(
        tmp_path: Path, environ: dict[str, str], expected: str | None) -> None:
    assert github_repository(tmp_path, environ) == expected


@pytest.mark.parametrize("remote", ["git@github.com:ada/fork.git", "https://github.com/ada/fork",
                                    "https://github.com/ada/fork.git"])
def test_repository_from_the_remote(tmp_path: Path, remote: str) -> None:
    import subprocess

    for words in (["init", "-q", "-b", "draft"], ["remote", "add", "origin", remote]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert github_repository(tmp_path, {}) == "ada/fork"
    assert branch_name(tmp_path, {}) in ("draft", "main")
