"""A local recording beside the pod's: layers that add up, and words for where a difference comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import rmtoolkit as rm
from rmtoolkit import cli
from rmtoolkit.assessment.comparison import COMPARED, SETTINGS
from tests.assessment.worked import FOLDER, PAIRS, assessed, compared_pairs
from tests.written import changes

if TYPE_CHECKING:
    from pathlib import Path


def compared(number: int) -> rm.Comparison:
    """A pair of recordings of one program."""
    return rm.compare(assessed(f"local-{number}"), assessed(f"cluster-{number}"))


def largest(found: rm.Comparison) -> dict[str, str]:
    """Layers that differ by a tenth of the whole difference or more, with what is said of them."""
    much = pl.col("difference_bytes").abs() > abs(found.difference_bytes) / 10
    return dict(found.layers.filter(much).select("layer", "why").rows())


@pytest.mark.parametrize("number", [1, 2, 3])
def test_differences_add_up_to_the_whole(number: int) -> None:
    """Whatever is known on which side, each layer counts once, and unknown ones are null."""
    found = compared(number)
    assert (found.layers.schema, found.settings.schema) == (COMPARED, SETTINGS)
    assert found.layers["difference_bytes"].sum() == found.difference_bytes
    unknown = found.layers.filter(pl.any_horizontal(pl.col("local_bytes", "cluster_bytes").is_null()))
    assert unknown["difference_bytes"].null_count() == unknown.height
    assert unknown["why"].str.starts_with("not known").all()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_other_way_round_it_is_the_negative(number: int) -> None:
    """Neither side is favoured: swapped, every difference has the other sign."""
    local, cluster = assessed(f"local-{number}"), assessed(f"cluster-{number}")
    there, back = rm.compare(local, cluster).layers, rm.compare(cluster, local).layers
    assert_frame_equal(there.select("layer", -pl.col("difference_bytes")), back.select("layer", "difference_bytes"))


def test_nothing_that_is_said_of_a_pair_changed() -> None:
    """Every line, both ways round; `python -m tests.assessment.worked` writes a change down that is meant."""
    assert changes(FOLDER / "compared.json", compared_pairs()) == []


def test_load_threads_and_page_cache_are_told_apart() -> None:
    """More load, more workers and a file that is read again: each has its layer and its reason."""
    said = largest(compared(1))
    assert set(said) == {"live", "kept", "cgroup"}
    assert "load is" in said["live"]
    assert "13 threads in the cluster and 3 locally" in said["kept"]
    assert "MALLOC_ARENA_MAX=2" in said["kept"]
    assert "record it in a cgroup" in said["cgroup"]


def test_other_settings_of_the_allocator_are_all_of_it() -> None:
    """With the same load and threads, what jemalloc keeps is the whole difference, and its setting is named."""
    found = compared(2)
    said = largest(found)
    assert set(said) == {"kept"}
    assert "not the load" in said["kept"]
    assert "dirty_decay_ms:1000" in said["kept"]
    assert "the cluster's limit of 320 Mi" in (found.limit_text or "")


def test_what_no_gauge_tells_is_said_to_be_untold() -> None:
    """Without an allocator's gauges private memory is one layer, which says what to export."""
    assert "export the allocator's gauges" in largest(compared(3))["private"]


def test_the_same_recording_does_not_differ() -> None:
    """Beside itself nothing differs, layer by layer."""
    found = rm.compare(assessed("cluster-1"), assessed("cluster-1"))
    assert found.layers["difference_bytes"].drop_nulls().unique().to_list() == [0]
    assert "as much in the cluster as locally" in found.headline


def test_a_name_is_asked_for_where_there_are_several() -> None:
    """Nothing is guessed: of several workloads one must be named, and the local one of that name is taken."""
    both = rm.assess(rm.concat([rm.read(PAIRS / f"cluster-{number}.parquet") for number in (1, 2)]))
    one = assessed("local-2")
    with pytest.raises(rm.UnknownWorkloadError, match="The cluster has 2 workloads: name the one"):
        rm.compare(one, both)
    name = str(one.workloads["workload"][0])
    assert rm.compare(both, both, name).difference_bytes == 0
    assert rm.compare(one, both, name).headline == compared(2).headline


def test_twenty_names_are_told_of_many() -> None:
    """Nobody reads more than that."""
    table = pl.DataFrame({"time": list(range(0, 600, 60)) * 21, "rss_bytes": 50 << 20})
    table = table.with_columns(workload=pl.Series([f"w{number:02}" for number in range(21) for _ in range(10)]))
    with pytest.raises(rm.RmtoolkitError, match=r"has 21 workloads: .* There are: (w\d\d, ){19}w\d\d\."):
        rm.compare(table, table)


def test_the_command_prints_and_writes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal has the headline and every layer; a page and a table hold them too."""
    words = ["compare", *(str(PAIRS / f"{side}-1.parquet") for side in ("local", "cluster"))]
    page, table = tmp_path / "c.html", tmp_path / "c.csv"
    assert cli.main([*words, "-o", str(page)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert cli.main([*words, "-o", str(table)]) == 0
    found = compared(1)
    assert found.headline in printed
    written = page.read_text("utf-8")
    for layer, *_, why in found.rows():
        assert layer in printed
        assert layer in written
        assert why in printed
    assert pl.read_csv(table)["difference_bytes"].sum() == found.difference_bytes
