from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest

from rmtoolkit import text
from rmtoolkit.views import terminal

if TYPE_CHECKING:
    from typing import IO

    from rmtoolkit.assessment import Assessment


def test_the_table(assessed: Assessment) -> None:
    """One aligned block for each workload: figures, why, next step; the worst first."""
    lines = terminal.table(assessed, source="data/samples").splitlines()
    assert lines[0].startswith("2 of 7 workloads leak. 1 will hit its limit this week. 2 were OOM-killed in")
    assert lines[2].startswith(
        "data/samples: 7 workloads, 7 containers, 16 Nov 03:05 to 23 Nov 2026 03:05 UTC, coverage 9"
    )
    assert lines[4:12] == [
        "VERDICT           WORKLOAD                     GROWTH      PEAK / LIMIT  TIME TO LIMIT  OOM KILL 7 D",
        "pattern, cause    why, next step",
        "",
        "▲ LEAK            payments/ledger-api    +58.2 Mi/day      512 / 512 Mi           61 h          97 %",
        "leak              The live heap grows at the same rate in all 9 lives, on all 3 pods and both",
        "heap              versions.",
        "                  Next: take a heap profile of one pod: `rmtoolkit heap ledger-api.heap` names the",
        "                  call site.",
    ]
    assert (
        "◆ INCONCLUSIVE    mail/renderer            +44 Mi/day      702 / 768 Mi        unknown          18 %" in lines
    )
    assert (
        "● NOT A LEAK      edge/router                    none      524 / 768 Mi    not reached        <0.1 %" in lines
    )


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_a_line_for_each_is_as_wide_as_the_terminal(assessed: Assessment, width: int) -> None:
    """Without details each workload begins a line, the worst first, in any width; figures come where there is room."""
    lines = terminal.table(assessed, details=False, pen=text.Pen(width=width)).splitlines()
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if line.startswith(("▲", "◆", "●"))]
    assert len(rows) == assessed.workloads.height
    names = assessed.workloads["workload"].to_list()
    assert all(name[:6] in row for name, row in zip(names, rows, strict=True))
    assert ("OOM KILL 7 D" in "\n".join(lines)) == (width > 100)
    assert lines[-1].endswith("rmtoolkit explain WORKLOAD SOURCE.")


def test_the_answer_is_said_again_below_a_long_list(assessed: Assessment) -> None:
    """Where the first line has scrolled away, the last ones say it once more."""
    many = replace(assessed, workloads=pl.concat([assessed.workloads] * 3))
    answer = terminal.table(assessed, details=False, pen=text.Pen(width=200)).splitlines()[0]
    assert terminal.table(many, details=False, pen=text.Pen(width=200)).splitlines().count(answer) == 2
    assert terminal.table(assessed, details=False, pen=text.Pen(width=200)).splitlines().count(answer) == 1


def test_figures_are_aligned(assessed: Assessment) -> None:
    """All rows of figures end in the same column."""
    lines = terminal.table(assessed).splitlines()
    heads = next(line for line in lines if line.startswith("VERDICT"))
    rows = [line for line in lines if re.search(r"(%|unknown)$", line) and "coverage" not in line and ":" not in line]
    assert len(rows) == 7
    assert {len(line) for line in rows} == {len(heads)}


def test_no_line_is_longer_than_the_table(assessed: Assessment) -> None:
    """Nothing wraps in a terminal of 100 columns."""
    long = [line for line in terminal.table(assessed).splitlines() if len(line) > text.WIDTH]
    assert long == []


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_names_are_whole_and_nothing_is_cut(assessed: Assessment, width: int) -> None:
    """Names as long as Kubernetes has them, told apart by their middle, and instants: all is there to be copied."""
    rows = assessed.workloads
    long = [f"{'namespace-' * 6}/{'a' * 120}-{at}-{'z' * 120}/app" for at in range(rows.height)]
    found = replace(assessed, workloads=rows.with_columns(name=pl.Series(long)))
    for details in (False, True):
        written = terminal.table(found, pen=text.Pen(width=width), details=details)
        assert all(name in written for name in long)
        assert "…" not in written
        others = [line for line in written.splitlines() if "zzz" not in line and "`" not in line]
        assert max(map(len, others)) <= width
    listed = " ".join(terminal.table(found, pen=text.Pen(width=width), details=False).split())
    said = [" ".join(text.printable(one).split()) for one in rows["alarm_text"].drop_nulls()]
    if width < 101:
        assert all(one in listed for one in said)
    assert all(name in terminal.limits_table(found, pen=text.Pen(width=width), details=True) for name in long)


def test_limits_of_many_are_a_setting_each_and_what_needs_nothing_is_counted(assessed: Assessment) -> None:
    """What is to do stands there in two lines, without reasons; the answer ends it too. With details all is told."""
    numbered = pl.col("name") + "-" + pl.int_range(pl.len()).cast(pl.String)
    rows = pl.concat([assessed.workloads] * 3).with_columns(numbered)
    idle = rows.filter(action="none")["name"].to_list()
    assert idle
    many = replace(assessed, workloads=rows)
    short, whole = (
        terminal.limits_table(many, details=details, pen=text.Pen()).splitlines() for details in (False, True)
    )
    heads = [line for line in whole if line.startswith(tuple(text.ACTIONS.values()))]
    assert [line for line in short if line in heads] == [line for line in heads if line.split()[-1] not in idle]
    assert all(short[short.index(line) + 1] == whole[whole.index(line) + 1] for line in heads if line in short)
    assert not any("For comparison" in line or "The highest" in line for line in short)
    assert f"{len(idle)} with nothing to do." in short[-1]
    assert short.count(whole[0]) == 2


def test_an_endless_name_is_cut_in_its_middle(assessed: Assessment) -> None:
    """A label of 5,000 characters takes a few lines at most; its beginning and its end can be read."""
    name = f"begin{'x' * 5000}end"
    row = assessed.workloads.filter(workload="router").with_columns(
        name=pl.lit(f"edge/{name}"), why=pl.lit(f"The pods of {name} are flat.")
    )
    written = terminal.table(replace(assessed, workloads=row))
    assert max(map(len, written.splitlines())) < 5 * text.WIDTH
    assert re.search(r"edge/beginx+…x+end\n", written)
    assert re.search(r"beginx+…x+end\n.*are flat", written)


def test_a_hostile_name_cannot_drive_the_terminal(assessed: Assessment) -> None:
    """Escape sequences in labels are shown, not sent."""
    assert "\x1b" not in terminal.table(assessed)
    assert "[31m" in terminal.table(assessed)


def test_colour_adds_no_meaning(assessed: Assessment) -> None:
    """Without its colour the coloured table is the plain one."""
    coloured = terminal.table(assessed, pen=text.Pen(colour=True))
    assert "\x1b[1;31m▲ LEAK\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == terminal.table(assessed)


def test_ascii_has_marks_of_its_own(assessed: Assessment) -> None:
    """Where the encoding has no Unicode, marks and figures are plain ASCII."""
    plain = terminal.table(assessed, pen=text.Pen(unicode=False))
    assert plain.isascii()
    assert all(mark in plain for mark in ("[!] LEAK", "[?] INCONCLUSIVE", "[ok] NOT A LEAK"))


def test_by_instance_names_pods(assessed: Assessment) -> None:
    """By instance there is a block per pod, each with its name."""
    router = assessed.instances.filter(workload="router")
    two = replace(assessed, instances=pl.concat([router, router.with_columns(pod=pl.lit("router-1"))]))
    written = terminal.table(two, by="instance")
    assert "edge/router/router-0" in written
    assert "edge/router/router-1" in written


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "wanted"),
    [
        (_Terminal(), {"TERM": "xterm"}, True),
        (_Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (_Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (_Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
    ids=["terminal", "NO_COLOR", "empty NO_COLOR", "dumb terminal", "pipe"],
)
def test_colour_only_where_it_belongs(
    monkeypatch: pytest.MonkeyPatch, stream: IO[str], environment: dict[str, str], wanted: bool
) -> None:
    """Colour goes to terminals only, and NO_COLOR takes it away."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert text.wants_colour(stream) is wanted


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [("utf-8", True), ("ascii", False), ("latin-1", False), ("cp1252", False)],
)
def test_marks_only_where_they_exist(encoding: str, wanted: bool) -> None:
    """An encoding that lacks one of the marks gets none of them."""
    assert text.has_unicode(io.TextIOWrapper(io.BytesIO(), encoding=encoding)) is wanted
