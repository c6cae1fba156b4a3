"""Everything right of the controls, as one piece of markup: state in, picture out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rmtoolkit import text
from rmtoolkit.limits.explore import choose
from rmtoolkit.views.explorer.headroom import headroom_chart
from rmtoolkit.views.explorer.money import cost_chart
from rmtoolkit.views.explorer.replayed import Ground, replay_chart
from rmtoolkit.views.explorer.risk import risk_chart
from rmtoolkit.views.explorer.words import answer, assumptions, patch
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Chosen, Scene


def board(
    scene: Scene,
    limit_bytes: int,
    ground: Ground | None,
    *,
    name: str,
    kind: str | None,
    currency: str,
    ours: Chosen | None,
) -> tuple[Markup, Markup]:
    """Draw everything that a limit changes."""
    chosen = choose(scene, limit_bytes)
    what = "Chance that the growth gets there in 7 days" if scene.growing else "Chance of an OOM kill in 7 days"
    pair = el(
        "div",
        el("section", _head(what, "by limit"), risk_chart(scene, chosen)),
        el(
            "section",
            _head("Cost a month with incidents", f"{text.printable(currency)}, by limit"),
            cost_chart(scene, chosen, currency),
        ),
        class_="rm-pair",
    )
    beside = el(
        "div",
        el("section", _head("Headroom", "of the limit"), headroom_chart(scene, chosen)),
        _patch(scene, chosen, kind),
        class_="rm-pair",
    )
    said = assumptions(scene)
    assumed = el("ul", *(el("li", one) for one in said), class_="rm-assumed") if said else None
    words = answer(scene, chosen, name, ours, currency)
    return Markup(words + (assumed or "")), Markup(pair + _replay(scene, chosen, ground) + beside)


def _head(title: str, note: str) -> Markup:
    return el("h2", title, " ", el("span", note, class_="note"))


def _replay(scene: Scene, chosen: Chosen, ground: Ground | None) -> Markup:
    if ground is None:
        return el("section", _head("Replay", ""), el("p", "There is no memory sample to replay.", class_="note"))
    span = text.hours((ground.end - ground.start) / 3_600_000).replace(" d", " days")
    kills = text.count(chosen.kills.height, "kill") if chosen.kills.height else "no kill"
    pods = len(scene.past.pods)
    pod = text.printable(scene.past.pods[ground.pod])
    note = f"{pod}, the highest of {pods:,} pods, time in UTC" if pods > 1 else "time in UTC"
    if chosen.kills.height and pods > 1:
        mine = chosen.kills.filter(chosen.kills["pod"] == ground.pod).height
        note = f"{mine:,} of them in {note}"
    if not scene.change.nothing:
        note += ", dashed: as recorded"
    title = f"{span} replayed at {text.configured(chosen.limit_bytes)}: {kills}"
    return el("section", _head(title, note), replay_chart(scene, chosen, ground), class_="rm-replay")


def _patch(scene: Scene, chosen: Chosen, kind: str | None) -> Markup:
    found = patch(scene, chosen, kind)
    if found is None:
        note = "Choose a limit other than the one in force, and its patch stands here."
        return el("section", _head("Patch", ""), el("p", note, class_="note"))
    limit, written = found
    title = f"Patch for {text.configured(limit)}"
    button = el("button", "Copy", type="button", class_="rm-button", data_rm_copy=written)
    head = el("div", _head(title, "requests and limits"), button, class_="rm-patch")
    return el("section", head, el("pre", written, class_="rm-code", tabindex=0, role="group", aria_label=title))
