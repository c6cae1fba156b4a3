"""What all compiled readers share: how they are compiled, and how they take eight bytes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Unsigned indices spare the check for negative ones: a third of the time.
_1, _2, _3, _4, _5, _6, _7 = (np.uintp(number) for number in range(1, 8))
_S8, _S16, _S24, _S32, _S40, _S48, _S56 = (np.uint64(8 * number) for number in range(1, 8))


def compile_(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:  # noqa: ANN401 - numba's own
    """Compile a function, and keep what was compiled where there is a place for it.

    Parameters
    ----------
    function
        Takes and gives numbers and arrays.
    **options
        Of `numba.njit`.

    Returns
    -------
    callable
        The same function, compiled when it is first called.

    Examples
    --------
    >>> compile_(lambda number: number + 1)(1)
    2
    """
    try:
        compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # no folder to keep the compiled code in
        compiled = numba.njit(nogil=True, **options)(function)
    return compiled


def _little(data: NDArray[np.uint8], place: Any) -> Any:  # noqa: ANN401 - an unsigned index, an unsigned word
    """Load eight bytes, the first one lowest; the compiler makes a single load of it."""
    return (
        np.uint64(data[place])
        | np.uint64(data[place + _1]) << _S8
        | np.uint64(data[place + _2]) << _S16
        | np.uint64(data[place + _3]) << _S24
        | np.uint64(data[place + _4]) << _S32
        | np.uint64(data[place + _5]) << _S40
        | np.uint64(data[place + _6]) << _S48
        | np.uint64(data[place + _7]) << _S56
    )


def _big(data: NDArray[np.uint8], place: Any) -> Any:  # noqa: ANN401 - an unsigned index, an unsigned word
    """Load eight bytes, the first one highest; the compiler makes a load and a swap of it."""
    return (
        np.uint64(data[place]) << _S56
        | np.uint64(data[place + _1]) << _S48
        | np.uint64(data[place + _2]) << _S40
        | np.uint64(data[place + _3]) << _S32
        | np.uint64(data[place + _4]) << _S24
        | np.uint64(data[place + _5]) << _S16
        | np.uint64(data[place + _6]) << _S8
        | np.uint64(data[place + _7])
    )


load_little: Final = compile_(_little, inline="always")
load_big: Final = compile_(_big, inline="always")
