"""Which container is meant: by its id, by its name, by the labels of Compose and Swarm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import workloads
from rmtoolkit.loaders.docker_objects import Labels

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Swarm appends slot and task; Compose and people append a number.
_NUMBERED: Final = re.compile(r"(?P<service>.+?)(?:\.\d+\.[a-z0-9]{25}|[-_.]\d{1,4})")


class People:
    """Containers by what different commands call them; each gets a number.

    Examples
    --------
    >>> people = People()
    >>> people.meet(Labels("55cd73e22513", "shop-api-1", "shop", "api", "Compose", "1.4.2"))
    >>> people.key(Labels(None, "shop-api-1")), people.key(Labels("55cd73e22513", None))
    (0, 0)
    """

    def __init__(self) -> None:
        self._known: list[Labels] = []
        self._by_id: dict[str, int] = {}
        self._by_name: dict[str | None, list[int]] = {}

    def meet(self, labels: Labels) -> None:
        """Learn of a container; what was said of it first is kept."""
        key = self._find(labels)
        if key is None:
            self._by_name.setdefault(labels.name, []).append(len(self._known))
            if labels.id is not None:
                self._by_id[labels.id] = len(self._known)
            self._known.append(labels)
            return
        known = self._known[key]
        merged = Labels(*(old if old is not None else new for old, new in zip(known, labels, strict=True)))
        if merged.name != known.name:
            self._by_name.setdefault(merged.name, []).append(key)
        if merged.id is not None:
            self._by_id[merged.id] = key
        self._known[key] = merged

    def key(self, labels: Labels) -> int:
        """Give the number of a container that was met."""
        found = self._find(labels)
        if found is None:
            msg = f"{labels} was never met"
            raise KeyError(msg)
        return found

    def _find(self, labels: Labels) -> int | None:
        if labels.id is not None:
            found = self._by_id.get(labels.id)
            if found is not None:
                return found
            # A name without an id is this one, as long as no other container has had that name.
            named = self._by_name.get(labels.name, []) if labels.name is not None else []
            return named[0] if len(named) == 1 and self._known[named[0]].id is None else None
        named = self._by_name.get(labels.name, [])
        alone = [key for key in named if self._known[key].id is None]
        return named[0] if len(named) == 1 else alone[0] if alone else None

    def rows(self, workload_pattern: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give number and identity of each container."""
        guessed = self._guesses(workload_pattern)
        for key, (labels, guess) in enumerate(zip(self._known, guessed, strict=True)):
            service = labels.service or guess
            yield (
                key,
                {
                    "namespace": labels.namespace,
                    "workload": service,
                    "workload_kind": labels.kind,
                    "workload_inferred": labels.service is None,
                    "pod": labels.name or labels.id,
                    "pod_uid": labels.id,
                    "container": service,
                    "version": labels.version,
                },
            )

    def _guesses(self, workload_pattern: str | None) -> list[str | None]:
        names = [labels.name or labels.id for labels in self._known]
        if workload_pattern is not None:
            frame = pl.DataFrame({"name": pl.Series(names, dtype=pl.String)})
            owner = workloads.infer(pl.col("name"), workload_pattern).struct.field("workload")
            return frame.select(owner).to_series().to_list()
        found = [_NUMBERED.fullmatch(name) if name else None for name in names]
        return [match["service"] if match else name for match, name in zip(found, names, strict=True)]
