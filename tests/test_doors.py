"""Public functions and methods: an argument of another kind than they take is one error that names it."""

from __future__ import annotations

import inspect
import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pytest

import rmtoolkit as rm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: They begin to record or to pull, or take what only their own package makes.
OTHERS: Final = ("record", "record_kubectl", "pull")
#: Another library's object, which cannot be told while that library is not there.
FOREIGN: Final = ("client", "auth")
TABLE: Final = pl.DataFrame({"time": [*range(60)], "pod": ["db-0"] * 60, "rss_bytes": [1 << 28] * 60})


class Odd:
    """Of no kind that anything takes."""


def doors() -> dict[str, Callable[..., object]]:
    """Public functions, and what people call of the classes."""
    functions = {name: getattr(rm, name) for name in rm.__all__ if name not in OTHERS}
    found: dict[str, Callable[..., object]] = {
        name: function for name, function in functions.items() if inspect.isfunction(function)
    }
    recording = rm.Recording.from_frame(TABLE)
    return found | {
        "Recording.from_frame": rm.Recording.from_frame,
        "Recording.window": recording.window,
        "Recording.write": recording.write,
        **{name: getattr(rm, name) for name in ("Lake", "Prometheus", "Fleet", "LimitExplorer", "Triage")},
    }


def given(name: str, parameters: list[inspect.Parameter]) -> dict[str, Any]:
    """What is good enough for the parameters that have to be given."""
    good: dict[str, Any] = {"url": "http://127.0.0.1:9", "labels": "x", "limit": 1 << 29, "limits": 1 << 29}
    recording = rm.Recording.from_frame(TABLE)
    by_name = good | {"path": "there.csv", "workload": "db", "recordings": [recording], "frame": TABLE}
    needed = (one.name for one in parameters if one.default is one.empty)
    return {one: "lake" if name == "Lake" else by_name.get(one, recording) for one in needed}


@pytest.mark.usefixtures("judged_once")
@pytest.mark.parametrize("name", doors())
def test_an_argument_of_another_kind_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By each parameter in turn: read as something, or told as no such thing; never a bare error of Python's."""
    monkeypatch.chdir(tmp_path)
    TABLE.write_csv("there.csv")
    call = doors()[name]
    parameters = [one for one in inspect.signature(call).parameters.values() if one.kind not in (4, 2)]
    for one in parameters:
        if one.name in FOREIGN:
            continue
        with suppress(rm.RmtoolkitError):
            call(**{**given(name, parameters), one.name: Odd()})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: rm.recommend_limits(TABLE, oom_probability="x"),  # type: ignore[arg-type]
            r"oom_probability= takes float \| None, and 'x' is str.",
        ),
        (lambda: rm.read([5, "a.csv"]), r"path= takes PathLike \| Iterable\[PathLike\]"),  # type: ignore[list-item]
        (lambda: rm.read_prometheus("there", metrics=["a"]), "metrics= takes Mapping"),  # type: ignore[arg-type]
        (lambda: rm.Recording.from_frame(TABLE).window(start=5), r"start= takes str \| datetime"),  # type: ignore[arg-type]
    ],
)
def test_the_error_says_what_is_taken(call: Callable[[], object], said: str) -> None:
    """The name, what it takes, and what was given."""
    with pytest.raises(rm.RmtoolkitError, match=said):
        call()


def test_what_nobody_foresaw_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of another cause is no argument's; a wrong call is told by Python; functions can be sent elsewhere."""
    monkeypatch.setattr("rmtoolkit.assessment.judge", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        rm.classify(TABLE)
    with pytest.raises(TypeError, match="unexpected keyword"):
        rm.classify(TABLE, nothing=1)  # type: ignore[call-arg]
    assert pickle.loads(pickle.dumps(rm.classify)) is rm.classify  # noqa: S301 - our own
