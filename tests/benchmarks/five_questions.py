"""Count how often the five questions are answered where their signals were recorded.

Usage: ``python -m tests.benchmarks.five_questions``, on the dev parts of `data/causes`, `data/corpus` and `data/field`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rmtoolkit as rm
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.analysis.words import QUESTIONS
from tests.benchmarks.causes import CAUSES, truth
from tests.benchmarks.leak_or_not import CORPUS, FIELD, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.recording import Recording

_WHOLE: Final = ("working_set_bytes", "usage_bytes", "rss_bytes", "anon_bytes")
#: What must have been scraped for an answer: one of each group.
NEEDS: Final = dict(
    zip(
        QUESTIONS,
        (
            (_WHOLE,),
            (_WHOLE, ("allocated_bytes",)),
            (_WHOLE, ("threads",)),
            (_WHOLE, ("limit_known",)),
            (("working_set_bytes", "rss_bytes"), ("resident_bytes", "free_bytes", "active_bytes")),
        ),
        strict=True,
    )
)
#: Enough samples to say anything.
_SAMPLES: Final = 24


def asked(recording: Recording) -> Iterator[tuple[str, str, str, str]]:
    """Give question, verdict, answer and reason of every workload that has the signals of the question."""
    found = rm.assess(recording)
    samples = recording.samples.join(
        recording.containers.select("container_id", *WORKLOAD, "limit_known"), on="container_id"
    )
    there: dict[tuple[object, ...], set[str]] = {}
    for place, part in samples.group_by(*WORKLOAD):
        if part.height >= _SAMPLES:
            there[place] = {name for name in part.columns if part[name].is_not_null().any()}
            there[place] -= set() if part["limit_known"].all() else {"limit_known"}
    verdicts = {row[:-1]: row[-1] for row in found.workloads.select(*WORKLOAD, "verdict").rows()}
    for *key, question, answer, because in found.checklist.select(*WORKLOAD, "question", "answer", "because").rows():
        known = there.get(tuple(key), set())
        if all(set(group) & known for group in NEEDS[question]):
            yield question, verdicts[tuple(key)], answer, because


def main() -> None:
    """Count, and show why some stay open."""
    grounds = {f"causes: {row['run']}": rm.read(Path(CAUSES) / f"{row['recording']}.parquet") for row in truth()}
    grounds |= {"our programs": load("dev", CORPUS)[0], "strangers' programs": load("dev", FIELD)[0]}
    answered: Counter[tuple[str, str]] = Counter()
    all_: Counter[tuple[str, str]] = Counter()
    why: Counter[tuple[str, str, str]] = Counter()
    for name, recording in grounds.items():
        ground = name.partition(":")[0]
        for question, verdict, answer, because in asked(recording):
            all_[ground, question] += 1
            answered[ground, question] += answer != "unknown" and bool(because)
            if answer == "unknown":
                why[question, verdict, because] += 1
    for (ground, question), count in all_.items():
        known = answered[ground, question]
        print(f"{ground:20} {question:55} {known:4} of {count:4}  {known / count:.0%}")
    print()
    for (question, verdict, because), count in why.most_common():
        print(f"{count:4}  {question} {verdict}: {because}")


if __name__ == "__main__":
    main()
