from __future__ import annotations

import contextlib
import csv
import gc
import io
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import cli
from rmtoolkit.cli import _sources
from rmtoolkit.cli._sources import profiles
from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("judged_once")

ROOT = Path(__file__).parents[1]
MI = 1 << 20


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a service that does nothing."""
    return _stored(tmp_path_factory.mktemp("calm") / "calm.parquet", "calm", lambda _: 50 * MI, limit=256)


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a service that leaks towards its limit."""
    return _stored(tmp_path_factory.mktemp("leaking") / "leaking.parquet", "leaking", lambda at: 50 * MI + at * MI // 8)


def _stored(path: Path, workload: str, size: Callable[[int], int], limit: int = 128) -> Path:
    frame = pl.DataFrame(
        {
            "time": range(0, 60 * 400, 60),
            "namespace": "shop",
            "workload": workload,
            "pod": f"{workload}-0",
            "working_set_bytes": [size(at) for at in range(400)],
            "limit_bytes": limit * MI,
        },
    )
    return Recording.from_frame(frame).write(path)


def test_classify_prints_a_table(calm: Path, leaking: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several sources make one table, the worst first; a pipe gets no colour."""
    assert cli.main(["classify", str(calm), str(leaking)]) == 0
    printed = capsys.readouterr().out
    sentence = "1 of 2 workloads leaks. It will hit its limit this week."
    assert printed.startswith(f"{sentence}\n")
    assert printed.index("shop/leaking") < printed.index("shop/calm")
    assert "\x1b" not in printed


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_classify_writes_verdicts(
    leaking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    """`-o` writes the same verdicts in the format that the name asks for, and says where."""
    target = tmp_path / f"verdicts.{ending}"
    assert cli.main(["classify", str(leaking), "-o", str(target)]) == 0
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        "parquet": pl.read_parquet,
        "csv": pl.read_csv,
        "json": lambda path: pl.DataFrame(json.loads(path.read_text())),
    }
    assert readers[ending](target).select("workload", "verdict").rows() == [("leaking", "leak")]
    assert f"Verdicts: {target}" in capsys.readouterr().out


def test_classify_by_instance(leaking: Path, tmp_path: Path) -> None:
    """`--by instance` has a row per pod."""
    target = tmp_path / "verdicts.json"
    assert cli.main(["classify", str(leaking), "--by", "instance", "-o", str(target)]) == 0
    assert [row["pod"] for row in json.loads(target.read_text())] == ["leaking-0"]


def test_report_writes_a_page(leaking: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`report` writes the page and says where."""
    target = tmp_path / "week.html"
    assert cli.main(["report", str(leaking), "-o", str(target), "--title", "Week 48"]) == 0
    sentence = "1 of 1 workload leaks. It will hit its limit this week."
    assert capsys.readouterr().out == f"Report: {target}\nCovers 1 of 1 workloads. {sentence}\n"
    assert "Week 48" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "status"),
    [([], 0), (["--fail-on", "leak"], 1), (["--fail-on", "oom"], 1), (["--fail-on", "oom", "--fail-on", "leak"], 1)],
    ids=["no wish", "leak", "oom", "both"],
)
def test_findings_fail_only_when_asked(
    leaking: Path, words: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A leak towards the limit is status 1 for those who ask, 0 for all others."""
    assert cli.main(["classify", str(leaking), *words]) == status
    assert capsys.readouterr().err == ""


def test_a_file_is_cut_to_what_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Times and names say what to look at of any source, in every command."""
    day = pl.DataFrame({"time": range(0, 86_400, 60), "namespace": "shop", "rss_bytes": 100 * 2**20})
    path = tmp_path / "two.parquet"
    Recording.from_frame(pl.concat([day.with_columns(workload=pl.lit(name)) for name in ("api", "web")])).write(path)
    assert cli.main(["classify", str(path), "--workload", "web", "--start", "1970-01-01T12:00"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "1 workload, 1 container, 1 Jan 1970 12:00 to 23:59 UTC" in said
    assert "shop/web" in said
    assert cli.main(["classify", str(path), "--workload", "nobody"]) == 2
    assert "There are: api, web" in capsys.readouterr().err
    assert cli.main(["classify", str(path), "--start", "2026-11-16"]) == 2
    assert "There are samples of 1 Jan 1970 00:00 to 23:59 UTC." in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["leak", "oom"])
def test_a_calm_service_fails_nothing(calm: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing found is status 0, whatever was asked."""
    assert cli.main(["classify", str(calm), "--fail-on", kind]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["classify", "no-such-file"], "no-such-file"),
        (["classify", "http://127.0.0.1:1/", "--last", "7 days"], "is no duration"),
        (["classify", "nowhere.json", "--step", "1h"], "--step is for servers"),
        (["classify", "nowhere.json", "--remote-read"], "--remote-read is for servers"),
        (
            ["classify", "http://127.0.0.1:1/", "--timezone", "UTC"],
            "--timezone is for files, and there is none among the sources",
        ),
        (["classify", "ftp://x"], "begins with http:// or https://"),
        (["classify", ""], "found 'no name'"),
        (["limits", "{calm}", "--price", "-1"], "A price is 0 or more, got -1.0"),
        (["limits", "{calm}", "--price", "nan"], "A price is 0 or more, got nan"),
        (["classify", "{calm}", "--metric", "foo"], "--metric 'foo': expected NAME=SIGNAL"),
        (["classify", "{calm}", "--timeout", "soon"], "--timeout 'soon': expected seconds"),
        (["classify", "{calm}", "--format", "csv"], "--format is that of -o -"),
        (["classify", "{clock}"], "--time 2026-11-24, --timezone UTC"),
        (["classify", "{foo}"], "--metric its_name=rss_bytes, one for each pod; --label its_name=pod"),
        (["classify", "{empty}"], "empty"),
        (["classify", "{page}"], "page.json"),
        (["report", "{calm}"], "-o"),
        (["classify"], "SOURCE"),
        (["classify", "{calm}", "--by", "pod"], "--by"),
        (["frobnicate"], "frobnicate"),
        ([], "COMMAND"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(
    calm: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Bad input and bad usage are status 2 and one line on stderr, never a traceback."""
    (tmp_path / "empty.json").write_bytes(b"")
    (tmp_path / "page.json").write_text("<html><body>Sign in</body></html>")
    (tmp_path / "clock.log").write_text("22:51:07\nNAME CPU(cores) MEMORY(bytes)\ndb-0 3m 9Mi\n")
    (tmp_path / "foo.csv").write_text("time,foo\n2026-01-01T00:00:00Z,100000000\n")
    places = {name.partition(".")[0]: tmp_path / name for name in ("empty.json", "page.json", "clock.log", "foo.csv")}
    places["calm"] = calm
    try:
        status = cli.main([word.format(**places) for word in words])
    except SystemExit as end:
        status = int(end.code or 0)
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("rmtoolkit: ")
    assert message in captured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("classify GONE -o v.xlsx", "'v.xlsx': the name must end in .parquet, .csv or .json"),
        ("classify GONE -o /nope/v.csv", "there is no folder '/nope'"),
        ("limits GONE -o l.txt", "'l.txt': the name must end in "),
        ("compare GONE GONE -o c.txt", "'c.txt': the name must end in .html, .htm, .parquet, .csv or .json"),
        ("report GONE -o week.csv", "'week.csv': the name must end in .html"),
        ("report GONE -o no/such/week.html", "/no/such'. Make it first."),
        ("report GONE -o week.html --pdf week.txt", "'week.txt': the name must end in .pdf"),
        ("alerts GONE --output=", "'': it is a folder. Name a file in it."),
        ("alerts GONE -o r.txt", "'r.txt': the name must end in .yaml or .yml"),
        ("alerts GONE -o r.yaml --tests t.json", "'t.json': the name must end in .yaml or .yml"),
        ("alerts GONE -o - --dashboard b.yaml", "'b.yaml': the name must end in .json"),
        ("heap GONE -o h.txt", "'h.txt': the name must end in "),
    ],
)
def test_where_it_goes_is_looked_at_first(words: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that nothing can be written to is told before anything is read."""
    assert cli.main(words.split()) == 2
    err = capsys.readouterr().err
    assert err.startswith("rmtoolkit: Could not write ")
    assert message in err


def test_a_fault_of_ours_is_no_finding(
    calm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected error is status 2 and one line: a script must not take it for a leak."""
    monkeypatch.delenv("RMTOOLKIT_TRACEBACK", raising=False)
    monkeypatch.setattr("rmtoolkit.cli._sources.read", lambda _: 1 / 0)
    assert cli.main(["classify", str(calm), "--fail-on", "leak"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ZeroDivisionError" in error


def test_what_others_warn_of_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's own warning is for who programs with it; ours is a line, as often as it is made."""
    with warnings.catch_warnings():
        cli._show_warnings_as_lines()
        for _ in range(2):
            warnings.warn("an array is old", DeprecationWarning, stacklevel=1)
            warnings.warn("a row is cut", RmtoolkitWarning, stacklevel=1)
    assert capsys.readouterr().err == "rmtoolkit: warning: a row is cut\n" * 2


def test_warnings_are_lines(calm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was left out is said on stderr, a line each, and the rest is used."""
    broken = tmp_path / "both"
    broken.mkdir()
    (broken / "calm.parquet").write_bytes(calm.read_bytes())
    (broken / "empty.json").write_bytes(b"")
    assert cli.main(["classify", str(broken)]) == 0
    captured = capsys.readouterr()
    assert "shop/calm" in captured.out
    assert captured.err.startswith("rmtoolkit: warning: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("full", [False, True], ids=["closed", "full"])
@pytest.mark.parametrize("words", ["classify CALM", "explain calm CALM", "classify CALM -o -"])
def test_a_reader_that_has_seen_enough_is_no_error(
    calm: Path, words: str, full: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`| head` ends the pipe early: no complaint. A full disk is one; and nothing is left for Python to try at exit."""
    reads, writes = os.pipe()
    os.close(reads)
    with Path("/dev/full").open("w", encoding="utf-8") as disk, os.fdopen(writes, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", disk if full else pipe)
        assert cli.main(words.replace("CALM", str(calm)).split()) == (2 if full else 0)
    said = "rmtoolkit: Could not read or write: no space left on device.\n" if full else ""
    assert capsys.readouterr().err == said


def test_without_stdout_files_are_written(calm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the shell has closed it (`>&-`), Python has none: who prints says so to nobody, and files are written."""
    for words, name in (("alerts", "rules.yaml"), ("classify", "verdicts.json"), ("limits", "limits.csv")):
        monkeypatch.setattr(sys, "stdout", None)
        assert cli.main([words, str(calm), "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size


def test_ascii_terminals_get_ascii(calm: Path) -> None:
    """Where the encoding has no marks, the table is plain ASCII."""
    found = subprocess.run(
        [sys.executable, "-m", "rmtoolkit", "classify", str(calm)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert "[ok] Not a leak" in found.stdout


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Both say what they should and end well; the help names every command."""
    for words in (["--version"], ["--help"]):
        with pytest.raises(SystemExit, match="0"):
            cli.main(words)
    printed = capsys.readouterr().out
    assert printed.startswith("rmtoolkit 0.")
    assert all(command in printed for command in ("classify", "report", "demo"))


def test_heap_profiles_are_sorted_by_workload() -> None:
    """Several files of one workload are its pictures in their order; without a name they are of the only one."""
    assert profiles(["api=a.zst", "api=b.zst", "web=c.zst"]) == {"api": ["a.zst", "b.zst"], "web": ["c.zst"]}
    assert profiles(["a.zst"]) == ["a.zst"]
    assert profiles([]) is None


def test_a_program_that_calls_a_command_keeps_its_garbage_collector(capsys: pytest.CaptureFixture[str]) -> None:
    """Only a process that is the command's own is set up for a short life."""
    before = gc.get_threshold()
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "classify" in capsys.readouterr().out
    assert gc.get_threshold() == before


@pytest.mark.parametrize("looks", [True, False])
def test_a_name_of_the_package_leaves_the_collector_as_it_was(looks: bool) -> None:
    """It waits while a module is imported, and no longer."""
    (gc.enable if looks else gc.disable)()
    try:
        assert callable(rm.read)
        assert gc.isenabled() == looks
    finally:
        gc.enable()


@pytest.mark.parametrize(("words", "threads"), [("classify nothing", "1"), ("record --pid 1 -A -o a.parquet", None)])
def test_a_process_of_ours_looks_for_no_garbage(words: str, threads: str | None) -> None:
    """The collector waits, and numpy has one thread; a command that is recorded keeps its own."""
    program = """
import gc, os, sys
from rmtoolkit import cli
sys.argv[1:] = sys.argv[1].split()
status = cli.main()
print(status, gc.get_threshold()[0], os.environ.get("OPENBLAS_NUM_THREADS"))
"""
    own = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program, words], env=own, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "100000", str(threads)]


def test_only_the_command_that_is_asked_for_is_imported() -> None:
    """The help of all needs none of them, and one command neither the others nor what only they need."""
    code = """if True:
        import sys
        from rmtoolkit.cli import main
        for words in (["--help"], ["classify", "--help"]):
            try:
                main(words)
            except SystemExit:
                pass
        heavy = {"polars", "numpy", "pandas", "pyarrow", "altair", "ipywidgets"}
        sys.exit(" ".join(sorted(name for name in sys.modules if name in heavy or name.startswith("rmtoolkit."))))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "sample what runs now into a file" in done.stdout
    assert "--fail-on" in done.stdout
    shared = {f"rmtoolkit.{name}" for name in ("_io", "cli", "cli._sources", "exceptions", "text")}
    assert set(done.stderr.split()) == {*shared, "rmtoolkit.cli.judging"}


def test_a_panic_of_a_library_is_one_line_and_no_finding(
    calm: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What polars raises is no Exception, and a pipeline must never take it for a leak."""
    monkeypatch.setattr(
        "rmtoolkit.cli.judging.classify", lambda _: pl.Series([1 << 62], dtype=pl.Datetime("ms")).to_list()
    )
    assert cli.main(["classify", str(calm)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rmtoolkit: internal error, PanicException: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "form", "read"),
    [
        ("classify", "json", lambda out: json.loads(out)[0]["workload"]),
        ("classify", "csv", lambda out: next(csv.DictReader(out.splitlines()))["workload"]),
        ("classify", "markdown", lambda out: out.splitlines()[2].split(" | ")[2]),
        ("limits", "json", lambda out: json.loads(out)[0]["workload"]),
        ("limits", "yaml", lambda out: out and "calm"),
    ],
)
def test_what_is_written_to_stdout_is_clean(
    calm: Path, command: str, form: str, read: Callable[[str], str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """With `-o -` nothing but the rows is on stdout, in the format that was asked for."""
    assert cli.main([command, str(calm), "-o", "-", "--format", form]) == 0
    assert read(capfdbinary.readouterr().out.decode()) == "calm"


def test_what_was_printed_before_stands_before() -> None:
    """A program that prints and then calls a command with `-o -` finds both in that order."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out):
        sys.stdout.write("first\n")
        _sources.deliver("Told", None, ".json", lambda _: b"then")
    out.seek(0)
    assert out.read() == "first\nthen"


def test_what_comes_through_stdin_is_read(calm: Path) -> None:
    """A pipe is as good as a file, whatever is in it."""
    command = [sys.executable, "-m", "rmtoolkit", "classify", "-", "-o", "-"]
    done = subprocess.run(command, input=calm.read_bytes(), capture_output=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout)[0]["workload"] == "calm"


@pytest.mark.parametrize(
    "piped", [b"garbage", b"", b"time,pod,rss_bytes\n1795000000,db-0,9\n17950000"], ids=["none", "empty", "cut"]
)
def test_what_comes_through_stdin_is_called_so(piped: bytes) -> None:
    """Nobody knows the file that keeps it meanwhile."""
    command = [sys.executable, "-m", "rmtoolkit", "classify", "-"]
    done = subprocess.run(command, input=piped, capture_output=True, cwd=ROOT, check=False)
    assert b"standard input" in done.stderr
    assert b"/stdin" not in done.stderr + done.stdout


def test_files_are_told_what_they_do_not_say(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Zone, distance, names of columns: what Python takes as arguments the command line takes as options."""
    log = tmp_path / "top.log"
    log.write_text("NAME CPU(cores) MEMORY(bytes)\ndb-0 3m 9Mi\n\nNAME CPU(cores) MEMORY(bytes)\ndb-0 3m 10Mi\n")
    table = tmp_path / "a.csv"
    table.write_text("time,foo,box=tier\n2026-01-01 01:00,100000000,db-0\n2026-01-01 02:00,100000000,db-0\n")
    for words in (
        [str(log), "--time", "2026-01-01T00:00", "--interval", "1m"],
        [str(table), "--metric", "foo=rss_bytes", "--label", "box=tier=pod", "--timezone", "Europe/Berlin"],
    ):
        assert cli.main(["classify", *words, "-o", "-"]) == 0
        (row,) = json.loads(capfdbinary.readouterr().out)
        assert row["workload"] == "db"


def test_folders_that_are_links_are_entered(tmp_path: Path) -> None:
    """A mounted ConfigMap is links, to files and to folders; one that leads back into itself is entered once."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.csv").write_text("time,pod,rss_bytes\n2026-01-01T00:00:00Z,db-0,100000000\n")
    (tmp_path / "week").mkdir()
    (tmp_path / "week" / "data").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "back").symlink_to(tmp_path / "week")
    assert rm.read(tmp_path / "week").containers["pod"].to_list() == ["db-0"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("clasify CALM", "did you mean 'classify'? See: rmtoolkit --help"),
        ("--versio", "See: rmtoolkit --help"),
        ("classify CALM --verbos", "did you mean '--verbose'? See: rmtoolkit classify --help"),
        ("limits CALM --limit 512mb", "unrecognized arguments: --limit 512mb. See: rmtoolkit limits --help"),
        ("classify CALM --fail-on leaks", "did you mean 'leak'? See: rmtoolkit classify --help"),
        ("limits CALM --oom-probability 5", "'5' is no chance between 0 and 1. Write it like 0.05 or 5%."),
        ("explain CALM calm", "The workload comes first: rmtoolkit explain WORKLOAD SOURCE."),
        ("classify data/heap/warm-jackdaw.heaptrack.zst", "Hint: `rmtoolkit heap FILE` reads it"),
        ("classify data/samples/truth.csv", "such as `time,rss_bytes`. Hint: call the columns time"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    words: str, told: str, calm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What people mistype gets one line that says what to write instead, and exit status 2."""
    arguments = words.replace("CALM", str(calm)).split()
    try:
        status = cli.main(arguments)
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    said = capsys.readouterr().err
    assert status == 2
    assert told in said
    assert said.count("\n") == 1


def test_a_chance_may_be_a_percentage(calm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1% is .01."""
    written = []
    for chance in ("0.01", "1%"):
        assert cli.main(["limits", str(calm), "--oom-probability", chance]) == 0
        written.append(capsys.readouterr().out)
    assert written[0] == written[1]
    assert "at most 1 % chance" in written[0]


@pytest.mark.parametrize("command", ["classify", "limits"])
def test_who_sits_at_a_terminal_is_told_that_the_data_are_old(
    command: str, calm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data of 1970 are said to be old at a terminal; a pipe gets the same words each day."""
    assert cli.main([command, str(calm)]) == 0
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main([command, str(calm)]) == 0
    assert "The data end on Thu 1 Jan 06:39 UTC" in capsys.readouterr().err


def test_the_words_for_chat_say_that_the_data_are_old(calm: Path, tmp_path: Path) -> None:
    """summary.md says it as the page does."""
    arguments = [str(calm), "-o", str(tmp_path / "week.html"), "--beside", str(tmp_path / "week")]
    assert cli.main(["report", *arguments]) == 0
    assert "**The data end on Thu 1 Jan 06:39 UTC" in (tmp_path / "week" / "summary.md").read_text("utf-8")
