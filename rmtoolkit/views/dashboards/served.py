"""What `rmtoolkit dashboard` shows: the fleet that it has judged, in the kernel of a page."""

from __future__ import annotations

import json
import os
import pickle
import stat
from pathlib import Path

from rmtoolkit.exceptions import RmtoolkitError, quote_path
from rmtoolkit.views.dashboards import SERVED
from rmtoolkit.views.dashboards.fleet import Fleet


def served() -> Fleet:
    """Make the dashboards of what the environment names: a file that the command wrote in a folder of its own."""
    told = os.environ.get(SERVED)
    if told is None:
        msg = f"The environment has no {SERVED}: this page is made by rmtoolkit dashboard."
        raise RmtoolkitError(msg)
    file = Path(json.loads(told)["judged"])
    about = file.lstat()
    # What is in it runs: nobody else may have written it.
    if (
        not stat.S_ISREG(about.st_mode)
        or about.st_mode & 0o022
        or (os.name == "posix" and about.st_uid != os.geteuid())
    ):
        msg = f"{quote_path(file)} is no file that only you can write: this page is made by rmtoolkit dashboard."
        raise RmtoolkitError(msg)
    found, heap, recording = pickle.loads(file.read_bytes())  # noqa: S301 - our own, as seen above
    fleet = Fleet(found, heap, samples_from=recording)
    fleet.pictured = False
    return fleet
