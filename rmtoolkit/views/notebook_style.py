"""The style of what is shown in a notebook's output: one class, so that nothing leaks into the notebook.

Notebooks style tables, code and lists by rules of their own; two classes outweigh them.
"""

from __future__ import annotations

import re
from typing import Final

from rmtoolkit.views import theme
from rmtoolkit.views.markup import Markup
from rmtoolkit.views.svg import STYLE as CHARTS

_LIGHT: Final = f"{{{theme.variables(theme.LIGHT)};color-scheme:light}}"
_DARK: Final = f"{{{theme.variables(theme.DARK)};color-scheme:dark}}"

#: The box around one answer in the output of a cell.
FRAME: Final = """
.X{max-width:1080px;padding:16px 20px 18px;border-radius:6px;border:1px solid var(--rm-line);
border-left:3px solid var(--rm-verdict)}
"""

#: Badge, headline, facts, tables and what folds away, wherever they stand.
ANSWER: Final = """
.X{--rm-family:FAMILY;--rm-code:CODE;background:var(--rm-surface);color:var(--rm-ink-2);box-sizing:border-box;
font:14px/1.45 var(--rm-family);font-variant-numeric:tabular-nums}
.X *{box-sizing:border-box}
.X.leak,.X .leak{--rm-verdict:var(--rm-leak)}.X.unsure,.X .unsure{--rm-verdict:var(--rm-unsure)}
.X.ok,.X .ok{--rm-verdict:var(--rm-ok)}
.X b{color:var(--rm-ink);font-weight:600}.X p{margin:0}
.X .note{font-size:12px;line-height:1.4;color:var(--rm-ink-3);font-weight:400}.X p.note{margin:8px 0 0}
.X .answer{display:grid;grid-template-columns:minmax(0,1fr) 400px;gap:8px 32px}
.X .badge{display:inline-flex;align-items:center;gap:8px;padding:4px 10px 4px 9px;border-radius:4px;
background:var(--rm-verdict);color:var(--rm-on-badge);font-weight:600;margin-right:12px}
.X .mark{flex:none;vertical-align:-1px}.X .marked .mark{margin-right:6px;width:10px;height:10px}
.X .marked{color:var(--rm-verdict);font-weight:600;white-space:nowrap}
.X .who{font-size:13px;overflow-wrap:anywhere}
.X .headline{margin:10px 0 6px;font-size:22px;line-height:1.25;font-weight:600;color:var(--rm-ink);
overflow-wrap:anywhere;text-wrap:pretty}
.X .reason{font-size:16px;max-width:68ch;overflow-wrap:anywhere}
.X .next{margin:12px 0 0;border-left:3px solid var(--rm-accent);padding:2px 0 2px 12px;max-width:84ch;
color:var(--rm-ink);overflow-wrap:anywhere}.X .next b{color:var(--rm-accent)}
.X code{font:13px/1.45 var(--rm-code);color:var(--rm-ink);background:var(--rm-panel);border:1px solid var(--rm-line);
border-radius:4px;padding:1px 5px;-webkit-box-decoration-break:clone;box-decoration-break:clone;white-space:pre-wrap;
overflow-wrap:anywhere}
.X code.block{display:block;padding:4px 8px;margin:3px 0;width:fit-content;max-width:100%}
.X .facts{display:grid;grid-template-columns:1fr 1fr;gap:0 24px;margin:0;align-content:start}
.X .facts div{border-bottom:1px solid var(--rm-line);padding:6px 0 8px}
.X .facts div:nth-last-child(-n+2){border-bottom:0}
.X .facts dt{font-size:12px;font-weight:400;color:var(--rm-ink-2);margin:0;width:auto;float:none}
.X dd,.X .facts dd{margin:0;width:auto;float:none;display:block}
.X .facts .fact{font-size:22px;line-height:1.3;font-weight:600;color:var(--rm-ink);overflow-wrap:anywhere}
.X .facts svg{display:block;max-width:100%;margin:2px 0 3px}
.X table{width:100%;border-collapse:collapse;border:0;margin:18px 0 0;font-size:13px;line-height:1.45;
table-layout:auto;color:var(--rm-ink)}
.X caption{text-align:left;caption-side:top;padding:0;font-size:16px;font-weight:600;color:var(--rm-ink)}
.X thead{border:0}.X tbody tr:nth-child(n),.X thead tr:nth-child(n){background:none}
.X tbody tr:nth-child(n):hover{background:var(--rm-panel)}
.X th{font-size:12px;font-weight:600;text-align:left;color:var(--rm-ink-2);padding:8px 8px 6px;
border:0;border-bottom:1px solid var(--rm-control);vertical-align:bottom;white-space:normal}
.X td{padding:7px 8px;border:0;border-bottom:1px solid var(--rm-line);vertical-align:top;text-align:left;
max-width:none;white-space:normal;overflow-wrap:anywhere;color:var(--rm-ink)}
.X th:first-child,.X td:first-child{padding-left:0;white-space:nowrap}
.X th:last-child,.X td:last-child{padding-right:0;white-space:nowrap}
.X .n{text-align:right}.X td.n{max-width:32ch}
.X .small{display:block;font-size:12px;color:var(--rm-ink-3);font-weight:400}
.X details{border:0;border-top:1px solid var(--rm-line);margin:14px 0 0;padding:10px 0 0}
.X summary{cursor:pointer;color:var(--rm-ink);font-weight:600;width:fit-content}
.X summary:focus-visible{outline:2px solid var(--rm-accent);outline-offset:2px;border-radius:4px}
.X summary .note{margin-left:4px}
.X ol{margin:8px 0 0;padding-left:22px}.X li{margin:0 0 10px;color:var(--rm-ink)}
.X .queries{margin:8px 0 0;display:block}
.X .queries dt{font-weight:600;color:var(--rm-ink);margin:0;width:auto;float:none}
.X .queries dd{margin:0 0 8px}
@container (max-width:900px){.X .answer{grid-template-columns:minmax(0,1fr)}}
@media (max-width:1000px){.X .answer{grid-template-columns:minmax(0,1fr)}}
@media (max-width:640px){.X{padding:12px}.X th:last-child,.X td:last-child{display:none}
.X th:first-child,.X td:first-child{white-space:normal}}
"""


def themed(selector: str, rules: str) -> Markup:
    """Write rules under one selector, with the tokens of the notebook's theme, or of the system where it has none."""
    themes = (
        f"{selector}{_LIGHT}\n@media (prefers-color-scheme:dark){{{selector}{_DARK}}}\n"
        f"[data-jp-theme-light=true] {selector}{_LIGHT}\n[data-jp-theme-light=false] {selector}{_DARK}\n"
    )
    written = rules.replace("FAMILY", theme.FAMILY).replace("CODE", theme.CODE_FAMILY)
    return Markup(themes + re.sub(r"\.X(?![\w-])", selector, written))


STYLE: Final = Markup(themed(".rm.rm-explanation", FRAME + ANSWER) + CHARTS)
