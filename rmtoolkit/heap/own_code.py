"""Whose code a frame is: the user's own, a dependency's, Rust's or the system's."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from rmtoolkit.heap.known_crates import DEPENDENCIES, STD_CRATES

#: Origins of a frame, the nearest to the user first.
OWN, DEPENDENCY, STD, SYSTEM = "own", "dependency", "std", "system"

_STD_FILE: Final = re.compile(
    r"/rustc/[0-9a-f]{6,}/|^/rust/deps/|/rustlib/src/rust/"
    r"|(?:^|/)library/(?:alloc|core|std|proc_macro|test|panic_\w+|unwind|backtrace|stdarch|compiler-builtins"
    r"|portable-simd|rtstartup)/",
)
_DEPENDENCY_FILE: Final = re.compile(
    r"/\.?cargo/(?:registry|git)/|/registry/src/|/git/checkouts/|(?:^|/)(?:cargo-)?vendor(?:-dir|ed)?/"
    # What remains of a registry's path where a build hides it: a folder of name and version.
    r"|(?:^|/)[A-Za-z0-9_-]+-\d+\.\d+\.\d+[^/]*/",
)
_SYSTEM_FILE: Final = re.compile(
    r"^(?:\./|\.\./)+(?:sysdeps|csu|elf|nptl|malloc|libio|stdlib|string|dlfcn|io|misc|posix|time|wcsmbs|locale|iconv"
    r"|intl|nss|resolv|inet|socket|rt|stdio-common|gmon|debug|libgcc|libstdc\+\+-v3)/|^/build/|^/usr/(?:src|include)/",
)
_SYSTEM_MODULE: Final = re.compile(
    r"^(?:/usr)?/lib(?:32|64|x32|exec)?/|^linux-(?:vdso|gate)|^\[|^/nix/store/[^/]*glibc"
)

#: What runs before the program does, and what allocates for it.
_RUNTIME: Final = re.compile(
    r"_*(?:start|libc_start\w*|rust_\w+|rdl_\w+|rg_\w+|clone3?|(?:je_|mi_|tc_|rjem_)?(?:m|c|re|aligned_|posix_mem)alloc\w*"
    r"|posix_memalign|mallocx|xallocx|rallocx|operator new.*|main|start_thread|pthread_create\w*)$"
)
#: What a program puts around its allocator, to count or to choose; and Rust's own way to it.
_ALLOCATOR: Final = re.compile(
    r"(?:^__rustc::| as (?:core|std|alloc|allocator_api2)::(?:\w+::)*(?:GlobalAlloc|Allocator)>::)"
    # Valgrind names inlined functions without their path, or not at all.
    r"|^(?:alloc|alloc_zeroed|realloc|allocate|__r(?:ust|dl|g)_(?:alloc|alloc_zeroed|realloc)|UnknownInlinedFun)$"
)
_BASIC_TYPES: Final = frozenset(
    [
        "bool",
        "char",
        "str",
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "f32",
        "f64",
        "fn",
        "unsafe",
        "extern",
        "for",
        "_",
        "Self",
    ],
)
_CLOSURES: Final = re.compile(r"(?:::\{(?:closure|shim)[^{}]*\}|::\{\{[^{}]*\}\})+$")
_HEAD: Final = re.compile(r"^(?:[<&*(\[]|mut |const |dyn |impl |'[a-z_]\w* |for<[^<>]*> )+")
_ROOT: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*")


@lru_cache(maxsize=1 << 16)
def crates(function: str) -> tuple[str, ...]:
    """Name the crates whose code a function may be.

    Parameters
    ----------
    function
        A demangled name.

    Returns
    -------
    tuple of str
        Where the path begins; of an implementation the crate of the type, then that of the trait. Empty for what
        is no path of Rust.

    Examples
    --------
    >>> crates("billing::cache::insert"), crates("<alloc::vec::Vec<u8> as billing::Store>::put"), crates("malloc")
    (('billing',), ('alloc', 'billing'), ())
    """
    if "::" not in function:
        return ()
    if not function.startswith("<"):
        return tuple(_root(function))
    inner = function[1 : _closing(function)]
    own, trait = _halves(inner)
    return (*_root(own), *_root(trait))


def _root(path: str) -> list[str]:
    path = _HEAD.sub("", path)
    found = _ROOT.match(path)
    if not found or found[0] in _BASIC_TYPES or not path[found.end() :].startswith("::"):
        return []
    return [found[0]]


def _closing(text: str) -> int:
    """Find where the bracket closes that a text begins with."""
    depth = 0
    for place, character in enumerate(text):
        if character == "<":
            depth += 1
        elif character == ">" and text[place - 1] != "-":
            depth -= 1
            if not depth:
                return place
    return len(text)


def _halves(inner: str) -> tuple[str, str]:
    """Split ``T as Trait`` where it is not inside brackets."""
    depth = 0
    for place, character in enumerate(inner):
        if character == "<":
            depth += 1
        elif character == ">" and inner[place - 1] != "-":
            depth -= 1
        elif character == " " and not depth and inner.startswith(" as ", place):
            return inner[:place], inner[place + 4 :]
    return inner, ""


def is_allocator(function: str) -> bool:
    """Tell whether a function is an allocator, or Rust's way to it, whoever wrote it.

    Parameters
    ----------
    function
        A demangled name; of inlined functions some tools know only the last part.

    Returns
    -------
    bool
        True for what is on every stack and answers for none.

    Examples
    --------
    >>> is_allocator("<api::Counting as core::alloc::global::GlobalAlloc>::alloc"), is_allocator("api::alloc")
    (True, False)
    """
    return _ALLOCATOR.search(function) is not None


@lru_cache(maxsize=1 << 16)
def origin(function: str | None, file: str | None, module: str | None) -> str | None:
    """Tell whose code a frame is.

    Parameters
    ----------
    function, file, module
        The demangled name, the source file and the executable or library; None is unknown.

    Returns
    -------
    str or None
        ``own``, ``dependency``, ``std`` or ``system``; None where nothing tells. The path of the source file decides;
        where there is none, the crate in the name does, with a list of the crates that services are made of.

    Examples
    --------
    >>> origin("billing::cache::insert", "/app/src/cache.rs", "/app/billing")
    'own'
    >>> origin("alloc::alloc::alloc", "/rustc/59807616e1fa/library/alloc/src/alloc.rs", "/app/billing")
    'std'
    >>> origin("<billing::Counting as core::alloc::global::GlobalAlloc>::alloc", "/app/src/count.rs", "/app/billing")
    'std'
    >>> origin("tokio::runtime::task::raw::poll", None, "/app/billing"), origin("malloc", None, "/lib/libc.so.6")
    ('dependency', 'system')
    """
    if module is not None and _SYSTEM_MODULE.search(module):
        return SYSTEM
    if function is not None and is_allocator(function):
        return STD
    names = crates(function or "")
    # A file without its folder says nothing where the name does: there is a main.rs in every crate.
    if file and not (names and "/" not in file):
        path = file.replace("\\", "/")
        if _STD_FILE.search(path):
            return STD
        if _DEPENDENCY_FILE.search(path):
            return DEPENDENCY
        return SYSTEM if _SYSTEM_FILE.search(path) else OWN
    if not names:
        return SYSTEM if function is not None and _RUNTIME.match(function) else None
    foreign = [name for name in names if name in STD_CRATES or name in DEPENDENCIES]
    if len(foreign) < len(names):
        return OWN
    return DEPENDENCY if any(name in DEPENDENCIES for name in foreign) else STD


@lru_cache(maxsize=1 << 16)
def plain_name(function: str) -> str:
    """Name the function that the source has: without closures, type arguments and brackets around the type.

    Parameters
    ----------
    function
        A demangled name.

    Returns
    -------
    str
        A path.

    Examples
    --------
    >>> plain_name("<billing::Cache<u32>>::insert::<&str>::{closure#0}")
    'billing::Cache::insert'
    >>> plain_name("<billing::Cache as core::ops::Drop>::drop")
    '<billing::Cache as core::ops::Drop>::drop'
    """
    name = _CLOSURES.sub("", function)
    if name.startswith("<"):
        end = _closing(name)
        own, trait = _halves(name[1:end])
        own, trait = _without_arguments(own), _without_arguments(trait)
        rest = _without_arguments(name[end + 1 :])
        name = f"<{own} as {trait}>{rest}" if trait else own + rest
    else:
        name = _without_arguments(name)
    return _CLOSURES.sub("", name) or function


def spoken(name: str) -> str:
    """Name a function as people say it: a method of its type, whatever trait it comes from.

    Parameters
    ----------
    name
        What `plain_name` gave.

    Returns
    -------
    str
        For sentences and narrow columns.

    Examples
    --------
    >>> spoken("<billing::Cache as core::ops::Drop>::drop"), spoken("billing::Cache::insert")
    ('billing::Cache::drop', 'billing::Cache::insert')
    """
    if not name.startswith("<"):
        return name
    end = _closing(name)
    return _halves(name[1:end])[0] + name[end + 1 :] if end < len(name) else name


def _without_arguments(path: str) -> str:
    kept, depth = [], 0
    for place, character in enumerate(path):
        if character == "<":
            depth += 1
        if not depth:
            kept.append(character)
        if character == ">" and path[place - 1] != "-":
            depth = max(depth - 1, 0)
    return re.sub(r"::(?=::|$)", "", "".join(kept))
