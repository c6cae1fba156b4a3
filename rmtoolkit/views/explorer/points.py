"""The limits that have a name: the one in force, ours, and what other tools would set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Scene

#: Name, column of `recommend_limits`, and how it is drawn.
_NAMED: Final = (
    ("now", "limit_bytes", "now"),
    ("ours", "recommended_limit_bytes", "ours"),
    ("VPA", "vpa_target_bytes", "other"),
    ("KRR", "krr_limit_bytes", "other"),
)


class Named(NamedTuple):
    """A limit with a name."""

    name: str
    limit_bytes: int
    kind: str


def named(scene: Scene) -> list[Named]:
    """List the limits that have a name."""
    rows = [(name, scene.ours[column], kind) for name, column, kind in _NAMED]
    return [Named(name, round(limit), kind) for name, limit, kind in rows if limit]
