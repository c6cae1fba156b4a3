"""A real S3 server (moto's) in a process of its own; buckets of some names are worse than S3.

Run by the tests: prints its port. One request after the other: a condition and the write that it guards are one step.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import requests
from obstore.store import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: Ignores conditions, as some stores that speak S3 do.
DEAF: Final = "deaf"
_CONDITIONS: Final = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH")


@contextmanager
def serving() -> Iterator[str]:
    """Start the server, with two empty buckets; give its address."""
    started = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert started.stdout is not None
    with started:
        url = f"http://127.0.0.1:{int(started.stdout.readline())}"
        for bucket in ("bucket", DEAF):
            requests.put(f"{url}/{bucket}", timeout=60).raise_for_status()
        try:
            yield url
        finally:
            started.kill()


def environment(url: str) -> dict[str, str]:
    """What points at the server."""
    told = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "AKIDTESTS", "SECRET_ACCESS_KEY": "hush-hush", "REGION": "us-east-1"}
    return {f"AWS_{name}": value for name, value in told.items()}


def put(address: str, data: bytes) -> None:
    """Put an object, with the credentials of the environment, whatever was there."""
    _, _, bucket, key = address.split("/", 3)
    S3Store(bucket, client_options={"allow_http": True}).put(key, data)


def main() -> None:
    """Serve until killed."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    store = DomainDispatcherApplication(create_backend_app)

    def app(asked: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if asked["PATH_INFO"].startswith(f"/{DEAF}/"):
            for name in _CONDITIONS:
                asked.pop(name, None)
        answer: Iterable[bytes] = store(asked, start)
        return answer

    server = make_server("127.0.0.1", 0, app, threaded=False)
    print(server.server_port, flush=True)  # noqa: T201 - whoever started it reads this
    server.serve_forever()


if __name__ == "__main__":
    main()
