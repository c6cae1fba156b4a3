"""A container lifetime in words, a cell each: the chart's data as a table, on the page and in the dashboard."""

from __future__ import annotations

from typing import Any

from rmtoolkit import text


def cells(life: dict[str, Any], *, seconds: bool) -> tuple[object, ...]:
    """Write one lifetime."""
    return (
        life["life"] + 1,
        text.moment(life["start"], seconds=seconds) + ("" if life["start_seen"] else " or earlier"),
        text.hours((life["end"] - life["start"]).total_seconds() / 3600),
        life["ended"].replace("_", " ").replace("oom", "OOM"),
        text.printable(life["version"]),
        text.NOT_APPLICABLE if life["limit_bytes"] is None else text.configured(life["limit_bytes"]),
        *(amount(life[name]) for name in ("startup_peak_bytes", "settled_bytes", "peak_bytes")),
    )


def amount(value: int | None) -> str:
    """Write an amount of memory; what is not known of a life is a dash."""
    return text.NOT_APPLICABLE if value is None else text.memory(value)
