"""The page as PDF, printed by a Chromium that is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from rmtoolkit.exceptions import RmtoolkitError, quote

#: Names under which a Chromium is found; RMTOOLKIT_CHROMIUM names another.
_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PLACES: Final = (
    "/usr/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_SECONDS: Final = 300


def chromium() -> str:
    """Find a Chromium."""
    asked = os.environ.get("RMTOOLKIT_CHROMIUM")
    for name in (asked,) if asked else (*_BROWSERS, *_PLACES):
        if found := shutil.which(name):
            return found
    msg = (
        "A PDF is printed by Chromium, and there is none"
        + (f" at {quote(asked)}" if asked else "")
        + ". Install chromium (or set RMTOOLKIT_CHROMIUM to one), or write .html and print it from a browser."
    )
    raise RmtoolkitError(msg)


def print_page(html: str, target: Path) -> None:
    """Print a page."""
    browser = chromium()
    with tempfile.TemporaryDirectory(prefix="rmtoolkit-") as folder:
        page, made = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(html, encoding="utf-8")
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [
            browser,
            "--headless",
            *sandbox,
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer",
            f"--print-to-pdf={made}",
            page.as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - no shell
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"Chromium could not print the page: {quote(error)}. Write .html and print it from a browser."
            raise RmtoolkitError(msg) from error
        if not made.is_file() or not made.stat().st_size:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            msg = f"Chromium could not print the page: {quote(said[-1] if said else 'it said nothing')}."
            raise RmtoolkitError(msg)
        shutil.copyfile(made, target)
