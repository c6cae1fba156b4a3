"""What a page unfolds later: compressed, and carried inside the page as text that nothing runs."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def packed(value: object) -> Markup:
    """Compress anything that JSON can hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    packer = zlib.compressobj(7, zlib.DEFLATED, -15, 9)
    return Markup(base64.b64encode(packer.compress(text.encode()) + packer.flush()).decode())


def element(ident: str, value: object, **attributes: object) -> Markup:
    """Put a packed value in the page."""
    return el("script", packed(value), type="text/plain", id=ident, **attributes)


def chunks(cards: Sequence[str], size: int) -> Iterator[Markup]:
    """Pack cards by the dozen, so that unfolding one costs little."""
    for number, begin in enumerate(range(0, len(cards), size)):
        yield element(f"cards-{number}", cards[begin : begin + size])
