"""Real JupyterLab and Voilà servers, each with a home of its own, and pages opened from them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.error import URLError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

ROOT: Final = Path(__file__).resolve().parents[2]
TOKEN: Final = "t"  # noqa: S105 - for a server on this machine that lives for one test run
#: ms until a notebook has run. The machine may have much else to do.
PATIENCE: Final = 180_000
#: What JupyterLab and Voilà write to the console of every page, whatever is in it.
_USUAL: Final = (
    "Failed to load resource: net::ERR_NAME_NOT_RESOLVED",
    "No provider for",
    "has been preloaded",
    "DEP0",
    "GL Driver",
)
#: Kernels choose ports that are free, and others may take them before they listen: files have no such race.
_KERNELS: Final = ("--KernelManager.transport=ipc",) if sys.platform == "linux" else ()
#: Voilà's own template asks for a font of icons, which no dashboard uses.
_OF_VOILA: Final = "/npm/@fortawesome/"
#: Runs all cells and gives their outputs, once these stand in the page and no word of a widget is under way to the
#: kernel: widgets answer it as soon as they are drawn, and hold back what a user does until it is done with that.
_RUN: Final = """async (patience) => {
    const kernel = () => jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
    const underWay = () => [...(kernel()?._futures.values() ?? [])]
        .filter(({ msg }) => msg.header.msg_type.startsWith("comm"))
        .map(({ msg }) => `${msg.header.msg_type} ${JSON.stringify(msg.content).slice(0, 200)}`);
    const settled = panel =>
        kernel().status === "idle" && !underWay().length && !panel.node.innerText.includes("Loading widget");
    const run = async () => {
        const panel = jupyterapp.shell.currentWidget;
        await panel.context.ready;
        await panel.sessionContext.ready;
        jupyterapp.shell.collapseLeft();
        await jupyterapp.commands.execute("notebook:run-all-cells");
        for (let frames = 0; frames < 5; frames = settled(panel) ? frames + 1 : 0) {
            await new Promise(requestAnimationFrame);
        }
        return panel.content.widgets.filter(cell => cell.model.type === "code")
            .flatMap(cell => cell.model.outputs.toJSON());
    };
    const late = new Promise((_, fail) => {
        setTimeout(() => fail(new Error(`${kernel()?.status} kernel, under way: ${underWay()}`)), patience);
    });
    return await Promise.race([run(), late]);
}"""


class Opened:
    """A page, and everything it asked for or complained about.

    Requests that leave the machine are stopped and kept in `outside`; errors of the console in `complaints`.
    """

    def __init__(self, page: Page) -> None:
        self.outside: list[str] = []
        self.complaints: list[str] = []
        self.page = page
        self.page.on("request", self._request)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _request(self, request: Request) -> None:
        url = request.url
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")) and _OF_VOILA not in url:
            self.outside.append(url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(usual in message.text for usual in _USUAL):
            self.complaints.append(message.text)

    def serious(self, selector: str) -> list[str]:
        """What axe-core finds serious or critical below a selector: rule, and the element."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, context={"include": [[selector]]})
        return [
            f"{violation['id']}: {node['html'][:160]}"
            for violation in found.response["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]


class _Server:
    """A server that is up when it is made and gone when it is left."""

    def __init__(self, home: Path, command: Sequence[str], path: str) -> None:
        self.home = home
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        own = {name: str(home / name.lower()) for name in names}
        # Sockets of kernels stand here, and their paths must be short.
        self.runtime = Path(tempfile.mkdtemp(prefix="rm-"))
        own["JUPYTER_RUNTIME_DIR"] = str(self.runtime)
        for folder in own.values():
            Path(folder).mkdir(exist_ok=True)
        self.environment = (
            os.environ | own | {"TZ": "UTC", "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
        )
        self.log = (home / "server.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, *(word.replace("PORT", str(self.port)) for word in command), *_KERNELS],
            cwd=home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self._wait(path)

    def _wait(self, path: str) -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.address + path, timeout=5):  # noqa: S310 - this machine
                    return
            except (URLError, OSError):
                time.sleep(0.1)
        self.close()
        raise AssertionError((self.home / "server.log").read_text("utf-8", "replace")[-4000:])

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.runtime, ignore_errors=True)


class Lab(_Server):
    """JupyterLab that keeps all cells in the page and asks for no news."""

    name = "lab"

    def __init__(self, home: Path) -> None:
        self.notebooks = home / "notebooks"
        self.notebooks.mkdir()
        settings = {
            "notebook-extension/tracker": {"windowingMode": "none"},
            "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        }
        for name, values in settings.items():
            file = home / "jupyter_config_dir/lab/user-settings/@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(values), encoding="utf-8")
        command = [
            *("-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
            *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=PORT", f"--IdentityProvider.token={TOKEN}"),
            *(f"--ServerApp.root_dir={self.notebooks}", "--LabApp.extension_manager=readonly"),
        ]
        super().__init__(home, command, f"/api/status?token={TOKEN}")

    def open(self, opened: Opened, cells: Sequence[str], *, dark: bool = False) -> None:
        """Run cells in a notebook of their own; a cell that fails fails the test."""
        self.visit(opened, write(self.notebooks, cells), dark=dark)
        self.run(opened)

    @staticmethod
    def run(opened: Opened) -> None:
        """Run the cells of the notebook that is open, perhaps once more."""
        page = opened.page
        page.set_default_timeout(PATIENCE)
        # Nothing else would end the wait for a kernel that never answers.
        outputs = page.evaluate(_RUN, PATIENCE)
        page.set_default_timeout(30_000)
        failed = [output for output in outputs if output["output_type"] == "error"]
        assert failed == [], failed

    def visit(self, opened: Opened, name: str, *, dark: bool = False) -> None:
        """Open a notebook that stands in `notebooks`, and run nothing."""
        page = opened.page
        page.goto(f"{self.address}/doc/tree/{name}?token={TOKEN}&reset", timeout=PATIENCE)
        page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=PATIENCE)
        self.paint(page, dark=dark)

    @staticmethod
    def paint(page: Page, *, dark: bool) -> None:
        """Choose the theme; JupyterLab remembers that of the test before."""
        # The cover that fades when JupyterLab is there comes back for a new theme, and is taken away once for each:
        # where the theme changes while it still fades, the second time finds none and complains.
        bare = "!document.getElementById('jupyterlab-splash')"
        page.wait_for_function(bare, timeout=PATIENCE)
        # Its body has no height of its own, so it counts as hidden.
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        page.evaluate("theme => void jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        wanted = f"body[data-jp-theme-light={str(not dark).lower()}]"
        page.wait_for_selector(wanted, state="attached", timeout=PATIENCE)
        page.wait_for_function(bare, timeout=PATIENCE)

    def close_kernels(self) -> None:
        """Stop every kernel: each holds a process and its memory."""
        url = f"{self.address}/api/kernels"
        with urllib.request.urlopen(f"{url}?token={TOKEN}", timeout=30) as answer:  # noqa: S310 - this machine
            kernels: list[dict[str, Any]] = json.load(answer)
        for kernel in kernels:
            request = urllib.request.Request(f"{url}/{kernel['id']}?token={TOKEN}", method="DELETE")  # noqa: S310
            urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


class Voila(_Server):
    """Voilà over a folder of notebooks."""

    name = "voila"

    def __init__(self, home: Path) -> None:
        self.notebooks = home / "notebooks"
        self.notebooks.mkdir()
        command = [
            *("-m", "voila", str(self.notebooks), "--no-browser", "--port=PORT", "--Voila.ip=127.0.0.1"),
            "--theme=light",
        ]
        super().__init__(home, command, "/")

    def open(self, opened: Opened, cells: Sequence[str], *, dark: bool = False) -> None:
        """Serve cells as a page; it is there when Voilà shows what it has drawn unseen."""
        name = write(self.notebooks, cells)
        theme = "dark" if dark else "light"
        address = f"{self.address}/voila/render/{name}?theme={theme}"
        # The page streams while the notebook runs.
        opened.page.goto(address, wait_until="commit", timeout=PATIENCE)
        opened.page.wait_for_selector("#rendered_cells", timeout=PATIENCE)

    def close_kernels(self) -> None:
        """Voilà stops a kernel when its page is left."""


def write(folder: Path, cells: Sequence[str]) -> str:
    """Write a notebook of code cells under a name of its own."""
    form: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    written = [{**form, "id": f"cell-{number}", "source": cell} for number, cell in enumerate(cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": written, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    name = f"{uuid.uuid4().hex[:8]}.ipynb"
    (folder / name).write_text(json.dumps(notebook), "utf-8")
    return name


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def chromium() -> str | None:
    """The browser to drive: RMTOOLKIT_CHROMIUM, or Debian's."""
    named = os.environ.get("RMTOOLKIT_CHROMIUM", "/usr/bin/chromium")
    return shutil.which(named)


def new_page(
    context: BrowserContext, *, width: int = 1280, height: int = 800, scheme: Literal["light", "dark"] = "light"
) -> Opened:
    """Open an empty page."""
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    return Opened(page)
