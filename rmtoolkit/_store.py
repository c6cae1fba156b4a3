"""Object stores: as much of `pathlib.Path` as a lake needs, and writes that undo nobody else's."""

from __future__ import annotations

import errno
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, Final

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote, quote_path

#: By the first letter of a protocol: where the store is, and who asks.
_SETTINGS: Final = {
    "s": ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"),
    "g": ("GOOGLE_BASE_URL", "GOOGLE_APPLICATION_CREDENTIALS"),
    "a": ("AZURE_STORAGE_ENDPOINT", "AZURE_STORAGE_ACCOUNT_NAME"),
}
_OURS: Final = ("AWS_", "GOOGLE_", "AZURE_")
_STATUS: Final = re.compile(r"status code: (\d{3}[ \w]{0,40})")
_CODE: Final = re.compile(r"<Code>(\w{1,80})</Code>")
_NO_BUCKET: Final = "NoSuchBucket"
_NO_CONDITIONS: Final = (
    "the store does not keep to conditional writes (If-None-Match, If-Match), so that two who write would undo each "
    "other's. Hint: use a store that has them, such as S3, MinIO, R2, Google's or Azure's."
)


@dataclass(frozen=True, slots=True)
class Seen:
    size: int = 0
    version: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


@dataclass(frozen=True, order=True, slots=True)
class Remote:
    """An object of a store, or all whose names begin so."""

    protocol: str
    bucket: str
    inside: PurePosixPath
    seen: Seen | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.protocol}://{self.bucket}/{self.inside}".removesuffix("/.")

    def __truediv__(self, name: str) -> Remote:
        return Remote(self.protocol, self.bucket, self.inside / name)

    @property
    def name(self) -> str:
        return self.inside.name

    @property
    def parent(self) -> Remote:
        return Remote(self.protocol, self.bucket, self.inside.parent)

    def glob(self, pattern: str) -> Iterator[Remote]:
        with self._asked() as store:
            for one in chain.from_iterable(store.list(None if self.inside == PurePosixPath() else str(self.inside))):
                parts = PurePosixPath(one["path"]).relative_to(self.inside).parts
                # What lies deeper is in a folder of this name.
                below = PurePosixPath(*parts[: pattern.count("/") + 1])
                if below.match(pattern):
                    seen = Seen(one["size"], _version(one)) if below.parts == parts else None
                    yield replace(self, inside=self.inside / below, seen=seen)

    def exists(self) -> bool:
        return self.read().seen != Seen()

    def stat(self) -> os.stat_result:
        """Size as last seen, and a number that is another one after a change, in the place of the time."""
        seen = self.seen or self.read().seen or Seen()
        if not seen.version:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        changed = zlib.crc32(repr(seen.version).encode())
        return os.stat_result((0, 0, 0, 0, 0, 0, seen.size, 0, changed, 0))

    def read(self) -> Remote:
        """Fetch it, once: what is read of the result is of one moment, whoever writes meanwhile."""
        if self.seen is not None and self.seen.content is not None:
            return self
        try:
            with self._asked() as store:
                answer = store.get(str(self.inside))
                content = bytes(answer.bytes())
                return replace(self, seen=Seen(len(content), _version(answer.meta), content))
        except FileNotFoundError:
            return replace(self, seen=Seen())

    def read_bytes(self) -> bytes:
        read = self.read()
        if read.seen is None or read.seen.content is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        return read.seen.content

    def put(self, made: bytes) -> bool:
        """Put bytes in the place of what was read, whole or not at all; false where somebody else has been there."""
        mode = dict(self.seen.version if self.seen else ()) or "create"
        try:
            with self._asked("write") as store:
                # One request, so that the object is there whole or not.
                store.put(str(self.inside), made, mode=mode, use_multipart=False)
        except FileExistsError:
            return False
        return True

    def found_new(self, made: bytes) -> None:
        """Put the first object of a folder, and make sure that the store does as `put` says."""
        fresh = replace(self, seen=Seen())
        if not fresh.put(made + b"\n"):
            return
        first = self.read()
        if fresh.put(made) or not first.put(made) or first.put(made):
            with self._asked("write") as store:
                store.delete(str(self.inside))
            msg = f"Could not write {quote_path(self)}: {_NO_CONDITIONS}"
            raise RmtoolkitError(msg)

    @contextmanager
    def _asked(self, what: str = "read") -> Iterator[Any]:
        """Give the store; say in our words what it refused: its own may hold signed addresses."""
        try:
            from obstore.exceptions import (  # noqa: PLC0415 - an extra that few have
                AlreadyExistsError,
                BaseError,
                PreconditionError,
            )
        except ImportError as error:
            msg = f"Could not use {quote_path(self)}: {error}. Hint: pip install 'rmtoolkit[fleet]'."
            raise RmtoolkitError(msg) from error
        try:
            settings = sorted(pair for pair in os.environ.items() if pair[0].startswith(_OURS))
            yield _store(self.protocol, self.bucket, tuple(settings))
        except (AlreadyExistsError, PreconditionError):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self)) from None
        except FileNotFoundError as error:
            if _NO_BUCKET in str(error):
                raise self._trouble(what, str(error)) from None
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self)) from None
        except (BaseError, OSError) as error:
            raise self._trouble(what, str(error)) from None

    def _trouble(self, what: str, said: str) -> RmtoolkitError:
        """Name what the store answered, and nothing else of it."""
        place, key = _SETTINGS[self.protocol[0]]
        status, code, first = _STATUS.search(said), _CODE.search(said), said.partition("\n")[0]
        number = status[1][:3] if status else ""
        if number == "501":
            return RmtoolkitError(f"Could not write {quote_path(self)}: {_NO_CONDITIONS}")
        if status is None:
            # What names an address tried it in vain; all else of the lake is not tried as well.
            found = "no answer" if "://" in first else quote(first)
            hint = f"See the network, {place} and, outside a cloud, {key}."
        elif _NO_BUCKET in said:
            found, hint = f"no bucket {self.bucket}", f"Make it first, or see its name and {place}."
        else:
            found = f"{status[1].strip()} {f'({code[1]})' if code else ''}".strip()
            hint = "Try later, or see its region and address."
        if number in ("401", "403"):
            hint = f"Credentials come from the environment ({key}) or from the machine's role: to get, put and list."
        if what == "write" or status is None:
            return RmtoolkitError(f"Could not {what} {quote_path(self)}: {found}. Hint: {hint}")
        return ReadError.at(self, found=found, expected="what may be read", hint=f"Hint: {hint}")


def _version(told: Mapping[str, Any]) -> dict[str, str]:
    return {name: told[name] for name in ("e_tag", "version") if told.get(name)}


@lru_cache(maxsize=8)
def _store(protocol: str, bucket: str, environment: tuple[tuple[str, str], ...]) -> Any:  # noqa: ANN401 - one of several
    from obstore.store import from_url  # noqa: PLC0415 - an extra that few have

    plain = any(name.startswith("AWS_ENDPOINT_URL") and value.startswith("http://") for name, value in environment)
    options: dict[str, Any] = {
        "client_options": {"timeout": "60s", "connect_timeout": "5s", "allow_http": plain},
        "retry_config": {"max_retries": 4, "retry_timeout": timedelta(seconds=30)},
    }
    return from_url(f"{protocol}://{bucket}", **options)
