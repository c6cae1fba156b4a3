"""One Chromium, one JupyterLab and one Voilà for each process of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.browser.hosts import Lab, Opened, Voila, chromium, new_page, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext


_SWITCHED_OFF: Final = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "LensOverlay"),
    *("HttpsFirstBalancedModeAutoEnable", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning"),
    *("AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch"),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser; RMTOOLKIT_CHROMIUM names another than /usr/bin/chromium."""
    path = chromium()
    if path is None:
        pytest.skip("there is no Chromium: apt install chromium, or set RMTOOLKIT_CHROMIUM")
    from playwright.sync_api import expect, sync_playwright

    # The machine may have much else to do.
    expect.set_options(timeout=30_000)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update"]
    arguments += ["--disable-background-networking", "--disable-sync"]
    # A popup of the address bar, which no page here has, would be a process of its own for each page, with scripts that
    # cost more than most pages. Chromium keeps the last such list only: the rest is what Playwright switches off.
    arguments += [f"--disable-features={','.join(_SWITCHED_OFF)}"]
    # Nothing beyond this machine is found.
    arguments += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab; its notebooks stand in `lab.notebooks`."""
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def voila(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voila]:
    """A Voilà; its notebooks stand in `voila.notebooks`."""
    server = Voila(tmp_path_factory.mktemp("voila"))
    yield server
    server.close()


@pytest.fixture(params=["lab", "voila"])
def host(request: pytest.FixtureRequest) -> Iterator[Lab | Voila]:
    """Both of them, one after the other."""
    server: Lab | Voila = request.getfixturevalue(request.param)
    yield server
    server.close_kernels()


@pytest.fixture(scope="session")
def context(browser: Browser) -> BrowserContext:
    """What pages of notebooks share: the scripts of JupyterLab and Voilà are fetched and compiled once."""
    return browser.new_context(timezone_id="UTC")


@pytest.fixture(scope="module")
def notebook(lab: Lab, context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Opened]:
    """The `CELLS` of a file of tests in JupyterLab, which takes seconds to open; nothing has run."""
    opened = new_page(context)
    lab.visit(opened, write(lab.notebooks, request.module.CELLS))
    yield opened
    opened.page.close()
    lab.close_kernels()


@pytest.fixture
def anew(lab: Lab, notebook: Opened) -> Callable[..., Opened]:
    """Runs the notebook, perhaps once more, such as ``anew(width=1000, dark=True)``."""

    def run(*, width: int = 1280, dark: bool = False) -> Opened:
        notebook.page.set_viewport_size({"width": width, "height": 800})
        lab.paint(notebook.page, dark=dark)
        lab.run(notebook)
        return notebook

    return run


@pytest.fixture
def new(context: BrowserContext) -> Iterator[Callable[..., Opened]]:
    """Opens pages, such as ``new(width=1000, scheme="dark")``, and closes them after the test."""
    pages: list[Opened] = []

    def open_one(**wanted: object) -> Opened:
        pages.append(new_page(context, **wanted))  # type: ignore[arg-type]
        return pages[-1]

    yield open_one
    for opened in pages:
        opened.page.close()
