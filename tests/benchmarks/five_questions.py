"""Count how often the five questions are answered where their signals were recorded.

Usage: ``python -m tests.benchmarks.five_questions``, on the dev parts of `data/causes`, `data/corpus` and `data/field`:
of all runs, and of those that somebody could decide, as their labels say, which were written without a verdict.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rmtoolkit as rm
from rmtoolkit.analysis.words import QUESTIONS
from rmtoolkit.schema import WORKLOAD
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


def undecidable(corpus: Path) -> set[str]:
    """Name the workloads of which a corpus says that what was recorded decides nothing."""
    with (corpus / "dev_labels.csv").open(newline="") as file:
        return {row["workload"] for row in csv.DictReader(file) if row["decidable"] == "false"}


def asked(recording: Recording) -> Iterator[tuple[str, str, str, str, str]]:
    """Give workload, question, verdict, answer and reason of all workloads that have the signals of the question."""
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
            yield str(key[2]), question, verdicts[tuple(key)], answer, because


def main() -> None:
    """Count, and show why some stay open."""
    grounds = {f"causes: {row['run']}": rm.read(Path(CAUSES) / f"{row['recording']}.parquet") for row in truth()}
    grounds |= {"our programs": load("dev", CORPUS)[0], "strangers' programs": load("dev", FIELD)[0]}
    open_ = {"our programs": undecidable(CORPUS), "strangers' programs": undecidable(FIELD)}
    #: Answered and asked; the same of those that can be decided.
    counts: dict[tuple[str, str], Counter[str]] = {}
    why: Counter[tuple[str, str, str]] = Counter()
    for name, recording in grounds.items():
        ground = name.partition(":")[0]
        for workload, question, verdict, answer, because in asked(recording):
            known = answer != "unknown" and bool(because)
            can = workload not in open_.get(ground, ())
            for place in ((ground, question), ("all", question)):
                counts.setdefault(place, Counter()).update(known=known, all=1, told=known and can, can=can)
            if answer == "unknown":
                why[question, verdict, because] += 1
    for (ground, question), one in counts.items():
        whole, told = (
            f"{one[part]:4} of {one[of]:4}  {one[part] / one[of]:4.0%}"
            for part, of in (("known", "all"), ("told", "can"))
        )
        print(f"{ground:20} {question:55} {whole}   decidable {told}")
    print()
    for (question, verdict, because), count in why.most_common():
        print(f"{count:4}  {question} {verdict}: {because}")


if __name__ == "__main__":
    main()
