"""What a workload is called: a name that tells it from the others, and one for a link."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from rmtoolkit import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, Any]

_FORMS: Final = (
    ("namespace", "workload"),
    ("namespace", "workload", "container"),
    ("cluster", "namespace", "workload", "container"),
)


def names(rows: Sequence[Row]) -> list[str]:
    """Name each row as shortly as tells it from the others."""
    found: list[str | None] = [None] * len(rows)
    for parts in _FORMS:
        written = ["/".join(text.printable(row[part]) for part in parts if row[part] is not None) for row in rows]
        times = Counter(written)
        found = [
            name or (form if times[form] == 1 or parts is _FORMS[-1] else None)
            for name, form in zip(found, written, strict=True)
        ]
    return [name or text.NOT_APPLICABLE for name in found]


def anchors(rows: Sequence[Row]) -> list[str]:
    """Name cards ``namespace/workload/container``; what is no plain name is percent-encoded."""
    found: list[str] = []
    seen: Counter[str] = Counter()
    for row in rows:
        parts = [quote(str(row[part]), safe="") for part in _FORMS[1] if row[part] is not None]
        name = "/".join(parts) or "workload"
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return found
