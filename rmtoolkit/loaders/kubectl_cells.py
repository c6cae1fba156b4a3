"""The cells of `kubectl top` output: amounts of memory, and names whose meaning a header would tell."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError

if TYPE_CHECKING:
    import os

    import polars as pl

MEBIBYTE: Final = 1 << 20

_QUANTITY: Final = re.compile(r"(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?")
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
#: Names that Kubernetes gave: a Deployment's pod ends with the hash of its template and five random letters.
_GENERATED: Final = r"-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$"


def quantity(text: str) -> int | None:
    """Read an amount of memory as Kubernetes writes it.

    Parameters
    ----------
    text
        A number with a unit such as Ki, M, m, or an exponent, or none: bytes.

    Returns
    -------
    int or None
        Whole bytes, rounded down; None when it is no amount, or more than fits.

    Examples
    --------
    >>> quantity("183500Ki"), quantity("3G"), quantity("1500m"), quantity("12e3"), quantity("lots")
    (187904000, 3000000000, 1, 12000, None)
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
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


def two_names(
    one: pl.Series,
    two: pl.Series,
    first: tuple[int, str],
    path: str | os.PathLike[str],
    *,
    containers: bool | None,
) -> tuple[bool, str]:
    """Decide whether two names without a header are pod and container, or namespace and pod.

    Parameters
    ----------
    one, two
        The first and the second name of all such rows.
    first
        Line number and text of the first of them, for the message.
    path
        The file, for the message.
    containers
        The user's answer; None leaves it to the names.

    Returns
    -------
    tuple of (bool, str)
        True for pod and container, and a note for the report.

    Raises
    ------
    ReadError
        The names do not tell.

    Examples
    --------
    >>> import polars as pl
    >>> pods, names = pl.Series(["api-7d9f8b6c5d-x2x7k"]), pl.Series(["api"])
    >>> two_names(pods, names, (1, ""), "a.log", containers=None)[0]
    True
    """
    if containers is not None:
        return (
            containers,
            f"no header: two names were read as {'pod and container' if containers else 'namespace and pod'}, as asked",
        )
    generated = one.str.contains(_GENERATED).any(), two.str.contains(_GENERATED).any()
    if generated[0] == generated[1]:
        raise ReadError.at(
            path,
            found=first[1].strip(),
            expected="a header, or names that tell pod and container from namespace and pod",
            line=first[0],
            hint="Say which: containers=True (kubectl top pod --containers) or containers=False (kubectl top pod -A).",
        )
    read = "pod and container" if generated[0] else "namespace and pod"
    return bool(generated[0]), f"no header: two names were read as {read}, because of the hashes in the pods' names"
