"""Made-up labels as a cluster has them; a name never says what the service does to its memory."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

#: The alphabet of Kubernetes' random suffixes.
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_NAMESPACES = ("aster", "birch", "cedar", "elm", "fern", "hazel", "iris", "juniper", "laurel", "maple")
_FIRST = (
    "amber", "brisk", "calm", "dapper", "early", "fair", "gentle", "humble", "ivory", "jolly", "keen", "lucid",
    "mellow", "noble", "opal", "plain", "quick", "rapid", "silver", "tidy", "umber", "vivid", "warm", "young",
)  # fmt: skip
_SECOND = (
    "badger", "crane", "dove", "egret", "finch", "grouse", "heron", "ibis", "jackdaw", "kestrel", "lark", "marten",
    "newt", "otter", "plover", "quail", "raven", "swift", "tern", "vole", "wren", "yak",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Names:
    """Labels of one workload."""

    namespace: str
    workload: str
    container: str

    def replica_set(self, seed: int, version: int) -> str:
        """Name the ReplicaSet of a release: its hash changes with the version."""
        return f"{self.workload}-{suffix(Random(f'{self.workload}/{seed}/{version}'), 9)}"


def suffix(random: Random, length: int = 5) -> str:
    """Draw a suffix as the API server does."""
    return "".join(random.choice(_ALPHABET) for _ in range(length))


def draw(seed: int) -> Names:
    """Draw the labels of a workload; the same seed gives the same labels."""
    random = Random(f"names/{seed}")
    workload = f"{random.choice(_FIRST)}-{random.choice(_SECOND)}"
    return Names(random.choice(_NAMESPACES), workload, random.choice(("app", "server", "main", workload)))
