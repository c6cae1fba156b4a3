"""Each file beside the tests is read as it was written down: containers, sums, events, notes, or the error."""

from __future__ import annotations

import json

import pytest

from rmtoolkit.loaders import kubernetes
from tests.loaders.kubernetes import listed
from tests.loaders.made import made
from tests.loaders.worked import FOLDER, FOLDERS, edits, happened, queries, read_files, told
from tests.written import changes


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_changed(folder: str) -> None:
    """`python -m tests.loaders.worked` writes a change down that is meant."""
    assert changes(FOLDER / f"{folder}.json", told(folder)) == []


def test_a_server_is_asked_as_before() -> None:
    """Whatever is wanted: the same looks at its series, and the same cuts of what it has."""
    assert changes(FOLDER / "queries.json", queries()) == []


def test_the_same_has_happened() -> None:
    """Of starts, counters, reasons and kills that are told as early and as late as may be."""
    assert changes(FOLDER / "events.json", happened()) == []


def test_a_change_of_a_file_changes_what_it_did() -> None:
    """Of files with one thing changed (a line, a word, a value of JSON) the same is read, left out or refused."""
    assert changes(FOLDER / "edits.json", edits()) == []


def test_what_is_trimmed_is_read_as_the_whole() -> None:
    """A recorder keeps of each object what a recording needs, all of it."""
    files = made()["kubernetes"]
    kinds = {"Pod", "ReplicaSet", "Job", "StatefulSet", "Node", "Namespace", "ResourceQuota"}
    whole, short = dict(files), dict(files)
    for name in ("pods-1.json", "pods-2.json"):
        objects = [one for one in json.loads(files[name])["items"] if one["kind"] in kinds]
        whole[name] = listed(*objects)
        short[name] = listed(*(kubernetes.trimmed(one["kind"], one) for one in objects))
    assert len(short["pods-1.json"]) < len(whole["pods-1.json"])
    assert read_files(short) == read_files(whole)
