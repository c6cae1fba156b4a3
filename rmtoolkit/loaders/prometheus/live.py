"""`rm.Prometheus`: a live server as a source of recordings, and why it has nothing where it has nothing."""

from __future__ import annotations

import datetime as dt
import inspect
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import polars as pl

from rmtoolkit._identity import infer
from rmtoolkit._tables import asked_window, parse_duration
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError, door, quote, warn
from rmtoolkit.loaders._files import warn_of_names
from rmtoolkit.loaders.prometheus import HISTOGRAMS, NO_SAMPLES, _fetch
from rmtoolkit.loaders.prometheus._discover import BY_RESOURCE, CORE_FAMILY, Leg, Wanted, discover, fetch_metadata
from rmtoolkit.loaders.prometheus._metrics import Meant, role_of
from rmtoolkit.loaders.prometheus.saved import NothingUsableError, to_recording
from rmtoolkit.loaders.server import Client, NothingThereError, Patience, TooMuchError, Who, who_asks
from rmtoolkit.schema import COUNTERS, SIGNALS, Report
from rmtoolkit.text import and_more, count, texts

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prometheus_api_client import PrometheusConnect

    from rmtoolkit.loaders.prometheus._decode import Decoded
    from rmtoolkit.recording import Recording

_METRICS: Final = ("container_memory_working_set_bytes", "container_memory_usage_bytes", "container_memory_rss")
#: The window is looked at in that many instants.
_INSTANTS: Final = 8
_SHOWN: Final = 3
_HINTS: Final[dict[str, str]] = texts("loaders/hints")["live"]
#: What would not fit into the memory of a usual machine.
_MOST_SAMPLES: Final = 150_000_000


def diagnose_empty(
    client: Client, wanted: Wanted, overrides: Mapping[str, str], time: _fetch.Stretch
) -> RmtoolkitError:
    """Say why nothing was found: a name that does not exist, a time without data, a server without the metrics."""
    names = (*_METRICS, *overrides, "process_resident_memory_bytes")
    query = f"group by (namespace, pod) ({_fetch.Selector(names).promql()})"
    there, partial = _labels(client, query, ("namespace", "pod"), time)
    if there:
        frame = pl.DataFrame(there, schema={"namespace": pl.String(), "pod": pl.String()}, orient="row")
        for column, values in wanted._replace(workloads=()).by_name():
            found = frame[column].drop_nulls().unique().sort()
            if not set(values) & set(found):
                return _perhaps_there(client, UnknownWorkloadError.named(values[0], found, kind=column), partial)
            frame = frame.filter(pl.col(column).is_in(list(values)))
        if wanted.workloads:
            owner = infer(pl.col("pod")).struct.field("workload").alias("workload")
            found = frame.select(owner)["workload"].drop_nulls().unique().sort()
            return _perhaps_there(client, UnknownWorkloadError.named(wanted.workloads[0], found), partial)
    first, last = (dt.datetime.fromtimestamp(second, dt.UTC) for second in (time.after + 1, time.until))
    when = f"between {first:%Y-%m-%d %H:%M} and {last:%Y-%m-%d %H:%M} UTC"
    metrics, _ = _labels(client, 'count by (job) ({__name__=~".+"})', ("job",), time._replace(after=time.until - 60))
    hint = "It has no samples at all in the last minute of that: is the time right?"
    if metrics:
        jobs = ", ".join(sorted(str(job) for (job,) in metrics if job)[:5]) or "jobs without a name"
        hint = _HINTS["no_memory"].format(jobs=jobs)
    return NothingThereError(client.fault(f"it has no memory of containers {when}", hint))


def _perhaps_there(client: Client, error: UnknownWorkloadError, partial: Sequence[str]) -> UnknownWorkloadError:
    if not partial:
        return error
    return UnknownWorkloadError(f"{error} But {client.address!r} did not give everything: {partial[0]}.")


def _labels(
    client: Client, query: str, names: Sequence[str], time: _fetch.Stretch
) -> tuple[list[tuple[str | None, ...]], list[str]]:
    step = max(60, time.seconds // _INSTANTS)
    times = {"start": str(time.until - time.seconds // step * step), "end": str(time.until), "step": str(step)}
    try:
        decoded = _fetch.ask(client, "/api/v1/query_range", {"query": query, **times})
    except RmtoolkitError:
        # The first trouble is told; why, cannot be found out.
        return [], []
    return [tuple(labels.get(name) for name in names) for labels in decoded.labels], decoded.partial


class Prometheus:
    """A Prometheus server, or one that speaks its language: Thanos, Mimir, Cortex, VictoriaMetrics, a cloud's own.

    Parameters
    ----------
    url
        Its address, such as ``http://prometheus:9090`` or ``https://mimir/prometheus``. A user, a password and
        parameters in it are used, and never shown.
    username, password, token, token_file
        Who asks; the token may be a function that gives it, its file is read again at each request.
    auth
        Any other authentication of requests, such as one that signs for a cloud.
    headers, tenant
        Sent with every request; the tenant as ``X-Scope-OrgID``, for Mimir and Cortex.
    parameters
        Sent with every query. For Thanos ``{"dedup": "true", "max_source_resolution": "0s"}``, and
        ``"partial_response": "false"`` to fail where a store does not answer: else a warning says so.
    verify, certificate, proxies
        As requests takes them: a file with the certificates of your own authority, a client's certificate (one file, or
        with its key in another), ``{"https": "http://proxy:3128"}``.
    timeout_seconds
        The longest silence within an answer; five times that is the longest answer.
    retries, backoff_seconds
        How often a failed request is made again, and the first wait, which doubles.
    parallel
        Requests under way at once.
    remote_read
        Fetch raw samples by remote read (or VictoriaMetrics' export) where the server has it: a tenth of the bytes, and
        containers that vanished are known to have ended. Where it does not work, JSON is read, and a warning says so.

    Raises
    ------
    RmtoolkitError
        This is no address, or it is said in two ways who asks.

    Notes
    -----
    Nothing is asked before `recording` is called. Credentials go to this server only, never to where it redirects.

    Examples
    --------
    >>> Prometheus("http://me:secret@127.0.0.1:9090/?token=abc")
    <Prometheus: http://127.0.0.1:9090>
    """

    @door
    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password: str | None = None,
        token: str | Callable[[], str] | None = None,
        token_file: str | os.PathLike[str] | None = None,
        auth: Any = None,  # noqa: ANN401 - any authentication of requests
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        parameters: Mapping[str, str] | None = None,
        verify: bool | str = True,
        certificate: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        timeout_seconds: float = 60.0,
        retries: int = 5,
        backoff_seconds: float = 0.5,
        parallel: int = 4,
        remote_read: bool = False,
    ) -> None:
        who = Who(
            username, password, token, token_file, auth, headers, tenant, parameters, verify, certificate, proxies
        )
        self._client = Client(url, who, patience=Patience(timeout_seconds, retries, backoff_seconds))
        self._parallel = parallel
        self._bulk = _fetch.BulkFetch() if remote_read else None
        #: Labels that told containers of one name apart: the next recording names them alike.
        self._parting: list[str] = []

    def __repr__(self) -> str:
        return f"<Prometheus: {self._client.address}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    @property
    def url(self) -> str:
        """Address of the server, without credentials."""
        return self._client.address.url

    @property
    def connect(self) -> PrometheusConnect:
        """The connection of prometheus-api-client, with the same session and credentials."""
        return self._client.connect

    @door
    def recording(
        self,
        *,
        last: str | dt.timedelta | None = None,
        start: str | dt.datetime | None = None,
        end: str | dt.datetime | None = None,
        namespace: str | Iterable[str] | None = None,
        workload: str | Iterable[str] | None = None,
        pod: str | Iterable[str] | None = None,
        step: str | dt.timedelta | None = None,
        metrics: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        workload_pattern: str | None = None,
        progress: bool | None = None,
    ) -> Recording:
        """Fetch a window of time as one recording.

        Parameters
        ----------
        last
            How long before the end the window begins: ``"7d"`` (which is also what nothing means), ``"36h"``.
        start, end
            First and last instant, both included; without a zone, UTC. The end is now when it is not given.
        namespace, workload, pod
            Names to keep, one or several. None keeps all.
        step
            None fetches the samples as they were scraped, which is best for verdicts. For a whole fleet, a
            duration such as ``"1h"``: then the server gives the highest value of each step (the last one of
            counters), which stands at its end.
        metrics, labels, workload_pattern
            As for `rmtoolkit.read_prometheus`; a metric that is not asked for by itself, as
            ``{"http_requests_total": "work_total"}``, is asked for too.
        progress
            Whether to show a bar on stderr; None shows it to people only.

        Returns
        -------
        Recording
            Its report says what was asked and found, what the server did not have or warned of, and what is partial.

        Raises
        ------
        ServerError
            The server cannot be reached, refuses, is no Prometheus, or fails for longer than the retries last.
        UnknownWorkloadError
            No container has the name that was asked for.
        TooMuchError
            It would be more samples than fit into memory.
        RmtoolkitError
            The window is empty or ends before it starts, or there is nothing about memory in it.

        Notes
        -----
        Two queries find out what the server has; the rest is cut by time into requests of at most 1.2 million samples
        and 11,000 steps, which are halved where the server finds them too large. Limits, owners, restarts and versions
        are looked at 336 times in the window, and exactly for the pods in which something changed.

        Examples
        --------
        >>> Prometheus("http://127.0.0.1:9").recording(last="7 days")
        Traceback (most recent call last):
        rmtoolkit.exceptions.RmtoolkitError: '7 days' is no duration. Write it like '7d', '36h' or '1h30m'.
        """
        meant = Meant.checked(metrics, labels, workload_pattern)
        overrides = meant.metrics
        wanted = Wanted(names_asked(namespace, "namespace"), names_asked(workload, "workload"), names_asked(pod, "pod"))
        step_seconds = _whole(parse_duration(step)) if step is not None else 0
        window = _window(last, start, end, step_seconds)
        client = self._client.for_one_pull()
        legs = discover(client, wanted, overrides, meant.labels, window.whole)
        sampled = (leg.only(lambda name: role_of(name, overrides) in SIGNALS) for leg in legs)
        if not (signals := [leg for leg in sampled if leg.counts]):
            raise diagnose_empty(client, wanted, overrides, window.whole)
        with _fetch.Fetcher(client, self._bulk or _fetch.raw_by_json, self._parallel, progress=progress) as fetcher:
            how = {"step_seconds": step_seconds, "parallel": self._parallel}
            asks = [(leg, _asks(leg, overrides, in_steps=step_seconds > 0)) for leg in signals]
            parts = [part for leg, mine in asks for part in leg.plan(mine, window.whole, **how)]
            if (expected := sum(part.samples for part in parts)) > _MOST_SAMPLES:
                raise TooMuchError(
                    client.fault(f"this would be some {expected / 1e6:,.0f} million samples", _HINTS["too_many"])
                )
            facts_of = partial(fetch_metadata, legs=legs, overrides=overrides, time=window.whole)
            fetched = partial(fetcher.fetch_beside, parts, facts_of)
            found, facts = fetched()
            if self._bulk is not None and self._bulk.reads and (lacking := _lacking(found, signals)):
                self._bulk.give_up(f"it brought fewer series of {lacking} than the server has")
                # What it said of limits and restarts may be as short.
                found, facts = fetched()
            short = partial(_lacking, legs=[leg.said(overrides) for leg in legs], is_sure=True)
            if not facts.partial and short([*found, *facts.parts]):
                found, facts = fetched()
                if lacking := short([*found, *facts.parts]):
                    said = f"it gave fewer series of {lacking} than it counted"
                    facts = facts._replace(partial=(*facts.partial, said))
            if gave_up := (self._bulk.told() if self._bulk is not None else ""):
                warn(f"{client.address!r}: {gave_up}.")
        if not step_seconds:
            found = [_fetch.between(part, window.start_ms, window.end_ms) for part in found]
        found += facts.parts
        facts.parts.clear()
        halved = f"the server found {count(fetcher.halved, 'request')} too large, halved since"
        report = Report(
            sources=(client.address.url,),
            asked=_asked(window, wanted, step_seconds),
            partial=facts.partial,
            warnings=(*facts.warnings, *([gave_up] if gave_up else []), *([halved] if fetcher.halved else [])),
            time_axis=f"ends of steps of {step_seconds} s, UTC" if step_seconds else "as scraped, UTC",
        )
        try:
            # Nothing but the reading itself holds the samples, so that each step can let go of what it had before.
            recording = to_recording(_fetch.together(found), meant, report, self._parting)
        except NothingUsableError as error:
            raise diagnose_empty(client, wanted, overrides, window.whole) from error
        recording = _chosen(recording, wanted, client)
        warn_of_names(recording.report, f"at {client.address!r}")
        if lacks := recording.report.partial:
            lines = "; ".join(line.rstrip(".") for line in lacks[:_SHOWN])
            warn(f"{client.address!r} did not give everything: {lines}{and_more(len(lacks), _SHOWN)}.")
        return recording


class _Window(NamedTuple):
    start_ms: int
    end_ms: int
    whole: _fetch.Stretch


def _window(
    last: str | dt.timedelta | None, start: str | dt.datetime | None, end: str | dt.datetime | None, step_seconds: int
) -> _Window:
    begin, stop = asked_window(last, start, end)
    start_ms, end_ms = math.ceil(begin.timestamp() * 1000), math.floor(stop.timestamp() * 1000)
    # One millisecond earlier: a sample at the very start belongs to the window.
    after, until = (start_ms - 1) // 1000, -(-end_ms // 1000)
    if step_seconds:
        until = -(-until // step_seconds) * step_seconds if end is None else until
        after = until - -(-(until - after) // step_seconds) * step_seconds
    return _Window(start_ms, end_ms, _fetch.Stretch(after, until))


def _whole(step: dt.timedelta) -> int:
    seconds = step.total_seconds()
    if seconds < 1 or seconds != int(seconds):
        msg = f"A step is a whole number of seconds, at least 1; got {seconds:g} s."
        raise RmtoolkitError(msg)
    return int(seconds)


def names_asked(names: str | Iterable[str] | None, what: str) -> tuple[str, ...]:
    if names is None:
        return ()
    several = (names,) if isinstance(names, str) else tuple(names)
    if not several or not all(several):
        msg = f"{what}= takes a name or several, got {quote(names)}. Leave it out to keep all."
        raise RmtoolkitError(msg)
    return several


def _asks(leg: Leg, overrides: Mapping[str, str], *, in_steps: bool) -> list[_fetch.Ask]:
    if not in_steps:
        return [_fetch.Ask(leg.selector(list(leg.counts)), "raw")]
    # Of a counter the last value of a step says more than the highest: it may have been reset.
    counters = [name for name in leg.counts if role_of(name, overrides) in COUNTERS]
    gauges = [name for name in leg.counts if name not in counters]
    return [_fetch.Ask(leg.selector(names), how) for names, how in ((gauges, "max"), (counters, "last")) if names]


def _lacking(found: Sequence[Decoded], legs: Sequence[Leg], *, is_sure: bool = False) -> str:
    """Name a metric of which fewer series came than the server counted at one instant; empty where none does."""
    there: dict[tuple[str, bool], set[frozenset[tuple[str, str]]]] = {}
    for part in found:
        for labels in part.labels:
            # Limits of CPUs have the name of those of memory.
            place = labels.get("__name__", ""), labels.get("resource") == "cpu"
            there.setdefault(place, set()).add(frozenset(labels.items()))
    # The server counts them too.
    idle = sum(part.left_out[HISTOGRAMS] + part.left_out[NO_SAMPLES] for part in found)
    for leg in legs:
        for name, size in (leg.sure if is_sure else leg.counts).items():
            if size > len(there.get((name, leg.family == CORE_FAMILY and name in BY_RESOURCE), ())) + idle:
                return name
    return ""


def _asked(window: _Window, wanted: Wanted, step_seconds: int) -> str:
    first, last = (dt.datetime.fromtimestamp(time / 1000, dt.UTC) for time in (window.start_ms, window.end_ms))
    told = [f"{name} {' or '.join(map(quote, values))}" for name, values in wanted.by_name()]
    how = f"the highest value of every {step_seconds} s" if step_seconds else "samples as scraped"
    return ", ".join([f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC", *told, how])


def _chosen(recording: Recording, wanted: Wanted, client: Client) -> Recording:
    kept = recording.containers
    for name, values in wanted.by_name():
        there = kept[name].drop_nulls().unique().sort()
        if not set(values) & set(there):
            unknown = UnknownWorkloadError.named(values[0], there, kind=name)
            raise _perhaps_there(client, unknown, recording.report.partial)
        kept = kept.filter(pl.col(name).is_in(list(values)))
    if kept.height == recording.containers.height:
        return recording
    return recording.filter(pl.col("container_id").is_in(kept["container_id"].implode()))


def server_at(
    url: str,
    *,
    token_file: str | os.PathLike[str] | None = None,
    tenant: str | None = None,
    ca_file: str | None = None,
    remote_read: bool = False,
    timeout_seconds: float = 60.0,
) -> Prometheus:
    told = who_asks(token_file=token_file, tenant=tenant, ca_file=ca_file)
    return Prometheus(url, remote_read=remote_read, timeout_seconds=timeout_seconds, **told)


def read_url(url: str, **options: Any) -> Recording:  # noqa: ANN401 - as `server_at` and `Prometheus.recording` take them
    own = {name: options.pop(name) for name in inspect.signature(server_at).parameters if name in options}
    with server_at(url, **own) as server:
        return server.recording(**options)
