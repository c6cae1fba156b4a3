"""What is built and installed stands alone: in a fresh environment, away from any clone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
HOME: Final = "https://git.example/team/rmtoolkit"
needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="needs kubectl: apt-get install kubectl (Debian, from trixie on)"
)


class Installed(NamedTuple):
    """An environment that has the wheel and nothing of the clone."""

    sdist: Path
    wheel: Path
    scripts: Path
    home: Path

    def run(self, *words: str | Path, status: int = 0) -> str:
        """Run a program in an empty folder and give what it printed."""
        path = f"{self.scripts}{os.pathsep}{os.environ['PATH']}"
        told = {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8", "COLUMNS": "100"}
        program = shutil.which(words[0], path=path) or words[0]
        done = subprocess.run(
            [program, *words[1:]], cwd=self.home, env=told, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr


def _done(words: Sequence[str | Path]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """What a release has, and a fresh environment that pip put its wheel into, without any network."""
    folder = tmp_path_factory.mktemp("installed")
    _done([sys.executable, ROOT / "deploy" / "release.py", f"{HOME}/", "-o", folder])
    (sdist,) = folder.glob("rmtoolkit-*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    fresh, home = folder / "fresh", folder / "home"
    _done([sys.executable, "-m", "venv", fresh])
    scripts = fresh / "bin"
    _done([scripts / "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile", wheel])
    # What it depends on comes from here; links to clones do not: Python follows those of its own folder only.
    (site,) = fresh.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    home.mkdir()
    return Installed(sdist, wheel, scripts, home)


def test_the_demo_runs_from_the_wheel(installed: Installed) -> None:
    """`pip install rmtoolkit && rmtoolkit demo`, in an empty folder: verdicts here, a page beside."""
    said = installed.run("rmtoolkit", "demo")
    assert said.startswith("3 of 8 workloads leak.")
    assert "fern/mellow-jackdaw" in said
    assert said.endswith("Report: out/demo.html\n")
    assert "<title>rmtoolkit demo" in (installed.home / "out" / "demo.html").read_text("utf-8")
    assert str(ROOT) not in said


def test_it_runs_as_a_module_and_tells_its_version(installed: Installed) -> None:
    """`python -m rmtoolkit` is the same command, and the version is that of pyproject.toml."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert installed.run("python", "-m", "rmtoolkit", "--version") == f"rmtoolkit {version}\n"
    assert installed.wheel.name == f"rmtoolkit-{version}-py3-none-any.whl"


def test_the_wheel_has_what_it_needs_and_no_more(installed: Installed) -> None:
    """Every module, asset and shipped margin; samples of at most a megabyte; no tests, no corpus."""
    with zipfile.ZipFile(installed.wheel) as packed:
        sizes = {info.filename: info.file_size for info in packed.infolist()}
    samples = {name: size for name, size in sizes.items() if name.startswith("rmtoolkit/samples/")}
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "rmtoolkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    told = {name for name in sizes if ".dist-info/" in name}
    assert sizes.keys() - told - samples.keys() == ours
    assert 0 < sum(samples.values()) <= 1_000_000
    assert {name.split("/")[-1] for name in told} >= {"METADATA", "LICENSE", "entry_points.txt"}
    with tarfile.open(installed.sdist) as packed:
        roots = {Path(name).parts[1] for name in packed.getnames()}
    assert roots == {
        ".gitignore",
        "rmtoolkit",
        "data",
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "PKG-INFO",
        "pyproject.toml",
    }


@needs_kubectl
def test_kubectl_finds_its_plugin(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real kubectl lists the plugin, hands it its words, and records without being told to use kubectl."""
    # One of an environment that the tests were started from would be listed as overshadowed.
    elsewhere = (path for path in os.environ["PATH"].split(os.pathsep) if not Path(path, "kubectl-rmtoolkit").exists())
    monkeypatch.setenv("PATH", os.pathsep.join(elsewhere))
    assert f"{installed.scripts}/kubectl-rmtoolkit\n" in installed.run("kubectl", "plugin", "list")
    assert installed.run("kubectl", "rmtoolkit", "--help").startswith("usage: kubectl rmtoolkit [-h]")
    assert "kubectl rmtoolkit classify --help" in installed.run("kubectl", "rmtoolkit", "classify", "--no", status=2)
    words = ("record", "--context", "nowhere", "--duration", "1s", "-o", "week.jsonl")
    assert "kubectl config get-contexts" in installed.run("kubectl", "rmtoolkit", *words, status=2)
    assert "--context is for --kubectl" in installed.run("rmtoolkit", "record", "--pid", "1", *words[1:], status=2)


@needs_kubectl
def test_what_krew_installs_is_what_its_manifest_says(installed: Installed) -> None:
    """The archive has the checksum that is told; its script is the plugin, and without rmtoolkit says what to do."""
    release = installed.sdist.parent
    manifest = yaml.safe_load((release / "rmtoolkit.yaml").read_text("utf-8"))
    (platform,) = manifest["spec"]["platforms"]
    name = platform["uri"].removeprefix(f"{HOME}/releases/download/{manifest['spec']['version']}/")
    assert platform["sha256"] == hashlib.sha256((release / name).read_bytes()).hexdigest()
    assert len(manifest["spec"]["shortDescription"]) <= 50
    store = release / "krew"
    with tarfile.open(release / name) as packed:
        packed.extraction_filter = getattr(tarfile, "data_filter", None)
        packed.extractall(store)  # noqa: S202 - we have just packed it
    assert {path.name for path in store.iterdir()} == {file["from"] for file in platform["files"]}
    script = store / platform["bin"]
    assert installed.run(script, "--help").startswith("usage: kubectl rmtoolkit [-h]")
    alone = subprocess.run(["/bin/sh", script], env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stderr[-38:]) == (2, "Install it with: pip install rmtoolkit\n"[-38:])
    assert "@" not in script.read_text("utf-8").replace('"$@"', "")
