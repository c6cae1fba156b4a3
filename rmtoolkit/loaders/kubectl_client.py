"""Run the user's own `kubectl`, and say in one line what it complained of."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.loaders.kubectl_lines import failure

if TYPE_CHECKING:
    from collections.abc import Sequence

_MISSING: Final = re.compile(
    r"Metrics API not available|could not find the requested resource|\(NotFound\)|doesn't have a resource"
)
#: What never gets better by itself, and what to do about it.
_LASTING: Final = (
    (
        re.compile(r"\(Forbidden\)|is forbidden:"),
        "Your user must be allowed to list pods and pods.metrics.k8s.io there: the role view is enough.",
    ),
    (
        re.compile(r"\(Unauthorized\)|must be logged in|\bUnauthorized\b|provide credentials"),
        "Log in to the cluster again: kubectl get pods must work.",
    ),
    (
        _MISSING,
        "The cluster needs metrics-server: kubectl top pod must work.",
    ),
    (
        re.compile(r"connection refused|was refused|no such host|no route to host|network is unreachable"),
        "Is the cluster running, and is this the right context? See: kubectl config current-context.",
    ),
    (
        re.compile(r"x509:|certificate"),
        "kubectl does not trust the cluster's certificate, or the other way round: kubectl get pods must work.",
    ),
    (
        re.compile(
            r"context .{0,300}does not exist|context was not found|cannot locate context"
            r"|no configuration has been provided|invalid configuration|unknown flag"
            r"|error loading config|stat .{0,300}: no such file|current-context must exist|executable .{0,300}not found"
        ),
        "See: kubectl config get-contexts.",
    ),
)
_KLOG: Final = re.compile(r"[EWIF]\d{4} ")
_SECRET: Final = re.compile(r"(?i)(?:bearer|basic|token|password)[ =:]+\S+|eyJ[\w-]{10,}(?:\.[\w-]+)*")
_SHOWN: Final = 300


class KubectlError(RmtoolkitError):
    """`kubectl` could not do what it was asked.

    Attributes
    ----------
    said
        What it complained of, in one line and without secrets.
    hint
        What to do; empty where it may work the next time.
    """

    def __init__(self, command: str, said: str, hint: str) -> None:
        self.said = said
        self.hint = hint
        super().__init__(f"kubectl {command} failed: {quote(said, _SHOWN)}. {hint}".rstrip())

    @property
    def lasting(self) -> bool:
        """It will not get better by itself."""
        return bool(self.hint)

    @property
    def missing(self) -> bool:
        """The server does not have what was asked for."""
        return _MISSING.search(self.said) is not None


class Kubectl(NamedTuple):
    """The user's `kubectl`, with the cluster that it talks to.

    Attributes
    ----------
    program
        Its path.
    options
        Which cluster.
    """

    program: str
    options: tuple[str, ...] = ()

    @classmethod
    def find(cls, program: str, context: str | None, kubeconfig: str | os.PathLike[str] | None) -> Kubectl:
        """Find the program.

        Parameters
        ----------
        program
            Its name or path.
        context
            A context of the configuration; None is the current one.
        kubeconfig
            The configuration; None is kubectl's own choice.

        Returns
        -------
        Kubectl
            Ready to run.

        Raises
        ------
        RmtoolkitError
            There is no such program.

        Examples
        --------
        >>> Kubectl.find("no-such-kubectl", None, None)
        Traceback (most recent call last):
        rmtoolkit.exceptions.RmtoolkitError: There is no program 'no-such-kubectl'. Install kubectl, or ...
        """
        found = shutil.which(program)
        if found is None:
            msg = (
                f"There is no program {quote(program)}. Install kubectl, or read what it prints elsewhere with rm.read."
            )
            raise RmtoolkitError(msg)
        options = [] if context is None else [f"--context={context}"]
        options += [] if kubeconfig is None else [f"--kubeconfig={os.fspath(kubeconfig)}"]
        return cls(found, tuple(options))

    def run(self, *arguments: str, timeout_seconds: float) -> bytes:
        r"""Run one command.

        Parameters
        ----------
        *arguments
            Words of the command; no shell reads them.
        timeout_seconds
            After so long it is given up, with everything that it started.

        Returns
        -------
        bytes
            What it printed.

        Raises
        ------
        KubectlError
            It failed, or took too long.

        Examples
        --------
        >>> Kubectl("/bin/echo").run("get", "pods", timeout_seconds=5)
        b'--request-timeout=5s get pods\n'
        """
        shown = " ".join(arguments)
        command = [self.program, *self.options, f"--request-timeout={max(1, round(timeout_seconds))}s", *arguments]
        # A session of its own: Ctrl-C is for the recorder, and a credential helper dies with kubectl.
        with subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                # kubectl's own limit comes first: it says more.
                printed, complaints = process.communicate(timeout=timeout_seconds + 2)
            except subprocess.TimeoutExpired as error:
                _kill(process)
                raise KubectlError(shown, f"no answer within {timeout_seconds:g} s", "") from error
            except BaseException:
                _kill(process)
                raise
        if process.returncode != 0:
            raise _error(shown, complaints.decode("utf-8", "replace").splitlines(), process.returncode)
        return printed


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()


def _error(command: str, lines: Sequence[str], status: int) -> KubectlError:
    """Find the line that says what is wrong: kubectl's own, not what its libraries log before."""
    plain = [line.strip() for line in lines if line.strip() and not _KLOG.match(line)]
    told = [found[0] for line in plain if (found := failure(line))]
    said = next(iter(told), plain[-1] if plain else next(iter(lines), f"exit status {status} and no word"))
    said = _SECRET.sub("…", " ".join(said.split()))[:_SHOWN]
    hint = next((hint for pattern, hint in _LASTING if pattern.search(said)), "")
    return KubectlError(command, said, hint)
