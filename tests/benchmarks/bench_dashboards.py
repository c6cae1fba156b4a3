"""How long a dashboard takes to answer: in the browser from the action to the redrawn chart, and in CPU time of Python.

    python tests/benchmarks/bench_dashboards.py [--workloads 20] [--replicas 3] [--samples 10000]
    python tests/benchmarks/bench_dashboards.py --first

With ``--first``: how long the first dashboard of the samples takes in JupyterLab, from the cell that imports, reads and
judges to what stands on screen, in a kernel that is up and has loaded nothing; three kernels for each (target 3 s). The
chart of the first Triage is a picture until Vega is bundled.

The recording is made. The browser is a real one on a real Voilà; wall time says what a user waits on this machine, with
what else it has to do (see the load).
"""

from __future__ import annotations

import argparse
import compileall
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import rmtoolkit as rm  # noqa: E402 - after the path
from rmtoolkit.views import _plot_vega as timeline_chart  # noqa: E402
from rmtoolkit.views.dashboards.triage import (  # noqa: E402
    Case,
    State,
    picture,
)
from tests.benchmarks import fleet  # noqa: E402
from tests.browser.hosts import PATIENCE, Lab, Voila, chromium, new_page, write  # noqa: E402

SWITCHES = 60
#: The first dashboard of a kernel, and what is there when it is.
FIRST = {
    "Fleet": ".rm-fleet tbody tr svg",
    "Triage": ".rm-live-chart svg",
    "Triage, chart live": ".rm-live-chart[data-drawn]",
    "LimitExplorer": ".rm-charts svg",
}
FIRST_TARGET_SECONDS = 3.0

#: Runs the first cell, which says that the kernel is up, then the second, and gives the ms until something is painted.
RUN_SECOND = """async selector => {
    const panel = jupyterapp.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await jupyterapp.commands.execute("notebook:run-cell-and-select-next");
    const begun = performance.now();
    const ran = jupyterapp.commands.execute("notebook:run-cell-and-select-next");
    while (!panel.node.querySelector(selector)) await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
    const waited = performance.now() - begun;
    await ran;
    return waited;
}"""

#: Types a name, and waits until the chart has been drawn and the page has been painted.
SWITCH = """async (names) => {
    const input = document.querySelector('.rm-triage input[list]');
    const chart = document.querySelector('.rm-live-chart');
    const waits = [];
    for (const name of names) {
        const before = chart.dataset.drawn;
        const started = performance.now();
        input.value = name;
        input.dispatchEvent(new Event('change', {bubbles: true}));
        while (chart.dataset.drawn === before) await new Promise(done => requestAnimationFrame(done));
        await new Promise(done => requestAnimationFrame(done));
        waits.push(performance.now() - started);
    }
    return waits;
}"""


def said(name: str, milliseconds: list[float], target: float) -> None:
    """Print median, 95th and 100th percentile."""
    half, high, most = np.percentile(milliseconds, [50, 95, 100])
    print(f"  {name:<44} p50 {half:5.0f} ms   p95 {high:5.0f} ms   max {most:5.0f} ms   (target p95 {target:.0f} ms)")


def python_alone(recording: rm.Recording, names: list[str]) -> None:
    """CPU time of what Python does for a switch."""
    case = Case(rm.assess(recording))
    spent = []
    for name in names:
        started = time.process_time()
        found = picture(case, State(name))
        timeline_chart.rows(found.drawn, found.row, top=found.top)
        spent.append(1000 * (time.process_time() - started))
    said("workload switch, Python alone (CPU)", spent, 300)


def in_the_browser(path: Path, names: list[str]) -> None:
    """Wall time from the typed name to the painted chart."""
    from playwright.sync_api import sync_playwright

    cell = f"import rmtoolkit as rm\nrm.Triage(rm.read({str(path)!r}))"
    server = Voila(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
            opened = new_page(browser.new_context(timezone_id="UTC"))
            started = time.monotonic()
            server.open(opened, [cell])
            opened.page.locator(".rm-live-chart[data-drawn]").wait_for(timeout=2 * PATIENCE)
            print(f"  from nothing to the first chart: {time.monotonic() - started:.1f} s")
            session = opened.page.context.new_cdp_session(opened.page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            before = _busy(session)
            said("workload switch, in the browser", opened.page.evaluate(SWITCH, names), 300)
            each = 1000 * (_busy(session) - before) / len(names)
            print(f"  of which the page's main thread works {each:.0f} ms of CPU each")
            assert opened.complaints == [], opened.complaints
            browser.close()
    finally:
        server.close()


def first_dashboards() -> None:
    """Wall time of the first dashboard in a fresh kernel."""
    # As an installer does it.
    compileall.compile_dir(ROOT / "rmtoolkit", quiet=1)
    from playwright.sync_api import sync_playwright

    lab = Lab(Path(tempfile.mkdtemp()))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
            for name, selector in FIRST.items():
                waits = []
                for _ in range(3):
                    opened = new_page(browser.new_context(timezone_id="UTC"))
                    opened.page.set_default_timeout(PATIENCE)
                    board = name.partition(",")[0]
                    cell = f"import rmtoolkit as rm\nrm.{board}(rm.read({str(ROOT / 'data' / 'samples')!r}))"
                    lab.visit(opened, write(lab.notebooks, ["1", cell]))
                    waits.append(float(opened.page.evaluate(RUN_SECOND, selector)) / 1000)
                    opened.page.context.close()
                    lab.close_kernels()
                each = ", ".join(f"{wait:.2f}" for wait in waits)
                print(f"  first dashboard, rm.{name:<18} {each} s   (target {FIRST_TARGET_SECONDS:g} s)")
            browser.close()
    finally:
        lab.close()


def _busy(session: CDPSession) -> float:
    """CPU seconds that the main thread of the page has spent on tasks."""
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def main() -> None:
    """Make a fleet and switch through it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=20)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--first", action="store_true", help="the first dashboard of a fresh kernel, and nothing else")
    options = parser.parse_args()
    if options.first:
        print(f"load {os.getloadavg()[0]:.1f}")
        first_dashboards()
        return
    with tempfile.TemporaryDirectory() as folder:
        path = fleet.write(
            Path(folder) / "fleet.parquet",
            options.workloads * options.replicas,
            options.samples,
            replicas=options.replicas,
        )
        recording = rm.read(path)
        load = " ".join(f"{value:.1f}" for value in os.getloadavg())
        sizes = f"{options.workloads} workloads × {options.replicas} pods × {options.samples:,} samples"
        print(f"Triage: {sizes}; load {load}")
        every = Case(rm.assess(recording)).names
        names = [every[at % len(every)] for at in range(1, SWITCHES + 1)]
        python_alone(recording, names)
        in_the_browser(path, names)


if __name__ == "__main__":
    main()
