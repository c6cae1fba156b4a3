"""Build the pages of docs/ into out/docs/html, offline: `make docs`.

Written pages are the Markdown files here. Made at each build: sections of the README where a page asks for one, a page
for each source from its line in loaders/sources.toml, for each public name from its docstring, and for each notebook.
"""

from __future__ import annotations

import inspect
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Final

from sphinx.cmd.build import main as sphinx

import rmtoolkit as rm
from rmtoolkit.loaders import OF_FORM, sources

ROOT: Final = Path(__file__).resolve().parents[1]
_GROUPS: Final = {
    "Reading and recording": ("loaders", "recording", "lake", "heap"),
    "Verdicts and limits": ("assessment", "analysis", "limits", "validation"),
    "Pages and dashboards": ("views",),
}
_CONF: Final = """
project, author, html_title = "rmtoolkit", "rmtoolkit", "rmtoolkit"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme, html_show_sphinx, html_copy_source, html_show_search_summary = "furo", False, False, False
html_show_copyright = False
# What a terminal of 100 columns shows fits beside the contents.
html_theme_options = {"top_of_page_buttons": [], "light_css_variables": {"code-font-size": "74%"}}
default_role, highlight_language = "code", "none"
autodoc_typehints, autodoc_member_order, napoleon_numpy_docstring = "none", "bysource", True
myst_heading_anchors, suppress_warnings = 3, ["misc.highlighting_failure"]
"""


def main(target: Path) -> int:
    """Lay the pages out and build them; any warning is an error."""
    source = target / "source"
    shutil.rmtree(target, ignore_errors=True)
    source.mkdir(parents=True)
    for image in (ROOT / "docs").glob("*.png"):
        shutil.copy(image, source)
    for page in sorted((ROOT / "docs").glob("*.md")):
        (source / page.name).write_text(_filled(page.read_text("utf-8")), "utf-8")
    (source / "conf.py").write_text(_CONF, "utf-8")
    _write(source, "sources", "What it reads", "One page a source: what it is, and how to get it.", _sources())
    _write(source, "api", "Python", "Every public name, from its docstring. `import rmtoolkit as rm`.", _names())
    _write(source, "notebooks", "Notebooks", "As they are stored: run them to see what they show.", _notebooks())
    words = ["-q", "-W", "--keep-going", "-j", "1", "-b", "html", str(source), str(target / "html")]
    return int(sphinx(words))


def _filled(page: str) -> str:
    """Put sections of the README where a page asks for them."""
    readme = (ROOT / "README.md").read_text("utf-8")
    sections = {
        part.partition("\n")[0]: part.partition("\n")[2].strip()
        for part in re.split(r"^## ", readme, flags=re.MULTILINE)[1:]
    }
    filled = re.sub(r"<!-- README: (.+?) -->", lambda asked: sections[asked[1]], page)
    # Within the README such a link leads to a section; here to the page that shows it.
    homes = {
        re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"): other.name
        for other in (ROOT / "docs").glob("*.md")
        for title in re.findall(r"<!-- README: (.+?) -->", other.read_text("utf-8"))
    }
    return _linked(re.sub(r"\]\(#([a-z0-9-]+)\)", lambda link: f"]({homes[link[1]]})", filled))


def _linked(text: str) -> str:
    """Links to files of the repository become their names; pictures and pages are beside the page."""
    text = re.sub(r"\]\(docs/([^)]+\.(?:png|md))\)", r"](\1)", text).replace("```pycon", "```python")
    return re.sub(
        r"(?<!!)\[([^]]+)\]\((?![a-z]+:|#|[\w/-]+\.(?:png|md)\))[^)]*\)|(?<!!)\[([^]]+)\]\(data/[^)]*\)",
        lambda link: f"`{(link[1] or link[2]).strip('`')}`",
        text,
    )


def _write(source: Path, folder: str, title: str, about: str, groups: dict[str, dict[str, tuple[str, str]]]) -> None:
    (source / folder).mkdir()
    lines = [f"# {title}", "", about, ""]
    for group, pages in groups.items():
        lines += [f"## {group}", ""] if group else []
        lines += ["```{toctree}", ":maxdepth: 1", *(f"{name} <{slug}>" for slug, (name, _) in pages.items()), "```", ""]
        for slug, (_, body) in pages.items():
            (source / folder / f"{slug}.md").write_text(body, "utf-8")
    (source / folder / "index.md").write_text("\n".join(lines), "utf-8")


def _sources() -> dict[str, dict[str, tuple[str, str]]]:
    pages = {}
    for form, source, how in sources():
        title = source.replace("`", "")
        body = [f"# {title}", "", f"{how[0].upper()}{how[1:]}.", ""]
        reads = OF_FORM[form].reads if form in OF_FORM else None
        if reads and reads[1] in rm.__all__:
            body += [
                f"In Python `rm.read` finds out what a file is. Asked for by name: [rm.{reads[1]}]"
                f"(../api/{reads[1]}.md).",
                "",
            ]
        body += ["```", "$ rmtoolkit classify SOURCE", "$ rmtoolkit report SOURCE -o week.html", "```", ""]
        pages[re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]] = (title, _linked("\n".join(body)))
    return {"": pages}


def _names() -> dict[str, dict[str, tuple[str, str]]]:
    other = "What else there is"
    groups: dict[str, dict[str, tuple[str, str]]] = {group: {} for group in (*_GROUPS, other)}
    for name in rm.__all__:
        home = inspect.unwrap(getattr(rm, name)).__module__.split(".")[1]
        group = next((group for group, homes in _GROUPS.items() if home in homes), other)
        kind = "class" if isinstance(getattr(rm, name), type) else "function"
        more = ["   :members:"] if kind == "class" else []
        body = [f"# {name}", "", "```{eval-rst}", f".. auto{kind}:: rmtoolkit.{name}", *more, "```", ""]
        groups[group][name] = (f"rm.{name}", "\n".join(body))
    return {group: names for group, names in groups.items() if names}


def _notebooks() -> dict[str, dict[str, tuple[str, str]]]:
    pages = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts = (("".join(cell["source"]), cell["cell_type"]) for cell in cells)
        body = "\n\n".join(_linked(text) if kind == "markdown" else f"```python\n{text}\n```" for text, kind in texts)
        pages[path.stem] = (path.stem.replace("_", " ").capitalize(), f"{body}\n")
    return {"": pages}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "out" / "docs"))
