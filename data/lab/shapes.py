"""The program shapes of the corpus, and how many runs each has in either part.

A shape is a function that draws parameters and returns a `Draft`. What it says there is the intended truth,
written into the plan before anything runs; `judge.py` compares it with what was measured. Shapes without runs in
``dev`` are those that nobody can tune for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import shapes_kept
import shapes_lost

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from drafts import Draft


@dataclass(frozen=True, slots=True)
class Shape:
    """A function that draws, and how many runs it gets in each part."""

    draw: Callable[[Random, int], Draft]
    dev: int
    sealed: int


SHAPES: dict[str, Shape] = {
    "steady_leak": Shape(shapes_lost.steady_leak, 9, 7),
    "request_leak": Shape(shapes_lost.request_leak, 7, 5),
    "cycle_leak": Shape(shapes_lost.cycle_leak, 0, 6),
    "backlog_leak": Shape(shapes_lost.backlog_leak, 4, 3),
    "endless_cache": Shape(shapes_lost.endless_cache, 5, 4),
    "release_leak": Shape(shapes_lost.release_leak, 4, 4),
    "replica_leak": Shape(shapes_lost.replica_leak, 4, 4),
    "killed_leak": Shape(shapes_lost.killed_leak, 5, 5),
    "job_leak": Shape(shapes_lost.job_leak, 5, 4),
    "rising_sawtooth": Shape(shapes_lost.rising_sawtooth, 4, 4),
    "warm_up_then_leak": Shape(shapes_lost.warm_up_then_leak, 5, 4),
    "step_then_leak": Shape(shapes_lost.step_then_leak, 0, 5),
    "daily_leak": Shape(shapes_lost.daily_leak, 4, 4),
    "cached_leak": Shape(shapes_lost.cached_leak, 0, 5),
    "spike_then_leak": Shape(shapes_lost.spike_then_leak, 5, 4),
    "endless_threads": Shape(shapes_lost.endless_threads, 3, 3),
    "faint_leak": Shape(shapes_lost.faint_leak, 3, 3),
    "late_leak": Shape(shapes_lost.late_leak, 2, 2),
    "endless_tmpfs": Shape(shapes_lost.endless_tmpfs, 2, 2),
    "endless_mapping": Shape(shapes_lost.endless_mapping, 0, 3),
    "burst_leak": Shape(shapes_lost.burst_leak, 0, 4),
    "startup_freed": Shape(shapes_kept.startup_freed, 5, 5),
    "startup_kept": Shape(shapes_kept.startup_kept, 4, 4),
    "startup_slow": Shape(shapes_kept.startup_slow, 4, 4),
    "startup_too_big": Shape(shapes_kept.startup_too_big, 2, 2),
    "plateau": Shape(shapes_kept.plateau, 7, 6),
    "warm_up": Shape(shapes_kept.warm_up, 6, 5),
    "warm_up_unfinished": Shape(shapes_kept.warm_up_unfinished, 3, 3),
    "expiring_cache": Shape(shapes_kept.expiring_cache, 4, 3),
    "daily": Shape(shapes_kept.daily, 5, 5),
    "rising_half_day": Shape(shapes_kept.rising_half_day, 2, 2),
    "bursty_traffic": Shape(shapes_kept.bursty_traffic, 4, 3),
    "traffic_ramp": Shape(shapes_kept.traffic_ramp, 0, 4),
    "endless_ramp": Shape(shapes_kept.endless_ramp, 2, 2),
    "flat_sawtooth": Shape(shapes_kept.flat_sawtooth, 6, 5),
    "few_teeth": Shape(shapes_kept.few_teeth, 2, 2),
    "rare_spikes": Shape(shapes_kept.rare_spikes, 4, 3),
    "last_burst": Shape(shapes_kept.last_burst, 2, 2),
    "jobs": Shape(shapes_kept.jobs, 4, 3),
    "fragmenting": Shape(shapes_kept.fragmenting, 4, 4),
    "arena_ratchet": Shape(shapes_kept.arena_ratchet, 4, 3),
    "burst_retained": Shape(shapes_kept.burst_retained, 4, 3),
    "burst_returned": Shape(shapes_kept.burst_returned, 3, 3),
    "page_cache": Shape(shapes_kept.page_cache, 3, 3),
    "page_cache_full": Shape(shapes_kept.page_cache_full, 2, 2),
    "step": Shape(shapes_kept.step, 4, 4),
    "release_step": Shape(shapes_kept.release_step, 3, 3),
    "last_step": Shape(shapes_kept.last_step, 1, 1),
    "fixed_leak": Shape(shapes_kept.fixed_leak, 3, 3),
    "bounded_threads": Shape(shapes_kept.bounded_threads, 3, 3),
    "bounded_tmpfs": Shape(shapes_kept.bounded_tmpfs, 2, 1),
    "bounded_mapping": Shape(shapes_kept.bounded_mapping, 0, 3),
    "slowing_growth": Shape(shapes_kept.slowing_growth, 2, 3),
    "reload_copy": Shape(shapes_kept.reload_copy, 0, 5),
    "burst_too_big": Shape(shapes_kept.burst_too_big, 3, 2),
}
