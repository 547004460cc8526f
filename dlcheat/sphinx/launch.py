"""Launch buttons that point at the repository in which the book is built.

``GITHUB_REPOSITORY`` names it, else the git remote ``origin``; without either
the book has no launch buttons. A fork's book so points at the fork.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sphinx.application import Sphinx


def github_repository(root: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return ``owner/name`` of the GitHub repository, or None where there is none.

    Args:
        root: The folder of the repository.
        environ: The environment variables.

    >>> github_repository(Path("."), {"GITHUB_REPOSITORY": "ada/book"})
    'ada/book'
    """
    if re.fullmatch(r"[\w.-]+/[\w.-]+", environ.get("GITHUB_REPOSITORY", "")):
        return environ["GITHUB_REPOSITORY"]
    remote = _git(root, "remote", "get-url", "origin")
    match = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", remote)
    return match[1] if match else None


def branch_name(root: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return the branch that the buttons open.

    >>> branch_name(Path("."), {"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "draft"})
    'draft'
    """
    if environ.get("GITHUB_REF_TYPE") == "branch" and environ.get("GITHUB_REF_NAME"):
        return environ["GITHUB_REF_NAME"]
    name = _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    return name if name not in ("", "HEAD") else "main"


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _configure(app: Sphinx, config: object) -> None:
    root = Path(app.srcdir).parent
    repository = github_repository(root)
    options = config.html_theme_options
    if repository is None:
        options["launch_buttons"] = {}
        return
    options.update({
        "repository_url": f"https://github.com/{repository}", "repository_branch": branch_name(root),
        "path_to_docs": Path(app.srcdir).name, "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"notebook_interface": "jupyterlab",
                           "binderhub_url": "https://mybinder.org",
                           "colab_url": "https://colab.research.google.com"}})


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("config-inited", _configure, priority=900)
