"""`rmtoolkit mcp`: a server of the Model Context Protocol, through which agents ask what people ask here."""

from __future__ import annotations

import json
import os
import re
import threading
import warnings
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

import rmtoolkit as rm
from rmtoolkit._io import is_far
from rmtoolkit.cli import _sources
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning, fault, is_fault, quote, quote_path
from rmtoolkit.text import printable, texts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import polars as pl

    from rmtoolkit.assessment import Assessment
    from rmtoolkit.recording import Recording

#: What a plain name is: of Kubernetes, of an image, of a version. It has no room between words.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._/:@+-]+")


class Answer(TypedDict):
    """What `judge` and `limits` say: `left_out` rows are less urgent than those that are told."""

    summary: str
    workloads: list[dict[str, Any]]
    left_out: int
    incomplete: str | None
    warnings: list[str]


class Explained(TypedDict):
    workload: dict[str, Any]
    evidence: list[dict[str, Any]]
    checklist: list[dict[str, Any]]
    advice: list[dict[str, Any]]
    incomplete: str | None
    warnings: list[str]


class Told(TypedDict):
    lines: list[str]
    left_out: int


def run(options: argparse.Namespace) -> int:
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
        from mcp.types import ToolAnnotations
    except ImportError as error:
        msg = "rmtoolkit mcp needs the extra mcp. Hint: pip install 'rmtoolkit[mcp]'."
        raise RmtoolkitError(msg) from error

    tools, alone = Tools(options), threading.Lock()
    server = MCPServer(
        "rmtoolkit", instructions=texts("cli/mcp")["instructions"], version=rm.__version__, log_level="WARNING"
    )
    reads = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

    def told(asked: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(asked)
        def said(*words: Any, **named: Any) -> Any:  # noqa: ANN401 - those of the tool
            # One at a time: memory for one answer, and warnings that are its own.
            try:
                with alone:
                    return asked(*words, **named)
            except BaseException as error:
                is_ours = isinstance(error, RmtoolkitError | OSError)
                if not is_ours and not is_fault(error):
                    raise
                raise ToolError(printable(error if is_ours else fault(error))) from error

        return said

    for tool in (tools.sources, tools.judge, tools.limits, tools.explain, tools.heap):
        server.tool(annotations=reads)(told(tool))
    server.run("stdio")
    return _sources.DONE


class Tools:
    """What an agent may ask, of what the start allowed and of nothing else."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._asked = _sources.asked_of(options)
        self._urls = {_sources.shown([source]): source for source in options.sources if is_far(source)}
        self._roots = [Path(os.path.realpath(source)) for source in options.sources if not is_far(source)]
        if gone := next((root for root in self._roots if not root.exists()), None):
            msg = f"There is no file or folder {quote_path(gone)}."
            raise RmtoolkitError(msg)

    def sources(self) -> Told:
        """List what can be asked about: folders, the files in them, addresses of servers. Give one as `source`."""
        found = [*self._urls]
        for root in self._roots:
            inside = [path for path in root.rglob("*") if path.is_file()] if root.is_dir() else []
            inside.sort(key=lambda path: (len(path.parts), path))
            found += [str(root), *(str(path) for path in inside)]
        return _told([_tame(one, 400) for one in found], 200)

    def judge(self, source: str, namespace: str | None = None, workload: str | None = None, most: int = 20) -> Answer:
        """Say for every workload of a source whether it leaks, why, how sure that is, and when it meets its limit.

        The most urgent come first. `namespace` and `workload` narrow it; `most` is how many rows are told.
        """
        found, said = self._assessed(source, namespace, workload)
        return _answer(found, found.fleet.sentence, "judged", most, said)

    def limits(
        self,
        source: str,
        namespace: str | None = None,
        workload: str | None = None,
        oom_probability: float = 0.05,
        most: int = 20,
    ) -> Answer:
        """Recommend a memory request and limit for every workload, with the chance of an OOM kill in 7 days.

        `oom_probability` is the chance that is accepted. What leaks gets no higher limit, but the days one would buy.
        """
        found, said = self._assessed(source, namespace, workload, oom_probability)
        return _answer(found, f"Limits for at most {oom_probability:.3g} chance of an OOM kill.", "advised", most, said)

    def explain(self, source: str, workload: str, namespace: str | None = None) -> Explained:
        """Show the evidence for and against a verdict, each piece with its window, five questions, and what to do."""
        from rmtoolkit.views.explanation import explain

        found, said = self._assessed(source, namespace, None)
        told = explain(found, f"{namespace}/{workload}" if namespace else workload)
        by_id = found.checklist.filter(workload_id=told.row["workload_id"])
        return {
            "workload": _plain_row({name: told.row[name] for name in texts("cli/mcp")["judged"]}),
            "evidence": _rows(told.evidence.select(("says", "text", "value", "signal", "start", "end"))),
            "checklist": _rows(by_id.select("question", "answer", "because")),
            "advice": _rows(told.advice.select("text", "setting", "expected", "because")),
            "incomplete": _lacks(found),
            "warnings": said,
        }

    def heap(self, file: str, before: str | None = None) -> Told:
        """Say what grows or is held in a heap profile and in which code, or what changed since `before`, an older one.

        Takes heaptrack, jemalloc, gperftools, pprof, DHAT and massif.
        """
        from rmtoolkit.analysis import heap_answers
        from rmtoolkit.views import heap_terminal

        profile = rm.read_heap(str(self._inside(file)))
        if before is None:
            said = heap_terminal.answer(heap_answers.answer(profile))
        else:
            older = rm.read_heap(str(self._inside(before)))
            said = heap_terminal.changes(heap_answers.answer_diff(older, profile))
        return _told([line[:200] for line in said.splitlines()], 60)

    def _inside(self, source: str) -> Path:
        """Give the real path of what is allowed; links do not lead out."""
        path = Path(os.path.realpath(source))
        links = (Path(os.path.realpath(link)) for link in path.rglob("*") if link.is_symlink())
        inside = path in self._roots or self._holds(path)
        if not inside or not path.exists() or not all(map(self._holds, links)):
            msg = f"{quote(source)} is none of the sources that this server may read. Hint: ask for sources."
            raise RmtoolkitError(msg)
        return path

    def _holds(self, path: Path) -> bool:
        return any(root in path.parents for root in self._roots)

    def _assessed(
        self, source: str, namespace: str | None, workload: str | None, oom_probability: float = 0.05
    ) -> tuple[Assessment, list[str]]:
        from rmtoolkit.lake import Lake

        real = self._urls.get(source) or str(self._inside(source))
        with warnings.catch_warnings(record=True, action="always", category=RmtoolkitWarning) as caught:
            found = _sources.read_with([real], self._asked)
            tamed = _tamed(found.recording() if isinstance(found, Lake) else found)
            names = {"namespace": namespace, "workload": workload}
            chosen = tamed.filter(**{name: value for name, value in names.items() if value is not None})
            assessed = rm.assess(chosen, oom_probability=oom_probability)
        said = [_tame(str(one.message), 300) for one in caught if issubclass(one.category, RmtoolkitWarning)]
        return assessed, said[:10]


def _tamed(recording: Recording) -> Recording:
    """Put what is no plain name into quotes, before any sentence is made of it; different names stay different."""
    import polars as pl

    renamed = []
    for column in ("cluster", "node", "namespace", "workload", "pod", "container", "version"):
        taken: dict[str, str] = {}
        for name in recording.containers[column].drop_nulls().unique(maintain_order=True):
            told, number = _tame(name), 1
            while told in taken.values():
                number += 1
                told = f"{_tame(name)}#{number}"
            taken[name] = told
        renamed += [pl.col(column).replace_strict(taken, default=None)] if taken else []
    events = recording.events.with_columns(pl.col("detail").map_elements(_tame_change, return_dtype=pl.String))
    return replace(recording, containers=recording.containers.with_columns(renamed), events=events)


def _tame_change(said: str) -> str:
    """Of a release, ``a → b``, both are names: the words after it take them apart again."""
    before, arrow, after = said.partition(" → ")
    return f"{_tame(before)} → {_tame(after.rpartition(' → ')[2])}" if arrow else _tame(said)


def _tame(said: str, longest: int | None = None) -> str:
    if _PLAIN.fullmatch(said) and len(said) <= (longest or 120):
        return said
    return json.dumps(printable(said)[: longest or 60], ensure_ascii=False)


def _answer(found: Assessment, summary: str, columns: str, most: int, said: list[str]) -> Answer:
    shown = found.workloads.select(texts("cli/mcp")[columns]).head(max(most, 1))
    return {
        "summary": summary,
        "workloads": _rows(shown),
        "left_out": found.workloads.height - shown.height,
        "incomplete": _lacks(found),
        "warnings": said,
    }


def _told(lines: list[str], most: int) -> Told:
    return {"lines": lines[:most], "left_out": max(len(lines) - most, 0)}


def _lacks(found: Assessment) -> str | None:
    return None if found.incomplete is None else _tame(found.incomplete, 400)


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [_plain_row(row) for row in frame.iter_rows(named=True)]


def _plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """Write instants as text; what is not known stays null."""
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
