"""Rules for the fleet's tiles and table, beside those of every dashboard."""

from __future__ import annotations

from typing import Final

#: For `rmtoolkit.views.notebook_style.themed`.
RULES: Final = """
.X .rm-top .headline{margin:0 0 2px;font-size:24px;line-height:1.25}
.X .rm-top p.note{margin:0 0 10px}
.X .rm-tiles{display:grid;grid-template-columns:repeat(5,minmax(0,1fr));gap:12px;margin:4px 0 14px}
.X button.rm-tile{display:flex;flex-direction:column;justify-content:flex-start;height:auto;
white-space:normal;width:100%;text-align:left;padding:12px 14px 10px;border:1px solid var(--rm-line);
border-radius:6px;background:var(--rm-surface);color:var(--rm-ink-2);font:14px/1.45 var(--rm-family);cursor:pointer;
margin:0;overflow-wrap:anywhere}
.X button.rm-tile:hover{background:var(--rm-panel);border-color:var(--rm-control)}
.X button.rm-tile[aria-pressed=true]{border-color:var(--rm-ink);box-shadow:inset 0 0 0 1px var(--rm-ink);
background:var(--rm-panel)}
.X .rm-tile .figure{display:flex;align-items:center;gap:8px;font-size:26px;line-height:1.25;font-weight:600;
color:var(--rm-ink)}
.X .rm-tile .figure .mark{width:16px;height:16px;color:var(--rm-verdict)}
.X .rm-tile b{display:block}.X .rm-tile .note{display:block}
.X table.rm-fleet{table-layout:fixed;margin:6px 0 0}
.X .rm-fleet th,.X .rm-fleet td{vertical-align:middle;padding:5px 6px;overflow-wrap:break-word;white-space:normal}
.X .rm-fleet thead th{vertical-align:bottom;padding:6px}
.X .rm-fleet th:first-child{padding-left:0}.X .rm-fleet tr>:last-child{padding-right:0}
.X .rm-fleet tbody th{font-size:13px;font-weight:400;border-bottom:1px solid var(--rm-line);overflow-wrap:anywhere}
.X .rm-fleet tbody tr{height:38px}.X .rm-fleet td.n{max-width:none}
.X .rm-fleet .c-verdict{width:126px}.X .rm-fleet .c-spark{width:144px}.X .rm-fleet .c-kill{width:76px}
.X .rm-fleet .c-time{width:104px}.X .rm-fleet .c-growth{width:136px}.X .rm-fleet .c-peak{width:204px}
.X .rm-fleet .c-time~.c-time{width:62px}.X .rm-fleet .c-pods{width:46px}
.X .rm-fleet .n .small{white-space:nowrap}.X .rm-fleet svg{max-width:100%}
.X .rm-fleet .hot{font-weight:600}.X .rm-fleet .n .small{display:inline;margin-left:6px}
.X .rm-fleet td .bullet{display:inline-block;margin-left:8px;vertical-align:-1px}
.X button.rm-sort{all:unset;box-sizing:border-box;cursor:pointer;font:600 12px/1.4 var(--rm-family);
color:var(--rm-ink-2);border-radius:2px}
.X button.rm-sort:hover,.X [aria-sort] button.rm-sort{color:var(--rm-ink)}
.X button.rm-open{all:unset;box-sizing:border-box;cursor:pointer;color:var(--rm-accent);text-decoration:underline;
text-underline-offset:3px;overflow-wrap:anywhere;border-radius:2px}
.X button.rm-sort:focus-visible,.X button.rm-open:focus-visible{outline:2px solid var(--rm-accent);outline-offset:2px}
.X .rm-pager{display:flex;align-items:center;gap:8px;margin:12px 0 0}.X .rm-pager p.note{flex:1;margin:0}
.X .rm-opened{margin:0 0 8px}
@container (max-width:1000px){.X .rm-fleet td .bullet{display:block;margin:2px 0 0 auto}
.X .rm-fleet td.n .small{display:none}.X .rm-fleet .c-verdict{width:114px}.X .rm-fleet .c-spark{width:126px}
.X .rm-fleet .c-kill{width:74px}.X .rm-fleet .c-time{width:78px}.X .rm-fleet .c-growth{width:72px}
.X .rm-fleet .c-peak{width:108px}.X .rm-fleet .c-time~.c-time{width:54px}.X .rm-fleet .c-pods{width:42px}
.X .rm-tile .figure{font-size:20px}.X button.rm-tile{padding:10px}.X .rm-top .headline{font-size:22px}}
@container (max-width:700px){.X .rm-tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
.X table.rm-fleet{min-width:860px}.X .rm-scroll{overflow-x:auto}}
"""
