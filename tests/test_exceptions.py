"""Messages: one line, bounded, with the value quoted and the next step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitError, RmtoolkitWarning, UnknownWorkloadError, quote


@given(st.text() | st.binary())
def test_quoted_text_is_one_short_printable_line(text: str | bytes) -> None:
    """Whatever a file holds, its quotation is safe to print."""
    quoted = quote(text)
    assert quoted.isprintable()
    assert len(quoted) <= 900
    assert quoted[0] == quoted[-1]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        pytest.param("plain", "'plain'", id="plain"),
        pytest.param("\x1b[31mred", "'\\x1b[31mred'", id="escape-sequence"),
        pytest.param("a\u202eb", "'a\\u202eb'", id="direction-mark"),
        pytest.param("Füße", "'Füße'", id="umlaut"),
        pytest.param(b"\xff\xfe", "'\ufffd\ufffd'", id="bytes"),
        pytest.param(12, "'12'", id="number"),
    ],
)
def test_quote_escapes_what_moves_the_cursor(text: object, quoted: str) -> None:
    """Control characters become visible, letters stay letters."""
    assert quote(text) == quoted


def test_quote_cuts_long_text() -> None:
    """A megabyte on one line does not become the message."""
    assert quote("x" * 1_000_000) == "'" + "x" * 80 + "…'"


def test_a_read_error_names_file_line_found_and_expected() -> None:
    """All four are in one sentence; the hint follows."""
    error = ReadError.at("top.log", found="<html>", expected="kubectl top rows", line=3, hint="Log in first.")
    assert str(error) == ("Could not read 'top.log', line 3: found '<html>', expected kubectl top rows. Log in first.")


def test_a_long_path_keeps_the_name_of_its_file() -> None:
    """What stands at the end of a path is what the reader looks for."""
    error = ReadError.at("exports/2026/november/" * 20 + "week.json", found="", expected="JSON")
    assert "/week.json': found ''" in str(error)


def test_a_hostile_file_name_stays_on_one_line() -> None:
    """A name with a line break cannot forge a second message."""
    assert "\n" not in str(ReadError.at("a\nDone.", found="\x00", expected="JSON"))


def test_a_missing_column_suggests_the_nearest() -> None:
    """A slip of the finger is answered with the name that was meant."""
    assert str(ColumnError.missing("rss_bytes", ["time", "rss_byte"])).endswith("Hint: did you mean 'rss_byte'?")
    assert "Hint" not in str(ColumnError.missing("rss_bytes", ["a", "b"]))


def test_an_unknown_workload_shows_twenty_and_counts_the_rest() -> None:
    """A fleet of thousands does not fill the screen."""
    message = str(UnknownWorkloadError.named("zzz", [f"service-{number}" for number in range(1000)]))
    assert "service-19 and 980 more" in message
    assert "service-20" not in message


@pytest.mark.parametrize("kind", [ReadError, ColumnError, UnknownWorkloadError])
def test_every_error_is_caught_as_the_one_base(kind: type[RmtoolkitError]) -> None:
    """`except rm.RmtoolkitError` and `except ValueError` both work."""
    assert issubclass(kind, RmtoolkitError)
    assert issubclass(kind, ValueError)
    assert issubclass(RmtoolkitWarning, UserWarning)
