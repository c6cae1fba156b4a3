"""What is said of limits, changed pasts and past weeks is what was written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rmtoolkit.limits.recommend import advise, qos
from rmtoolkit.limits.risk import USUAL, Margins, advised_request, priced, requested, reserved
from tests.limits.worked import FOLDER, PARTS, by_lot_need
from tests.written import changes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_nothing_changed(part: Callable[[], dict[str, list[Any]]]) -> None:
    """`python -m tests.limits.worked` writes a change down that is meant."""
    assert changes(FOLDER / f"{part.__name__}.json", part()) == []


def test_what_is_set_aside_then_is_by_the_request_that_is_in_force_then() -> None:
    """Where no request is advised the one in force stays: QoS class, memory and cost are those of it."""
    margins, kept = Margins.shipped(), 0
    for seed in range(200):
        need, _ = by_lot_need(seed)
        said = advise(need, 0.05, margins, USUAL)
        limit, asked = said.recommended_limit_bytes, said.recommended_request_bytes
        if limit is None:
            continue
        then = need.request_bytes if asked is None else asked
        kept += asked is None and then is not None
        assert said.qos_then == qos(then, limit, known=True)
        assert said.reserved_then_bytes == reserved(need, limit, then)
        assert said.cost_then_per_month == priced(need, limit, then, USUAL)
        assert (asked, then) == (advised_request(need, limit), requested(need, limit, whole=None, anew=True))
    assert kept > 5
