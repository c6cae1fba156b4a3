"""The writer of HTML and SVG, under the name that the views know it by."""

from rmtoolkit._html import Markup, el, escape, join

__all__ = ["Markup", "el", "escape", "join"]
