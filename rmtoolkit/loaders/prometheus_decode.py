"""From the raw JSON of samples to arrays of times and values, without a Python object per sample."""

from __future__ import annotations

import io
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
from msgspec import UNSET

from rmtoolkit.exceptions import ReadError, quote_path
from rmtoolkit.loaders.prometheus_answers import TRUNCATED, UNREADABLE, parse_answers
from rmtoolkit.loaders.prometheus_files import plain_size, read_content
from rmtoolkit.loaders.prometheus_numbers import MOST_MILLISECONDS, NO_SERIES_FORM, Numbers, read_exports, read_pairs
from rmtoolkit.loaders.prometheus_tidy import stack
from rmtoolkit.loaders.remote_read import damage_of, is_remote_read, read_answer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from rmtoolkit.loaders.prometheus_answers import Answers, Series
    from rmtoolkit.loaders.prometheus_numba import Cut

_Number = TypeVar("_Number", np.int64, np.float64)
_Waiting: TypeAlias = "tuple[int, *tuple[bytes | memoryview, ...]]"

#: Text that is turned into numbers at once: enough for speed, little beside the answer itself.
_BATCH_BYTES: Final = 16 << 20
#: Below this the start of numba costs more than it saves, unless it runs already.
_NUMBA_BYTES: Final = 48 << 20
_NUMBA_BYTES_RUNNING: Final = 1 << 18
#: Enough of a file to tell whether it is the answer to a remote read.
_HEAD_BYTES: Final = 1 << 10

HISTOGRAMS: Final = "native histogram series (they hold no memory gauge)"
NO_SAMPLES: Final = "series without samples"
NO_TIMES: Final = "samples with an impossible time"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Series and their samples, in one stretch of the arrays a series.

    Attributes
    ----------
    labels
        Labels of each series, as the server sent them.
    sources
        The file or address each series comes from.
    counts
        Samples of each series.
    times
        Milliseconds since 1970, UTC, of all samples, series after series.
    values
        The samples; NaN and ±Inf as sent; `prometheus_numbers.STALE_BITS` where a series ended.
    warnings, partial, left_out
        What the reader of the report should know.
    """

    labels: list[dict[str, str]]
    sources: list[str]
    counts: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    warnings: list[str]
    partial: list[str]
    left_out: Counter[str]


@dataclass(slots=True)
class Decoder:
    """Takes answers one after another and gives all their samples at the end.

    Examples
    --------
    >>> decoder = Decoder()
    >>> decoder.add(b'[{"metric": {"pod": "db-0"}, "values": [[1.5, "2"], [3, "+Inf"]]}]', "a.json")
    1
    >>> decoded = decoder.finish()
    >>> decoded.times.tolist(), decoded.values.tolist()
    ([1500, 3000], [2.0, inf])
    """

    fast: bool | None = None
    warnings: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    _labels: list[dict[str, str]] = field(default_factory=list)
    _sources: list[str] = field(default_factory=list)
    _pairs: list[_Waiting] = field(default_factory=list)
    _exports: list[_Waiting] = field(default_factory=list)
    _waiting_bytes: int = 0
    _blocks: list[_Block] = field(default_factory=list)

    def add(self, content: bytes, source: str, name: str | None = None) -> int:
        """Take the text of an answer, or of several.

        Parameters
        ----------
        content
            As `parse_answers` takes it, or the body of a remote read.
        source
            File or address, for messages and for the report.
        name
            The metric of series that have no ``__name__``.

        Returns
        -------
        int
            How many series it held.

        Raises
        ------
        ReadError
            There was nothing to read in it.

        Examples
        --------
        >>> Decoder().add(b'{"status": "success", "data": {"resultType": "vector", "result": []}}', "a.json")
        0
        """
        if is_remote_read(content[:_HEAD_BYTES]):
            return self.add_remote_read(content, source, name=name)
        found = self._cut(io.BytesIO(content), len(content), source)
        cut, answers = found or (None, parse_answers(content, source))
        return self._take(answers, cut, source, name)

    def add_remote_read(
        self,
        content: bytes,
        source: str,
        *,
        start: int | None = None,
        end: int | None = None,
        name: str | None = None,
    ) -> int:
        """Take the answer to a remote read.

        Parameters
        ----------
        content
            Its body.
        source
            File or address, for messages and for the report.
        start, end
            Milliseconds since 1970, both included: whole chunks are answered, what is outside is left away.
        name
            The metric of series that have no ``__name__``.

        Returns
        -------
        int
            How many series it held.

        Raises
        ------
        ReadError
            There was nothing to read in it.

        Examples
        --------
        >>> Decoder().add_remote_read(b"", "http://127.0.0.1:9090")
        0
        """
        read = read_answer(content, source, start=start, end=end, fast=self.fast)
        self.left_out.update(read.left_out + Counter({HISTOGRAMS: read.histograms, NO_SAMPLES: read.silent}))
        self.partial += damage_of(read, source)
        first = len(self._labels)
        for labels in read.labels:
            if name is not None:
                labels.setdefault("__name__", name)
        self._labels += read.labels
        self._sources += [source] * len(read.labels)
        indices = np.arange(first, len(self._labels), dtype=np.int64)
        self._blocks.append(_Block(indices, Numbers(read.counts, read.times, read.values)))
        return len(read.labels) + read.histograms + read.silent

    def add_file(self, path: Path, name: str | None = None) -> int:
        """Take a file; a large one is not held in memory where numba reads it.

        Parameters
        ----------
        path
            The file, perhaps compressed.
        name
            The metric of series that have no ``__name__``.

        Returns
        -------
        int
            How many series it held.

        Raises
        ------
        ReadError
            There was nothing to read in it.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "a.json")
        ...     _ = file.write_text('[{"metric": {}, "value": [1, "2"]}]')
        ...     Decoder().add_file(file)
        1
        """
        size = plain_size(path)
        if self._runs_fast(size):
            # What cannot be read is told by the ordinary way.
            with suppress(OSError), path.open("rb", buffering=0) as stream:
                binary = is_remote_read(stream.read(_HEAD_BYTES) or b"")
                stream.seek(0)
                found = None if binary else self._cut(stream, size, str(path))
                if found is not None:
                    return self._take(found[1], found[0], str(path), name)
        content, notes = read_content(path)
        count = self.add(content, str(path), name)
        self.partial += [f"{quote_path(path)}: {note}" for note in notes]
        return count

    def _take(self, answers: Answers, cut: Cut | None, source: str, name: str | None) -> int:
        self.warnings += answers.warnings
        self.partial += answers.partial
        self.left_out.update(answers.left_out)
        self.partial += [f"{quote_path(source)}: found {what}" for what in dict.fromkeys(answers.refused)]
        already: list[tuple[int, int]] = []
        for series in answers.series:
            index = len(self._labels)
            number = _number_of(series, cut)
            if number is not None:
                already.append((index, number))
            elif series.values is not UNSET and series.timestamps is not UNSET:
                self._wait(self._exports, index, memoryview(series.values), memoryview(series.timestamps))
            elif series.values is not UNSET:
                self._wait(self._pairs, index, memoryview(series.values))
            elif series.value is not UNSET:
                self._wait(self._pairs, index, b"[%b]" % bytes(series.value))
            else:
                is_histogram = series.histogram is not UNSET or series.histograms is not UNSET
                self.left_out[HISTOGRAMS if is_histogram else NO_SAMPLES] += 1
                continue
            if name is not None and "__name__" not in series.metric:
                series.metric["__name__"] = name
            self._labels.append(series.metric)
            self._sources.append(source)
        if cut is not None and already:
            indices, numbers = (np.array(column, np.int64) for column in zip(*already, strict=True))
            starts, counts = cut.starts[numbers], cut.counts[numbers]
            read = Numbers(counts, stack(cut.times, starts, counts), stack(cut.values, starts, counts))
            self._blocks.append(_Block(indices, read))
        return len(answers.series)

    def finish(self) -> Decoded:
        """Give what was taken.

        Returns
        -------
        Decoded
            Series without a single sample are counted, not listed.

        Examples
        --------
        >>> Decoder().finish().labels
        []
        """
        self._flush()
        blocks = [block for block in self._blocks if len(block.series)]
        order = _joined([block.series for block in blocks], np.int64)
        counts = _joined([block.numbers.counts for block in blocks], np.int64)
        times = _joined([block.numbers.times for block in blocks], np.int64)
        values = _joined([block.numbers.values for block in blocks], np.float64)
        # A series of another form is counted as that already, and one without a possible time by its samples.
        silent = int((counts == 0).sum()) - self.left_out[NO_SERIES_FORM]
        self.left_out[NO_SAMPLES] += silent
        if len(times) and (times.min() < 0 or times.max() >= MOST_MILLISECONDS):
            good = (times >= 0) & (times < MOST_MILLISECONDS)
            self.left_out[NO_TIMES] += int(len(times) - good.sum())
            owner = np.repeat(np.arange(len(counts)), counts)
            counts = np.bincount(owner[good], minlength=len(counts)).astype(np.int64)
            times, values = times[good], values[good]
        kept = counts > 0
        if not kept.all():
            order, counts = order[kept], counts[kept]
        return Decoded(
            [self._labels[index] for index in order.tolist()],
            [self._sources[index] for index in order.tolist()],
            counts,
            times,
            values,
            self.warnings,
            self.partial,
            +self.left_out,
        )

    def _runs_fast(self, size: int) -> bool:
        if self.fast is not None:
            return self.fast and size > 0
        least = _NUMBA_BYTES_RUNNING if "rmtoolkit.loaders.prometheus_numba" in sys.modules else _NUMBA_BYTES
        return size >= least and find_spec("numba") is not None

    def _cut(self, stream: io.BytesIO | io.FileIO, size: int, source: str) -> tuple[Cut, Answers] | None:
        """Read most samples first, where that pays; None where it does not, or the answer is damaged."""
        if not self._runs_fast(size):
            return None
        from rmtoolkit.loaders.prometheus_numba import cut_matrices  # noqa: PLC0415 - an extra, slow to import

        cut = cut_matrices(stream.readinto, size)
        if cut is None:
            return None
        try:
            answers = parse_answers(cut.rest, source)
        except ReadError:
            return None
        # Of a damaged answer the places have to be right.
        return None if answers.left_out[TRUNCATED] or answers.left_out[UNREADABLE] else (cut, answers)

    def _wait(self, queue: list[_Waiting], index: int, *texts: bytes | memoryview) -> None:
        if any(_is_empty(text) for text in texts):
            self.left_out[NO_SAMPLES] += 1
            return
        queue.append((index, *texts))
        self._waiting_bytes += sum(map(len, texts))
        if self._waiting_bytes >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        """Turn the text that waits into numbers."""
        if self._pairs:
            indices, texts = zip(*self._pairs, strict=True)
            self._blocks.append(_Block(np.array(indices, np.int64), read_pairs(texts, self.left_out)))
        if self._exports:
            indices, values, times = zip(*self._exports, strict=True)
            numbers = read_exports([bytes(text) for text in values], [bytes(text) for text in times], self.left_out)
            self._blocks.append(_Block(np.array(indices, np.int64), numbers))
        self._pairs, self._exports, self._waiting_bytes = [], [], 0


class _Block(NamedTuple):
    series: NDArray[np.int64]
    numbers: Numbers


def _joined(parts: Sequence[NDArray[_Number]], dtype: type[_Number]) -> NDArray[_Number]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _number_of(series: Series, cut: Cut | None) -> int | None:
    """Which of the samples that were read before belong to a series."""
    if cut is None or series.values is UNSET:
        return None
    text = bytes(memoryview(series.values)[: len(cut.mark) + 22])
    return int(text[len(cut.mark) + 1 : -1]) if text[1:].startswith(cut.mark) else None


def _is_empty(text: bytes | memoryview) -> bool:
    return len(text) < 16 and not bytes(text).strip(b"[] \t\r\n")  # noqa: PLR2004 - no sample and some blanks
