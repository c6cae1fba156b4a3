"""Work on parts on the workers of Dask distributed."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.threads import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client

#: A scheduler that does not answer for so long is none.
_PATIENCE: Final = "10s"


@contextmanager
def connected(address: str | None) -> Iterator[Client | None]:
    """Connect to a cluster while something is done.

    Parameters
    ----------
    address
        Of Dask's scheduler: ``tcp://10.0.0.1:8786``; None: no cluster.

    Yields
    ------
    Client or None
        For ``client=``.

    Raises
    ------
    RmtoolkitError
        Dask is not installed, or nobody answers there.

    Examples
    --------
    >>> with connected(None) as client:
    ...     print(client)
    None
    """
    if address is None:
        yield None
        return
    try:
        from distributed import Client  # noqa: PLC0415 - an extra that few have, and slow to import
    except ImportError as error:
        msg = "A scheduler needs Dask distributed, which is not installed. Hint: pip install 'rmtoolkit[fleet]'."
        raise RmtoolkitError(msg) from error
    try:
        client = Client(address, timeout=_PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        msg = (
            f"No Dask scheduler answers at {quote(address)}. Hint: start one with `dask scheduler`, or see its address."
        )
        raise RmtoolkitError(msg) from error
    try:
        yield client
    finally:
        client.close()  # type: ignore[no-untyped-call]


def on_workers(work: Callable[[Any], Any], items: Sequence[Any], client: Client) -> Iterator[Any]:
    """Work on items on a cluster.

    Parameters
    ----------
    work
        Can be pickled, and so can what it makes.
    items
        Can be pickled.
    client
        Connected to the cluster's scheduler.

    Yields
    ------
    object
        What was made of each item, in their order. What a lost worker had is made again by another one.

    Raises
    ------
    RmtoolkitError
        Workers died again and again at the same item, the scheduler is gone, or the workers lack rmtoolkit.

    Examples
    --------
    >>> from distributed import Client
    >>> with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
    ...     list(on_workers(abs, [-1, 2, -3], client))
    [1, 2, 3]
    """
    from distributed import as_completed  # noqa: PLC0415 - an extra that few have, and slow to import
    from distributed.scheduler import KilledWorker  # noqa: PLC0415

    futures = client.map(partial(_alone, work), items, pure=False)
    made: dict[Any, Any] = {}
    place = {future.key: at for at, future in enumerate(futures)}
    waiting = 0
    try:
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            made[place[future.key]] = future.result()
            future.release()
            while waiting in made:
                yield made.pop(waiting)
                waiting += 1
    except KilledWorker as error:
        msg = (
            f"{error.allowed_failures + 1} Dask worker{'s' * bool(error.allowed_failures)} died at the same part: "
            "probably of too little memory. "
            "Hint: give workers more, fewer threads each, or make the lake with more buckets."
        )
        raise RmtoolkitError(msg) from error
    except ModuleNotFoundError as error:
        msg = f"A Dask worker could not import {error.name!r}. Hint: install the same rmtoolkit where the workers run."
        raise RmtoolkitError(msg) from error
    finally:
        client.cancel(futures)  # type: ignore[no-untyped-call]
    if waiting < len(items):
        msg = f"Dask gave back only {waiting:,} of {len(items):,} parts: the connection to the scheduler was lost."
        raise RmtoolkitError(msg)


def _alone(work: Callable[[Any], Any], item: Any) -> Any:  # noqa: ANN401 - whatever there is to do
    """Work on one item, with one thread for matrices: the other workers use the other cores."""
    return next(in_parallel(work, [item]))
