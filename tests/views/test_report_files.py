"""The files beside a page, and names from outside in all of them."""

from __future__ import annotations

import base64
import csv
import dataclasses
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

import mistune
import polars as pl
import pytest
import yaml

import rmtoolkit as rm
from rmtoolkit.assessment import WORKLOADS
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.recommend import RECOMMENDED
from rmtoolkit.views import report
from rmtoolkit.views.exports import escaped
from rmtoolkit.views.report import files
from rmtoolkit.views.report.files import markdown, write_beside

MI = 1 << 20
HOSTILE = (
    "</script><script>alert(1)</script>",
    "\" onload='alert(1)",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "+1-2",
    "a\nb\r\nc",
    "x: y\n- z # c",
    "# heading",
    "[a](http://evil.example) ![b](http://evil.example/x.png) **c** | d `e` https://evil.example",
    "1. item",
    "\u202egnp.exe\u200f",
    "${jndi:ldap://x} {{7*7}} %s",
    "api\x00\x1b[31m",
)
PLAIN = "api-server"


#: What is written beside a report.
FILES: Final = (
    *(f"{what}.{form}" for what in ("verdicts", "limits") for form in ("parquet", "csv", "json")),
    *("limits.yaml", "summary.md"),
)


def _one(name: str, *, grows: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": range(1_700_000_000, 1_700_000_000 + 600 * 200, 600),
            "cluster": name,
            "namespace": name,
            "workload": name,
            "workload_kind": "Deployment",
            "pod": name,
            "container": name,
            "version": name,
            "working_set_bytes": [50 * MI + at * grows for at in range(200)],
            "limit_bytes": 4096 * MI,
            "request_bytes": 2048 * MI,
        }
    )


@pytest.fixture(scope="module")
def told() -> report.Contents:
    """A report on services whose every label is hostile, half of them leaking, and on a harmless one."""
    tables = [_one(name, grows=MI // 4 * (number % 2)) for number, name in enumerate(HOSTILE)]
    tables.append(_one(PLAIN, grows=0))
    calm = rm.assess(pl.concat(tables[1:]))
    return report.contents(
        pl.concat(tables), previous=calm, price_per_gib_hour=0.01, currency="<b>€</b>", title="<i>=1"
    )


@pytest.fixture(scope="module")
def folder(told: report.Contents, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files beside its page."""
    return write_beside(told, tmp_path_factory.mktemp("beside"))


def test_all_files_are_written(folder: Path) -> None:
    """Exactly the files that are promised."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_columns_are_those_that_are_documented(folder: Path) -> None:
    """Verdicts have the columns of the Assessment, limits those of `recommend_limits`, in every format."""
    for name, columns in (("verdicts", list(WORKLOADS)), ("limits", list(RECOMMENDED))):
        assert pl.read_parquet(folder / f"{name}.parquet").columns == columns
        rows = json.loads((folder / f"{name}.json").read_text("utf-8"))
        assert list(rows[0]) == columns
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            assert next(csv.reader(file)) == [column for column in columns if column != "evidence"]


def test_labels_come_back_as_they_were(folder: Path) -> None:
    """Parquet and JSON hold every label to the letter."""
    wanted = sorted((*HOSTILE, PLAIN))
    assert sorted(pl.read_parquet(folder / "verdicts.parquet")["workload"]) == wanted
    assert sorted(row["workload"] for row in json.loads((folder / "limits.json").read_text("utf-8"))) == wanted


@pytest.mark.parametrize("name", ["verdicts.csv", "limits.csv"])
def test_no_cell_is_a_formula(folder: Path, name: str) -> None:
    """No text in a spreadsheet begins like a formula; numbers stay numbers."""
    with (folder / name).open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) == len(HOSTILE) + 2
    for row in rows[1:]:
        assert len(row) == len(rows[0])
        dangerous = [cell for cell in row if re.match(r"[=+\-@\t\r]", cell)]
        assert [cell for cell in dangerous if not re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", cell)] == []


def test_patches_are_for_names_that_kubernetes_takes(folder: Path) -> None:
    """A YAML parser finds one patch, for the harmless service, and every number in it is the recommended one."""
    documents = list(yaml.safe_load_all((folder / "limits.yaml").read_text("utf-8")))
    limits = pl.read_parquet(folder / "limits.parquet").filter(workload=PLAIN)
    assert limits["action"].item() == "lower_limit"
    (patch,) = documents
    assert patch["metadata"] == {"name": PLAIN, "namespace": PLAIN}
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    wanted = limits["recommended_limit_bytes"].item() // MI
    assert container["resources"]["limits"] == {"memory": f"{wanted}Mi"}


class _Tags(HTMLParser):
    """Elements and text of a document."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(written)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def _rendered(source: str) -> _Tags:
    render = mistune.create_markdown(plugins=["table", "strikethrough", "url", "task_lists"])
    return _Tags(str(render(source)))


def test_markdown_shows_labels_as_text(told: report.Contents) -> None:
    """A Markdown renderer finds headings, lists, tables and bold words of ours, and nothing that a label made."""
    found = _rendered(markdown(told))
    assert found.tags <= {"h1", "h2", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert "alert(1)" in found.text
    assert "**c** | d `e`" in found.text
    assert "\u202e" not in found.text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_label_in_markdown_is_its_own_text(name: str) -> None:
    """What is rendered of a label alone is the label, on one line, without marks that turn text around."""
    shown = "".join(letter if letter.isprintable() else "·" for letter in name)
    found = _rendered(escaped(name))
    assert found.tags <= {"p"}
    assert found.text.strip().replace("\u200b", "") == shown.strip()


#: What GitHub, GitLab or a chat takes for a link, somebody's name, or a number of theirs, wherever it stands.
LINKS: Final = re.compile(
    r"(?i)(?:https?|ftp|mailto|xmpp):|www\.|@[a-z0-9]|#\d|\bGH-\d|(?:!|\$|%|~|&|\^)[\w\"]|\[vulnerability:\d"
)


@pytest.mark.parametrize(
    "name",
    [
        *("_http://evil.com", "xhttps://evil.com", "*ftp://evil.com", "mailto:a@evil.com", "xmpp:a@evil.com"),
        *("_www.evil.com", "WWW.evil.com", "a@evil.com", r"a\@evil.com", "@octocat", "@org/team", "#1", "org/repo#1"),
        *("GH-1", "gh-1", "!1", "$1", "%1", '%"plan"', "~label", "&1", "^alert#1", "[vulnerability:1]", "a@0a1b2c3d"),
    ],
)
def test_nothing_in_markdown_becomes_a_link_or_calls_somebody(name: str) -> None:
    """What is left when a renderer has taken the backslashes away names nobody and leads nowhere."""
    for around in ("{}", "a {} b", "a/{}/b", "({})"):
        found = _rendered(escaped(around.format(name)))
        assert "a" not in found.tags
        assert LINKS.search(found.text) is None, ascii(found.text)
        assert found.text.replace("\u200b", "").strip() == around.format(name)


def test_the_page_shows_labels_as_text(told: report.Contents) -> None:
    """In the page and in everything that it unfolds, no label became an element or an attribute."""
    page = report.page(told)
    packed = re.findall(r'<script type="text/plain" id="[a-z0-9-]+">([A-Za-z0-9+/=]*)</script>', page)
    inside: list[Any] = [json.loads(zlib.decompress(base64.b64decode(part), -15)) for part in packed]
    rows = [row[1] for section in inside[0]["sections"].values() for row in section]
    cards = [card for chunk in inside[1:] for card in chunk]
    bare = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    for written in (bare, *rows, *cards, *inside[0]["sparks"]):
        found = _Tags(written)
        assert not found.tags & {"script", "img", "iframe", "object", "embed", "i", "form", "base", "link"}
        assert "<script>alert" not in written
        assert "\u202e" not in written
    assert "</script><script>alert(1)</script>" in _Tags(bare + "".join(cards)).text


def test_secrets_of_the_source_are_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page names the server that it is about; password, key and what the environment holds are in no file."""
    monkeypatch.setenv("PROMETHEUS_TOKEN", "hunter-in-the-environment")
    source = rm.Prometheus("http://user:hunter2@prometheus:9090/?key=hunter3")
    recording = rm.Recording.from_frame(_one(PLAIN, grows=0))
    about = dataclasses.replace(recording.report, sources=(source._client.address.url,))
    recording = rm.Recording(recording.containers, recording.samples, recording.events, about)
    report.report(recording, tmp_path / "week.html", beside=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "week.html"])
    for path in tmp_path.iterdir():
        packed = re.findall(rb'id="[a-z0-9-]+">([A-Za-z0-9+/=]{40,})</script>', path.read_bytes())
        written = b"".join([path.read_bytes(), *(zlib.decompress(base64.b64decode(part), -15) for part in packed)])
        assert b"hunter" not in written
        assert str(tmp_path).encode() not in written
        assert (b"prometheus:9090" in written) == (path.name == "week.html")


def test_what_is_accepted_gets_no_patch(tmp_path: Path) -> None:
    """A limit that is known and accepted is not in limits.yaml, and is in limits.parquet."""
    table = pl.concat([_one("api", grows=0), _one("cache", grows=0)])
    known = tmp_path / "known.toml"
    known.write_text('[[accepted]]\nworkload = "cache/cache"\nknown = "a bounded cache"\nup_to = "400Mi"\n', "utf-8")
    found = report.contents(table, acknowledged=known)
    folder = write_beside(found, tmp_path / "files")
    documents = yaml.safe_load_all((folder / "limits.yaml").read_text("utf-8"))
    names = [document["metadata"]["name"] for document in documents]
    assert names == ["api"]
    assert sorted(pl.read_parquet(folder / "limits.parquet")["workload"]) == ["api", "cache"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The error says where, and why."""
    (tmp_path / "file").write_text("")
    found = report.contents(_one("api", grows=0))
    with pytest.raises(RmtoolkitError, match=r"Could not make the folder .*beside'"):
        write_beside(found, tmp_path / "file" / "beside")


def _browser(folder: Path, does: str) -> str:
    """A program that notes its words, and does something with where the page is to be printed."""
    program = folder / "chromium"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/words\n'
        f"for word; do case $word in --print-to-pdf=*) made=${{word#*=}};; esac; done\n{does}\n"
    )
    program.chmod(0o700)
    return str(program)


def test_a_page_is_printed_by_the_browser_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a profile and a page of its own, which are gone afterwards; what it printed is the file."""
    monkeypatch.setenv(
        "RMTOOLKIT_CHROMIUM", _browser(tmp_path, 'printf "%%PDF" > "$made"; cat "${made%pdf}html" >> "$made"')
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)
    files.print_page("<p>Week 47", tmp_path / "week.pdf")
    assert (tmp_path / "week.pdf").read_text() == "%PDF<p>Week 47"
    words = (tmp_path / "words").read_text().splitlines()
    folder = words[-1].removeprefix("file://").removesuffix("/page.html")
    assert words == [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
        f"--user-data-dir={folder}/profile",
        "--no-pdf-header-footer",
        f"--print-to-pdf={folder}/page.pdf",
        f"file://{folder}/page.html",
    ]
    assert not Path(folder).exists()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    files.print_page("<p>", tmp_path / "week.pdf")
    assert "--no-sandbox" not in (tmp_path / "words").read_text()


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("echo first >&2; echo no display >&2", "'no display'"),
        (": > $made", "'it said nothing'"),
        ("exit 3", "'it said nothing'"),
    ],
    ids=["words", "empty", "silent"],
)
def test_a_page_that_was_not_printed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, said: str
) -> None:
    """The browser's last line is told, whatever its status."""
    monkeypatch.setenv("RMTOOLKIT_CHROMIUM", _browser(tmp_path, does))
    with pytest.raises(RmtoolkitError, match=f"^Chromium could not print the page: {said}.$"):
        files.print_page("<p>", tmp_path / "week.pdf")
    assert not (tmp_path / "week.pdf").exists()


def test_without_a_browser_the_error_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is named must be there; without a name the usual ones are looked for."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(files, "_BROWSERS", files._BROWSERS[:3])
    for asked, where in (("", ""), ("/no/browser", " at '/no/browser'")):
        monkeypatch.setenv("RMTOOLKIT_CHROMIUM", asked)
        with pytest.raises(RmtoolkitError, match=rf"^A PDF is printed by Chromium, and there is none{where}\. Install"):
            files.chromium()
    (tmp_path / "google-chrome").write_text("#!/bin/sh\n")
    (tmp_path / "google-chrome").chmod(0o700)
    monkeypatch.setenv("RMTOOLKIT_CHROMIUM", "")
    assert files.chromium() == str(tmp_path / "google-chrome")
