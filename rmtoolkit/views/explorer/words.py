"""What a limit means, in a sentence, and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit.limits.cost import requested
from rmtoolkit.limits.patches import Resources, documents, fragment, obstacle
from rmtoolkit.limits.recommend import qos
from rmtoolkit.limits.what_if import TOUCHED_STACK_BYTES
from rmtoolkit.views.explorer.money import amount
from rmtoolkit.views.explorer.points import named
from rmtoolkit.views.markup import Markup, el, join

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Chosen, Scene

#: A total this much smaller is worth a sentence.
_CHEAPER: Final = 0.9
#: Above this share of the startups, startup is what matters.
_STARTUP_LEADS: Final = 1.05


def answer(scene: Scene, chosen: Chosen, name: str, ours: Chosen | None, currency: str) -> Markup:
    """Say what the limit that was chosen means, and what ours would."""
    return join(
        el("p", _which(scene, chosen), class_="rm-at"),
        el("p", *(_unbroken(part) for part in _headline(scene, chosen, name, ours)), class_="headline"),
        el("p", _because(scene, chosen, ours, currency), class_="reason"),
    )


def _unbroken(part: Markup | str) -> Markup | str:
    """Keep numbers and their units together."""
    return type(part)(re.sub(r"(\d) (Mi|GiB|%|h|d)(?!\w)", "\\1\u00a0\\2", part))


def _which(scene: Scene, chosen: Chosen) -> str:
    words = {
        "now": "the limit now",
        "ours": "our recommendation",
        "VPA": "what VPA would set",
        "KRR": "what KRR would set",
    }
    same = [words[point.name] for point in named(scene) if point.limit_bytes == chosen.limit_bytes]
    return f"At {text.configured(chosen.limit_bytes)}" + (f", {' and '.join(same)}" if same else "")


def _headline(scene: Scene, chosen: Chosen, name: str, ours: Chosen | None) -> list[Markup | str]:
    if scene.growing:
        return _of_growth(scene, chosen, name)
    if chosen.chance is None:
        return [f"The chance of an OOM kill at {text.configured(chosen.limit_bytes)} is unknown."]
    floor = "At most " if not chosen.certified and not chosen.kills.height else ""
    first = f"{floor}{text.chance(chosen.chance)} chance of an OOM kill in the next 7 days"
    if ours is None or ours.chance is None:
        return [f"{first}."]
    if ours.limit_bytes == chosen.limit_bytes:
        side = "within" if chosen.chance <= scene.target else "above"
        return [f"{first}, {side} the {text.share(scene.target)} target."]
    verb = "brings it to" if ours.limit_bytes > chosen.limit_bytes else "would do:"
    second = f"{text.configured(ours.limit_bytes)} {verb} {text.chance(ours.chance)}."
    return [f"{first}. ", el("span", second, class_="rm-ours")]


def _of_growth(scene: Scene, chosen: Chosen, name: str) -> list[Markup | str]:
    need = scene.found.need
    rate = need.growth_bytes_per_day
    grows = "leaks" if need.verdict == "leak" else "may leak"
    first = f"{text.printable(name)} {grows} {text.rate(rate)}. " if rate else f"{text.printable(name)} {grows}. "
    now = need.limit_bytes
    limit = text.configured(chosen.limit_bytes)
    if chosen.days is None:
        return [first, "No limit holds for long."]
    if now is not None and chosen.limit_bytes == now:
        return [first, f"At {limit}, the chance that it gets there in 7 days is {text.chance(chosen.chance)}."]
    if chosen.days <= 0:
        return [first, f"{limit} is below " + ("the limit now." if now is not None else "what it used already.")]
    span = text.hours_range(
        None if chosen.days_low is None else 24 * chosen.days_low,
        None if chosen.days_high is None else 24 * chosen.days_high,
    )
    between = f" ({span})" if span else ""
    raised = "Raising the limit to" if now is not None else "A limit of"
    return [
        first,
        el("span", f"{raised} {limit} buys {text.hours(24 * chosen.days)}{between}, not a cure.", class_="rm-ours"),
    ]


def _because(scene: Scene, chosen: Chosen, ours: Chosen | None, currency: str) -> str:
    parts = _startups(scene, chosen)
    if scene.growing:
        parts.append("No limit is recommended: fix the growth first.")
    elif not chosen.certified and chosen.because:
        parts.append(f"{chosen.because[:1].upper()}{chosen.because[1:]}.")
    if ours is None and not scene.growing and scene.ours.reason:
        parts.append(text.printable(scene.ours.reason))
    parts += _money(chosen, ours, scene, currency)
    return " ".join(parts)


def _startups(scene: Scene, chosen: Chosen) -> list[str]:
    """Say whether startups or the steady load are what matters."""
    starts, running = scene.found.startups, scene.found.running_bytes
    if not starts.size or (running is not None and float(starts.max()) <= _STARTUP_LEADS * running):
        need = scene.found.need
        where = f" in pod {text.printable(need.peak_pod)}" if need.peak_pod else ""
        said = f"The highest use was {text.memory(need.peak_bytes)}{where}"
        return [f"{said}, while running: no start needed much more." if starts.size else f"{said}."]
    above = int((starts > chosen.limit_bytes).sum())
    of_all = (
        f"of {text.count(int(starts.size), 'recorded start')} needed more than {text.configured(chosen.limit_bytes)}"
    )
    counted = f"{above:,} {of_all}" if above else f"none {of_all}, the highest {text.memory(float(starts.max()))}"
    return [f"Startup sets the peak, not steady load: {counted}."]


def _money(chosen: Chosen, ours: Chosen | None, scene: Scene, currency: str) -> list[str]:
    if ours is None or ours.total is None or chosen.total is None or ours.limit_bytes == chosen.limit_bytes:
        return []
    if ours.total > _CHEAPER * chosen.total:
        return []
    also = " also" if ours.chance is not None and chosen.chance is not None and ours.chance < chosen.chance else ""
    pods = text.count(scene.found.need.pods_now, "pod")
    return [
        f"With incidents counted, {text.configured(ours.limit_bytes)} is{also} cheaper: "
        f"{amount(ours.total, currency).removesuffix(f' {text.printable(currency)}')} instead of "
        f"{amount(chosen.total, currency)} a month for {pods}."
    ]


def patch(scene: Scene, chosen: Chosen, kind: str | None) -> tuple[int, str] | None:
    """Write the patch: for the limit that was chosen, or for ours as long as the one in force is chosen."""
    need = scene.found.need
    limit = scene.ours_bytes if chosen.limit_bytes == need.limit_bytes else chosen.limit_bytes
    if limit is None:
        return None
    request = requested(need, limit, whole=scene.whole, anew=True)
    then = qos(request, limit, known=True)
    why = _why(scene, limit, chosen)
    wanted = Resources(*need.names, kind, limit, request, why, scene.ours.qos_now, then)
    hinders = obstacle(wanted)
    return limit, documents([wanted]) if hinders is None else f"# {why}\n# No patch: {hinders}.\n{fragment(wanted)}"


def _why(scene: Scene, limit: int, chosen: Chosen) -> str:
    now = scene.found.need.limit_bytes
    was = f"The limit was {text.configured(now)}." if now is not None else "There was no limit, or it is not known."
    why = f"{text.chance(scene.at(limit).risk.week)} chance of an OOM kill in 7 days."
    if limit != scene.ours_bytes and scene.growing and chosen.days is not None and chosen.days > 0:
        why = f"Buys {text.hours(24 * chosen.days)} against the growth, not a cure."
    assumed = "" if scene.change.nothing else "Only after the changes that were assumed. "
    return f"{assumed}{why} {was}"


def assumptions(scene: Scene) -> list[str]:
    """Say what a change takes for granted."""
    change, said = scene.change, []
    if change.threads is not None:
        said.append(
            f"{change.threads:,} threads: each touches {TOUCHED_STACK_BYTES // 1024} Ki of stack, and no allocator "
            "arena comes or goes with it."
        )
    if change.traffic != 1:
        said.append(
            f"{change.traffic:g} times the traffic: what a pod holds above its quietest twentieth follows it in "
            "proportion."
        )
    if change.startup_scale != 1:
        said.append(
            f"Startups {change.startup_scale:.2g} times as high over the settled level, for as long as they lasted."
        )
    if change.spread_seconds:
        said.append(f"Startups spread over {text.hours(change.spread_seconds / 3600)} more: the same memory, averaged.")
    if said:
        said.append("Others (VPA, KRR) and the limit now are those of the recorded past.")
    return said
