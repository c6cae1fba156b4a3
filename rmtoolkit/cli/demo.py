"""The demo: judge sample recordings, those of a clone or those in the wheel; print the table, write the page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit.cli import _sources

if TYPE_CHECKING:
    import argparse

#: In a clone; a wheel has some of them beside its modules.
SAMPLES: Final = "data/samples"
PAGE: Final = "out/demo.html"


def run(_: argparse.Namespace) -> int:
    show()
    return _sources.DONE


def show(folder: Path | None = None, target: Path | None = None) -> Path:
    """Read the samples, print a verdict for each and write one page about all of them."""
    import rmtoolkit as rm
    from rmtoolkit import text
    from rmtoolkit._io import make_folder
    from rmtoolkit.exceptions import RmtoolkitError, quote_path
    from rmtoolkit.views import report, terminal

    clone, root = Path(__file__).parents[2], Path()
    if (clone / SAMPLES).is_dir() and (clone / "pyproject.toml").is_file():
        root = Path() if Path().samefile(clone) else clone
        samples = root / SAMPLES
    else:
        samples = Path(__file__).parents[1] / "samples"
    folder = samples if folder is None else folder
    target = root / PAGE if target is None else target
    if not folder.is_dir():
        msg = f"There are no samples in {quote_path(folder)}: this installation lacks a part. Hint: install it again."
        raise RmtoolkitError(msg)
    found = rm.assess(rm.read(folder))
    sys.stdout.write(
        terminal.table(
            found,
            source=str(folder),
            colour=text.wants_colour(sys.stdout),
            unicode=text.has_unicode(sys.stdout),
            details=False,
            width=text.columns(sys.stdout),
        )
    )
    make_folder(target.parent)
    path = report.report(found, target, title="rmtoolkit demo")
    sys.stdout.write(f"Report: {path}\n")
    return path
