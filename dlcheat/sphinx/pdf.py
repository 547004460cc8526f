"""``python -m dlcheat.sphinx.pdf``: the cheat sheet as a PDF, printed by Chromium."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
          "/Applications/Chromium.app/Contents/MacOS/Chromium",
          r"C:\Program Files\Google\Chrome\Application\chrome.exe",
          r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe")


def find_chromium() -> str | None:
    """Return the path of a Chromium-based browser, or None: ``$CHROMIUM`` first, then the usual."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    found = (shutil.which(name) for name in NAMES)
    return next((f for f in found if f), next((p for p in PLACES if Path(p).exists()), None))


def print_page(page: Path, target: Path) -> None:
    """Print a built page as a PDF.

    Args:
        page: The HTML file.
        target: The PDF file to write.

    Raises:
        FileNotFoundError: If the page is not built, or no Chromium is found.
        RuntimeError: If Chromium writes no PDF.
    """
    if not page.exists():
        raise FileNotFoundError(f"expected the built page {page}: run make book first")
    chromium = find_chromium()
    if chromium is None:
        raise FileNotFoundError("expected Chromium or Chrome on this machine: install it, "
                                "or name it in the variable CHROMIUM")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={profile}", "--no-pdf-header-footer",
             f"--print-to-pdf={target.resolve()}", page.resolve().as_uri()],
            capture_output=True, text=True, timeout=120, check=False)
    if done.returncode or not target.exists():
        raise RuntimeError(f"expected a PDF, Chromium said: {done.stderr[-500:]}")


def main() -> int:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(prog="python -m dlcheat.sphinx.pdf", description=__doc__)
    parser.add_argument("--html", type=Path, default=Path("_build/html"))
    parser.add_argument("--output", type=Path, default=Path("_build/cheatsheet.pdf"))
    arguments = parser.parse_args()
    try:
        print_page(arguments.html / "cheatsheet.html", arguments.output)
    except (FileNotFoundError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The cheat sheet is printed: {arguments.output.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
