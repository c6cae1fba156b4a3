"""Recommended limits on a terminal and in files."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import pytest
import yaml

import rmtoolkit as rm
from rmtoolkit import cli, text
from rmtoolkit.views import terminal as limits_terminal

if TYPE_CHECKING:
    from pathlib import Path

MIB: Final = 2**20
HOUR: Final = 3600


@pytest.fixture(scope="module")
def recording() -> rm.Recording:
    """One service that is settled, one that leaks."""
    hours = 1_750_000_000 + HOUR * np.arange(14 * 24)
    noise = np.random.default_rng(1).standard_normal(hours.size)
    values = {"calm": 200 + 2 * noise, "leaking": 200 + noise + 20 * np.arange(hours.size) / 24}
    return rm.Recording.from_frame(
        pl.concat(
            pl.DataFrame(
                {
                    "time": hours,
                    "namespace": "shop",
                    "workload": name,
                    "workload_kind": "Deployment",
                    "pod": f"{name}-0",
                    "container": "app",
                    "working_set_bytes": (value * MIB).astype(int),
                    "limit_bytes": 1024 * MIB,
                },
            )
            for name, value in values.items()
        ),
    )


@pytest.fixture(scope="module")
def path(recording: rm.Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in a file."""
    return recording.write(tmp_path_factory.mktemp("limits") / "shop.parquet")


def test_the_answer_stands_first_and_the_leak_before_the_rest(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One to fix, one to lower; nothing wider than 100 columns."""
    assert cli.main(["limits", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        "2 workloads: 1 to fix the leak, 1 to lower the limit. Limits for at most 5 % chance of an OOM kill"
    )
    assert printed.index("shop/leaking") < printed.index("shop/calm")
    assert "Raising to 1,536 Mi buys" in " ".join(printed.split())
    assert "shipped with rmtoolkit" in printed
    assert max(map(len, printed.splitlines())) <= 100


@pytest.mark.parametrize("ending", ["parquet", "csv", "json", "yaml"])
def test_limits_are_written(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    """Each format says the same limit for the calm service, and none for the leak."""
    target = tmp_path / f"limits.{ending}"
    assert cli.main(["limits", str(path), "-o", str(target)]) == 0
    assert str(target) in capsys.readouterr().out
    wanted = rm.recommend_limits(rm.read(path)).filter(pl.col("workload") == "calm")["recommended_limit_bytes"].item()
    if ending == "yaml":
        (patch,) = yaml.safe_load_all(target.read_text())
        (container,) = patch["spec"]["template"]["spec"]["containers"]
        assert patch["metadata"]["name"] == "calm"
        assert container["resources"]["limits"]["memory"] == f"{wanted // MIB}Mi"
        return
    rows = {
        "parquet": lambda: pl.read_parquet(target),
        "csv": lambda: pl.read_csv(target),
        "json": lambda: pl.DataFrame(json.loads(target.read_text()), infer_schema_length=None),
    }[ending]()
    found = dict(rows.select("workload", "recommended_limit_bytes").iter_rows())
    assert found == {"calm": wanted, "leaking": None}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--margins", "missing.json"], "missing.json"),
        (["-o", "limits.docx"], "limits.docx"),
    ],
    ids=["margins", "format"],
)
def test_bad_options_are_one_line_and_status_2(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """Named, with what was expected, and nothing else on the screen."""
    assert cli.main(["limits", str(path), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") == 1


def test_learnt_margins_are_used_and_named(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of margins changes where they are said to come from."""
    saved = rm.Margins("learnt from the shop", rm.Margins.shipped().tables).save(tmp_path / "margins.json")
    assert cli.main(["limits", str(path), "--margins", str(saved)]) == 0
    assert "Margins: learnt from the shop." in capsys.readouterr().out


def test_plain_ascii_where_the_terminal_has_nothing_else(recording: rm.Recording) -> None:
    """Every character."""
    assert limits_terminal.limits_table(rm.assess(recording), details=False, pen=text.Pen(unicode=False)).isascii()


def test_hostile_names_stay_on_their_line(recording: rm.Recording) -> None:
    """No name moves the cursor or starts a line."""
    found = rm.assess(recording.filter(workload="calm"))
    rows = found.workloads.with_columns(name=pl.lit("a\x1b[2J\nfix"))
    printed = limits_terminal.limits_table(replace(found, workloads=rows), details=False, pen=text.Pen())
    assert "\x1b" not in printed
    assert not any(line.startswith("fix") for line in printed.splitlines())
