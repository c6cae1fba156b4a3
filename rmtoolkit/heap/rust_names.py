"""Names of Rust symbols as people write them: both manglings of rustc, hashes stripped.

The forms are those of the rustc book, "Symbol Mangling" (legacy and v0).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, reduce
from string import ascii_letters, digits
from typing import Final

#: Foreign names may nest and repeat themselves without end.
_MOST_DEPTH: Final = 200
_MOST_CHARACTERS: Final = 1 << 14
_MOST_WRITTEN: Final = 1 << 20
_SHOWN_CHARACTERS: Final = 1 << 12

_HASH: Final = re.compile(r"::h[0-9a-f]{16}$")
_LEGACY: Final = re.compile(r"_?_?ZN(?=[0-9])")
_LEGACY_END: Final = re.compile(r"E?(?:\.[A-Za-z0-9_.@]+)?\n?")
_V0: Final = re.compile(r"_{0,2}R(?=[A-Z])(?P<path>[A-Za-z0-9_]+)(?:[.$@].*)?$", re.DOTALL)
_NUMBER: Final = re.compile(r"([0-9A-Za-z]*)_")
_IDENTIFIER: Final = re.compile(r"(u?)(0|[0-9]+)_?")
_HEX: Final = re.compile(r"([0-9a-f]*)_")
_SUFFIX: Final = re.compile(r"\.(?:llvm|lto|constprop|part|cold|isra|warm)\b[.\w@]{0,256}$")
_ESCAPE: Final = re.compile(r"\$(SP|BP|RF|LT|GT|LP|RP|C|u[0-9a-f]{1,6})\$")
_ESCAPES: Final = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}

_TYPES: Final = "a=i8 b=bool c=char d=f64 e=str f=f32 h=u8 i=isize j=usize l=i32 m=u32 n=i128 o=u128 p=_ s=i16 t=u16"
_BASIC: Final = {pair[0]: pair[2:] for pair in f"{_TYPES} u=() v=... x=i64 y=u64 z=!".split()}
_DIGITS: Final = {character: value for value, character in enumerate(digits + ascii_letters)}


@lru_cache(maxsize=1 << 16)
def demangle(name: str) -> str:
    if len(name) > _MOST_CHARACTERS:
        return name[:_SHOWN_CHARACTERS] + "…"
    if found := _V0.match(name):
        try:
            return _cut(_V0Name(found["path"]).read())
        except (_BrokenError, RecursionError):
            return name
    if (found := _LEGACY.match(name)) and (path := _legacy(name, found.end())):
        return _cut(path)
    plain = _SUFFIX.sub("", name)
    stripped = _HASH.sub("", plain)
    return _cut(_unescape(stripped) if stripped != plain or "$" in plain or "::" in plain else name)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _legacy(name: str, place: int) -> str:
    parts = []
    # Other scripts have digits too, and those are letters here.
    while found := re.compile(r"[0-9]{1,6}").match(name, place):
        size = int(found[0])
        place = found.end() + size
        if not size or place > len(name):
            return ""
        parts.append(name[found.end() : place])
    if not _LEGACY_END.fullmatch(name, place):
        return ""
    if len(parts) > 1 and re.fullmatch(r"h[0-9a-f]{16}", parts[-1]):
        parts.pop()
    elif not any("$" in part for part in parts):
        return ""  # a name of C++, whose rules are others
    return "::".join(map(_unescape, parts))


def _unescape(text: str) -> str:
    if "$" not in text and ".." not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        word = found[1]
        if word in _ESCAPES:
            return _ESCAPES[word]
        code = int(word[1:], 16)
        return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else found[0]

    parts = [part.removeprefix("_") if part.startswith("_$") else part for part in text.split("::")]
    return _ESCAPE.sub(plain, "::".join(parts)).replace("..", "::")


class _BrokenError(Exception):
    """It is no symbol of this form."""


class _V0Name:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._depth = self._written = self._bound = 0
        #: What a reference was read as: what is cut there is cut in the whole as well.
        self._read: dict[tuple[int, int, object], str] = {}

    def read(self) -> str:
        path = self._path(in_value=True)
        if self._at < len(self._text) and self._text[self._at].isupper():
            self._path(in_value=False)  # the crate that instantiated it
        return path

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise _BrokenError
        character = self._text[self._at]
        self._at += 1
        return character

    def _takes(self, character: str) -> bool:
        if self._text.startswith(character, self._at):
            self._at += 1
            return True
        return False

    def _reads(self, form: Callable[[str, int], re.Match[str] | None]) -> re.Match[str]:
        found = form(self._text, self._at)
        if found is None:
            raise _BrokenError
        self._at = found.end()
        return found

    def _base62(self) -> int:
        text = self._reads(_NUMBER.match)[1]
        return 1 + reduce(lambda value, digit: value * 62 + _DIGITS[digit], text, 0) if text else 0

    def _disambiguator(self) -> int:
        return self._base62() + 1 if self._takes("s") else 0

    def _identifier(self) -> str:
        found = self._reads(_IDENTIFIER.match)
        size = int(found[2][:9])
        name = self._text[self._at : self._at + size]
        if len(name) < size:
            raise _BrokenError
        self._at += size
        return _punycode(name) if found[1] else name

    def _again(self, read: Callable[[], str], what: object) -> str:
        here = self._at - 1
        place = self._base62()
        if place >= here:
            raise _BrokenError
        known = (place, self._bound, what)
        if known not in self._read:
            back, self._at = self._at, place
            self._read[known] = _cut(read())
            self._at = back
        return self._read[known]

    def _deeper(self) -> None:
        self._depth += 1
        self._written += 1
        if self._depth > _MOST_DEPTH or self._written > _MOST_WRITTEN:
            raise _BrokenError

    def _path(self, *, in_value: bool) -> str:
        self._deeper()
        kind = self._next()
        if kind == "C":
            self._disambiguator()
            text = self._identifier()
        elif kind == "N":
            text = self._nested(in_value=in_value)
        elif kind in "MXY":
            if kind != "Y":
                self._disambiguator()
                self._path(in_value=False)
            own = self._type()
            text = f"<{own}>" if kind == "M" else f"<{own} as {self._path(in_value=False)}>"
        elif kind == "I":
            path = self._path(in_value=in_value)
            text = f"{path}{'::' if in_value else ''}<{', '.join(self._until_end(self._generic))}>"
        elif kind == "B":
            text = self._again(lambda: self._path(in_value=in_value), in_value)
        else:
            raise _BrokenError
        self._depth -= 1
        self._written += len(text)
        return text

    def _nested(self, *, in_value: bool) -> str:
        space = self._next()
        path = self._path(in_value=in_value)
        number = self._disambiguator()
        name = self._identifier()
        if space.isupper():
            word = {"C": "closure", "S": "shim"}.get(space, space)
            return f"{path}::{{{word}{':' + name if name else ''}#{number}}}"
        return f"{path}::{name}" if name else path

    def _until_end(self, read: Callable[[], str]) -> list[str]:
        found = []
        while not self._takes("E"):
            found.append(read())
        return found

    def _generic(self) -> str:
        if self._takes("L"):
            return self._lifetime()
        return self._const() if self._takes("K") else self._type()

    def _lifetime(self) -> str:
        index = self._base62()
        if not index:
            return "'_"
        depth = self._bound - index
        if depth < 0:
            raise _BrokenError
        return f"'{chr(ord('a') + depth)}" if depth < 26 else f"'_{depth}"

    def _type(self) -> str:
        kind = self._next()
        if kind in _BASIC:
            return _BASIC[kind]
        self._deeper()
        try:
            if kind in "RQ":
                lifetime = self._lifetime() if self._takes("L") else "'_"
                shown = "" if lifetime == "'_" else f"{lifetime} "
                return f"&{shown}{'mut ' if kind == 'Q' else ''}{self._type()}"
            if kind in "PO":
                return f"*{'const' if kind == 'P' else 'mut'} {self._type()}"
            if kind == "S":
                return f"[{self._type()}]"
            if kind == "A":
                return f"[{self._type()}; {self._const()}]"
            if kind == "T":
                parts = self._until_end(self._type)
                return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
            if kind == "F":
                return self._binder(self._signature)
            if kind == "D":
                text = self._binder(lambda: " + ".join(self._until_end(self._trait)))
                if not self._takes("L"):
                    raise _BrokenError
                lifetime = self._lifetime()
                return f"dyn {text}" + ("" if lifetime == "'_" else f" + {lifetime}")
            if kind == "B":
                return self._again(self._type, "type")
            self._at -= 1
            return self._path(in_value=False)
        finally:
            self._depth -= 1

    def _binder(self, read: Callable[[], str]) -> str:
        count = self._base62() + 1 if self._takes("G") else 0
        if count > _MOST_DEPTH:
            raise _BrokenError
        self._bound += count
        names = [f"'{chr(ord('a') + depth % 26)}" for depth in range(self._bound - count, self._bound)]
        text = (f"for<{', '.join(names)}> " if count else "") + read()
        self._bound -= count
        return text

    def _signature(self) -> str:
        unsafe = "unsafe " if self._takes("U") else ""
        abi = ""
        if self._takes("K"):
            abi = f'extern "{"C" if self._takes("C") else self._identifier().replace("_", "-")}" '
        parts = self._until_end(self._type)
        result = self._type()
        return f"{unsafe}{abi}fn({', '.join(parts)})" + ("" if result == "()" else f" -> {result}")

    def _trait(self) -> str:
        path = self._path(in_value=False)
        bindings = []
        while self._takes("p"):
            bindings.append(f"{self._identifier()} = {self._type()}")
        if not bindings:
            return path
        joined = ", ".join(bindings)
        return f"{path[:-1]}, {joined}>" if path.endswith(">") else f"{path}<{joined}>"

    def _const(self) -> str:
        self._deeper()
        kind = self._next()
        self._depth -= 1
        if kind == "p":
            return "_"
        if kind == "B":
            return self._again(self._const, "const")
        if kind not in "bcahijlmnostxy":
            raise _BrokenError
        minus = "-" if self._takes("n") else ""
        value = int(self._reads(_HEX.match)[1] or "0", 16)
        if kind == "b":
            return "true" if value == 1 else "false"
        if kind == "c":
            if value >= 0x110000:
                raise _BrokenError
            return repr(chr(value))
        return f"{minus}{value if value < 1 << 64 else hex(value)}"


def _punycode(name: str) -> str:
    """Read a name with letters beyond ASCII; the underscore parts the two halves where others have a hyphen."""
    plain, _, rest = name.rpartition("_")
    try:
        return f"{plain}-{rest}".removeprefix("-").encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return name
