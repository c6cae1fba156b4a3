"""Names of Rust symbols: both manglings, half demangled ones, hashes; and anything at all without an exception."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.heap import rust_names
from rmtoolkit.heap._names import FrameTable, origin, plain_name, spoken
from rmtoolkit.heap.rust_names import demangle
from rmtoolkit.text import texts


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_ZN7billing5cache6insert17h0123456789abcdefE", "billing::cache::insert"),
        (
            "_ZN69_$LT$billing..Cache$LT$K$C$V$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
            "<billing::Cache<K,V> as core::ops::drop::Drop>::drop",
        ),
        ("_ZN4main3run28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE", "main::run::{{closure}}"),
        ("billing::cache::insert::h0123456789abcdef", "billing::cache::insert"),
        ("_RNvNtCs4GY8r3GeSKC_5leaks7planted13index_forever", "leaks::planted::index_forever"),
        ("_RNCNvNtCsjrHSEGnQ3l9_3std2rt19lang_start_internal0B5_", "std::rt::lang_start_internal::{closure#0}"),
        (
            "_RNvMNtCslNYArtu3iFV_5alloc5allocNtB2_6Global18alloc_impl_runtime",
            "<alloc::alloc::Global>::alloc_impl_runtime",
        ),
        (
            "_RNvXs_NtCslNYArtu3iFV_5alloc5allocNtB4_6GlobalNtNtCsgEmfK2I1SDS_4core5alloc9Allocator8allocate",
            "<alloc::alloc::Global as core::alloc::Allocator>::allocate",
        ),
        ("_RINvCs1234_7mycrate3fooAtj8_E", "mycrate::foo::<[u16; 8]>"),
        *((name, name) for name in (f"_RINvCs1234_7mycrate3fooK{kind}e616263_E" for kind in "RQeATV")),
        ("_RINvCs1234_7mycrate3fooRFUKCuEuE", 'mycrate::foo::<&unsafe extern "C" fn(())>'),
        ("_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y", "utf8_idents::საჭმელად_გემრიელი_სადილი"),
        ("_RNvCs1234_7mycrate3foo.llvm.12345", "mycrate::foo"),
        ("__RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("malloc", "malloc"),
        ("_ZNSt6vectorIiSaIiEE9push_backEOi", "_ZNSt6vectorIiSaIiEE9push_backEOi"),
        ("_RNvBroken", "_RNvBroken"),
        ("", ""),
    ],
    ids=str,
)
def test_symbols(symbol: str, name: str) -> None:
    """What rustc mangles is written as in the source; what is no symbol of Rust stays as it is."""
    assert demangle(symbol) == name


@given(
    st.one_of(st.text(), st.from_regex(r"_R[A-Za-z0-9_]{0,80}", fullmatch=True), st.from_regex(r"_ZN(\d{1,2}\w*)*E"))
)
def test_anything_has_a_name(symbol: str) -> None:
    """No symbol makes an exception, an endless name, or a name that demangles to something else again."""
    name = demangle(symbol)
    assert len(name) <= max(len(symbol), (1 << 12) + 1)
    plain_name(name)
    origin(name, None, None)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("<billing::Cache<K,V> as core::ops::drop::Drop>::drop", "billing::Cache<K,V>::drop"),
        ("<alloc::alloc::Global>::alloc_impl", "alloc::alloc::Global::alloc_impl"),
        ("<billing::Cache>", "billing::Cache"),
        ("<billing::Cache<K", "<billing::Cache<K"),
        ("main::run", "main::run"),
    ],
    ids=str,
)
def test_a_method_is_said_as_one_of_its_type(name: str, said: str) -> None:
    """Whatever trait it comes from; a name that is cut off stays as it is."""
    assert spoken(name) == said


def test_a_symbol_that_refers_to_itself_ends() -> None:
    """References may double what is written at every step: the name is bounded."""
    bomb = "_RI" + "NvC1a1b" + "T" + "B4_" * 200 + "E" * 5
    assert len(demangle(bomb)) < 1 << 13
    deep = "_R" + "Nv" * 5000 + "C1a" + "1b" * 5000
    assert demangle(deep) == deep or len(demangle(deep)) < 1 << 13


def test_a_name_that_doubles_at_every_step_ends() -> None:
    """Each type refers twice to the one before: what is written is bounded, and so is the work."""
    body, before = "INvC1a1bTllE", _base62(8)
    for _ in range(60):
        here = len(body)
        body, before = f"{body}TB{before}B{before}E", _base62(here)
    name = demangle(f"_R{body}E")
    assert name.startswith("a::b::<(i32, i32), ((i32, i32), (i32, i32)), (((")
    assert len(name) == (1 << 12) + 1


def test_what_is_cut_away_counts_as_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wide type read anew below ever more lifetimes writes little, as each reading is cut: its steps count too."""
    monkeypatch.setattr(rust_names, "_SHOWN_CHARACTERS", 10)
    monkeypatch.setattr(rust_names, "_MOST_WRITTEN", 2000)
    start = "INvC1a1b"
    wide, place = f"T{'TE' * 100}E", _base62(len(start))

    def bomb(readings: int) -> str:
        below = "".join(f"FG{_base62(lifetimes)}EB{place}" for lifetimes in range(1, readings + 1))
        return f"_R{start}{wide}{below}E"

    assert demangle(bomb(5)) == "a::b::<(()…"
    assert demangle(bomb(25)) == bomb(25)


def _base62(number: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text, number = "", number - 1
    while number >= 62:
        text, number = digits[number % 62] + text, number // 62
    return f"{digits[number]}{text}_"


def test_a_name_that_repeats_itself_is_read() -> None:
    """Iterators that are chained give names of thousands of letters: they are read, and cut."""
    chains = 14
    symbol = (
        "_RNvXs_NtNtNtCs8NwYtU1Mohg_4core4iter8adapters5chain"
        f"INtB4_5Chain{'IBO_' * chains}INtNtNtB8_7sources5empty5Empty"
        "RTReNtNtCsk08wTpDC9h5_12rustc_target15target_features9StabilityRSB2p_EE"
        f"INtNtNtBa_5slice4iter4IterB2o_EE{'B3w_E' * chains}"
        "NtNtNtB8_6traits8iterator8Iterator9size_hint"
    )
    name = demangle(symbol)
    assert name.startswith("<core::iter::adapters::chain::Chain<core::iter::adapters::chain::Chain<")
    assert len(name) > 1000


@pytest.mark.parametrize(
    ("function", "file", "expected"),
    [
        ("alloc::alloc::alloc", "/rustc/59807616e1fa/library/alloc/src/alloc.rs", "std"),
        (
            "serde_json::de::from_str",
            "/usr/local/cargo/registry/src/index.crates.io-1/serde_json-1.0.1/src/de.rs",
            "dependency",
        ),
        ("serde_json::de::from_str", None, "dependency"),
        ("billing::cache::insert", "/app/src/cache.rs", "own"),
        ("billing::cache::insert", None, "own"),
        # Relative to its crate's folder: every crate has a src/builders.rs.
        ("regex::builders::Builder::build_one_bytes", "src/builders.rs", "dependency"),
        ("billing::cache::insert", "src/cache.rs", "own"),
        ("alloc::vec::Vec<T>::push", "library/alloc/src/vec/mod.rs", "std"),
        ("<alloc::vec::Vec<u8> as billing::Store>::put", None, "own"),
        ("malloc", None, "system"),
        ("main", None, "system"),
        # Go, as it is installed, in a tool's own folder, and built without paths.
        ("net/http.HandlerFunc.ServeHTTP", "/usr/local/go/src/net/http/server.go", "std"),
        ("strings.(*Builder).grow", "/usr/lib/go-1.24/src/strings/builder.go", "std"),
        ("runtime.main", "/home/user/sdk/go1.24.4/src/runtime/proc.go", "std"),
        ("bytes.growSlice", "/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.24.4.linux-amd64/src/bytes/buffer.go", "std"),
        ("encoding/json.Unmarshal", "encoding/json/decode.go", "std"),
        ("github.com/acme/lru.(*Cache).Add", "/go/pkg/mod/github.com/acme/lru@v1.2.3/lru.go", "dependency"),
        ("github.com/acme/lru.(*Cache).Add", "github.com/acme/lru@v1.2.3/lru.go", "dependency"),
        ("acme.dev/api/pb.(*Order).Unmarshal", "/src/api/pb/order.pb.go", "dependency"),
        ("runtime.systemstack", "runtime/asm_amd64.s", "std"),
        ("example.com/api/store.Open", "/go/src/app/store/store.go", "own"),
        ("example.com/api/store.Open", "example.com/api/store/store.go", "own"),
        ("main.main", "/app/main.go", "own"),
        # C++, as valgrind has it: with types and arguments, or in short with a file that has no folder.
        ("void std::vector<api::Row*>::_M_realloc_insert<api::Row* const&>(api::Row* const&)", "vector.tcc", "std"),
        ("allocate", "alloc_traits.h", "std"),
        ("app::HashTable::insert(int)", "hashtable.h", "own"),
        ("__session_open", "/src/app/session.h", "own"),
        ("__push", "list.h", "own"),
        ("_Insert", "tree.h", "own"),
        ("_M_push_back_aux", "deque.h", "std"),
        ("__invoke_impl", "invoke.h", "std"),
        ("__strdup", "strdup.c", "std"),
        ("strdup_all", "names.c", "own"),
        ("<(dyn app::Plugin + core::marker::Send)>::describe", None, "own"),
        ("<(u8, u16)>::describe", None, "std"),
        ("operator()", "cache.cpp", "own"),
        ("std::map<int, int>& api::Cache<int, long>::rows(int) const", None, "own"),
        ("std::enable_if<(2>1), int>::type std::__grow(int)", None, "std"),
    ],
    ids=str,
)
def test_whose_code_it_is(function: str, file: str | None, expected: str) -> None:
    """The path of the source decides, else the crate in the name."""
    assert origin(function, file, "/app/billing") == expected


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("/lib/x86_64-linux-gnu/libxml2.so.2", "system"),
        ("/usr/lib/python3/dist-packages/lxml/etree.cpython-313-x86_64-linux-gnu.so", "dependency"),
        ("/usr/lib/nginx/modules/ngx_stream_module.so", "dependency"),
        ("/usr/bin/python3.13", None),
    ],
)
def test_whose_a_library_is(module: str, expected: str | None) -> None:
    """What a program loads on demand is its dependency, wherever it is installed; other libraries are the system's."""
    assert origin("grow_table", None, module) == expected


def test_in_go_what_is_of_another_repository_is_a_dependency() -> None:
    """Built without versions in its paths, as distributions do: the file of main.main tells which is its own."""
    table = FrameTable()
    for name in ("acme/push/handler.Push", "acme/push.Open", "acme/common/text.(*Parser).name", "other/push/a.F"):
        table.number(f"github.com/{name}", f"github.com/{name.partition('.')[0]}/a.go", 1, None)
    assert table.frame()["origin"].to_list() == ["own"] * 4
    table.number("main.main", "github.com/acme/push/cmd/push/main.go", 1, None)
    assert table.frame()["origin"].to_list() == ["own", "own", "dependency", "dependency", "own"]


def test_a_crate_that_is_a_dependency_once_is_one_everywhere() -> None:
    """Where one of its frames has its package's folder, the others, with a path inside the crate, are no own code."""
    table = FrameTable()
    table.number("rare_crate::put", "/usr/local/cargo/registry/src/rare-crate-1.2.3/src/lib.rs", 1, None)
    table.number("rare_crate::slow::put", "src/slow.rs", 2, None)
    table.number("<billing::Cache as rare_crate::Put>::put", "src/lib.rs", 3, None)
    assert table.frame()["origin"].to_list() == ["dependency", "dependency", "own"]


@pytest.mark.parametrize(
    ("mangled", "name"),
    [
        ("_RINvC1a1fFEuE", "a::f::<fn()>"),
        ("_RINvC1a1fFUKCmhEbE", 'a::f::<unsafe extern "C" fn(u32, u8) -> bool>'),
        ("_RINvC1a1fDNtC1a1TEL_E", "a::f::<dyn a::T>"),
    ],
)
def test_types_of_functions_and_traits(mangled: str, name: str) -> None:
    """A pointer to a function and a trait object stand in a name as Rust writes them."""
    assert demangle(mangled) == name


def test_no_crate_is_of_two_origins() -> None:
    """A crate of the table stands there once, and what its functions are called tells whose they are."""
    told = texts("heap/crates")
    names = [name for some in told.values() for name in some]
    assert len(names) == len(set(names))
    for expected, some in told.items():
        assert {origin(f"{name}::run", None, None) for name in some} == {expected}
