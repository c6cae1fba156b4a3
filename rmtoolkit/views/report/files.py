"""The files beside a report: verdicts, limits, patches, Markdown, PDF."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from rmtoolkit import text
from rmtoolkit._io import make_folder, write_whole
from rmtoolkit.assessment import recommend_limits
from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.views import exports
from rmtoolkit.views.exports import escaped
from rmtoolkit.views.report.columns import Row
from rmtoolkit.views.report.sections import SECTIONS, Contents, figures, told, urgent

Told = TypeVar("Told")

#: Names under which a Chromium is found; RMTOOLKIT_CHROMIUM names another.
_BROWSERS: Final = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "/usr/bin/chromium"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_SHOWN: Final = 10


def chromium() -> str:
    asked = os.environ.get("RMTOOLKIT_CHROMIUM")
    for name in (asked,) if asked else _BROWSERS:
        if found := shutil.which(name):
            return found
    msg = (
        f"A PDF is printed by Chromium, and there is none{f' at {quote(asked)}' if asked else ''}. "
        "Install chromium (or set RMTOOLKIT_CHROMIUM to one), or write .html and print it from a browser."
    )
    raise RmtoolkitError(msg)


def print_page(html: str, target: Path) -> None:
    browser = chromium()
    with tempfile.TemporaryDirectory(prefix="rmtoolkit-") as folder:
        page, made = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(html, encoding="utf-8")
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [
            browser,
            "--headless",
            *sandbox,
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer",
            f"--print-to-pdf={made}",
            page.as_uri(),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=300, check=False)  # noqa: S603 - no shell
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"Chromium could not print the page: {quote(error)}. Write .html and print it from a browser."
            raise RmtoolkitError(msg) from error
        if not made.is_file() or not made.stat().st_size:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            msg = f"Chromium could not print the page: {quote(said[-1] if said else 'it said nothing')}."
            raise RmtoolkitError(msg)
        shutil.copyfile(made, target)


def markdown(contents: Contents) -> str:
    found, fleet = contents.found, contents.found.fleet
    lines = [f"# {fleet.sentence}", ""]
    where = f"Start with **{_name(contents.rows[fleet.start_with])}**: " if fleet.start_with is not None else ""
    period = f" {text.period(*found.span)}." if found.span else ""
    lines += [f"{where}{escaped(fleet.start_because)}", "", f"{escaped(contents.title)}.{escaped(period)}", ""]
    if fleet.age_sentence is not None:
        lines += [f"**{escaped(fleet.age_sentence)}**", ""]
    if found.incomplete is not None:
        lines += [f"**Not complete:** {escaped(found.incomplete)}", ""]
    for _, figure, _, label, note in figures(found):
        lines.append(f"* **{escaped(figure)}** {label}" + (f" ({escaped(note)})" if note else ""))
    if first := urgent(contents.awake):
        lines += ["", "## What to do first", "", *_list(first, _SHOWN, _act)]
    if fleet.gone is not None:
        changes = _list(told(found, contents.awake), 20, _change)
        lines += ["", "## What changed since last time", "", *(changes or ["Nothing changed that is clear."])]
    for section in (section for section in SECTIONS if section.key in _TABLES):
        heads, cells = _TABLES[section.key]
        if rows := section.choose(contents.awake):
            lines += ["", f"## {section.title} ({len(rows):,})", "", f"| Workload | {' | '.join(heads)} |"]
            lines += ["|---" * (len(heads) + 1) + "|"]
            lines += [f"| {_name(one)} | {' | '.join(map(escaped, cells(one)))} |" for one in rows[:_SHOWN]]
            if len(rows) > _SHOWN:
                lines += ["", text.and_more(len(rows), _SHOWN).strip()]
    return "\n".join(lines) + "\n"


def _name(row: Row) -> str:
    return escaped(text.shortened(row["name"], 120))


def _list(rows: Sequence[Told], most: int, write: Callable[[Told], str]) -> list[str]:
    more = text.and_more(len(rows), most)
    return [*map(write, rows[:most]), *([f"*{more}"] if more else [])]


def _act(row: Row) -> str:
    owner = f", owner {escaped(row['owner'])}" if row["owner"] else ""
    said = f"{escaped(row['alarm_text'])}. {escaped(row['next_text'])}"
    return f"* **{text.ALARMS[row['alarm']].word}** {_name(row)}{owner}: {said}"


def _change(told: tuple[Row, str, str]) -> str:
    row, kind, said = told
    return f"* **{kind.capitalize()}** {_name(row)} {escaped(said)}"


def _leak(row: Row) -> tuple[str, ...]:
    return text.rate(row["growth_bytes_per_day"]), text.time_to_limit(row), text.kill_chance(row)


def _limit(row: Row) -> tuple[str, ...]:
    now = text.limit_now(row)
    if row["advised_limit_bytes"] is None:
        return now, text.kill_chance(row)
    then, chance = text.configured(row["advised_limit_bytes"]), text.chance(row["advised_oom_probability"])
    return f"{now} → {then}", f"{text.kill_chance(row)} → {chance}"


def _spare(row: Row) -> tuple[str, ...]:
    return text.fleet_memory(row["waste_bytes"] or 0), *_limit(row)


_TABLES: Final = {
    "leak": (("Growth", "Time to limit", "OOM kill, 7 days"), _leak),
    "raise": (("Limit", "OOM kill, 7 days"), _limit),
    "spare": (("Spare", "Limit", "OOM kill, 7 days"), _spare),
}


def write_beside(contents: Contents, folder: str | os.PathLike[str]) -> Path:
    made = make_folder(folder)
    found = contents.found
    limits = recommend_limits(found)
    for ending in exports.FORMATS:
        exports.write(found.workloads, made / f"verdicts{ending}")
        exports.write(limits, made / f"limits{ending}")
    for name, written in (("limits.yaml", exports.patches(found)), ("summary.md", markdown(contents))):
        write_whole(made / name, written.encode())
    return made
