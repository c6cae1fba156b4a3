"""Compile the programs of the lab with plain `rustc`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
#: Debian's packages librust-tokio-dev and librust-prometheus-dev put the sources of crates here.
CRATES = "/usr/share/cargo/registry"
_MANIFEST = f"""[package]
name = "service-stack"
version = "0.0.0"
edition = "2021"
[[bin]]
name = "service-stack"
path = "{PROGRAMS / "service.rs"}"
[features]
stack = []
[dependencies]
prometheus = {{ version = "0.13", default-features = false }}
tokio = {{ version = "1.43", features = ["io-util", "net", "rt-multi-thread", "sync", "time"] }}
"""


class NoCompilerError(RuntimeError):
    """There is no `rustc` on this machine."""


def build(folder: Path, *, jemalloc_archive: Path | None = None) -> Path:
    """Compile the service.

    Parameters
    ----------
    folder
        Where the binary goes.
    jemalloc_archive
        A static jemalloc with unprefixed names to link in, as Rust services that set a global
        allocator have it; without it the allocator is the system's or the one preloaded.

    Returns
    -------
    pathlib.Path
        The binary; it is not compiled again while it is newer than every source.
    """
    target = folder / ("service-jemalloc" if jemalloc_archive else "service")
    newest = max(source.stat().st_mtime for source in PROGRAMS.glob("*.rs"))
    if target.exists() and target.stat().st_mtime > newest:
        return target
    compiler = shutil.which("rustc")
    if compiler is None:
        msg = "rustc is not installed; the programs of the lab cannot be compiled"
        raise NoCompilerError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    # The symbols must be in the dynamic table: the service looks its allocator up by name.
    command = [compiler, "--edition", "2021", "-O", "-g", "-C", "link-args=-rdynamic"]
    if jemalloc_archive:
        # Only what malloc and mallctl need: the archive's C++ operators would want libstdc++.
        command += ["-C", f"link-args=-Wl,-u,malloc -Wl,-u,mallctl {jemalloc_archive} -lm"]
    subprocess.run([*command, "-o", str(target), str(PROGRAMS / "service.rs")], check=True)
    return target


def build_stack(folder: Path) -> Path:
    """Compile the service with its components on Tokio, from the crates that Debian packages."""
    home = folder / "stack"
    home.mkdir(parents=True, exist_ok=True)
    (home / "Cargo.toml").write_text(_MANIFEST)
    source = {"crates-io.replace-with": "debian", "debian.directory": CRATES}
    settings = [word for key, value in source.items() for word in ("--config", f'source.{key}="{value}"')]
    command = ["cargo", "build", "--release", "--quiet", "--offline", "--features", "stack", *settings]
    subprocess.run([*command, "--target-dir", str(home / "target")], cwd=home, check=True)
    return home / "target/release/service-stack"
