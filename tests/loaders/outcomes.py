"""What a reader makes of any input: a recording or one clear error, and both of them some time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtoolkit.exceptions import RmtoolkitError

if TYPE_CHECKING:
    from collections.abc import Callable

    import rmtoolkit as rm


class Outcomes:
    """Counts what came out: a reader that refuses everything, or nothing, has not been tried."""

    def __init__(self) -> None:
        self.recordings = 0
        self.errors = 0

    def of(self, read: Callable[[], rm.Recording]) -> rm.Recording | None:
        """Read; an error of ours is said in a line that a terminal shows as it is."""
        try:
            recording = read()
        except RmtoolkitError as error:
            told = str(error)
        else:
            self.recordings += 1
            return recording
        self.errors += 1
        assert told.isprintable()
        assert len(told) > 10
        return None
