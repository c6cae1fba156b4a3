"""Versions of workloads, told from the images of their containers, and when a new one came."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DIGEST: Final = re.compile(r"sha256:(?P<hex>[0-9a-f]{12,64})")
_SHORT: Final = 12


class Image(NamedTuple):
    """A stretch of time in which a container ran a version.

    Attributes
    ----------
    container
        The container.
    workload
        Whose container it is: anything that can be compared.
    version
        As `version_of` tells it.
    first, last
        First and last sample, milliseconds.
    """

    container: int
    workload: object
    version: str
    first: int
    last: int


class Release(NamedTuple):
    """The first container of a workload that runs a version which was not running before.

    Attributes
    ----------
    container
        The container.
    time
        Milliseconds.
    version
        The new version.
    """

    container: int
    time: int
    version: str


def version_of(image: str | None, image_id: str | None) -> str | None:
    """Tell the version from an image.

    Parameters
    ----------
    image
        Name of the image, with a tag or a digest.
    image_id
        Perhaps its digest.

    Returns
    -------
    str or None
        The tag; without one, or with ``latest``, the beginning of the digest; None when there is neither.

    Examples
    --------
    >>> version_of("registry:5000/shop/api:1.4.2", None), version_of("api:latest", "api@sha256:0123456789abcdef")
    ('1.4.2', '0123456789ab')
    """
    name = (image or "").partition("@")[0]
    tag = "" if name.startswith("sha256:") else name.rpartition("/")[2].partition(":")[2]
    if tag not in ("", "latest"):
        return tag
    digest = _DIGEST.search(image or "") or _DIGEST.search(image_id or "")
    return digest["hex"][:_SHORT] if digest else tag or None


def releases(images: Iterable[Image], slack: int) -> list[Release]:
    """Find when a workload began to run another version.

    Parameters
    ----------
    images
        What ran when, in any order.
    slack
        A stretch without any container of the version, longer than this many milliseconds, ends it: when it
        comes back after that, and another ran meanwhile, it is a release again (a roll-back).

    Returns
    -------
    list of Release
        Not the version that the data begin with.

    Examples
    --------
    >>> releases([Image(0, "api", "1", 0, 90), Image(1, "api", "2", 60, 200)], slack=10)
    [Release(container=1, time=60, version='2')]
    """
    of_workload: dict[object, list[Image]] = {}
    for image in images:
        of_workload.setdefault(image.workload, []).append(image)
    return [release for rows in of_workload.values() for release in _of_one(rows, slack)]


def _of_one(images: Sequence[Image], slack: int) -> list[Release]:
    ordered = sorted(images, key=lambda image: (image.first, image.last))
    begun = ordered[0].first
    until: dict[str, int] = {}
    found: list[Release] = []
    newest: str | None = None
    for image in ordered:
        last = until.get(image.version)
        if last is None or image.first > last + slack:
            if image.first > begun + slack and image.version != newest:
                found.append(Release(image.container, image.first, image.version))
            newest = image.version
        until[image.version] = image.last if last is None else max(last, image.last)
    return found
