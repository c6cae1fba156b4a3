"""What is known and accepted: the file, and what it does to a report."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit._accepted import Acknowledgement, read_acknowledgements
from rmtoolkit.exceptions import ReadError
from rmtoolkit.views import report

if TYPE_CHECKING:
    from pathlib import Path

MI = 1 << 20
GOOD = """
[[accepted]]
workload = "shop/cache"
known = "a cache, bounded at 300 MiB"
up_to = "900Mi"
until = 2027-01-31

[[accepted]]
workload = "shop/job"
known = "restarts every night"
until = 2027-02-28
cluster = "prod"
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    """Names, words, sizes, days and lines."""
    file = tmp_path / "known.toml"
    file.write_text(GOOD, "utf-8")
    first, second = read_acknowledgements(file)
    assert first == Acknowledgement(
        "shop/cache", "a cache, bounded at 300 MiB", 900 * MI, dt.date(2027, 1, 31), None, 2
    )
    assert (second.up_to_bytes, second.cluster, second.line) == (None, "prod", 8)


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [
        ('"900Mi"', 900 * MI),
        ('"1.5Gi"', 3 << 29),
        ('"3Ki"', 3 << 10),
        ('"3Ti"', 3 << 40),
        ('"3K"', 3_000),
        ('"3k"', 3_000),
        ('"3M"', 3_000_000),
        ('"2G"', 2_000_000_000),
        ('"3T"', 3_000_000_000_000),
        ('"7"', 7),
        ("943718400", 943_718_400),
        ('"5 MiB"', 5 * MI),
    ],
)
def test_sizes_are_kubernetes_quantities(tmp_path: Path, value: str, bytes_: int) -> None:
    """As in a manifest, or in bytes."""
    file = tmp_path / "known.toml"
    file.write_text(f'[[accepted]]\nworkload = "a"\nknown = "b"\nup_to = {value}\n', "utf-8")
    assert read_acknowledgements(file)[0].up_to_bytes == bytes_


@pytest.mark.parametrize(
    ("written", "line", "message"),
    [
        ('[[accepted]]\nworkload = "a"\nknown = b\n', 3, "known = b"),
        ('[[accepted]\nworkload = "a"', 1, "accepted"),
        ('workload = "a"\n', 1, "'workload'"),
        ('\n[accepted]\nworkload = "a"\n', 2, "'accepted'"),
        ('[[accepted]]\nknown = "b"\nup_to = 5\n', 1, "a table without workload"),
        ('[[accepted]]\nworkload = "a"\nup_to = 5\n', 1, "a table without known"),
        ('[[accepted]]\nworkload = "a"\nknown = "b"\n', 1, "a table without a bound"),
        ('[[accepted]]\nworkload = "a"\nknown = "b"\nupto = 5\n', 4, "'upto', expected one of workload, known"),
        ('[[accepted]]\nworkload = "a"\nknown = "b"\nup_to = "lots"\n', 4, "'lots', expected an amount"),
        ('[[accepted]]\nworkload = "a"\nknown = "b"\nup_to = -5\n', 4, "'-5', expected an amount"),
        ('[[accepted]]\nworkload = "a"\nknown = "b"\nup_to = true\n', 4, "'True', expected an amount"),
        *(
            (f'[[accepted]]\nworkload = "a"\nknown = "b"\nup_to = {amount}\n', 4, "expected an amount")
            for amount in (f'"{"9" * 400}Gi"', '"1e400Gi"', "9" * 400, "1e400", "inf", "nan")
        ),
        ('[[accepted]]\nworkload = "a"\nknown = "b"\nuntil = "soon"\n', 4, "'soon', expected a date without quotes"),
        ('[[accepted]]\nworkload = 5\nknown = "b"\nup_to = 5\n', 2, "'5', expected a name in quotes"),
        (f'{GOOD}\n[[accepted]]\nworkload = "x"\nknown = ""\nup_to = 1\n', 16, "expected words in quotes"),
        ("accepted = [1]\n", 1, "expected tables"),
    ],
)
def test_bad_files_are_named_with_their_line(tmp_path: Path, written: str, line: int, message: str) -> None:
    """File, line, what was found and what was expected."""
    file = tmp_path / "known.toml"
    file.write_text(written, "utf-8")
    with pytest.raises(ReadError) as caught:
        read_acknowledgements(file)
    assert f"known.toml', line {line}: found " in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """So is one that is a folder, no text, or nested without end."""
    with pytest.raises(ReadError, match=r"no\.toml': found 'no such file or directory'"):
        read_acknowledgements(tmp_path / "no.toml")
    with pytest.raises(ReadError, match="found 'is a directory'"):
        read_acknowledgements(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReadError, match="not UTF-8"):
        read_acknowledgements(tmp_path / "binary.toml")
    (tmp_path / "deep.toml").write_text(f"accepted = {'[' * 100_000}")
    with pytest.raises(ReadError, match=r"deep\.toml': found 'arrays that are nested too deeply'"):
        read_acknowledgements(tmp_path / "deep.toml")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, written: str) -> None:
    """Whatever the file says, the answer is acknowledgements or one error that names the file."""
    file = tmp_path_factory.mktemp("any") / "known.toml"
    file.write_text(f"[[accepted]]\n{written}", "utf-8", errors="surrogatepass", newline="")
    try:
        read_acknowledgements(file)
    except ReadError as error:
        assert "known.toml" in str(error)  # noqa: PT017 - the property is about both ways out


def _leak(name: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "time": range(1_795_000_000, 1_795_000_000 + 600 * 300, 600),
            "namespace": "shop",
            "workload": name,
            "container": "app",
            "rss_bytes": [50 * MI + at * MI // 4 for at in range(300)],
            "limit_bytes": 256 * MI,
        }
    )


@pytest.fixture(scope="module")
def leaks() -> report.Contents:
    """Two leaks of which nothing is known."""
    return _with()


def _with(*known: Acknowledgement) -> report.Contents:
    return report.contents(pl.concat([_leak("api"), _leak("cache")]), acknowledged=known)


def test_what_is_accepted_is_out_of_the_headline(leaks: report.Contents) -> None:
    """It is counted in no figure and named in no list but the last; without it, it would be."""
    known = Acknowledgement("shop/cache", "a cache <of 300 MiB>", 900 * MI, dt.date(2027, 1, 31), None, 1)
    found = _with(known)
    assert (leaks.found.fleet.leak, found.found.fleet.leak) == (2, 1)
    page = report.page(found)
    assert found.found.fleet.sentence.startswith("1 of 1 workload leaks. It will hit its limit this week.")
    shown = page[: page.index('id="section-all"')]
    assert "shop/api" in shown
    assert "shop/cache" not in shown
    end = page[page.index('id="section-accepted"') :]
    assert "a cache &lt;of 300 MiB&gt;" in end
    assert "up to 900 Mi, until 31 Jan 2027" in end
    assert "1 accepted" in page


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Acknowledgement("shop/cache", "small", 100 * MI, None, None, 1), "accepted up to 100 Mi"),
        (
            Acknowledgement("shop/cache/app", "for now", None, dt.date(2026, 11, 1), None, 1),
            "accepted until 1 Nov 2026",
        ),
    ],
    ids=["size", "day"],
)
def test_what_passed_its_bound_is_raised_again(known: Acknowledgement, words: str) -> None:
    """Too large, or too late: it counts like everything else, and the page says at its top why."""
    found = _with(known)
    assert found.found.fleet.leak == 2
    page = report.page(found)
    assert "Past what was accepted:" in page
    assert words in page
    assert page.index("Past what was accepted:") < page.index('id="section-leak"')


def test_what_is_known_of_others_is_said() -> None:
    """A name that is not in the recording is told with its line, so that a slip of the pen is seen."""
    found = _with(Acknowledgement("shop/cahce", "typo", 1, None, None, 7))
    assert "Known, but not in this recording: shop/cahce (line 7)." in report.page(found)


def test_a_cluster_can_be_named() -> None:
    """The same name in another cluster is another workload."""
    row = {"cluster": "prod", "namespace": "shop", "workload": "api", "container": "app"}
    assert Acknowledgement("shop/api", "", 1, None, "prod", 1).covers(row)
    assert not Acknowledgement("shop/api", "", 1, None, "test", 1).covers(row)
