"""Build what a release has into dist/: sdist, wheel, krew's archive and its manifest, and the lock of the image.

``python deploy/release.py https://github.com/OWNER/rmtoolkit``, from a clone; CONTRIBUTING.md has the steps around it.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]


def main() -> None:
    """Build everything, and name it with its checksum."""
    parser = argparse.ArgumentParser(description="Build what a release has.")
    parser.add_argument(
        "home", metavar="URL", help="where the project lives, such as https://github.com/OWNER/rmtoolkit"
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", metavar="FOLDER")
    options = parser.parse_args()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    options.output.mkdir(parents=True, exist_ok=True)
    folder = options.output.resolve()
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run([*build, "-t", "sdist"], cwd=ROOT, check=True, stdout=sys.stderr)
    sdist = folder / f"rmtoolkit-{version}.tar.gz"
    # The wheel is built from the sdist: what that lacks shows here, not at a user's.
    with tempfile.TemporaryDirectory() as source:
        with tarfile.open(sdist) as packed:
            # Python 3.11 has had it since its fourth patch only, and then by this name.
            packed.extraction_filter = getattr(tarfile, "data_filter", None)
            packed.extractall(source)  # noqa: S202 - we have just packed it
        subprocess.run([*build, "-t", "wheel"], cwd=Path(source, sdist.name[:-7]), check=True, stdout=sys.stderr)
    words = {"@VERSION@": version, "@HOME@": options.home.rstrip("/")}
    files = {"kubectl-rmtoolkit": _filled("kubectl-rmtoolkit", words), "LICENSE": (ROOT / "LICENSE").read_bytes()}
    plugin = folder / f"kubectl-rmtoolkit-{version}.tar.gz"
    plugin.write_bytes(_packed(files))
    manifest = folder / "rmtoolkit.yaml"
    manifest.write_bytes(_filled("rmtoolkit.yaml", {**words, "@SHA256@": _sha256(plugin)}))
    (folder / "image.lock").write_text(_lock("fleet", "mcp"), "utf-8")
    for path in (sdist, folder / f"rmtoolkit-{version}-py3-none-any.whl", plugin, manifest):
        print(f"{_sha256(path)}  {path.name}")


def _lock(*extras: str) -> str:
    """Take from the lock what an image needs: of all that is pinned, what rmtoolkit and these extras ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    waiting = [Requirement(one) for one in asked]
    # What another Python needs is in the lock with its marker; here it is not installed, and nothing follows from it.
    wanted = {canonicalize_name(one.name) for one in waiting if one.marker and not one.marker.evaluate()}
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in wanted:
            wanted.add(name)
            needs = map(Requirement, requires(name) or ())
            waiting += [need for need in needs if not need.marker or any(map(need.marker.evaluate, _asked(one.extras)))]
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements.lock").read_text("utf-8"), flags=re.MULTILINE)[1:]
    return "".join(block for block in blocks if block.split("==")[0] in wanted)


def _asked(extras: set[str]) -> list[dict[str, str]]:
    return [{"extra": extra} for extra in extras or {""}]


def _filled(name: str, words: dict[str, str]) -> bytes:
    text = (ROOT / "deploy" / "krew" / name).read_text("utf-8")
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text.encode()


def _packed(files: dict[str, bytes]) -> bytes:
    """Pack files so that the same files give the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755 if content.startswith(b"#!") else 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
