"""The step of the GitHub Action: write the report, show its summary, comment it, set the status of the commit."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import requests

MARK: Final = "<!-- rmtoolkit -->"
#: GitHub takes comments of 65,536 characters.
_LONGEST: Final = 60_000
_STATES: Final = {0: ("success", "nothing that fails this step"), 1: ("failure", "see the summary")}


def main() -> int:
    """Judge, tell GitHub, and end as rmtoolkit did."""
    token = os.environ.pop("GITHUB_TOKEN", "")
    folder = Path(os.environ["RUNNER_TEMP"]) / "rmtoolkit-report"
    sources = [line.strip() for line in os.environ["RMTOOLKIT_SOURCE"].splitlines() if line.strip()]
    fails = [word for name in os.environ.get("RMTOOLKIT_FAIL_ON", "").split() for word in ("--fail-on", name)]
    more = shlex.split(os.environ.get("RMTOOLKIT_ARGUMENTS", ""))
    folder.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "rmtoolkit", "report", "-o", str(folder / "report.html"), "--beside", str(folder)]
    # Names of others stand in what is printed, and the runner obeys lines of a certain form: not until it reads a word
    # that nobody can know.
    obey = secrets.token_hex(16)
    print(f"::stop-commands::{obey}", flush=True)
    done = subprocess.run([*words, *fails, *more, "--", *sources], check=False)
    print(f"::{obey}::", flush=True)
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as outputs:
        outputs.write(f"folder={folder}\n")
    summary = folder / "summary.md"
    said = summary.read_text("utf-8") if done.returncode in _STATES else "rmtoolkit could not judge: see the log.\n"
    if len(said) > _LONGEST:
        said = f"{said[:_LONGEST].rsplit(chr(10), 1)[0]}\n\nCut here: the whole is in summary.md.\n"
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as shown:
        shown.write(said)
    if token:
        _tell(token, said, done.returncode)
    return done.returncode


def _tell(token: str, said: str, status: int) -> None:
    """Comment on the pull request, once, and set the status of its commit."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text("utf-8"))
    pull = event.get("pull_request")
    commit = pull["head"]["sha"] if pull else os.environ["GITHUB_SHA"]
    state, why = _STATES.get(status, ("error", "it could not judge"))
    github = requests.Session()
    github.headers.update({"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"})
    home = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}"
    _ask(github, "POST", f"{home}/statuses/{commit}", {"state": state, "context": "rmtoolkit", "description": why})
    if pull and os.environ.get("RMTOOLKIT_COMMENT") == "true":
        body = {"body": f"{MARK}\n{said}"}
        comments = f"{home}/issues/{int(pull['number'])}/comments"
        known = _ask(github, "GET", f"{comments}?per_page=100", None) or []
        ours = [one["id"] for one in known if one["body"].startswith(MARK) and one["user"]["type"] == "Bot"]
        if ours:
            _ask(github, "PATCH", f"{home}/issues/comments/{int(ours[0])}", body)
        else:
            _ask(github, "POST", comments, body)


def _ask(github: requests.Session, method: str, url: str, body: dict[str, str] | None) -> Any:  # noqa: ANN401 - JSON
    """Ask GitHub; what it refuses is said, and fails nothing: pull requests from forks may write nothing."""
    try:
        told = github.request(method, url, json=body, timeout=30)
        told.raise_for_status()
        return told.json()
    except (requests.RequestException, ValueError) as error:
        print(f"::warning::GitHub did not take the {method} of a comment or status: {type(error).__name__}")
        return None


if __name__ == "__main__":
    sys.exit(main())
