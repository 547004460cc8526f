"""Chromium: found, or installed where the machine allows it, or a clear message.

``python -m dlcheat.sphinx.chromium`` prints its path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: The shell without a window is the fastest of them.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome",
         "google-chrome-stable", "chrome", "msedge")
PLACES = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
          "/Applications/Chromium.app/Contents/MacOS/Chromium",
          r"C:\Program Files\Google\Chrome\Application\chrome.exe",
          r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe")
#: Headless, and silent towards the network.
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync",
             # pages of the browser's own that it would load beside each of ours
             "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup")
MISSING = """No Chromium or Chrome was found. Install one:
  Debian, Ubuntu   sudo apt-get install chromium
  Fedora           sudo dnf install chromium
  macOS            brew install --cask chromium
  Windows          winget install Google.Chrome
or name a browser in the environment variable CHROMIUM."""


def find_chromium() -> str | None:
    """Return the path of a Chromium-based browser, or None: ``$CHROMIUM`` first, then the usual."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    found = (shutil.which(name) for name in NAMES)
    return next((f for f in found if f), next((p for p in PLACES if Path(p).exists()), None))


def install() -> None:
    """Install Debian's Chromium where this user may; elsewhere do nothing."""
    if shutil.which("apt-get") is None or getattr(os, "geteuid", lambda: 1)() != 0:
        return
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["install", "-y", "--no-install-recommends"]
    for words in (["update"], [*install, "chromium-headless-shell"], [*install, "chromium"]):
        if find_chromium() is None:
            subprocess.run(["apt-get", "-qq", *words], env=environ, check=False,
                           stdout=subprocess.DEVNULL)


def main() -> int:
    """Print the browser's path, after installing it if need be."""
    if find_chromium() is None:
        install()
    path = find_chromium()
    print(path or MISSING, file=sys.stdout if path else sys.stderr)
    return 0 if path else 1


if __name__ == "__main__":
    sys.exit(main())
