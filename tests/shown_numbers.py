"""Reads numbers back out of every view, so that they can be held against the Assessment."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl
import yaml

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit.assessment import Assessment, assess
from rmtoolkit.cli import _parser, main
from rmtoolkit.cli.mcp import Tools
from rmtoolkit.limits.patches import patches_yaml
from rmtoolkit.limits.recommend import quantity
from rmtoolkit.limits.risk import USUAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Row = dict[str, Any]
    Key = tuple[str | None, ...]

WORKLOAD: Final = ("cluster", "namespace", "workload", "container")

#: What every view says of a workload, or is known not to say.
FACTS: Final = (
    "verdict",
    "headline",
    "next_step",
    "chance",
    "limit",
    "advised_limit",
    "advised_request",
    "advised_chance",
    "action",
    "hours_to_limit",
    "limit_at",
    "live",
    "kept",
    "peak",
    "kills",
    "waste",
    "cost",
)


class Seen(NamedTuple):
    """One fact as a view shows it."""

    key: Key
    fact: str
    shown: Any


@dataclass
class Fleet:
    """A recording, its Assessment, and what the views made of it."""

    name: str
    recording: rm.Recording
    folder: Path
    views: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def found(self) -> Assessment:
        """What is true of it."""
        return assess(self.recording, prices=USUAL)

    @cached_property
    def rows(self) -> dict[Key, Row]:
        """The rows of the Assessment."""
        return {key(row): row for row in self.found.workloads.iter_rows(named=True)}

    @cached_property
    def names(self) -> dict[str, Key]:
        """Every way in which a view may write the name of a workload."""
        written = {}
        for one in self.rows:
            _, space, workload, container = one
            for parts in ((workload,), (space, workload), (space, workload, container), (workload, container)):
                written["/".join(part for part in parts if part)] = one
        return written

    @cached_property
    def path(self) -> Path:
        """The recording as a file, for the command line."""
        path = self.folder / f"{self.name}.parquet"
        self.recording.write(path)
        return path

    @cached_property
    def report(self) -> Path:
        """A folder with page and files of a report."""
        page = self.folder / f"{self.name}.html"
        self.run("report", "-o", page, "--beside", self.folder / self.name, "--price", USUAL.per_gib_hour)
        return page

    def run(self, command: str, *options: object) -> str:
        """Run a command on the recording and give what it prints."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main([command, str(self.path), *map(str, options)])
        assert status == 0, said.getvalue()
        return said.getvalue()

    def written(self, command: str, ending: str) -> Path:
        """Give the file that a command writes, with prices where it takes them."""
        path = self.folder / f"{self.name}-{command}.{ending}"
        if not path.exists():
            self.run(command, "-o", path, *(["--price", USUAL.per_gib_hour] if command == "limits" else []))
        return path

    def seen(self, view: str) -> list[Seen]:
        """Give every fact that a view shows."""
        if view not in self.views:
            self.views[view] = list(VIEWS[view].read(self))
        found: list[Seen] = self.views[view]
        return found

    @cached_property
    def alone(self) -> dict[Key, Assessment]:
        """What is true of each workload as a recording of its own."""
        found = {}
        for one in self.rows:
            same = [pl.col(name).eq_missing(pl.lit(value)) for name, value in zip(WORKLOAD, one, strict=True)]
            found[one] = assess(self.recording.filter(*same))
        return found


def key(row: Row) -> Key:
    """Name a workload container."""
    return tuple(row[name] for name in WORKLOAD)


def run_of_corpus(count: int) -> rm.Recording:
    """Take so many runs of the part for development, of all shapes."""
    labels = pl.read_csv("data/corpus/dev_labels.csv", columns=["run", "shape", "namespace", "workload"])
    chosen = labels.sort("shape", "run").gather_every(labels.height // count).head(count)
    both = pl.struct("namespace", "workload")
    return rm.read_recording("data/corpus/dev.parquet").filter(
        both.is_in(chosen.select(both.alias("one"))["one"].implode())
    )


# Markup.


class Node(list["Node | str"]):
    """An element of a page: its children."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        super().__init__()
        self.tag = tag
        self.attributes = attributes

    def all(self, tag: str | None = None, **wanted: str) -> Iterator[Node]:
        """Find elements by their tag and by words of their attributes."""
        for child in self:
            if isinstance(child, Node):
                words = {name: (child.attributes.get(name.strip("_")) or "").split() for name in wanted}
                if tag in (None, child.tag) and all(value in words[name] for name, value in wanted.items()):
                    yield child
                yield from child.all(tag, **wanted)

    def first(self, tag: str | None = None, **wanted: str) -> Node | None:
        """Find the first of them."""
        return next(self.all(tag, **wanted), None)

    def text(self, *, without: tuple[str, ...] = ("svg", "style", "script")) -> str:
        """Give the words."""
        parts = (
            child if isinstance(child, str) else "" if child.tag in without else child.text(without=without)
            for child in self
        )
        return "".join(parts).replace("\u00a0", " ")


class _Reader(HTMLParser):
    _EMPTY: Final = frozenset({"br", "col", "hr", "img", "input", "meta", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs))
        self.open[-1].append(node)
        if tag not in self._EMPTY:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].append(Node(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self._EMPTY:
            while self.open[-1].tag != tag:
                self.open.pop()
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].append(data)


def parsed(markup: str) -> Node:
    """Parse a page or a part of one."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.open[0]


def words(node: Node | None, **without: Any) -> str:
    """Give the words of an element that must be there."""
    assert node is not None, "the element is not in the page"
    return node.text(**without).strip()


# How a fact is written.


def of(column: str, write: Callable[[Any], Any] = lambda value: value) -> Callable[[Row], Any]:
    """Write a column."""
    return lambda row: write(row[column])


def limit(row: Row) -> str:
    """Write the limit in force, or that each pod has its own."""
    return "per pod" if row["limits_differ"] else text.configured(row["limit_bytes"], known=bool(row["limit_known"]))


def limit_mi(row: Row) -> str:
    """Write the limit in force without its unit."""
    return limit(row).removesuffix(" Mi")


def peak_mi(row: Row) -> str:
    """Write the highest sample without its unit."""
    return text.peak_against_limit(row, unit=False).split(" / ")[0]


def chance_of_fact(row: Row) -> str:
    """Write the chance beside the limit; where there can be none, a dash."""
    none = row["oom_probability_7d"] is None and row["limit_bytes"] is None and row["limit_known"]
    return text.NOT_APPLICABLE if none else text.chance(row["oom_probability_7d"])


def badge(row: Row) -> str:
    """Write the verdict as a badge."""
    return text.VERDICTS[row["verdict"]].badge


def word(row: Row) -> str:
    """Write the verdict as a word."""
    return text.VERDICTS[row["verdict"]].word


class Near(float):
    """A number that may be written with fewer places."""

    def __eq__(self, other: object) -> bool:
        shown = str(other).replace(",", "").replace("−", "-").split(" ")[0]
        places = len(shown.partition(".")[2])
        return abs(float(shown) - self) <= 0.5 * 10.0**-places * (1 + 1e-9)

    __hash__ = None  # type: ignore[assignment]


class AnyOf(frozenset[str]):
    """Words that mean the same."""

    def __eq__(self, other: object) -> bool:
        return str(other).lower().replace("_", " ") in self

    __hash__ = None  # type: ignore[assignment]


class Spoken(str):
    """A sentence, however it is cut into elements."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return re.sub(r"\W+", "", self) == re.sub(r"\W+", "", str(other))

    __hash__ = None  # type: ignore[assignment]


_ACTIONS: Final = {
    "fix_leak": ("fix first", "fix the growth first", "fix leak", "fix the leak"),
    "raise_limit": ("raise", "raise limit", "raise the limit"),
    "lower_limit": ("lower", "lower limit", "lower the limit"),
    "set_limit": ("set", "set limit", "set a limit"),
    "tune_allocator": ("tune allocator", "tune the allocator"),
    "reduce_startup": ("reduce startup", "reduce the startup"),
    "fix_exporter": ("fix exporter", "fix the exporter"),
    "clear_files": ("clear files", "clear the files in memory"),
    "wait": ("wait", "wait for more history", "wait for more data"),
    "none": ("none", "keep", "keep the limit", "nothing to do"),
}
#: Kinds whose template can be changed.
APPLIED: Final = ("CronJob", "DaemonSet", "Deployment", "StatefulSet")
OF_LIMITS: Final = ("raise_limit", "lower_limit", "set_limit")


def action(row: Row) -> AnyOf:
    """Write the action in any of its words."""
    return AnyOf(_ACTIONS[row["action"]])


def told(column: str) -> Callable[[Row], bool]:
    """Tell that a column is known."""
    return lambda row: row[column] is not None


def always(_: Row) -> bool:
    """Tell that a view shows a fact of every workload."""
    return True


def perhaps(_: Row) -> None:
    """Tell that a view may leave a workload out."""


def calm(row: Row) -> bool | None:
    """Tell whose card has a table of limits; of what grows it may have what a higher limit buys."""
    return None if row["growing"] else True


def of_calm(due: Callable[[Row], bool]) -> Callable[[Row], bool | None]:
    """Tell what that table has; of what grows it may have it."""
    return lambda row: None if row["growing"] else due(row)


def leaks(row: Row) -> bool:
    """Tell what the tables of leaks list."""
    return bool(row["verdict"] == "leak")


def changes(row: Row) -> bool:
    """Tell what the tables of limits list: what is to be raised, set or lowered."""
    return row["action"] in OF_LIMITS


def patched(row: Row) -> bool:
    """Tell for what a patch can be written."""
    return (
        changes(row) and row["workload_kind"] in (*APPLIED, "Job") and None not in (row["workload"], row["container"])
    )


def applied(row: Row) -> bool:
    """Tell for what a line of kubectl can be written: the template of a Job cannot be changed."""
    return patched(row) and row["workload_kind"] in APPLIED


def advised(row: Row) -> bool:
    """Tell that there is an advised limit."""
    return row["advised_limit_bytes"] is not None


def of_one_limit(when: Callable[[Row], bool]) -> Callable[[Row], bool]:
    """Leave out pods with limits of their own: what is explored is one limit for all of them."""
    return lambda row: when(row) and not row["limits_differ"]


def requests(row: Row) -> bool:
    """Tell that there is an advised request; of what may go on growing there is none."""
    return row["advised_request_bytes"] is not None


def layered(row: Row) -> bool | None:
    """Tell whose chart has the live heap beneath kept pages; without them it may have it."""
    return row["live_bytes"] is not None and (None if row["kept_bytes"] is None else True)


def gives_back(row: Row) -> bool:
    """Tell that something can be given back."""
    return bool(row["waste_bytes"]) or row["action"] == "lower_limit"


def listed(row: Row) -> bool:
    """Tell that the tables of limits list it: to raise, or to give back."""
    return changes(row) or gives_back(row)


def priced(row: Row) -> bool:
    """Tell for what the tables of limits write a price; beside what is lowered stands what it gives back."""
    return (
        changes(row)
        and row["action"] != "lower_limit"
        and None not in (row["cost_now_per_month"], row["cost_then_per_month"])
    )


@dataclass(frozen=True)
class Fact:
    """How a view writes a fact, and of which workloads."""

    write: Callable[[Row], Any]
    #: None: it may be shown or not, but where it is, it is the Assessment's.
    due: Callable[[Row], bool | None] = always


@dataclass(frozen=True)
class View:
    """One view: how it is read, what it shows."""

    read: Callable[[Fleet], Iterator[Seen]]
    shows: dict[str, Fact]
    #: What it has no room for.
    lacks: tuple[str, ...]
    fleets: tuple[str, ...] = ("samples", "corpus", "drawn")


# The readers.

_BLOCK: Final = re.compile(r"^[▲◆●] (LEAK|INCONCLUSIVE|NOT A LEAK)\s+(\S+)\s+(.*)$", re.MULTILINE)


def classify_terminal(fleet: Fleet) -> Iterator[Seen]:
    """Read the table of `rmtoolkit classify`."""
    said = fleet.run("classify", "-v")
    for verdict, name, rest in _BLOCK.findall(said):
        one = fleet.names[name]
        _, peak, left, chance = re.split(r"\s{2,}", rest.strip())
        yield Seen(one, "verdict", verdict)
        yield Seen(one, "peak", peak.split(" / ")[0].removesuffix(" Mi"))
        yield Seen(one, "limit", peak.split(" / ")[1])
        yield Seen(one, "hours_to_limit", left)
        yield Seen(one, "chance", chance)


def limits_terminal(fleet: Fleet) -> Iterator[Seen]:
    """Read the blocks of `rmtoolkit limits`, in short and in full."""
    for head, rest in re.findall(
        r"^(\S.*)\n((?:  .*\n)+)", fleet.run("limits") + fleet.run("limits", "-v"), re.MULTILINE
    ):
        *verb, name = head.split()
        one, said = fleet.names[name], " ".join(rest.split())
        yield Seen(one, "action", " ".join(verb))
        found = re.match(
            r"(?:no limit(?: yet)?|no safe limit|limit (?P<then>\S+ Mi))(?:, request (?P<request>\S+ Mi))?; "
            r"limit now (?P<now>none|unknown|\S+ Mi)"
            r"(?:, risk now (?P<chance>\S+ %|unknown))?(?:, then (?P<after>\S+ %|unknown))?",
            said,
        )
        kept = re.match(
            r"keep (?:each pod's limit|the limit of (?P<now>(?P<then>\S+ Mi)))(?:, request (?P<request>\S+ Mi))?"
            r"(?:; risk (?P<chance>(?P<after>\S+ %)))?",
            said,
        )
        found = found or kept
        assert found is not None, said
        yield Seen(one, "limit", found["now"] or "per pod")
        for fact, group in (
            ("advised_limit", "then"),
            ("advised_request", "request"),
            ("chance", "chance"),
            ("advised_chance", "after"),
        ):
            if found[group] is not None:
                yield Seen(one, fact, found[group])


#: Names that a fact may have as a column of a file.
_COLUMNS: Final = {
    "verdict": ("verdict",),
    "next_step": ("next_step",),
    "chance": ("oom_probability_7d", "oom_probability_now"),
    "limit": ("limit_bytes",),
    "advised_limit": ("advised_limit_bytes", "recommended_limit_bytes"),
    "advised_request": ("advised_request_bytes", "recommended_request_bytes"),
    "advised_chance": ("advised_oom_probability", "oom_probability"),
    "action": ("action",),
    "hours_to_limit": ("hours_to_limit",),
    "peak": ("peak_bytes",),
    "kills": ("kills",),
    "waste": ("waste_bytes",),
    "cost": ("cost_now_per_month",),
}


def file(command: str, ending: str) -> Callable[[Fleet], Iterator[Seen]]:
    """Make the reader of a file that a command writes."""

    def read(fleet: Fleet) -> Iterator[Seen]:
        for row in rows_of(fleet.written(command, ending)):
            for fact, names in _COLUMNS.items():
                for name in names:
                    if name in row:
                        yield Seen(key(row), fact, row[name])
                        break

    return read


def rows_of(path: Path) -> list[Row]:
    """Read the rows of a table in a file."""
    if path.suffix == ".json":
        return json.loads(path.read_text("utf-8"))  # type: ignore[no-any-return]
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema_length=None)
    return frame.to_dicts()


_NOW_THEN: Final = (("limit", "advised_limit"), ("chance", "advised_chance"))


def markdown(fleet: Fleet) -> Iterator[Seen]:
    """Read the tables of summary.md."""
    fleet.report  # noqa: B018 - writes it
    section = ""
    for line in (fleet.folder / fleet.name / "summary.md").read_text("utf-8").splitlines():
        if line.startswith("## "):
            section = line
        cells = [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line.strip("|").split(" | ")]
        if not line.startswith("| ") or cells[0] == "Workload":
            continue
        one = fleet.names[cells[0]]
        if "Leaks" in section:
            yield Seen(one, "verdict", "Leak")
            yield Seen(one, "hours_to_limit", cells[2])
            yield Seen(one, "chance", cells[3])
        else:
            # What can be given back stands before them; where no limit is advised, only what is now.
            for names, cell in zip(_NOW_THEN, cells[-2:], strict=True):
                for name, shown in zip(names, cell.split(" → "), strict=False):
                    yield Seen(one, name, shown)
            if len(cells) > len(_NOW_THEN) + 1:
                yield Seen(one, "waste", cells[1])


def _anchor(fleet: Fleet, row: Node) -> Key:
    link = row.first("a")
    assert link is not None
    return fleet.names[(link.attributes.get("href") or "").removeprefix("#")]


def _page(fleet: Fleet) -> Node:
    if "page" not in fleet.views:
        fleet.views["page"] = parsed(fleet.report.read_text("utf-8"))
    page: Node = fleet.views["page"]
    return page


def _unpacked(node: Node) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(words(node, without=())), -15))


def _packed_rows(fleet: Fleet) -> Iterator[tuple[str, Key, dict[str, Node], list[Any]]]:
    """Give section, workload, cells and values of all rows of a report's tables."""
    blob = _unpacked(next(_page(fleet).all("script", id="rows")))
    for section, rows in blob["sections"].items():
        for _, markup, values in rows:
            row = parsed(markup)
            cells = {cell.attributes["data-label"] or "": cell for cell in row.all("td")}
            yield section, _anchor(fleet, row), cells, values


_FLEET: Final = "all"


def report_table(fleet: Fleet) -> Iterator[Seen]:
    """Read the table of all workloads of a report."""
    for section, one, cells, _ in _packed_rows(fleet):
        if section == _FLEET:
            yield from _of_cells(one, cells)


def _of_cells(one: Key, cells: dict[str, Node]) -> Iterator[Seen]:
    said = {name.replace("\u00a0", " "): words(cell) for name, cell in cells.items()}
    yield Seen(one, "verdict", said["Verdict"])
    yield Seen(one, "chance", said["OOM kill 7 d"])
    yield Seen(one, "hours_to_limit", said["Time to limit"])
    peak, _, most = said["Peak / limit, Mi"].partition(" / ")
    yield Seen(one, "peak", peak)
    yield Seen(one, "limit", most)
    if said["Spare"] != text.NOT_APPLICABLE:
        yield Seen(one, "waste", said["Spare"])


def report_leaks(fleet: Fleet) -> Iterator[Seen]:
    """Read the table of leaks of a report."""
    for section, one, cells, _ in _packed_rows(fleet):
        if section == "leak":
            said = {name.replace("\u00a0", " "): words(cell) for name, cell in cells.items()}
            yield Seen(one, "verdict", "Leak")
            yield Seen(one, "chance", said["OOM kill 7 d"])
            yield Seen(one, "hours_to_limit", said["Time to limit"])
            yield Seen(one, "peak", said["Peak / limit, Mi"].partition(" / ")[0])
            yield Seen(one, "limit", said["Peak / limit, Mi"].partition(" / ")[2])
            yield Seen(one, "next_step", said["Next step"].removesuffix("."))


def report_limits(fleet: Fleet) -> Iterator[Seen]:
    """Read the tables of limits to raise or set, and to lower, of a report."""
    for section, one, cells, _ in _packed_rows(fleet):
        if section not in ("raise", "spare"):
            continue
        said = {name.replace("\u00a0", " "): words(cell) for name, cell in cells.items()}
        before, _, then = said["Limit, Mi"].partition(" → ")
        if then in ("", before):
            # What stays gives back by its request.
            continue
        known = before not in ("none", "unknown")
        lower = known and float(then.replace(",", "")) < float(before.replace(",", ""))
        yield Seen(one, "action", "lower" if lower else "raise" if known else "set")
        yield Seen(one, "limit", before)
        yield Seen(one, "advised_limit", then)
        if request := said["Request, Mi"].partition(" → ")[2]:
            yield Seen(one, "advised_request", request)
        yield from _now_then(one, said["OOM kill 7 d"])
        if price := re.match(r"([+−]?[\d,.]+) USD", said.get("Cost a month", "")):
            yield Seen(one, "cost", price[1].removeprefix("+"))


def _now_then(one: Key, chances: str) -> Iterator[Seen]:
    """Read two chances, or one that stays as it is written."""
    now, arrow, then = chances.partition(" → ")
    yield Seen(one, "chance", f"{now} %" if arrow and now[-1].isdigit() else now)
    yield Seen(one, "advised_chance", then or now)


def report_apply(fleet: Fleet) -> Iterator[Seen]:
    """Read the panel of patches to apply of a report."""
    for listed in _page(fleet).all("table", class_="apply"):
        for row in listed.all("tr"):
            cells = [words(cell) for cell in (*row.all("th"), *row.all("td"))]
            if cells[0] not in fleet.names:
                continue
            before, _, then = cells[1].partition(" → ")
            one = fleet.names[cells[0]]
            yield Seen(one, "limit", before)
            yield Seen(one, "advised_limit", then)
            yield from _now_then(one, cells[2])


def alert_rules(fleet: Fleet) -> Iterator[Seen]:
    """Read what the annotations of `rmtoolkit alerts` say."""
    path = fleet.folder / f"{fleet.name}-rules.yaml"
    fleet.run("alerts", "-o", path)
    anchors = {f"rmtoolkit {row['anchor']}": one for one, row in fleet.rows.items()}
    for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
        for alert in group["rules"]:
            yield Seen(anchors[group["name"]], "next_step", alert["annotations"]["runbook"].partition(" Next: ")[2])


def agent(tool: str) -> Callable[[Fleet], Iterator[Seen]]:
    """Read what a tool of `rmtoolkit mcp` answers."""

    def read(fleet: Fleet) -> Iterator[Seen]:
        tools = Tools(_parser().parse_args(["mcp", str(fleet.path)]))
        told = getattr(tools, tool)(str(fleet.path), most=1000)
        assert not told["left_out"]
        for row in told["workloads"]:
            for fact, names in {**_COLUMNS, "headline": ("headline",), "limit_at": ("limit_at",)}.items():
                for name in set(names) & row.keys():
                    yield Seen(key(row), fact, row[name])

    return read


#: Numbers by which the table of all workloads is sorted, in its order.
_SORTED: Final = {"OOM kill 7 d": "chance", "Time to limit": "hours_to_limit", "Peak / limit, Mi": "peak"}


def report_blob(fleet: Fleet) -> Iterator[Seen]:
    """Read the numbers that a report's script sorts by."""
    for section, one, cells, values in _packed_rows(fleet):
        if section == _FLEET:
            for name, value in zip(cells, values[1:], strict=True):
                if fact := _SORTED.get(name.replace("\u00a0", " ")):
                    yield Seen(one, fact, value)


def report_cards(fleet: Fleet) -> Iterator[Seen]:
    """Read the cards of a report: those that stand in the page and those that are unfolded later."""
    page = _page(fleet)
    cards = list(page.all("article"))
    for script in page.all("script", type="text/plain"):
        if (script.attributes.get("id") or "").startswith("cards-"):
            cards += [next(parsed(markup).all("article")) for markup in _unpacked(script)]
    for card in cards:
        one = fleet.names[words(card.first("span", class_="who")).split(",")[0]]
        yield Seen(one, "verdict", words(card.first("span", class_="badge")))
        yield Seen(one, "headline", words(card.first("h3")))
        yield Seen(one, "next_step", words(card.first("p", class_="next")).removeprefix("Next: "))
        yield from _of_facts(one, card)
        yield from _of_folded(one, card)
        if (described := card.first("desc")) is not None:
            yield from _of_chart(one, words(described))
        yield from _of_limits(one, card)


def _of_limits(one: Key, card: Node) -> Iterator[Seen]:
    """Read the table of request and limit."""
    for head in card.all("h4"):
        said = words(head)
        if said.startswith("Request and limit "):
            yield Seen(one, "action", said.removeprefix("Request and limit "))
    for row in card.all("tr"):
        cells = [words(cell) for cell in row if isinstance(cell, Node)]
        if cells[0] == "recommended" and cells[2] != text.NOT_APPLICABLE:
            if cells[1] != text.NOT_APPLICABLE:
                yield Seen(one, "advised_request", cells[1])
            yield Seen(one, "advised_limit", cells[2])
            yield Seen(one, "advised_chance", cells[3].split(" (")[0])
        if cells[0] == "now":
            yield Seen(one, "limit", cells[2])
            yield Seen(one, "chance", cells[3])


def _of_facts(one: Key, part: Node) -> Iterator[Seen]:
    """Read the four facts beside an answer."""
    for fact in next(part.all("dl", class_="facts")).all("div"):
        label, value = words(fact.first("dt")), words(fact.first("dd"))
        if label == "Time to limit":
            yield Seen(one, "hours_to_limit", value)
        elif label == "OOM kill, 7 days":
            yield Seen(one, "fact_chance", value)


def _of_folded(one: Key, part: Node) -> Iterator[Seen]:
    """Read how many lives ended in an OOM kill."""
    for summary in part.all("summary"):
        if (said := words(summary)).startswith("Lifetimes"):
            found = re.search(r", (no|[\d,]+) OOM kills?$", said)
            assert found is not None, said
            yield Seen(one, "kills", 0 if found[1] == "no" else int(found[1].replace(",", "")))


def _of_chart(one: Key, said: str) -> Iterator[Seen]:
    """Read what a chart says in words."""
    layers = re.search(r"Layers from the bottom: (.*?)\. ", said)
    for fact, name in (("live", "live heap"), ("kept", "kept pages")):
        if layers and (found := re.search(rf"{name} (\S+ \w+)", layers[1])):
            yield Seen(one, fact, found[1])


def limits_yaml(fleet: Fleet) -> Iterator[Seen]:
    """Read the patches that `rmtoolkit limits` writes."""
    path = fleet.folder / f"{fleet.name}.yaml"
    fleet.run("limits", "-o", path, "--price", USUAL.per_gib_hour)
    yield from _of_patches(fleet, path.read_text("utf-8"))


def report_yaml(fleet: Fleet) -> Iterator[Seen]:
    """Read the patches beside a report."""
    fleet.report  # noqa: B018 - writes it
    yield from _of_patches(fleet, (fleet.folder / fleet.name / "limits.yaml").read_text("utf-8"))


def _of_patches(fleet: Fleet, patches: str) -> Iterator[Seen]:
    for document in yaml.safe_load_all(patches):
        if not document:
            continue
        about = document["metadata"]
        job = document["spec"].get("jobTemplate", document)["spec"]
        for container in job["template"]["spec"]["containers"]:
            one = fleet.names.get("/".join((about["namespace"], about["name"], container["name"])))
            one = one or fleet.names["/".join((about["name"], container["name"]))]
            yield Seen(one, "advised_limit", container["resources"]["limits"]["memory"])
            if "requests" in container["resources"]:
                yield Seen(one, "advised_request", container["resources"]["requests"]["memory"])


def kubectl(fleet: Fleet) -> Iterator[Seen]:
    """Read the lines for kubectl."""
    for line in re.findall(r"^# (kubectl .*)$", patches_yaml(fleet.found.workloads), re.MULTILINE):
        said = dict(re.findall(r"--(namespace |containers=|requests=memory=|limits=memory=)(\S+)", line))
        found = re.search(r"resources \w+/(\S+)", line)
        assert found is not None, line
        own = f"{found[1]}/{said['containers=']}"
        one = fleet.names.get(f"{said['namespace ']}/{own}") or fleet.names[own]
        yield Seen(one, "advised_limit", said["limits=memory="])
        if "requests=memory=" in said:
            yield Seen(one, "advised_request", said["requests=memory="])


def _explained(fleet: Fleet) -> Iterator[tuple[Key, Any]]:
    for one, row in fleet.rows.items():
        yield one, rm.explain(fleet.found, row["name"])


def explain_text(fleet: Fleet) -> Iterator[Seen]:
    """Read `rm.explain` as text."""
    for one, found in _explained(fleet):
        said = found.summary()
        yield Seen(one, "headline", found.headline)
        yield Seen(one, "verdict", repr(found).split(": ")[1])
        yield Seen(one, "next_step", re.findall(r"^Next: (.*)$", said, re.MULTILINE)[-1])
        if chance := re.search(r"(\S+ %) within 7 days", said):
            yield Seen(one, "chance", chance[1])


def explain_html(fleet: Fleet) -> Iterator[Seen]:
    """Read `rm.explain` as a notebook shows it."""
    for one, found in _explained(fleet):
        part = parsed(found._repr_html_())
        yield Seen(one, "verdict", words(part.first("span", class_="badge"))[2:])
        yield Seen(one, "headline", words(part.first("p", class_="headline")))
        yield Seen(one, "next_step", words(part.first("div", class_="next")).removeprefix("Next: "))
        yield from _of_facts(one, part)


def _walked(widget: Any) -> str:
    """Put the markup of a dashboard together."""
    parts = [value] if isinstance(value := getattr(widget, "value", None), str) and "<" in value else []
    return "".join([*parts, *map(_walked, getattr(widget, "children", ()))])


def fleet_table(fleet: Fleet) -> Iterator[Seen]:
    """Read all pages of the table of `rm.Fleet`."""
    board = rm.Fleet(fleet.recording, price_per_gib_hour=USUAL.per_gib_hour)
    while True:
        names = list(board.shown)
        table = next(parsed(_walked(board)).all("table", class_="rm-fleet"))
        heads = [words(head).rstrip("▾▴").strip() for head in next(table.all("thead")).all("th")]
        for name, row in zip(names, next(table.all("tbody")).all("tr"), strict=True):
            cells = dict(zip(heads[1:], row.all("td"), strict=True))
            yield from _of_cells(fleet.names[name], cells)
        page = board.page
        board.page = page + 1
        if board.page == page:
            break
    board.close()


def _of_triage(one: Key, board: Any) -> Iterator[Seen]:
    part = parsed(_walked(board))
    yield Seen(one, "verdict", words(part.first("span", class_="badge")))
    yield Seen(one, "headline", words(part.first("p", class_="headline")))
    following = next(part.all("div", class_="next"))
    yield Seen(one, "next_step", words(following, without=("svg", "button")).removeprefix("Next:").strip())
    yield from _of_facts(one, part)
    yield from _of_folded(one, part)
    yield from _of_chart(one, board.picture.says)
    for button in following.all("button"):
        if found := re.search(
            r"limits\.memory: (\S+)|limits:\s+memory: (\S+)", button.attributes.get("data-rm-copy") or ""
        ):
            yield Seen(one, "advised_limit", found[1] or found[2])


def triage(fleet: Fleet) -> Iterator[Seen]:
    """Read `rm.Triage` of a fleet, one workload after the other."""
    board = rm.Triage(fleet.found)
    for one, row in fleet.rows.items():
        board.workload = row["name"]
        yield from _of_triage(one, board)
    board.close()


def triage_alone(fleet: Fleet) -> Iterator[Seen]:
    """Read `rm.Triage` of each workload alone."""
    for one, found in fleet.alone.items():
        board = rm.Triage(found)
        yield from _of_triage(one, board)
        board.close()


def _of_explorer(one: Key, row: Row, board: Any) -> Iterator[Seen]:
    assert str(one[2]) in board.workload, f"{board.workload} is open"

    def said() -> tuple[Node, str, str, str | None]:
        """Give what is shown, with the limit, the chance and the cost that its charts say in words."""
        part = parsed(_walked(board))
        labels = " ".join(svg.attributes.get("aria-label") or "" for svg in part.all("svg"))
        at = re.search(r"at a limit of (\S+ Mi)", labels)
        chance = re.search(r"in 7 days(?: at \S+ Mi)?: (\S+ %|unknown)", labels)
        assert at is not None, labels
        assert chance is not None, labels
        cost = re.search(r"Cost a month at \S+ Mi: ([^\s,]+)", labels)
        return part, at[1], chance[1], cost[1] if cost and cost[1] != text.UNKNOWN else None

    if row["limits_differ"]:
        yield Seen(one, "chance", said()[2])
        return
    if row["limit_bytes"] is not None:
        board.limit_bytes = row["limit_bytes"]
        _, at, chance, cost = said()
        yield Seen(one, "limit", at)
        yield Seen(one, "chance", chance)
        if cost:
            yield Seen(one, "cost", cost)
    ours = board.scene.ours_bytes
    if ours is not None:
        board.limit_bytes = ours
        part, at, chance, _ = said()
        yield Seen(one, "advised_limit", at)
        yield Seen(one, "advised_chance", chance)
        for button in part.all("button"):
            if asked := re.search(r"requests:\s+memory: (\S+)", button.attributes.get("data-rm-copy") or ""):
                yield Seen(one, "advised_request", asked[1])


def explorer(fleet: Fleet) -> Iterator[Seen]:
    """Read `rm.LimitExplorer` of a fleet, one workload after the other."""
    board = rm.LimitExplorer(fleet.found)
    for one, row in fleet.rows.items():
        board.workload = row["name"]
        yield from _of_explorer(one, row, board)
    board.close()


def explorer_alone(fleet: Fleet) -> Iterator[Seen]:
    """Read `rm.LimitExplorer` of each workload alone."""
    for one, found in fleet.alone.items():
        board = rm.LimitExplorer(found)
        yield from _of_explorer(one, fleet.rows[one], board)
        board.close()


# What each shows, and what it does not.


def spoken(row: Row) -> Spoken:
    """Write the next step as a page does: its code and what is expected stand apart."""
    return Spoken(row["next_step"])


def _spare(bytes_: int | None) -> str:
    return text.NOT_APPLICABLE if bytes_ is None else text.fleet_memory(bytes_)


def _shown(**facts: Fact | Callable[[Row], Any]) -> dict[str, Fact]:
    return {name: one if isinstance(one, Fact) else Fact(one) for name, one in facts.items()}


def _rounded(column: str) -> Callable[[Row], Any]:
    return lambda row: None if row[column] is None else float(f"{row[column]:.4g}")


_OF_CLASSIFY: Final = _shown(
    verdict=of("verdict"),
    next_step=of("next_step"),
    chance=of("oom_probability_7d"),
    limit=of("limit_bytes"),
    hours_to_limit=of("hours_to_limit"),
    peak=of("peak_bytes"),
)
_OF_LIMITS: Final = _shown(
    verdict=of("verdict"),
    chance=of("oom_probability_7d"),
    limit=of("limit_bytes"),
    advised_limit=of("advised_limit_bytes"),
    advised_request=of("advised_request_bytes"),
    advised_chance=of("advised_oom_probability"),
    action=of("action"),
    peak=of("peak_bytes"),
    kills=of("kills"),
    cost=of("cost_now_per_month"),
)
_OF_FLEET: Final = _shown(
    verdict=word,
    chance=chance_of_fact,
    limit=limit_mi,
    hours_to_limit=text.time_to_limit,
    peak=peak_mi,
    waste=Fact(of("waste_bytes", _spare), lambda row: bool(row["waste_bytes"])),
)
_OF_PATCHES: Final = _shown(
    advised_limit=Fact(of("advised_limit_bytes", quantity), patched),
    advised_request=Fact(of("advised_request_bytes", quantity), lambda row: patched(row) and requests(row)),
)
_OF_TRIAGE: Final = _shown(
    verdict=badge,
    headline=of("headline"),
    next_step=spoken,
    fact_chance=chance_of_fact,
    advised_limit=Fact(of("advised_limit_bytes", quantity), changes),
    hours_to_limit=text.time_to_limit,
    live=Fact(of("live_bytes", text.memory), layered),
    kept=Fact(of("kept_bytes", text.memory), told("kept_bytes")),
    kills=of("kills"),
)
_OF_EXPLORER: Final = _shown(
    chance=Fact(chance_of_fact, told("limit_bytes")),
    limit=Fact(limit, of_one_limit(told("limit_bytes"))),
    advised_limit=Fact(of("advised_limit_bytes", text.configured), of_one_limit(advised)),
    advised_chance=Fact(of("advised_oom_probability", text.chance), of_one_limit(advised)),
    advised_request=Fact(
        of("advised_request_bytes", quantity), of_one_limit(lambda row: advised(row) and requests(row))
    ),
    cost=Fact(
        lambda row: Near(row["cost_now_per_month"] + row["incidents_now_per_month"]),
        of_one_limit(
            lambda row: None not in (row["limit_bytes"], row["cost_now_per_month"], row["incidents_now_per_month"])
        ),
    ),
)


def _view(read: Callable[[Fleet], Iterator[Seen]], shows: dict[str, Fact], lacks: str, *fleets: str) -> View:
    return View(read, shows, tuple(lacks.split()), fleets or ("samples", "corpus", "drawn"))


_NO_CLASSIFY: Final = "headline advised_limit advised_request advised_chance action limit_at live kept kills waste cost"
_NO_LIMITS: Final = "headline next_step hours_to_limit limit_at live kept waste"
_NO_FLEET: Final = (
    "headline next_step advised_limit advised_request advised_chance action limit_at live kept kills cost"
)
_NO_PATCH: Final = (
    "verdict headline next_step chance limit advised_chance action hours_to_limit limit_at live kept peak kills waste "
    "cost"
)
_NO_TRIAGE: Final = "limit advised_request advised_chance action limit_at peak waste cost"
_NO_EXPLORER: Final = "verdict headline next_step action hours_to_limit limit_at live kept peak kills waste"

VIEWS: Final = {
    "classify terminal": _view(
        classify_terminal,
        _shown(
            verdict=badge,
            chance=chance_of_fact,
            limit=limit,
            hours_to_limit=text.time_to_limit,
            peak=peak_mi,
        ),
        f"next_step {_NO_CLASSIFY}",
    ),
    **{
        f"classify {ending}": _view(file("classify", ending), _OF_CLASSIFY, _NO_CLASSIFY)
        for ending in ("json", "csv", "parquet")
    },
    "limits terminal": _view(
        limits_terminal,
        _shown(
            action=action,
            limit=limit,
            chance=Fact(chance_of_fact, told("oom_probability_7d")),
            advised_limit=Fact(of("advised_limit_bytes", text.configured), of_one_limit(advised)),
            advised_request=Fact(of("advised_request_bytes", text.configured), told("advised_request_bytes")),
            advised_chance=Fact(of("advised_oom_probability", text.chance), told("advised_oom_probability")),
        ),
        f"verdict peak kills cost {_NO_LIMITS}",
    ),
    **{
        f"limits {ending}": _view(file("limits", ending), _OF_LIMITS, _NO_LIMITS)
        for ending in ("json", "csv", "parquet")
    },
    "limits.yaml": _view(limits_yaml, _OF_PATCHES, _NO_PATCH),
    "kubectl": _view(
        kubectl,
        _shown(
            advised_limit=Fact(of("advised_limit_bytes", quantity), applied),
            advised_request=Fact(of("advised_request_bytes", quantity), lambda row: applied(row) and requests(row)),
        ),
        _NO_PATCH,
    ),
    "summary.md": _view(
        markdown,
        _shown(
            verdict=Fact(word, leaks),
            hours_to_limit=Fact(text.time_to_limit, leaks),
            chance=Fact(chance_of_fact, lambda row: leaks(row) or listed(row)),
            limit=Fact(limit, listed),
            advised_limit=Fact(of("advised_limit_bytes", text.configured), lambda row: listed(row) and advised(row)),
            advised_chance=Fact(of("advised_oom_probability", text.chance), lambda row: listed(row) and advised(row)),
            waste=Fact(of("waste_bytes", lambda bytes_: text.fleet_memory(bytes_ or 0)), gives_back),
        ),
        "headline next_step advised_request action limit_at live kept peak kills cost",
        "samples",
    ),
    "report limits.yaml": _view(report_yaml, _OF_PATCHES, _NO_PATCH),
    "report table": _view(report_table, _OF_FLEET, _NO_FLEET),
    "report leaks": _view(
        report_leaks,
        _shown(
            verdict=Fact(word, leaks),
            chance=Fact(chance_of_fact, leaks),
            limit=Fact(limit_mi, leaks),
            hours_to_limit=Fact(text.time_to_limit, leaks),
            peak=Fact(peak_mi, leaks),
            next_step=Fact(of("next_text", Spoken), leaks),
        ),
        "headline advised_limit advised_request advised_chance action limit_at live kept kills waste cost",
    ),
    "report limits": _view(
        report_limits,
        _shown(
            action=Fact(action, changes),
            limit=Fact(limit_mi, changes),
            advised_limit=Fact(of("advised_limit_bytes", text.configured_mi), changes),
            advised_request=Fact(
                of("advised_request_bytes", text.configured_mi), lambda row: changes(row) and requests(row)
            ),
            chance=Fact(chance_of_fact, changes),
            advised_chance=Fact(of("advised_oom_probability", text.chance), changes),
            cost=Fact(lambda row: Near(row["cost_then_per_month"] - row["cost_now_per_month"]), priced),
        ),
        "verdict headline next_step hours_to_limit limit_at live kept peak kills waste",
    ),
    "report blob": _view(
        report_blob,
        _shown(chance=_rounded("oom_probability_7d"), hours_to_limit=_rounded("hours_to_limit"), peak=of("peak_bytes")),
        "verdict headline next_step limit advised_limit advised_request advised_chance action limit_at live kept kills "
        "waste cost",
    ),
    "report cards": _view(
        report_cards,
        _shown(
            verdict=badge,
            headline=of("headline"),
            next_step=spoken,
            fact_chance=chance_of_fact,
            chance=Fact(chance_of_fact, calm),
            limit=Fact(limit, calm),
            advised_limit=Fact(of("advised_limit_bytes", text.configured), of_calm(advised)),
            advised_request=Fact(
                of("advised_request_bytes", text.configured), of_calm(lambda row: advised(row) and requests(row))
            ),
            advised_chance=Fact(of("advised_oom_probability", text.chance), of_calm(advised)),
            action=Fact(action, calm),
            hours_to_limit=text.time_to_limit,
            live=_OF_TRIAGE["live"],
            kept=_OF_TRIAGE["kept"],
            kills=of("kills"),
        ),
        "limit_at peak waste cost",
    ),
    "explain text": _view(
        explain_text,
        _shown(
            verdict=of("verdict"),
            headline=of("headline"),
            next_step=of("next_step"),
            chance=Fact(chance_of_fact, told("oom_probability_7d")),
        ),
        "limit advised_limit advised_request advised_chance action hours_to_limit limit_at live kept peak kills waste "
        "cost",
    ),
    "explain html": _view(
        explain_html,
        _shown(
            verdict=badge,
            headline=of("headline"),
            next_step=spoken,
            fact_chance=chance_of_fact,
            hours_to_limit=text.time_to_limit,
        ),
        "limit advised_limit advised_request advised_chance action limit_at live kept peak kills waste cost",
    ),
    "report apply": _view(
        report_apply,
        _shown(
            limit=Fact(limit, changes),
            advised_limit=Fact(of("advised_limit_bytes", text.configured), changes),
            chance=Fact(chance_of_fact, changes),
            advised_chance=Fact(of("advised_oom_probability", text.chance), changes),
        ),
        "verdict headline next_step advised_request action hours_to_limit limit_at live kept peak kills waste cost",
    ),
    "alerts": _view(
        alert_rules,
        _shown(next_step=Fact(of("next_step"), perhaps)),
        "verdict headline chance limit advised_limit advised_request advised_chance action hours_to_limit limit_at "
        "live kept peak kills waste cost",
    ),
    "mcp judge": _view(
        agent("judge"),
        _shown(
            verdict=of("verdict"),
            headline=of("headline"),
            next_step=of("next_step"),
            chance=of("oom_probability_7d"),
            limit=of("limit_bytes"),
            hours_to_limit=of("hours_to_limit"),
            limit_at=of("limit_at", lambda at: at and at.isoformat()),
            peak=of("peak_bytes"),
            kills=of("kills"),
        ),
        "advised_limit advised_request advised_chance action live kept waste cost",
    ),
    "mcp limits": _view(
        agent("limits"),
        _shown(
            action=of("action"),
            next_step=of("next_step"),
            chance=of("oom_probability_7d"),
            limit=of("limit_bytes"),
            advised_limit=of("advised_limit_bytes"),
            advised_request=of("advised_request_bytes"),
            advised_chance=of("advised_oom_probability"),
        ),
        "verdict headline hours_to_limit limit_at live kept peak kills waste cost",
    ),
    "Fleet": _view(fleet_table, _OF_FLEET, _NO_FLEET),
    "Triage": _view(triage, _OF_TRIAGE, _NO_TRIAGE),
    "Triage alone": _view(triage_alone, _OF_TRIAGE, _NO_TRIAGE, "samples"),
    "LimitExplorer": _view(explorer, _OF_EXPLORER, _NO_EXPLORER),
    "LimitExplorer alone": _view(explorer_alone, _OF_EXPLORER, _NO_EXPLORER, "samples"),
}


def disagreements(fleet: Fleet, view: str, fact: str) -> list[str]:
    """Name each workload of which a view says something else than the Assessment, or nothing."""
    how, wrong, there = VIEWS[view].shows[fact], [], set()
    for one, name, shown in fleet.seen(view):
        if name == fact:
            there.add(one)
            row = fleet.rows[one]
            if how.due(row) is False:
                wrong.append(f"{_name(one)}: says {shown!r}, and should say nothing")
            elif not _same(shown, wanted := how.write(row)):
                wrong.append(f"{_name(one)}: says {shown!r}, and the Assessment {wanted!r}")
    wrong += [f"{_name(one)}: says nothing" for one, row in fleet.rows.items() if how.due(row) and one not in there]
    return wrong


def _same(shown: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and not isinstance(wanted, Near) and isinstance(shown, int | float):
        return abs(shown - wanted) <= 1e-6 * max(1.0, abs(wanted))
    return bool(wanted == shown)


def _name(one: Key) -> str:
    return "/".join(part for part in one[1:] if part)
