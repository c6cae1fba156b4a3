"""The limits that have a name: the one in force, ours, and what other tools would set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from rmtoolkit.limits.scene import Scene

#: Name, column of `recommend_limits`, and how it is drawn.
_NAMED: Final = (
    ("now", "limit_bytes", "now"),
    ("ours", "recommended_limit_bytes", "ours"),
    ("VPA", "vpa_target_bytes", "other"),
    ("KRR", "krr_limit_bytes", "other"),
)


class Named(NamedTuple):
    """A limit with a name.

    Attributes
    ----------
    name
        ``now``, ``ours``, ``VPA`` or ``KRR``.
    limit_bytes
        The limit.
    kind
        How it is drawn.

    Examples
    --------
    >>> Named("now", 2**29, "now").name
    'now'
    """

    name: str
    limit_bytes: int
    kind: str


def named(scene: Scene) -> list[Named]:
    """List the limits that have a name.

    Parameters
    ----------
    scene
        The scene.

    Returns
    -------
    list of Named
        Without those that are not known; what grows has none of ours.

    Examples
    --------
    >>> import polars as pl
    >>> from rmtoolkit.limits.scene import choose, scene_of
    >>> minutes = range(0, 864_000, 600)
    >>> scene = scene_of(pl.DataFrame({"time": minutes, "workload": "api", "rss_bytes": 100 * 2**20}))
    >>> [point.name for point in named(scene)]
    ['ours', 'VPA', 'KRR']
    """
    rows = [(name, scene.ours[column], kind) for name, column, kind in _NAMED]
    return [Named(name, round(limit), kind) for name, limit, kind in rows if limit]
