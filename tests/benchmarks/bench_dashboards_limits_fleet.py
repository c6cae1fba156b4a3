"""How soon LimitExplorer and Fleet answer in a real browser: from the key, or the opening, to the picture on screen.

Run: ``python tests/benchmarks/bench_dashboards_limits_fleet.py``. Needs Chromium; starts a JupyterLab of its own.
Targets: LimitExplorer on a workload of 50 pods with 10,000 samples each: limit slider to redrawn charts, p95,
80 ms; other sliders 300 ms, another workload 300 ms; Fleet of 5,000 workloads, already judged, ready in 3 s.
Each is timed in the page: a key is pressed, and the time is taken at the first frame after the new charts stand
in it. Beside it stands what Python takes for the same, without a browser. On a busy machine all of them are
slower: the load is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from playwright.sync_api import sync_playwright

import rmtoolkit as rm
from tests.browser.hosts import Lab, chromium, new_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.browser.hosts import Opened

MI: Final = 1 << 20
#: Watches the charts, presses a key and gives the ms until the frame that shows the new ones.
_KEY: Final = """
async ([selector, key, watched]) => {
  const handle = document.querySelector(selector), charts = document.querySelector(watched);
  handle.focus();
  return await new Promise((done, fail) => {
    const watch = new MutationObserver(() => {
      watch.disconnect();
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
    });
    watch.observe(charts, { childList: true, subtree: true, characterData: true });
    setTimeout(() => fail(new Error("nothing was drawn")), 60000);
    const begun = performance.now();
    handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  });
}
"""
_TYPE: Final = _KEY.replace(
    'handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));',
    'handle.value = key; handle.dispatchEvent(new Event("change", { bubbles: true }));'
    'handle.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", keyCode: 13, bubbles: true }));',
)


def pods(pods_each: int, samples: int) -> rm.Recording:
    """Two workloads of so many pods, with restarts that begin with a spike."""
    rng = np.random.default_rng(1)
    frames = []
    for workload in ("recommender", "search"):
        for pod in range(pods_each):
            at = np.arange(samples)
            begun = np.isin(at, rng.choice(samples, 6, replace=False))
            age = at - np.maximum.accumulate(np.where(begun, at, 0))
            spike = np.where(age < 6, 150 * rng.uniform(0.8, 1.2) * np.exp(-age / 3), 0)
            values = 318 + 15 * np.sin(at / 229) + 3 * rng.standard_normal(samples) + spike
            frames.append(
                pl.DataFrame(
                    {
                        "time": 1_760_000_000 + 60 * at,
                        "namespace": "catalog",
                        "workload": workload,
                        "pod": f"{workload}-{pod:02}",
                        "container": "app",
                        "working_set_bytes": (values * MI).astype(np.int64),
                        "threads": 24,
                        "restarts_total": begun.cumsum(),
                        "limit_bytes": 512 * MI,
                        "request_bytes": 512 * MI,
                    }
                )
            )
    return rm.Recording.from_frame(pl.concat(frames))


def fleet(workloads: int, samples: int) -> rm.Recording:
    """So many workloads of one pod, a week long; one in fifty grows."""
    rng = np.random.default_rng(2)
    at = np.arange(samples)
    step = 7 * 86_400 // samples
    frames = []
    for number in range(workloads):
        growth = 0.2 * at * (number % 50 == 0)
        values = 100 + number % 300 + growth + 3 * rng.standard_normal(samples) + 10 * np.sin(at * step / 13_750)
        frames.append(
            pl.DataFrame(
                {
                    "time": 1_760_000_000 + step * at,
                    "namespace": f"team-{number % 40:02}",
                    "workload": f"svc-{number:05}",
                    "pod": f"svc-{number:05}-0",
                    "container": "app",
                    "working_set_bytes": (values * MI).astype(np.int64),
                    "limit_bytes": 512 * MI,
                    "request_bytes": 512 * MI,
                }
            )
        )
    return rm.Recording.from_frame(pl.concat(frames))


def told(name: str, found: list[float], target: float | None = None) -> None:
    """Print median, p95 and the target."""
    p95 = float(np.quantile(found, 0.95))
    aim = "" if target is None else f", target p95 {target:.0f} ms: {'met' if p95 <= target else 'MISSED'}"
    print(f"{name}: median {statistics.median(found):.0f} ms, p95 {p95:.0f} ms ({len(found)} times){aim}", flush=True)


def timed(action: Callable[[], object]) -> float:
    """Time an action in ms."""
    begun = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - begun)


def keys(page: Page, label: str, times: int, selector: str = "", watched: str = ".rm-charts") -> list[float]:
    """Press arrows on a slider, to and fro, one after the other."""
    selector = selector or f'.rm-slider .noUi-handle[aria-label^="{label}"]'
    page.wait_for_selector(selector)
    found = []
    for number in range(times):
        key = "ArrowRight" if number % 10 < 5 else "ArrowLeft"
        found.append(float(page.evaluate(_KEY, [selector, key, watched])))
        page.wait_for_timeout(60)
    return found[2:]


def explore(lab: Lab, opened_of: Callable[[], Opened], folder: Path, pods_each: int, samples: int) -> None:
    """Time the LimitExplorer."""
    recording = pods(pods_each, samples)
    file = recording.write(folder / "pods.parquet")
    print(f"== LimitExplorer: 2 workloads of {pods_each} pods with {samples:,} samples, load {os.getloadavg()[0]:.1f}")
    begun = time.perf_counter()
    explorer = rm.LimitExplorer(recording)
    print(f"judged and opened in Python: {time.perf_counter() - begun:.1f} s")
    limits = [explorer.limit_bytes + number * MI for number in range(1, 41)]
    told("in Python, limit", [timed(partial(explorer.set_trait, "limit_bytes", limit)) for limit in limits])
    for name, values in (
        ("traffic", [1 + 0.05 * number for number in range(1, 16)]),
        ("startup_bytes", [(100.0 + number) * MI for number in range(15)]),
        ("spread_seconds", [30.0 * number for number in range(1, 16)]),
        ("price_per_incident", [40.0 + number for number in range(1, 16)]),
    ):
        told(f"in Python, {name}", [timed(partial(explorer.set_trait, name, value)) for value in values])
        explorer.reset()
    explorer.close()
    opened = opened_of()
    page = opened.page
    cell = f"import rmtoolkit as rm\nrm.LimitExplorer(rm.read_recording({str(file)!r}), 'recommender')"
    lab.open(opened, [cell, _PLAIN])
    page.wait_for_selector(".rm-charts svg", timeout=180_000)
    told("limit slider", keys(page, "Limit", 42), 80)
    told("of which there and back, with nothing to do", keys(page, "", 42, ".plain .noUi-handle", ".plain-said"))
    # Threads and seconds of spread change so little a step that the same picture comes back: those are not timed here.
    for label in ("Traffic", "Startup spike", "One week"):
        told(f"{label} slider", keys(page, label, 22), 300)
    switched = []
    box = ".rm-controls input[list], .rm-controls input[type=text]"
    for number in range(12):
        name = f"catalog/{('search', 'recommender')[number % 2]}"
        switched.append(float(page.evaluate(_TYPE, [box, name, ".rm-charts"])))
        page.wait_for_timeout(100)
    told("another workload, seen for the first time", switched[:1], 300)
    told("another workload, again", switched[2:], 300)
    opened.page.context.close()
    lab.close_kernels()


def show_fleet(lab: Lab, opened_of: Callable[[], Opened], folder: Path, workloads: int, samples: int) -> None:
    """Time the Fleet."""
    recording = fleet(workloads, samples)
    file = recording.write(folder / "fleet.parquet")
    print(f"== Fleet: {workloads:,} workloads with {samples:,} samples, load {os.getloadavg()[0]:.1f}")
    begun = time.perf_counter()
    assessed = rm.assess(recording)
    print(f"in Python, assess: {time.perf_counter() - begun:.1f} s")
    begun, used = time.perf_counter(), time.process_time()
    made = rm.Fleet(assessed)
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    print(f"in Python, assessed to ready: {wall:.2f} s, {cpu:.2f} s of CPU")
    told("in Python, sort", [timed(partial(made.set_trait, "sort", n)) for n in ("kill", "growth", "peak", "name")])
    told("in Python, next page", [timed(partial(made.set_trait, "page", p)) for p in range(1, 15)])
    told("in Python, search", [timed(partial(made.set_trait, "search", t)) for t in ("1", "12", "123", "")])
    print(f"markup of a page: {len(made._table.value):,} characters")
    made.close()
    opened = opened_of()
    page = opened.page
    cell = (
        "import time, rmtoolkit as rm\n"
        f"assessed = rm.assess(rm.read_recording({str(file)!r}))\n"
        "import ipywidgets, IPython.display\n"
        "button = ipywidgets.Button(description='Open')\n"
        "button.on_click(lambda _: setattr(box, 'children', (rm.Fleet(assessed),)))\n"
        "box = ipywidgets.VBox([])\n"
        "box.add_class('bench')\n"
        "ipywidgets.VBox([button, box])"
    )
    lab.open(opened, [cell])
    button = ".widget-button"
    page.wait_for_selector(button, timeout=300_000)
    ready = [float(page.evaluate(_OPEN)) for _ in range(3)]
    told("assessed to ready on screen", ready, 3000)
    pressed = []
    for name in (
        "sort kill",
        "sort growth",
        "sort name",
        "page next",
        "page next",
        "page previous",
        "tile leak",
        "tile leak",
    ):
        pressed.append(float(page.evaluate(_PRESS, [f'[data-rm-send="{name}"]', ".rm-scroll"])))
        page.wait_for_timeout(100)
    told("sort, page or filter", pressed)
    opened.page.context.close()
    lab.close_kernels()


#: A slider whose number is shown, and nothing else: what the notebook takes by itself.
_PLAIN: Final = """
import ipywidgets
slider, said = ipywidgets.FloatSlider(value=5, min=0, max=100, step=1), ipywidgets.HTML("5")
slider.add_class("plain")
said.add_class("plain-said")
slider.observe(lambda change: setattr(said, "value", str(change.new)), "value")
ipywidgets.VBox([slider, said])
"""
_OPEN: Final = """
async () => await new Promise((done) => {
  const begun = performance.now();
  const watch = new MutationObserver(() => {
    const row = document.querySelector(".bench .rm-fleet tbody tr svg");
    if (!row || row.dataset.seen) return;
    row.dataset.seen = 1;
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
  });
  watch.observe(document.querySelector(".bench"), { childList: true, subtree: true });
  document.querySelector(".widget-button").click();
})
"""
_PRESS: Final = (
    _KEY.replace("handle.focus();", "")
    .replace('handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));', "handle.click();")
    .replace("([selector, key, watched])", "([selector, watched])")
)


def main() -> None:
    """Measure both."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--pods", type=int, default=50)
    options.add_argument("--samples", type=int, default=10_000)
    options.add_argument("--workloads", type=int, default=5_000)
    options.add_argument("--only", choices=("limits", "fleet"))
    chosen = options.parse_args()
    path = chromium()
    if path is None:
        sys.exit("there is no Chromium: apt install chromium, or set RMTOOLKIT_CHROMIUM")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        folder = Path(home)
        lab = Lab(folder)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])

        def opened_of() -> Opened:
            return new_page(browser.new_context(timezone_id="UTC"))

        try:
            if chosen.only != "fleet":
                explore(lab, opened_of, folder, chosen.pods, chosen.samples)
            if chosen.only != "limits":
                show_fleet(lab, opened_of, folder, chosen.workloads, 672)
        finally:
            browser.close()
            lab.close()


if __name__ == "__main__":
    main()
