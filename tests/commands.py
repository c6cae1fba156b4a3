"""What every command understands, and what some of them print, end with and write, written down.

``python -m tests.commands`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import rmtoolkit as rm
from rmtoolkit import cli
from rmtoolkit.cli import mcp
from rmtoolkit.cli._sources import add_options
from rmtoolkit.exceptions import RmtoolkitError
from tests import fleet
from tests.once import judged_once
from tests.written import plain, write

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA: Final = Path(__file__).parent / "data"
FILE: Final = DATA / "worked" / "commands.json"
HEAPS: Final = Path(__file__).parents[1] / "data" / "heap"
_KNOWN: Final = ("dest", "metavar", "help", "default", "choices", "nargs", "required", "const")
_TOML: Final = """[[accepted]]
workload = "shop/quick-flutter"
known = "it flutters"
up_to = "900Mi"
"""
#: Beside the recording lie the heap profiles, in h, and statistics of jemalloc, in s: no path of a machine is told.
RUNS: Final = (
    "classify fleet.parquet --namespace search --no-color",
    "classify fleet.parquet --workload days-and-nights --by instance -o v.csv",
    "classify fleet.parquet --namespace mail --namespace shop --last 90h --fail-on leak",
    "classify fleet.parquet --workload kept-pages --fail-on leak --fail-on oom",
    "classify fleet.parquet --workload outside-the-allocator --fail-on leak",
    "classify fleet.parquet --workload outside-the-allocator --fail-on oom",
    "classify fleet.parquet --workload late-and-young --fail-on oom",
    "classify fleet.parquet --workload heap-leak --heap h/warm-jackdaw.heaptrack.zst",
    "classify fleet.parquet --workload heap-leak --workload quick-flutter --heap heap-leak=h/warm-jackdaw.dhat.json.gz",
    "classify fleet.parquet --heap heap-leak=a.zst --heap b.zst",
    "classify fleet.parquet --namespace shop --no-color -v",
    "explain killed-climbs fleet.parquet",
    "explain nobody fleet.parquet --namespace shop",
    "classify lake --pod few-samples-api-0 -o v.json",
    "classify lake --start 2026-11-17 --end 2026-11-17T06:00 --workload days-and-nights",
    "classify http://127.0.0.1:1/ --last 1x",
    "classify fleet.parquet --token-file t",
    "classify fleet.parquet --tenant t",
    "classify nothing.parquet",
    "limits fleet.parquet --workload held-at-its-limit --workload start-and-bursts",
    "limits fleet.parquet --workload held-at-its-limit --oom-probability 0.2 --price 0.01 -o l.yaml",
    "limits fleet.parquet --workload held-at-its-limit --price 0.01 -o l.csv",
    "limits lake --workload held-at-its-limit --margins m.json",
    "limits lake --workload held-at-its-limit --margins none.json",
    "limits lake --workload held-at-its-limit --oom-probability 2",
    "limits lake --workload held-at-its-limit -o l.txt",
    "report fleet.parquet --namespace shop -o week.html --beside out --date 2026-11-23 --title Mon --fail-on leak",
    "report lake --namespace shop -o week.html --previous out --acknowledged a.toml --price 0.01 --currency EUR "
    "--oom-probability 0.5",
    "report lake -o week.htm --workload kept-pages --date 2026-11-23T03:05+02:00 "
    "--heap kept-pages=h/warm-jackdaw.dhat.json.gz",
    "report lake -o week.html --date soon",
    "report lake -o week.html --pdf week.txt",
    "heap h/warm-jackdaw.heaptrack.zst --no-color -o s.csv",
    "heap h/warm-jackdaw.heaptrack.zst --diff h/warm-jackdaw-early.heaptrack.zst -o c.json",
    "heap h/warm-jackdaw.heaptrack.zst --diff s/svc_jemalloc_stats.json.gz",
    "heap s/svc_jemalloc_stats.json.gz -o a.csv",
    "heap s/svc_jemalloc_stats.json.gz -o a.html",
    "heap s/jemalloc_known_stats.txt -o b.json",
    "heap s/svc_jemalloc_stats.json.gz --diff h/warm-jackdaw.heaptrack.zst",
    "heap s/svc_jemalloc_stats.json.gz s/jemalloc_known_stats.txt",
    "heap fleet.parquet",
    "heap h/warm-jackdaw.heaptrack.zst -o s.txt",
    "dashboard nothing.parquet",
    "dashboard fleet.parquet --port 70000",
    "record -o a.parquet --kubectl --cgroup x",
    "record -o a.parquet --kubectl --context c -n shop -A",
    "record -o a.parquet --pid 1 -A",
    "record -o a.parquet --pid 1 --context here",
    "pull -o lake",
    "pull --prometheus http://127.0.0.1:1/ -o lake --last 1x",
    "classify fleet.parquet --work heap-leak",
    "classify fleet.parquet --workload few-samples -o - --format csv",
    "classify fleet.parquet --workload few-samples -o - --format markdown",
    "classify fleet.parquet --workload few-samples -o -",
    "classify fleet.parquet --workload few-samples -o v.txt --format csv",
    "classify fleet.parquet --format csv",
    "classify k/pod_A.txt --time 2026-11-16T12:00",
    "classify k/loop_date.txt --timezone Europe/Berlin -o k.csv",
    "classify k/pod_A_noheaders.txt --time 2026-11-16T12:00 --interval 30s",
    "classify fleet.parquet k/pod_A.txt --workload few-samples --workload nobody --start 2026-11-16T03:00 --end soon",
    *(
        f"classify fleet.parquet {option}"
        for option in ("--step 1h", "--ca-file c", "--remote-read", "--timeout 5", "--timeout 0", "--timeout x")
    ),
    *(
        f"classify fleet.parquet --workload few-samples {option}"
        for option in ("--metric a=b", "--metric a", "--metric =b", "--label a=")
    ),
    "explain few-samples fleet.parquet --start 2026-11-16T00:30 --namespace shop",
    "explain fleet.parquet few-samples",
    "explain heap-leak fleet.parquet --heap h/warm-jackdaw.dhat.json.gz --workload heap-leak",
    "compare fleet.parquet lake --workload few-samples -o c.html",
    "compare fleet.parquet lake --workload few-samples -o - --format csv",
    "compare fleet.parquet lake --workload few-samples -o c.txt",
    "limits lake --workload few-samples -o - --format yaml",
    "limits lake --workload few-samples -o - --format json --namespace shop --end 2026-11-16T01:00",
    "limits fleet.parquet --workload few-samples --oom-probability 5% --pod few-samples-api-0",
    "limits fleet.parquet --oom-probability 5x",
    "report lake -o week.html --workload few-samples --margins m.json --fail-on oom",
    "report lake -o week.html --workload few-samples --beside new --previous new --date 2026-11-23",
    "alerts fleet.parquet --workload heap-leak --pod heap-leak-api-0 -o rules.yaml --tests t.yaml --dashboard d.json",
    "alerts lake --workload killed-while-starting -o -",
    "alerts lake -o - --tests t.yaml",
    "alerts lake -o rules.txt",
    "alerts lake -o rules.yml --dashboard d.yaml",
    "heap",
    "heap --pyroscope http://127.0.0.1:1 --labels a,b=c",
    "heap --pyroscope http://127.0.0.1:1",
    "heap --pyroscope http://127.0.0.1:1 --labels a=b --last 1x",
    "heap h/warm-jackdaw.dhat.json.gz --pyroscope http://127.0.0.1:1",
    "heap http://127.0.0.1:1/a http://127.0.0.1:1/b",
    "heap h/warm-jackdaw-early.heaptrack.zst h/warm-jackdaw.heaptrack.zst -o s.json",
    "heap h/warm-jackdaw.dhat.json.gz --diff s/jemalloc_known_stats.txt",
    "record -o a.parquet",
    "record -o a.parquet --kubectl --name x",
    "record -o a.parquet --pid 1 --kubectl",
    "record -o a.parquet --pid 1 --duration 1x",
    "record -o a.parquet --pid 1 --interval 0s",
    "pull --prometheus http://127.0.0.1:1/ -o lake --metric a",
    "pull --prometheus http://127.0.0.1:1/ -o lake --timeout 0 --step 1h --overlap 2h --again",
    "dashboard fleet.parquet --heap heap-leak=a.zst --no-browser",
    "--versio",
)


def _actions(parser: argparse.ArgumentParser) -> Iterator[dict[str, Any]]:
    groups = {id(action): group.title for group in parser._action_groups for action in group._group_actions}
    alone = {id(a): at for at, group in enumerate(parser._mutually_exclusive_groups) for a in group._group_actions}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield {"commands": [[one.dest, one.help] for one in action._choices_actions], "required": action.required}
            continue
        known = {name: getattr(action, name) for name in _KNOWN if getattr(action, name) not in (None, False)}
        if not action.option_strings:
            # Whether a positional argument is required is told by nargs; Pythons differ in what they note.
            known.pop("required", None)
        known |= {"type": action.type.__name__} if isinstance(action.type, type) else {}
        known |= {"choices": list(action.choices)} if action.choices else {}
        names = [
            *action.option_strings,
            type(action).__name__.strip("_"),
            groups.get(id(action)),
            alone.get(id(action)),
        ]
        if action.dest != "help":
            yield {"option": names, **known}


def _options() -> Iterator[dict[str, Any]]:
    main = cli._parser()
    yield {"prog": main.prog, "says": main.description, "ends": main.epilog, "abbreviates": main.allow_abbrev}
    yield from _actions(main)
    commands = next(one for one in main._actions if isinstance(one, argparse._SubParsersAction))
    for name, parser in commands.choices.items():
        add_options(parser, name)
        yield {"command": name, "prog": parser.prog, "abbreviates": parser.allow_abbrev}
        yield from _actions(parser)


_TEXTS: Final = {".csv", ".json", ".yaml", ".yml", ".md"}


def _sum(written: str) -> str:
    """A sum of all that was written; of numbers four digits count, as elsewhere."""
    return f"{zlib.crc32(_short(written).encode()):08x}"


def _short(written: str) -> str:
    return re.sub(r"-?\d+\.\d+(?:e-?\d+)?", lambda found: f"{float(found[0]):.4g}", written)


def _ran(words: str, *, unicode: bool = True) -> dict[str, Any]:
    """Status, both outputs and new files of a command; of long outputs the ends, of files the first line."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8" if unicode else "ascii") for _ in range(2)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        try:
            status = cli.main(words.split())
        except SystemExit as end:
            status = int(str(end.code))
    told: dict[str, Any] = {"run": words, "status": status}
    for name, stream in zip(("out", "err"), streams, strict=True):
        stream.seek(0)
        written = stream.read()
        lines = (_short(written) if "-o -" in words else written).splitlines()
        told[name] = lines if len(lines) < 24 else [f"{len(lines)} lines, {_sum(written)}", *lines[:8], *lines[-4:]]
    made = [
        path for path in sorted(Path().rglob("*")) if before.get(path) != path.stat().st_mtime_ns and path.is_file()
    ]
    told["files"] = [
        [str(path), *([(text := path.read_text("utf-8"))[:160], _sum(text)] if path.suffix in _TEXTS else [])]
        for path in made
        if "lake" not in path.parts
    ]
    page = next((path for path in made if path.name.startswith("week.htm")), None)
    if page is not None:
        text = page.read_text("utf-8")
        looked_for = (">Mon<", "Memory report", "23 Nov 2026", "EUR", "USD", "it flutters", "What changed")
        told["page"] = [word for word in looked_for if word in text]
    return told


#: What an agent asks of the fleet, a link into it, a folder of heap profiles and a server.
ASKED: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("sources", {}),
    ("judge", {"source": "fleet.parquet", "most": 2}),
    ("judge", {"source": "fleet.parquet", "namespace": "mail", "most": 0}),
    ("judge", {"source": "fleet.parquet", "workload": "nobody"}),
    ("judge", {"source": "b/lake", "workload": "days-and-nights"}),
    ("judge", {"source": "http://127.0.0.1:1"}),
    ("judge", {"source": "http://127.0.0.1:2/"}),
    ("judge", {"source": "lake"}),
    ("judge", {"source": "b/gone"}),
    ("limits", {"source": "fleet.parquet", "workload": "held-at-its-limit", "oom_probability": 0.2}),
    ("limits", {"source": "fleet.parquet", "namespace": "shop", "most": 1}),
    ("explain", {"source": "fleet.parquet", "workload": "killed-climbs", "namespace": "mail"}),
    ("explain", {"source": "fleet.parquet", "workload": "kept-pages"}),
    ("heap", {"file": "h/warm-jackdaw.heaptrack.zst"}),
    ("heap", {"file": "h/warm-jackdaw.heaptrack.zst", "before": "h/warm-jackdaw-early.heaptrack.zst"}),
    ("heap", {"file": "a.toml"}),
)


def _asked() -> list[Any]:
    """What an agent is told, errors too; of long lists most rows are named alone."""
    Path("b").mkdir()
    Path("lake").rename("b/lake")
    Path("lake").symlink_to("b/lake")
    parser = argparse.ArgumentParser()
    add_options(parser, "mcp")
    tools = mcp.Tools(parser.parse_args(["fleet.parquet", "b", "h", "http://u:p@127.0.0.1:1/"]))
    here, heaps = os.path.realpath("."), os.path.realpath("h")
    lines: list[Any] = []
    for tool, words in ASKED:
        try:
            said: dict[str, Any] = getattr(tools, tool)(**words)
        except RmtoolkitError as error:
            said = {"error": str(error)}
        if tool == "sources":
            said["lines"] = [one for one in said["lines"] if heaps not in one and "lake" not in one]
        if "workloads" in said:
            said["workloads"][2:] = [row["workload"] for row in said["workloads"][2:]]
        lines += [f"{tool} {words}", json.loads(json.dumps(plain(said)).replace(here, "").replace(heaps, "h"))]
    return lines


def told() -> dict[str, list[Any]]:
    """Options of each command, the runs, and what an agent is told."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("h").symlink_to(HEAPS)
            Path("s").symlink_to(DATA / "jemalloc")
            Path("k").symlink_to(DATA / "kubectl")
            fleet.recording().write("fleet.parquet")
            rm.Lake("lake", buckets=2).append(fleet.recording())
            rm.Margins.shipped().save("m.json")
            Path("a.toml").write_text(_TOML, "utf-8")
            with judged_once():
                runs = [_ran(words) for words in RUNS]
                runs.append(_ran("classify fleet.parquet --workload kept-pages", unicode=False))
                runs.append(_ran("limits fleet.parquet --workload kept-pages", unicode=False))
                runs.append(_ran("heap s/svc_jemalloc_stats.json.gz", unicode=False))
                agents = _asked()
        finally:
            os.chdir(here)
    return {"options": list(_options()), "runs": runs, "agents": agents}


if __name__ == "__main__":
    write(FILE, told())
