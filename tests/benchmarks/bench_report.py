"""Time the report of a fleet of a week at 10 minutes, its size, and how long a real Chromium needs to open it."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.fleet import write, write_lake

TEN_MINUTES_MS = 600_000
SAMPLES = 7 * 24 * 6
WEEK_MINUTES = 7 * 24 * 60
RUNS = 5


def opening(page: Path) -> dict[str, list[float]] | None:
    """Open the page in a fresh tab, a few times; give seconds until it is drawn, can be searched, and has answered."""
    from rmtoolkit.exceptions import RmtoolkitError
    from rmtoolkit.views.report.files import chromium

    try:
        from playwright.sync_api import sync_playwright

        executable = chromium()
    except (ImportError, RmtoolkitError):
        return None
    took: dict[str, list[float]] = {"drawn": [], "searchable": [], "search": [], "last card": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(RUNS):
            tab = browser.new_page(viewport={"width": 1280, "height": 800})
            begin = time.perf_counter()
            tab.goto(page.as_uri(), wait_until="load")
            took["drawn"].append(time.perf_counter() - begin)
            tab.evaluate("ready.then(() => true)")
            took["searchable"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            tab.get_by_label("Search").fill("svc-001")
            tab.wait_for_function("document.getElementById('hits').textContent")
            took["search"].append(time.perf_counter() - begin)
            begin = time.perf_counter()
            anchor = tab.evaluate("all.anchors.at(-1)")
            tab.evaluate("name => { location.hash = name; }", anchor)
            tab.locator(f'[id="{anchor}"] h3').wait_for(state="visible")
            took["last card"].append(time.perf_counter() - begin)
            tab.close()
        browser.close()
    return took


def one(lake: str, page: str) -> None:
    """Write the report of a lake, and print what it took."""
    import rmtoolkit as rm
    from rmtoolkit.views import report

    begin, used = time.perf_counter(), time.process_time()
    found = report.contents(rm.Lake(lake), price_per_gib_hour=0.005)
    judged, judged_used = time.perf_counter() - begin, time.process_time() - used
    report.write(found, page)
    took = {
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time() - used,
        "judged": judged,
        "judged_cpu": judged_used,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "rows": len(found.rows),
        "megabytes": Path(page).stat().st_size / 1e6,
    }
    print(json.dumps(took))


def of_lake(containers: int, folder: Path, every: int) -> None:
    """Write a lake of a week piece by piece, and its report in a fresh process."""
    samples, buckets = WEEK_MINUTES // every, max(64, containers // 150)
    lake = write_lake(folder / "lake", containers, samples, cadence_ms=60_000 * every, buckets=buckets)
    generated = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    done = subprocess.run(
        [sys.executable, __file__, "--one", str(getattr(lake, "path", folder / "lake")), str(folder / "lake.html")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    took = json.loads(done.stdout)
    print(
        f"lake to report    {containers:,} containers × {samples:,} samples: {took['seconds']:.1f} s "
        f"(CPU {took['cpu']:.1f} s; to judge and recommend {took['judged']:.1f} s, CPU {took['judged_cpu']:.1f} s), "
        f"peak {took['peak_gib']:.2f} GiB ({generated:.2f} to generate), {took['rows']:,} workloads, "
        f"page {took['megabytes']:.1f} MB"
    )


def main() -> None:
    """Generate, write, open."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=2000)
    parser.add_argument(
        "--lake",
        type=int,
        nargs="+",
        default=[],
        metavar="N",
        help="containers of lakes: 10000 is a large fleet",
    )
    parser.add_argument("--every", type=int, default=1, metavar="MINUTES", help="between two samples of such a lake")
    parser.add_argument("--one", nargs=2, metavar=("LAKE", "PAGE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    for containers in options.lake:
        with tempfile.TemporaryDirectory() as folder:
            of_lake(containers, Path(folder), options.every)
    if options.lake:
        return
    import rmtoolkit as rm
    from rmtoolkit.views import report

    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "fleet.parquet"), options.workloads, SAMPLES, cadence_ms=TEN_MINUTES_MS)
        recording = rm.read(path)
        begin, used = time.perf_counter(), time.process_time()
        found = report.contents(recording, price_per_gib_hour=0.005)
        judged, judged_used = time.perf_counter(), time.process_time()
        page = report.write(found, Path(folder, "week.html"))
        of = f"{options.workloads:,} workloads × {SAMPLES:,} samples:"
        print(f"judge, recommend  {of} {judged - begin:.1f} s, CPU {judged_used - used:.1f} s")
        written, written_used = time.perf_counter() - judged, time.process_time() - judged_used
        print(f"write the page    {of} {written:.1f} s, CPU {written_used:.1f} s")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"page              {page.stat().st_size / 1e6:.2f} MB, peak of this process {peak:.2f} GiB")
        seconds = opening(page)
        if seconds is None:
            print("Chromium is not there: the page was not opened.")
            return
        load = os.getloadavg()[0]
        for name, values in seconds.items():
            best, middle = min(values), sorted(values)[len(values) // 2]
            spread = f"best {best:.2f} s, median {middle:.2f} s of {RUNS}"
            print(f"{name:17} {spread} (load {load:.1f} on {os.cpu_count()} cores)")


if __name__ == "__main__":
    main()
