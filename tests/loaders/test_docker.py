"""Docker's own words: tables, streams, answers of the API, inspect and events."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import re
import shutil
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.loaders import Form, recognise
from rmtoolkit.loaders.docker import Happened, Inspected, Labels, events_of, read_stats, set_limits
from rmtoolkit.schema import AT_ONCE
from rmtoolkit.text import texts
from tests.loaders.outcomes import Outcomes

DATA: Final = Path(__file__).parents[1] / "data" / "docker"
MIB: Final = 1 << 20
HEADER: Final = "CONTAINER ID   NAME   CPU %   MEM USAGE / LIMIT   MEM %   NET I/O   BLOCK I/O   PIDS\n"
FILES: Final = sorted(path.name for path in DATA.iterdir() if path.suffix != ".md")


def text(folder: Path, content: str, name: str = "stats.log") -> Path:
    """Save a log."""
    file = folder / name
    file.write_text(content, "utf-8")
    return file


def row(memory: str, name: str = "api", id_: str = "55cd73e22513") -> str:
    """One row of the usual table."""
    return f"{id_}   {name}   0.14%   {memory}   1.00%   0B / 0B   0B / 0B   3\n"


def amount(printed: str) -> tuple[int, int]:
    """What is read of an amount, and how coarse it is."""
    (found,) = read_stats(row(f"{printed} / 64TiB")).rows
    return int(found.said.signals["working_set_bytes"] or 0), found.said.quantum_bytes or 0


@pytest.mark.parametrize("name", FILES)
def test_every_form_is_recognised_by_its_content(name: str) -> None:
    """Tables, streams, JSON lines, API answers, inspect and events are all Docker's."""
    assert recognise(DATA / name)[0] is Form.DOCKER


@pytest.mark.parametrize(
    ("name", "containers", "samples"),
    [
        ("stats_dated.log", 4, 49),
        ("stats_csv.log", 3, 8),
        ("stats_all.txt", 3, 3),
        ("api_shop-api-1.jsonl.gz", 1, 90),
    ],
)
def test_real_output_gives_a_row_per_container_and_table(name: str, containers: int, samples: int) -> None:
    """What the real command line and the real API wrote is read to the last row."""
    recording = rm.read_docker_stats(DATA / name)
    assert (recording.containers.height, recording.samples.height) == (containers, samples)


def test_a_folder_is_one_recording_with_limits_owners_and_kills() -> None:
    """Tables, API, inspect and events of the same containers are put together."""
    names = ("stats_dated.log", "api_shop-api-1.jsonl.gz", "inspect.json", "events.jsonl")
    recording = rm.read([DATA / name for name in names])
    about = recording.containers.select("namespace", "workload", "workload_kind", "pod", "container", "version")
    assert about.rows() == [
        ("shop", "api", "Compose", "shop-api-1", "api", "1.4.2"),
        ("shop", "worker", "Compose", "shop-worker-1", "worker", "2.0"),
        (None, "cache", None, "cache", "cache", "1.4.2"),
        (None, "crashes", None, "crashes", "crashes", "1.4.2"),
    ]
    limits = recording.containers.select("limit_known", "limit_bytes", "request_bytes").rows()
    assert limits == [
        (True, 64 * MIB, None),
        (True, 128 * MIB, 64 * MIB),
        (True, None, None),
        (True, 32 * MIB, None),
    ]
    kinds = recording.events.group_by("container_id", maintain_order=True).agg("kind")["kind"].to_list()
    assert kinds[0] == ["start", *["oom_kill", "start"] * 5]
    assert kinds[1:] == [["start"], ["start"], ["start", "error"]]
    kills = recording.events.filter(pl.col("kind") == "oom_kill")
    assert kills["value_bytes"].unique().to_list() == [64 * MIB]
    assert kills["time"][0] == dt.datetime(2026, 11, 25, 3, 44, 46, 551_000, dt.UTC)
    lives = rm.lives(recording).filter(container_id=0)
    assert lives["ended"].to_list() == [*["oom_kill"] * 5, "running"]
    # Where the API measured, its exact amounts are used alone.
    assert recording.report.left_out["rows of tables whose container the API measured at the same time"] == 14
    assert "no limit" not in " ".join(recording.report.notes())


def test_events_as_text_and_as_json_say_the_same() -> None:
    """Both forms of `docker events` give the same events."""
    one, other = (rm.read_docker_stats(DATA / name) for name in ("events.jsonl", "events.txt"))
    assert one.events.equals(other.events)
    assert one.containers.equals(other.containers)


@pytest.mark.parametrize("name", ["events.txt", "events.jsonl"])
@pytest.mark.parametrize(("number", "said"), [("15", "stopped"), ("1", "exit status 3")], ids=["stopped", "told"])
def test_who_was_stopped_is_known_by_the_signal(name: str, number: str, said: str, tmp_path: Path) -> None:
    """Of one that ended with status 3: behind SIGTERM somebody stopped it, behind SIGHUP nobody did."""
    written: list[str] = []
    for line in (DATA / name).read_text().splitlines(keepends=True):
        if "crashes" in line and re.search(r"exitCode\W+3\b", line):
            written.append(re.sub(r"exitCode(\W+)3\b", rf"signal\g<1>{number}", re.sub(r"\bdie\b", "kill", line)))
        written.append(line)
    (tmp_path / name).write_text("".join(written))
    events = rm.read_docker_stats(tmp_path / name).filter(pod="crashes").events
    assert events.filter(pl.col("kind") != "start")["detail"].unique().to_list() == [said]


def test_api_amounts_are_exact_and_in_their_places() -> None:
    """Usage, working set, anonymous memory, page cache and peak are the bytes of the answer."""
    lines = gzip.decompress((DATA / "api_shop-api-1.jsonl.gz").read_bytes()).splitlines()
    answers = [json.loads(line) for line in lines]
    memory = [answer["memory_stats"] for answer in answers if answer["memory_stats"]]
    samples = rm.read_docker_stats(DATA / "api_shop-api-1.jsonl.gz").samples
    assert samples["usage_bytes"].to_list() == [entry["usage"] for entry in memory]
    assert samples["anon_bytes"].to_list() == [entry["stats"]["total_rss"] for entry in memory]
    assert samples["peak_bytes"].to_list() == [entry["max_usage"] for entry in memory]
    wanted = [entry["usage"] - entry["stats"]["total_inactive_file"] for entry in memory]
    assert samples["working_set_bytes"].to_list() == wanted


def test_the_command_lines_amount_is_usage_without_inactive_file_pages() -> None:
    """What `docker stats` prints for a container full of page cache is the API's working set, rounded."""
    printed = rm.read_docker_stats(DATA / "stats_dated.log").filter(pod="cache").samples
    exact = rm.read_docker_stats(DATA / "api_cache.jsonl").samples
    assert exact["file_bytes"].min() == 24 * MIB
    assert abs(printed["working_set_bytes"][0] - exact["working_set_bytes"][0]) < MIB


def test_a_second_version_of_cgroups_has_other_keys(tmp_path: Path) -> None:
    """With `anon`, `file` and `inactive_file` an answer is read as well; a limit that is the host's memory is none."""
    stats = {"anon": 40, "file": 50, "inactive_file": 30, "shmem": 5, "slab": 7, "kernel_stack": 3, "sock": 1}
    answer = {
        "read": "2026-11-25T03:44:31.781960565Z",
        "name": "/api",
        "id": "5" * 64,
        "memory_stats": {"usage": 100, "limit": 25_276_502_016, "stats": stats},
        "pids_stats": {"current": 9},
    }
    recording = rm.read(text(tmp_path, json.dumps(answer)))
    names = ("usage_bytes", "working_set_bytes", "anon_bytes", "file_bytes", "shmem_bytes", "kernel_bytes", "threads")
    # What the kernel holds counts its sockets too.
    assert recording.samples.select(names).row(0) == (100, 70, 40, 50, 5, 11, 9)
    assert recording.samples["sock_bytes"].item() == 1
    assert recording.containers.select("limit_known", "limit_bytes").row(0) == (True, None)
    assert any("memory of the host" in note for note in recording.report.notes())


@pytest.mark.parametrize("other", [None, {}, {"message": "no such container"}], ids=["null", "empty", "error"])
def test_answers_for_a_task_stand_below_their_ids(tmp_path: Path, other: dict[str, str] | None) -> None:
    """As the metadata of ECS gives them, with one that has not begun, or an error: the same as one after the other."""
    answers = [
        json.loads(line) for line in gzip.decompress((DATA / "api_shop-api-1.jsonl.gz").read_bytes()).splitlines()
    ]
    one = text(tmp_path, "\n".join(json.dumps({"5" * 64: answer, "6" * 64: other}) for answer in answers))
    with pytest.warns(RmtoolkitWarning, match="that are no rows") if other else nullcontext():
        told = rm.read(one)
    known = rm.read(DATA / "api_shop-api-1.jsonl.gz")
    assert told.samples.equals(known.samples)
    assert told.containers.equals(known.containers)
    stopped = "lines that are no rows" if other else "rows of containers that did not run"
    assert told.report.left_out[stopped] == known.report.left_out.get(stopped, 0) + len(answers)


def test_the_stream_on_a_terminal_is_a_table_every_half_second() -> None:
    """Pictures drawn over each other, each twice, are tables half a second apart; a format of one's own too."""
    for name in ("stats_stream.txt", "stats.jsonl", "stats_names.txt"):
        recording = rm.read_docker_stats(DATA / name, time="2026-11-25T03:44:32Z")
        api = recording.filter(pod="shop-api-1").samples
        assert api["time"].diff().drop_nulls().unique().to_list() == [dt.timedelta(milliseconds=500)], name
        assert api["working_set_bytes"][0] == round(27.69 * MIB), name
        assert recording.report.time_axis.startswith("assumed"), name


def test_stamps_before_lines_of_a_stream_count() -> None:
    """A stamp before each line of the stream is the time; of the pictures of one second the last one counts."""
    recording = rm.read_docker_stats(DATA / "stats_stamped.log")
    api = recording.filter(pod="shop-api-1").samples
    assert api["time"][0] == dt.datetime(2026, 11, 25, 3, 44, 32, tzinfo=dt.UTC)
    assert recording.report.time_axis == "as recorded, UTC"
    assert not any("contradict" in note for note in recording.report.notes())


def test_a_container_that_does_not_run_gives_no_row() -> None:
    """Docker prints 0 of 0 for it: that is counted, and no measurement."""
    recording = rm.read_docker_stats(DATA / "stats_all.txt")
    assert "crashes" not in recording.containers["pod"].to_list()
    assert recording.report.left_out == {"rows of containers that did not run": 1}


@pytest.mark.parametrize(
    ("printed", "bytes_", "quantum"),
    [
        ("756KiB", 756 * 1024, 102),
        ("13.15MiB", 13_788_774, 10_486),
        ("1.023GiB", 1_098_437_886, 1_073_742),
        ("12.5MB", 12_500_000, 10_000),
        ("796 KB", 796_000, 100),
        ("0B", 0, 1),
        ("1023B", 1023, 1),
    ],
)
def test_amounts_of_every_unit(printed: str, bytes_: int, quantum: int) -> None:
    """Binary units of today and decimal ones of old versions and of podman, with how coarse they are."""
    assert amount(printed) == (bytes_, quantum)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        *(("proj-web-1,{} / 2GiB", "proj-web-1"), ("web,12,{} / 2GiB", "web"), ("web {id} 12 {} / 2GiB", "web")),
        *(("{id} web 0.1% {} / 2GiB", "web"), ("web {id} running {} / 2GiB", "web"), ("web-1,{}/2GiB", "web-1")),
    ],
)
def test_a_row_of_ones_own_names_its_container(line: str, name: str) -> None:
    """Whatever stands around it: a whole amount behind a digit and a comma is one, and a number or a state no name."""
    (found,) = read_stats(line.format("200MiB", id="55cd73e22513")).rows
    assert (found.said.labels.name, found.said.signals["working_set_bytes"]) == (name, 200 * MIB)


@given(st.integers(0, 1 << 44))
def test_an_amount_is_right_within_its_quantum(bytes_: int) -> None:
    """Whatever Docker prints of an amount is read to within the step that it was rounded to."""
    value, unit = float(bytes_), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    found = amount(f"{value:.4g}{unit}")
    assert abs(found[0] - bytes_) <= found[1]


@pytest.mark.parametrize(
    ("line", "name", "threads"),
    [
        (HEADER + row("62.88MiB / 64MiB"), "api", 3),
        (
            "CONTAINER   CPU %   MEM USAGE/LIMIT   NET I/O\napi   0.1%   62.88MiB / 64MiB   1B / 2B\n",
            "api",
            None,
        ),
        (
            "ID            NAME  CPU %  MEM USAGE / LIMIT\n55cd73e22513  api   0.1%   62.88MiB / 64MiB\n",
            "api",
            None,
        ),
        ("api 62.88MiB / 64MiB\n", "api", None),
        ("55cd73e22513 api 0.10% 62.88MiB / 64MiB\n", "api", None),
        ('"api","62.88MiB / 64MiB"\n', "api", None),
        ("api: 62.88MiB/64MiB\n", "api", None),
        ('{"name": "api", "mem_usage": "62.88MiB / 64MiB", "pids": 4}\n', "api", 4),
    ],
    ids=["usual", "old", "podman", "bare", "with id", "csv", "colon", "podman json"],
)
@pytest.mark.filterwarnings("ignore:What Podman calls memory usage:rmtoolkit.exceptions.RmtoolkitWarning")
def test_formats_of_ones_own(tmp_path: Path, line: str, name: str, threads: int | None) -> None:
    """Name and memory are found whatever else a format prints."""
    recording = rm.read(text(tmp_path, line), time="2026-11-25T03:44:31Z")
    assert recording.containers["pod"].to_list() == [name]
    assert recording.samples.select("working_set_bytes", "threads").row(0) == (round(62.88 * MIB), threads)
    assert recording.containers["limit_bytes"].item() == 64 * MIB


def test_tables_without_any_time_need_an_interval(tmp_path: Path) -> None:
    """Several tables and no time stamp are refused with advice, and read once it is said how far apart they are.

    Where only the first has one, the others are counted on from it.
    """
    file = text(tmp_path, 2 * (HEADER + row("62MiB / 64MiB")))
    with pytest.raises(ReadError, match=r"2 tables and no time stamp.*interval='15s'"):
        rm.read_docker_stats(file)
    dated = text(tmp_path, f"2026-11-25T03:00:00Z\n{file.read_text()}", "dated.log")
    for told in (
        rm.read_docker_stats(file, interval="15s", time="2026-11-25"),
        rm.read_docker_stats(dated, interval="15s"),
    ):
        assert told.samples["time"].diff()[1] == dt.timedelta(seconds=15)


def test_a_date_below_its_table_counts_as_well(tmp_path: Path) -> None:
    """Where `date` runs after the table, the table is of that time."""
    table = HEADER + row("62MiB / 64MiB")
    file = text(tmp_path, f"{table}2026-11-25T03:00:00Z\n{table}2026-11-25T03:01:00Z\n")
    assert [time.minute for time in rm.read_docker_stats(file).samples["time"]] == [0, 1]


@pytest.mark.parametrize(
    ("limit", "known"),
    [
        ("64MiB", 64 * MIB),
        ("1.172GiB", round(1.172 * (1 << 30))),
        ("2GiB", 2 << 30),
        ("7.656GiB", None),
        ("23.54GiB", None),
        ("982.5MiB", None),
    ],
)
def test_the_memory_of_the_host_is_no_limit(tmp_path: Path, limit: str, known: int | None) -> None:
    """People choose round limits; the memory of a machine is never round, and the report says what was assumed."""
    recording = rm.read_docker_stats(text(tmp_path, HEADER + row(f"62MiB / {limit}")), time="2026-11-25")
    assert recording.containers.select("limit_known", "limit_bytes").row(0) == (True, known)
    assert any("memory of the host" in note for note in recording.report.notes()) == (known is None)


def test_a_limit_that_was_changed_is_an_event(tmp_path: Path) -> None:
    """`docker update` shows in the column of limits."""
    log = "".join(
        f"2026-11-25T03:0{minute}:00Z\n{HEADER}{row(f'50MiB / {limit}MiB')}"
        for minute, limit in enumerate((64, 64, 128))
    )
    recording = rm.read_docker_stats(text(tmp_path, log))
    assert recording.events.select("kind", "value_bytes").rows() == [("limit", 128 * MIB)]
    assert recording.containers["limit_bytes"].item() == 128 * MIB


@pytest.mark.parametrize(
    ("told", "kinds"),
    [
        ([(0, "oom", None), (40, "die", 137)], ["oom_kill"]),
        ([(0, "oom", None)], ["oom_kill"]),
        ([(0, "kill", 15), (900, "die", 143), (910, "stop", None)], ["end"]),
        ([(0, "die", 0)], ["end"]),
        ([(0, "die", 137)], ["error"]),
        ([(0, "kill", 1), (9_000, "die", 101)], ["error"]),
        ([(0, "oom", None), (10_000, "die", 137)], ["oom_kill"]),
        ([(0, "oom", None), (10_001, "die", 1)], ["error", "oom_kill"]),
        ([(0, "kill", 15), (60_000, "die", 143)], ["end"]),
        ([(0, "kill", 15), (60_001, "die", 143)], ["error"]),
    ],
    ids=[
        *("killed", "a child was killed", "stopped", "finished", "killed by hand", "after SIGHUP", "killed late"),
        *("long after", "stopped late", "long after a signal"),
    ],
)
def test_how_a_life_ended(told: list[tuple[int, str, int | None]], kinds: list[str]) -> None:
    """Only the kernel's own kill is an OOM kill; what was stopped has ended; the rest is an error."""
    happened = [Happened(Labels("5", "db"), 1_000 + time, action, code) for time, action, code in told]
    assert sorted(event.kind for event in events_of([], [], happened)) == kinds


@pytest.mark.parametrize(("late", "starts"), [(0, 1), (2_000, 1), (2_001, 2)])
def test_one_start_told_twice_is_one(late: int, starts: int) -> None:
    """A start that events and inspect tell of at almost the same time is one; two seconds on it is another."""
    labels = Labels("5", "db")
    entry = Inspected(labels, 99_000, None, None, 5_000 + late, None)
    events = events_of([], [entry], [Happened(labels, 5_000, "start", None)])
    assert [event.kind for event in events] == ["start"] * starts


def test_inspect_alone_says_how_the_last_life_ended(tmp_path: Path) -> None:
    """Without events, a stopped container's OOMKilled and FinishedAt are the event."""
    entry = json.loads((DATA / "inspect.json").read_text())[3]
    entry["State"] |= {"OOMKilled": True, "ExitCode": 137}
    recording = rm.read_docker_stats(text(tmp_path, json.dumps([entry])))
    assert recording.events.select("kind", "value_bytes").rows() == [("start", None), ("oom_kill", 32 * MIB)]
    assert "samples" in recording.report.missing[0]


def test_a_container_made_anew_under_the_same_name_is_another(tmp_path: Path) -> None:
    """Two ids with one name are two instances of one workload."""
    log = f"2026-11-25T03:00:00Z\n{HEADER}{row('5MiB / 64MiB')}2026-11-25T03:01:00Z\n{HEADER}"
    log += row("6MiB / 64MiB", id_="edb01e0c3c16")
    recording = rm.read_docker_stats(text(tmp_path, log))
    assert recording.containers.select("pod", "pod_uid").rows() == [("api", "55cd73e22513"), ("api", "edb01e0c3c16")]


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "at once"])
@pytest.mark.parametrize("files", [1, 2])
def test_two_ids_of_one_name_follow_each_other_or_are_two(tmp_path: Path, files: int, *, at_once: bool) -> None:
    """One that was made anew is told from two on two hosts by their times, in one log, in two, and in a lake."""
    ids = ("55cd73e22513", "edb01e0c3c16")
    told = [
        [
            (60 * minute + second, row(f"{level + minute % 3}MiB / 64MiB", id_=id_))
            for minute in range(begin, begin + 40)
        ]
        for second, level, begin, id_ in ((0, 5, 0, ids[0]), (9, 20, 0 if at_once else 40, ids[1]))
    ]
    logs = told if files > 1 else [sorted(told[0] + told[1])]
    start = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
    paths = [
        text(tmp_path, "".join(f"{start + dt.timedelta(seconds=at):%FT%TZ}\n{HEADER}{line}" for at, line in log), name)
        for name, log in zip("ab", logs, strict=False)
    ]
    lake = rm.Lake(tmp_path / "lake")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RmtoolkitWarning)
        whole = rm.read(paths)
        for path in paths:
            lake.append(rm.read(path))
    assert any(str(one.message).startswith(f"'api' {AT_ONCE}") for one in caught) == at_once
    for recording in (whole, lake.recording()):
        assert recording.containers["pod_uid"].to_list() == [*ids]
        assert (f"'api' {AT_ONCE}" in recording.report.warnings) == at_once
    assert (f"'api' {texts('loaders/hints')['docker']['one_by_one']}" in whole.report.warnings) == (not at_once)
    found = rm.assess(whole).workloads
    assert found.select("pods", "pods_now").row(0) == (2, 2 if at_once else 1)


@pytest.mark.parametrize(
    ("name", "workload"),
    [
        ("shop-api-1", "shop-api"),
        ("shop_api_12", "shop_api"),
        ("shop_api.1.x1y2z3x1y2z3x1y2z3x1y2z3x", "shop_api"),
        ("redis", "redis"),
        ("redis-7.2", "redis-7"),
        ("web2", "web2"),
    ],
)
def test_names_without_labels_tell_the_workload(tmp_path: Path, name: str, workload: str) -> None:
    """What Compose, Swarm and people append to a name is taken off, and the result is marked as inferred."""
    recording = rm.read_docker_stats(text(tmp_path, HEADER + row("5MiB / 64MiB", name)), time="2026-11-25")
    assert recording.containers.select("workload", "workload_inferred").row(0) == (workload, True)


def test_a_bad_file_beside_good_ones_is_named_and_left_out(tmp_path: Path) -> None:
    """One file of a folder that cannot be read costs a warning, not the rest."""
    shutil.copy(DATA / "stats_dated.log", tmp_path)
    text(tmp_path, f"{HEADER}\n", "broken.log")
    with pytest.warns(RmtoolkitWarning, match=r"1 of 2 files could not be read.*broken"):
        recording = rm.read(tmp_path)
    assert recording.samples.height == 49
    assert "broken.log" in recording.report.partial[0]


@pytest.mark.parametrize(
    "content", [HEADER, "CONTAINER ID   NAME   CPU %   PRIV WORKING SET\n5  a  0%  7MiB\n", "[]", '{"HostConfig": {}}']
)
def test_what_holds_nothing_is_one_clear_error(tmp_path: Path, content: str) -> None:
    """A table without rows, Windows containers and other JSON are refused in one sentence that names the file."""
    with pytest.raises(ReadError, match=r"Could not read '.*stats\.log'"):
        rm.read_docker_stats(text(tmp_path, content))


@pytest.mark.parametrize("name", ["stats_dated.log", "stats.jsonl", "events.txt", "stats_stamped.log"])
def test_a_file_cut_anywhere_is_read_or_refused(tmp_path: Path, name: str) -> None:
    """Half a file gives its good part, or one clear error; the longer the part, the more of it."""
    met = Outcomes()
    file = tmp_path / name
    whole = (DATA / name).read_bytes()
    sizes: dict[int, int] = {}

    @example(len(whole))
    @given(st.integers(0, len(whole)))
    def cut(end: int) -> None:
        file.write_bytes(whole[:end])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RmtoolkitWarning)
            recording = met.of(lambda: rm.read_docker_stats(file))
        if recording is not None:
            sizes[end] = recording.samples.height + recording.events.height

    cut()
    assert met.recordings > 0
    assert sizes[max(sizes)] == max(sizes.values())
    assert sizes[max(sizes)] > 0


@given(st.text(alphabet=st.characters(exclude_characters="\n\r"), max_size=200))
def test_no_text_breaks_the_reader(content: str) -> None:
    """A line of any text costs that line: the good one below it is read, also without a line end."""
    rows = read_stats(f"{HEADER}{content}\n{HEADER}{row('20MiB / 64MiB')}".rstrip()).rows
    assert rows is not None
    said = rows[-1].said
    assert said.labels.name == "api"
    assert (said.signals["working_set_bytes"], said.signals["limit_bytes"]) == (20 * MIB, 64 * MIB)


def test_with_inspect_the_largest_amount_is_the_hosts_only_where_no_limit_is_set() -> None:
    """A container with a limit keeps it however odd it is; one without has none however round the host's memory."""
    inspected = rm.read_docker_stats(DATA / "inspect.json").containers
    assert inspected["limit_bytes"].to_list() == [64 * MIB, 128 * MIB, None, 32 * MIB]
    assert set_limits({0: [(0, 2 << 30)], 1: [(0, 777 * MIB)]}, {}) == ({0: [(0, 2 << 30)], 1: [(0, 777 * MIB)]}, 0)


@pytest.mark.parametrize(("shown", "before"), [(8_267_812_045, 0), (256 * MIB, 256 * MIB), (512 * MIB + 9, None)])
def test_what_inspect_says_later_holds_from_then_on(shown: int, before: int | None) -> None:
    """A limit set after the last table is a change, whether there was none before or another one."""
    later = Inspected(Labels("a" * 12, "web"), 9, 512 * MIB, None, None, None)
    told = [(9, 512 * MIB)] if before is not None else []
    first = 512 * MIB if before is None else before
    assert set_limits({0: [(0, shown)]}, {0: [later]}) == ({0: [(0, first), *told]}, 0)


@pytest.mark.parametrize(
    "content",
    [
        '{"status": "success", "data": {"resultType": "matrix", "result": []}}',
        '{"Action": "deploy"}\n{"Action": "roll back"}\n',
        '[{"status": "ok", "uptime": 3}]',
    ],
)
def test_json_of_another_program_is_refused(tmp_path: Path, content: str) -> None:
    """A recording without a container would be an answer that nobody asked for."""
    with pytest.raises(ReadError, match="expected the output of docker stats"):
        rm.read_docker_stats(text(tmp_path, content, "answer.json"))
