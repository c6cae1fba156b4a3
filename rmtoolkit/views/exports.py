"""Verdicts and limits as files for other programs: Parquet, CSV, JSON; written whole or not at all."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._io import write_whole
from rmtoolkit.assessment import Assessment, assess
from rmtoolkit.limits.patches import patches_yaml
from rmtoolkit.schema import WORKLOAD

if TYPE_CHECKING:
    import os

    from rmtoolkit._parallel import Source

FORMATS: Final = (".parquet", ".csv", ".json")
MARKDOWN: Final = ".md"

#: A spreadsheet runs a cell that begins with one of these as a formula.
#: A terminal obeys some of these, and shows none.
_UNSEEN: Final = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}&&[^\t\n]]"
_FORMULA: Final = r"^(\s*[=+\-@＝＋－＠]|[\t\n])"
#: Where others separate cells by something else than a comma, one begins behind it; quotes hide nothing there.
_INNER: Final = r"([;\t\n\r|]\s*[\"']*\s*)([=+\-@＝＋－＠])"


def patches(source: Source | Assessment) -> str:
    """Write the limits that are worth a rollout, and that nobody accepts as they are, as Kubernetes patches.

    In YAML: a strategic merge patch for each workload, its reason and the line of kubectl above it as comments.

    Parameters
    ----------
    source
        A recording, a frame that can become one, a lake, or an Assessment: of that nothing is worked out again.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> print(patches(table), end="")
    # 1 left out:
    #   api: the kind is not known; memory limit 143Mi, request 50Mi
    """
    return patches_yaml(assess(source).workloads.filter(~pl.col("accepted")))


def as_told(rows: pl.DataFrame, found: Assessment) -> pl.DataFrame:
    """Say in every row who owns the workload, and what the source lacks: a program reads no more than rows."""
    owners = found.workloads.select(*WORKLOAD, "owner")
    owned = rows.join(owners, on=WORKLOAD, how="left", nulls_equal=True, maintain_order="left")
    return owned.with_columns(incomplete=pl.lit(found.incomplete, pl.String))


def as_bytes(verdicts: pl.DataFrame, ending: str) -> bytes:
    """Write rows in a format; a pipe or a device has none in its name: JSON, which every program reads."""
    # Made in memory: what polars writes to a full disk itself is lost without a word, or with a riddle.
    made = io.BytesIO()
    if ending == ".parquet":
        verdicts.write_parquet(made)
    elif ending == ".csv":
        for_spreadsheets(verdicts).write_csv(made)
    elif ending == MARKDOWN:
        flat = for_spreadsheets(verdicts)
        told = (("" if value is None else escaped(value) for value in row) for row in flat.iter_rows())
        return "".join(f"| {' | '.join(row)} |\n" for row in (flat.columns, ["---"] * flat.width, *told)).encode()
    else:
        verdicts.write_json(made)
    return made.getvalue()


def write(verdicts: pl.DataFrame, path: str | os.PathLike[str]) -> Path:
    return write_whole(path, as_bytes(verdicts, Path(path).suffix.lower()), FORMATS)


#: What Markdown, its tables or a chat would take for more than text.
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#!|~@&$])")
#: What becomes a link in many places, escaped or not, unless something stands between: an address, somebody's name, the
#: number of an issue or of what else GitHub and GitLab number.
_LINKS: Final = re.compile(
    r"(?i)(?:https?|ftp|mailto|xmpp)(?=:)|www(?=\.)|@|#|gh-(?=\d)|(?:!|\$|%|~|&|\^|\[vulnerability:)(?=[\w\"])"
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9./ -]+")


def escaped(words: object) -> str:
    said = text.printable(words)
    said = said if _PLAIN.fullmatch(said) else _SPECIAL.sub(r"\\\1", said)
    said = _LINKS.sub("\\g<0>\u200b", said)
    return re.sub(r"^(\s*\d*)([-+=]|(?<=\d)[.)](?=\s|$))", r"\1\\\2", said)


def for_spreadsheets(frame: pl.DataFrame) -> pl.DataFrame:
    """Flatten a frame for CSV and take the danger out of text that looks like a formula."""
    kept = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if dtype == pl.List(pl.String):
            column, dtype = column.list.join(" "), pl.String()  # noqa: PLW2901 - the column is text from here on
        elif dtype.is_nested():
            continue
        if dtype == pl.String:
            column = column.str.replace_all(_UNSEEN, "·").str.replace_all(_INNER, "${1}'${2}")
            column = pl.when(column.str.contains(_FORMULA)).then("'" + column).otherwise(column).alias(name)
        kept.append(column)
    return frame.select(kept)
