"""Lines and cells of `kubectl top` output: what each is, and what it says."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from enum import IntEnum
from typing import Final, NamedTuple

import polars as pl

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders._timestamps import Kind, Stamp, find, find_instant, shaped
from rmtoolkit.text import MI, looks

_LOOKS: Final = looks("kubectl")
_QUANTITY: Final = re.compile(r"(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_MEANINGS: Final = pl.Schema(
    {"said": pl.Int8(), "layout": pl.String(), "extra": pl.Int64(), "said_own": pl.String(), "window": pl.Boolean()}
)
#: A header of one's own (`-o custom-columns`) over a row with memory as the API has it, of a container or of several.
CUSTOM: Final = re.compile(_LOOKS["custom"], re.MULTILINE)
_AMOUNTS: Final = re.compile(r"\d++[KM]i(?:,\d++[KM]i)*+")
_HEADS: Final = {"NS": "NAMESPACE", "NAME": "POD", "CONTAINERS": "CONTAINER"}


def quantity(text: str) -> int | None:
    if (found := _QUANTITY.fullmatch(text)) is None:
        return None
    number, exponent, unit = found.groups()
    amount = Decimal(number)
    if exponent:
        amount = amount.scaleb(int(exponent))
    elif unit and unit.endswith("i"):
        amount *= 1024 ** ("KMGTPE".index(unit[0]) + 1)
    elif unit:
        amount = amount.scaleb(_DECIMAL[unit])
    whole = int(amount)
    return whole if whole < 1 << 63 else None


Line = IntEnum("Line", "BLANK ROW NODE SUM HEADER STAMP FAILURE EMPTY CUT RULE OTHER", start=0)
#: How kubectl heads the names of a row, by how many there are; a table of nodes has one.
LAYOUTS: Final = {1: ("NAME",), 2: ("NAMESPACE NAME", "POD NAME"), 3: ("NAMESPACE POD NAME",)}
_OF_NODES: Final = "NODE"

# Names have only a-z, 0-9, dot and dash; so what stands before them ends with the last other character, except for
# the year of `date` and for stamps that look like names.
_OWN: Final = _LOOKS["own"]
_NAMES: Final = rf"^(?:(?P<own>{_OWN})\s+)?(?P<names>[a-z0-9][a-z0-9.\s-]*)$"
_LAST_WORDS: Final = r"^(?:(?P<own>.*\S)\s+)?(?P<names>(?:\S+\s+){%d}\S+)$"
_LAST_THREE: Final = r"(?:^|\s)(?:(?:(?P<a>\S+)\s+)?(?P<b>\S+)\s+)?(?P<c>\S+)$"

_FAILURE: Final = re.compile(_LOOKS["failure"])
_EMPTY: Final = re.compile(r"(?:^|\s)(No resources found.*)")
_RULE: Final = re.compile(r"(?:.*\s)?_{4,}+")
_COLOURS: Final = re.compile(_LOOKS["colours"])
_WATCH_TITLE: Final = re.compile(r"Every [\d.,]+m?s: ")
_WORD: Final = re.compile(r"\w+")
#: Nothing long stands before a header: it would be looked at again and again.
_BEFORE_NAMES: Final = re.compile(r"(?!(?s:.){301})" + _NAMES.replace(r"\pL", r"[^\W\d_]"))
_NAME_COLUMNS: Final = ("NAMESPACE", "POD", "NAME")
_WORDS_BESIDE_A_STAMP: Final = 3
#: A line may have very many, and each is looked for in all of it.
_MOST_STAMPS: Final = 8
DETAIL_CHARACTERS: Final = 200
_NARROWEST: Final = 20

EXPECTED: Final = "rows of kubectl top pod"
USE_RAW: Final = "kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods gives exact bytes with time stamps."


class _Meaning(NamedTuple):
    said: Line
    layout: str | None = None
    extra: int | None = None
    said_own: str | None = None
    window: bool = False


def split_lines(text: str, path: str | os.PathLike[str]) -> pl.Series:
    """Split a log into lines without colours; refuse a recording in which only changed cells are drawn."""
    plain = _COLOURS.sub("", text) if "\x1b" in text else text
    plain = _usual_columns(plain) if CUSTOM.search(plain) else plain
    if "\x1b" in plain:
        found, line = "codes that draw on a terminal screen", plain.count("\n", 0, plain.index("\x1b")) + 1
        hint = f"A recording of watch draws only what changed. Use a loop that appends, or better: {USE_RAW}"
        raise ReadError.at(path, found=found, expected="lines of text", line=line, hint=hint)
    return pl.Series([plain], dtype=pl.String).str.split("\n").explode()


def _usual_columns(text: str) -> str:
    """Write tables with columns of one's own as `kubectl get pods.metrics.k8s.io` does, a row a container."""
    written: list[str] = []
    heads: list[str] = []
    before = ""
    for line in text.split("\n"):
        words = line.split()
        if line.isupper() and not {"NAME", "POD"}.isdisjoint(words) and "WINDOW" not in words:
            heads, before = [_HEADS.get(word, word) for word in words], ""
            continue
        amounts = [word for word in words if _AMOUNTS.fullmatch(word)]
        if len(words) != len(heads) or len(amounts) != 1:
            written.append(line)
            continue
        cells = dict(zip(heads, words, strict=True))
        memory, names = amounts[0].split(","), cells.get("CONTAINER", "").split(",")
        if len(names) != len(memory):
            names, memory = [""], [str(sum(quantity(one) or 0 for one in memory))]
        place = [name for name in ("NAMESPACE", "POD") if name in cells]
        header = " ".join([*place, "NAME"] if names[0] else [*place[:-1], "NAME"])
        written += [f"{header} CPU(cores) MEMORY(bytes) WINDOW"] if header != before else []
        before = header
        time = next((f"{word} " for word in words if find_instant(word)), "")
        whose = " ".join(cells[name] for name in place)
        written += [f"{time}{whose} {name} 0 {size} 0s" for name, size in zip(names, memory, strict=True)]
    return "\n".join(written)


def classify(lines: pl.Series, stamps: dict[str, Stamp]) -> pl.DataFrame:
    frame = pl.DataFrame({"raw": lines}).with_row_index("number", 1)
    frame = frame.with_columns(pl.col("number").cast(pl.Int64), text=pl.col("raw").str.strip_chars())
    # kubectl prints CPU in m and memory in Mi, whatever the size: any other unit means that a cell is cut.
    frame = frame.with_columns(pl.col("text").str.extract_groups(_LOOKS["row"]).struct.unnest())
    frame = frame.with_columns(
        kind=pl.when(pl.col("text").str.contains(_LOOKS["node_row"]))
        .then(int(Line.NODE))
        .when(pl.col("cpu").is_not_null())
        .then(pl.when(pl.col("left").is_null()).then(int(Line.SUM)).otherwise(int(Line.ROW)))
    ).drop("cpu")
    rest = frame.filter(pl.col("kind").is_null()).select("number", "text")
    rest = pl.concat([rest.select("number"), shaped(rest["text"])], how="horizontal")
    shapes = rest["shape"].unique(maintain_order=True)
    said = pl.DataFrame([_meaning(text, stamps) for text in shapes], schema=_MEANINGS, orient="row")
    rest = rest.join(said.with_columns(shape=shapes), on="shape", how="left", maintain_order="left").drop("shape")
    frame = frame.join(rest, on="number", how="left", maintain_order="left")
    frame = frame.with_columns(kind=pl.coalesce("kind", "said")).drop("said")
    if said["window"].any():
        frame = _with_window_rows(frame)
    else:
        frame = frame.with_columns(memory_bytes=pl.col("memory").cast(pl.Int64) * MI, exact=pl.lit(value=False))
    frame = frame.with_columns(
        kind=pl.when((pl.col("kind") == Line.ROW) & (pl.col("kind").shift() == Line.RULE))
        .then(int(Line.SUM))
        .otherwise("kind"),
        layout=pl.col("layout").forward_fill(),
        extra=pl.col("extra").forward_fill().fill_null(0),
        swap_bytes=pl.col("swap").cast(pl.Int64) * MI,
    ).drop("memory", "swap")
    frame = _with_names(frame)
    own = shaped(frame["own"])
    frame = frame.with_columns(
        pl.col("names").str.extract_groups(_LAST_THREE).struct.unnest(),
        own=pl.coalesce(own["shape"], "said_own"),
        of_day=pl.coalesce(own["of_day"], "of_day"),
        cells=pl.col("names").str.count_matches(r"\S+").cast(pl.Int64),
        table=(pl.col("kind") != Line.ROW).cum_sum().cast(pl.Int64),
    )
    return _without_strays(frame.drop("left", "names", "said_own", "extra", "window"))


def _with_names(frame: pl.DataFrame) -> pl.DataFrame:
    """Part the names from what stands before them: by number below a header, by their letters without one."""
    layouts = frame.filter(pl.col("kind") == Line.ROW)["layout"].unique()
    frame = frame.with_columns(own=pl.lit(None, dtype=pl.String), names=pl.lit(None, dtype=pl.String))
    for layout in layouts:
        form = _NAMES if layout is None else _LAST_WORDS % layout.count(" ")
        # Each form is applied once and kept: an expression used twice would be computed twice.
        found = frame.select(pl.col("left").str.extract_groups(form).struct.unnest())
        here = pl.col("layout").is_null()
        if layout is not None:
            # More words than the header has names, and no stamp or tag among them: this is another table's row.
            fits = found["own"].is_null() | (frame["extra"] > 0) | found["own"].str.contains(rf"^(?:{_OWN})$")
            here = (pl.col("layout") == layout) & fits
        frame = frame.with_columns(
            pl.when(here).then(column).otherwise(column.name).alias(column.name) for column in found
        )
    return frame


def _without_strays(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows in a node's table are nodes; rows with other cells than their header are no rows."""
    row, node = pl.col("kind") == Line.ROW, pl.col("kind") == Line.NODE
    is_node = pl.col("layout") == _OF_NODES
    if frame["kind"].is_in([Line.NODE]).any() and frame["layout"].has_nulls():
        # A node that the node list does not know has no % cells, and nodes come sorted: it stands among others.
        block = (~row & ~node).cum_sum()
        among = (node.cum_sum().over(block) > 0) & (node.cum_sum(reverse=True).over(block) > 0)
        is_node = pl.coalesce(is_node, among)
    cells, wanted = pl.col("cells"), pl.col("layout").str.count_matches(" ") + 1
    fits = pl.when(pl.col("layout").is_null()).then(cells.is_between(1, 3)).otherwise(cells == wanted)
    return frame.with_columns(
        kind=pl.when(row & is_node.fill_null(value=False))
        .then(int(Line.NODE))
        .when(row & ~fits.fill_null(value=False))
        .then(int(Line.OTHER))
        .otherwise("kind")
    )


def _with_window_rows(frame: pl.DataFrame) -> pl.DataFrame:
    found = frame.select(pl.col("text").str.extract_groups(_LOOKS["window_row"]).struct.unnest())
    is_row = found["memory"].is_not_null()
    exact = pl.Series([quantity(text) if text else None for text in found["memory"]], dtype=pl.Int64)
    return frame.with_columns(
        left=pl.when(is_row).then(found["left"]).otherwise("left"),
        kind=pl.when(is_row).then(int(Line.ROW)).otherwise("kind"),
        memory_bytes=pl.when(is_row).then(exact).otherwise(pl.col("memory").cast(pl.Int64) * MI),
        exact=is_row,
    )


def _meaning(text: str, stamps: dict[str, Stamp]) -> _Meaning:
    if not text:
        return _Meaning(Line.BLANK)
    if ("NAME" in text or "POD" in text) and (header := _header(text)) is not None:
        return header
    if "____" in text and _RULE.fullmatch(text):
        return _Meaning(Line.RULE)
    if failed := failure(text):
        return _Meaning(Line.EMPTY if failed[1] else Line.FAILURE, said_own=text[: text.index(failed[0])] or None)
    rest = text
    for _ in range(_MOST_STAMPS):
        if (stamp := find(rest)) is None:
            break
        stamps.setdefault(text, stamp[0])
        words = _WORD.findall(stamp[1])
        most = 0 if stamp[0].kind == Kind.CLOCK else _WORDS_BESIDE_A_STAMP
        if _WATCH_TITLE.match(text) or (len(words) <= most and not any(map(str.isdigit, "".join(words)))):
            return _Meaning(Line.STAMP, said_own=text)
        # A collector may have put its own stamp before the line that `date` wrote.
        rest = stamp[1]
    return _Meaning(Line.OTHER)


def failure(text: str) -> tuple[str, bool] | None:
    found = _FAILURE.search(text) or _EMPTY.search(text)
    return (found[1].strip()[:DETAIL_CHARACTERS], found[1].startswith("No resources")) if found else None


def _header(text: str) -> _Meaning | None:
    """Read a header: which names stand before the numbers, and what stands before the header."""
    words = text.split()
    if (start := next((index for index, word in enumerate(words) if word in _NAME_COLUMNS), None)) is None:
        return None
    stop = next((index for index, word in enumerate(words) if index > start and word not in _NAME_COLUMNS), len(words))
    if not (rest := words[stop:]):
        return _Meaning(Line.CUT) if start == 0 or find(text) else None
    layout = " ".join(words[start:stop])
    if layout not in LAYOUTS.get(stop - start, ()) or not rest[0].startswith("CPU"):
        return None
    if len(rest) == 1 or not rest[1].startswith(("MEMORY", "CPU")):
        return _Meaning(Line.CUT)
    before = _BEFORE_NAMES.match(" ".join([*words[:start], "x"]))
    own, names = (before[1], before[2]) if before else (None, "x")
    layout = _OF_NODES if rest[1].startswith("CPU") else layout
    return _Meaning(Line.HEADER, layout, len(names.split()) - 1, own, window="WINDOW" in rest)


def looks_folded(frame: pl.DataFrame) -> bool:
    """Tell whether rows go on from the line before them: kubectl never indents a row, and one long line is no width."""
    length = pl.col("raw").str.strip_chars_end().str.len_chars()
    indented = pl.col("raw").str.contains(r"^\s")
    is_width = (length.max() >= _NARROWEST) & ((length == length.max()).sum() > 1)
    full = (length.shift() == length.max()) & is_width
    goes_on = (pl.col("kind") == Line.ROW) & (pl.col("kind").shift() == Line.OTHER) & (indented | full)
    return bool(frame.select(goes_on.any()).item())
