"""``python -m dlcheat.sphinx.pdf``: the cheat sheet as a PDF, printed by Chromium."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from dlcheat.sphinx.chromium import ARGUMENTS, MISSING, find_chromium


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
        raise FileNotFoundError(MISSING)
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium, "--headless", *ARGUMENTS, f"--user-data-dir={profile}",
             "--no-pdf-header-footer", f"--print-to-pdf={target.resolve()}", page.resolve().as_uri()],
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
