"""One piece of advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do.

    Attributes
    ----------
    text
        The action, verb first.
    setting
        Exactly what to set, run or write; None where there is nothing.
    expected
        What it should change, with figures of this recording where there are any.
    because
        The `statistic` of the evidence, or the column of the verdict, that it follows from.
    until
        When, where waiting is the advice; UTC.

    Examples
    --------
    >>> Advice("Let the allocator return pages", setting="MALLOC_ARENA_MAX=2", expected="about 90 Mi less").sentence
    'Let the allocator return pages: `MALLOC_ARENA_MAX=2`. Expected: about 90 Mi less.'
    """

    text: str
    setting: str | None = None
    expected: str | None = None
    because: str | None = None
    until: dt.datetime | None = None

    @property
    def sentence(self) -> str:
        """All of it in running text, the setting as code."""
        action = self.text.rstrip(".")
        if self.setting:
            action += f"{'.' if ':' in action else ':'} `{self.setting}`"
        action += "."
        return f"{action} Expected: {self.expected.rstrip('.')}." if self.expected else action


def evidence_of(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Find the evidence of a verdict by statistic.

    Parameters
    ----------
    row
        A row of `classify`, as a dict.

    Returns
    -------
    dict
        The first piece of each statistic; empty where there is no evidence, as in a CSV.

    Examples
    --------
    >>> evidence_of({"evidence": [{"statistic": "growth", "estimate": 1.0}]})["growth"]["estimate"]
    1.0
    """
    found: dict[str, dict[str, Any]] = {}
    for item in row.get("evidence") or []:
        if item.get("statistic"):
            found.setdefault(item["statistic"], item)
    return found
