"""The page's style sheet."""

from __future__ import annotations

from typing import Final

from rmtoolkit.views import theme
from rmtoolkit.views.markup import Markup
from rmtoolkit.views.svg import STYLE as CHARTS

_BASE: Final = f"""
.rm{{{theme.variables(theme.LIGHT)};--rm-family:{theme.FAMILY};--rm-code:{theme.CODE_FAMILY};
color-scheme:light;margin:0;background:var(--rm-surface);color:var(--rm-ink-2);
font:14px/1.45 var(--rm-family);font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}}
@media (prefers-color-scheme:dark){{.rm{{{theme.variables(theme.DARK)};color-scheme:dark}}}}
"""

_PAGE: Final = """
.rm *{box-sizing:border-box}.rm [hidden]:not([hidden=until-found]){display:none!important}
.rm main{max-width:1200px;margin:0 auto;padding:24px 24px 48px}
.rm a{color:var(--rm-accent);text-underline-offset:3px}
.rm :focus-visible{outline:2px solid var(--rm-accent);outline-offset:2px;border-radius:4px}
.rm .top{display:flex;flex-wrap:wrap;justify-content:space-between;gap:4px 32px;padding-bottom:12px;
border-bottom:1px solid var(--rm-line);font-size:13px}
.rm .top p{margin:0}.rm b,.rm strong{color:var(--rm-ink);font-weight:600}
.rm h1{margin:20px 0 8px;font-size:32px;line-height:1.22;font-weight:600;color:var(--rm-ink);letter-spacing:-.01em;
text-wrap:balance}
.rm h1 span{display:block}
.rm .start{margin:0;font-size:16px;max-width:75ch}
.rm .tiles{display:grid;grid-template-columns:repeat(5,1fr);gap:12px;margin:24px 0 0;padding:0;list-style:none}
.rm .tiles li{border:1px solid var(--rm-line);border-radius:6px;padding:14px 16px 12px;break-inside:avoid}
.rm .figure{display:flex;align-items:center;gap:8px;font-size:28px;line-height:1.25;font-weight:600;color:var(--rm-ink)}
.rm .tiles b{display:block}.rm .note{font-size:12px;line-height:1.4;color:var(--rm-ink-3);font-weight:400}
.rm h2{margin:40px 0 4px;font-size:20px;line-height:1.3;font-weight:600;color:var(--rm-ink)}
.rm h2 .note,.rm h4 .note{margin-left:4px}
.rm h4{margin:0 0 4px;font-size:16px;line-height:1.45;font-weight:600;color:var(--rm-ink)}
.rm .again{margin:8px 0 0;color:var(--rm-leak)}.rm .again b{color:var(--rm-leak)}
.rm .warned{margin:12px 0 0;border-left:3px solid var(--rm-leak);padding:2px 0 2px 12px;color:var(--rm-ink)}
.rm .contents{display:flex;flex-wrap:wrap;gap:4px 20px;margin:16px 0 0;font-size:13px}
.rm .changes{margin:8px 0 0}
.rm .changes>div{display:grid;grid-template-columns:88px minmax(0,1fr);gap:0 16px;padding:8px 0;
border-bottom:1px solid var(--rm-line);break-inside:avoid}
.rm .changes dd{margin:0;color:var(--rm-ink);overflow-wrap:anywhere}
.rm .changes .marked{color:var(--rm-ink)}.rm .changes .marked .mark{color:var(--rm-verdict)}
.rm #filter{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:flex-end;margin:24px 0 -16px;padding:8px 0;
position:sticky;top:0;background:var(--rm-surface);z-index:2;border-bottom:1px solid var(--rm-line)}
.rm label{display:flex;flex-direction:column;gap:4px;font-size:12px;color:var(--rm-ink-2)}
.rm input,.rm select{font:inherit;font-size:14px;color:var(--rm-ink);background:var(--rm-surface);
border:1px solid var(--rm-control);border-radius:4px;padding:4px 8px;min-width:180px;height:32px;max-width:100%}
.rm #hits{margin:0 0 7px}
.rm .more{margin:12px 0 0}
.rm .sort{all:unset;cursor:pointer;font:inherit;color:inherit}
.rm [aria-sort=ascending] .sort::after{content:" ▴"}.rm [aria-sort=descending] .sort::after{content:" ▾"}
.rm .n .sort{text-align:right}
.rm .because{margin:6px 0 0;font-size:13px;color:var(--rm-ink-2);overflow-wrap:anywhere}
.rm .wide-list{overflow-x:auto}.rm .names{overflow-wrap:anywhere;min-width:200px}
.rm .large svg{display:block;width:100%;height:150px;overflow:hidden}
.rm .large svg path{vector-effect:non-scaling-stroke}.rm .row code{overflow-wrap:anywhere;font-size:12px}
.rm .large svg circle,.rm .large svg .kill{display:none}
.rm .plain-table tbody th{font-size:13px;color:var(--rm-ink);border-bottom:1px solid var(--rm-line);vertical-align:top;
overflow-wrap:anywhere}
.rm .plain-table td{vertical-align:top}
.rm .limits{margin-bottom:8px}.rm .limits tbody th{font-weight:400;font-size:13px;color:var(--rm-ink);
border-bottom:1px solid var(--rm-line)}
.rm .limits .corner{border-bottom:1px solid var(--rm-control)}
.rm button{font:inherit;font-size:13px;color:var(--rm-ink);background:var(--rm-surface);cursor:pointer;
border:1px solid var(--rm-control);border-radius:4px;padding:4px 12px}
.rm .leak{--rm-verdict:var(--rm-leak)}.rm .unsure{--rm-verdict:var(--rm-unsure)}.rm .ok{--rm-verdict:var(--rm-ok)}
.rm .mark{flex:none;vertical-align:-1px}
.rm .marked{color:var(--rm-verdict);font-weight:600;white-space:nowrap}
.rm .marked .mark{margin-right:6px;width:10px;height:10px}
.rm .figure .mark{width:16px;height:16px;color:var(--rm-verdict)}
.rm table{width:100%;border-collapse:collapse;font-size:13px;line-height:1.45}
.rm th{font-size:12px;font-weight:600;text-align:left;color:var(--rm-ink-2);padding:8px 8px 6px;
border-bottom:1px solid var(--rm-control);vertical-align:bottom}
.rm td{padding:7px 8px;border-bottom:1px solid var(--rm-line);vertical-align:middle;color:var(--rm-ink)}
.rm th:first-child,.rm td:first-child{padding-left:0}.rm th:last-child,.rm td:last-child{padding-right:0}
.rm .n{text-align:right;white-space:nowrap}.rm th.n{white-space:normal}
.rm .small{display:block;font-size:12px;color:var(--rm-ink-3);font-weight:400}
.rm .hot{font-weight:600}
"""

_ROWS: Final = """
.rm .workloads{table-layout:fixed}
.rm .workloads>colgroup .name{width:17%}.rm .workloads>colgroup .spark{width:144px}
.rm .workloads>colgroup .growth{width:11%}.rm .workloads>colgroup .time{width:9.5%}
.rm .workloads>colgroup .kill{width:9.5%}.rm .workloads>colgroup .peak{width:13%}
.rm .workloads>colgroup .level{width:6.5%}.rm .workloads>colgroup .change{width:11%}
.rm .workloads>colgroup .risk{width:10%}.rm .workloads>colgroup .cost{width:9.5%}
.rm .workloads>colgroup .verdict{width:11%}.rm .workloads>colgroup .pods{width:5%}
.rm .workloads>tbody>tr>th{font-size:13px;color:var(--rm-ink);border-bottom:1px solid var(--rm-line);
padding:7px 8px 7px 0;vertical-align:middle;overflow-wrap:anywhere}
.rm .workloads>tbody>tr>th a{color:var(--rm-ink);text-decoration-color:var(--rm-accent)}
.rm .workloads>tbody>tr>th a::before{content:"▾";content:"▾" / "";display:inline-block;width:14px;color:var(--rm-ink-2)}
.rm .workloads>tbody>tr>th a[aria-expanded=false]::before{content:"▸";content:"▸" / ""}
.rm .workloads>tbody>tr>th .small{padding-left:14px}
.rm .short{display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden}
.rm .workloads .bullet{display:block;margin:3px 0 0 auto}
.rm .workloads>tbody>.unfolded>td{padding:0;border:0}
.rm .workloads svg.rm-chart{max-width:100%}
"""

_CARD: Final = """
.rm .card{margin:2px 0 20px;border:1px solid var(--rm-line);border-left:3px solid var(--rm-verdict);
border-radius:6px;padding:16px 20px 18px}
.rm .fold{scroll-margin-top:124px}.rm h2{scroll-margin-top:72px}
.rm .answer{display:grid;grid-template-columns:minmax(0,1fr) 440px;gap:8px 32px}
.rm .badge{display:inline-flex;align-items:center;gap:8px;padding:4px 10px 4px 9px;border-radius:4px;
background:var(--rm-verdict);color:var(--rm-on-badge);font-weight:600;line-height:1.45;margin-right:12px}
.rm .who{color:var(--rm-ink-2);font-size:13px;overflow-wrap:anywhere}
.rm h3{margin:10px 0 6px;font-size:22px;line-height:1.25;font-weight:600;color:var(--rm-ink);overflow-wrap:anywhere;
text-wrap:pretty}
.rm .reason{margin:0;font-size:16px;max-width:68ch;overflow-wrap:anywhere}
.rm p.next{margin:12px 0 0;border-left:3px solid var(--rm-accent);padding:2px 0 2px 12px;max-width:72ch;
color:var(--rm-ink);
overflow-wrap:anywhere}
.rm p.next b{color:var(--rm-accent)}
.rm code{font:13px/1.45 var(--rm-code);background:var(--rm-panel);border:1px solid var(--rm-line);border-radius:4px;
padding:1px 5px;-webkit-box-decoration-break:clone;box-decoration-break:clone}
.rm .facts{display:grid;grid-template-columns:1fr 1fr;gap:0 24px;margin:0;align-content:start}
.rm .facts div{border-bottom:1px solid var(--rm-line);padding:6px 0 8px}
.rm .facts div:nth-last-child(-n+2){border-bottom:0}
.rm .facts dt{font-size:12px;color:var(--rm-ink-2)}.rm .facts dd{margin:0}
.rm .facts .fact{font-size:22px;line-height:1.3;font-weight:600;color:var(--rm-ink);overflow-wrap:anywhere}
.rm .facts svg{display:block;max-width:100%;margin:2px 0 3px}
.rm .chart{margin:18px 0 4px}.rm .scroll{overflow-x:auto;overflow-y:hidden}
.rm .timeline{display:block;width:100%;min-width:1040px;height:auto}
.rm .halves{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:20px 32px;margin-top:14px}
.rm .evidence td,.rm .questions td{vertical-align:top}
.rm .evidence .value{text-align:right;overflow-wrap:anywhere}.rm .evidence td:nth-child(2),
.rm .questions td:first-child{overflow-wrap:anywhere}
.rm .questions td+td{white-space:nowrap}
.rm details{border-top:1px solid var(--rm-line);margin-top:14px;padding-top:10px}
.rm details+details{margin-top:10px}
.rm summary{cursor:pointer;color:var(--rm-ink);font-weight:600;width:fit-content}
.rm summary .note{margin-left:4px}
.rm .wide{overflow-x:auto}.rm .wide th,.rm .wide td{white-space:nowrap}
.rm .plain{padding-left:20px;margin:8px 0}.rm .plain li{margin:3px 0;overflow-wrap:anywhere}
.rm .data dt{font-weight:600;color:var(--rm-ink)}.rm .data dd{margin:0 0 8px;overflow-wrap:anywhere}
.rm .data dl{margin:10px 0;display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 24px}
.rm footer{margin-top:40px;padding-top:12px;border-top:1px solid var(--rm-line);font-size:12px;color:var(--rm-ink-3)}
.rm footer p{margin:0 0 4px}
"""

_NARROW: Final = """
@media (max-width:1000px){.rm .answer{grid-template-columns:minmax(0,1fr)}
.rm .halves{grid-template-columns:minmax(0,1fr)}
.rm .facts{grid-template-columns:repeat(4,1fr);margin-top:8px;border-top:1px solid var(--rm-line)}
.rm .facts div{border-bottom:0}}
@media (max-width:820px){.rm .facts{grid-template-columns:1fr 1fr}
.rm .tiles{grid-template-columns:repeat(3,1fr)}}
@media (max-width:640px){.rm main{padding:16px 16px 32px}
.rm h1{font-size:24px}.rm .tiles{grid-template-columns:1fr 1fr;gap:8px}.rm .tiles li{padding:10px 12px}
.rm #filter{position:static;margin:16px 0 -8px}.rm #filter label,.rm input,.rm select,.rm .more{width:100%}
.rm .changes>div{grid-template-columns:minmax(0,1fr)}.rm .contents{gap:8px 16px}
.rm .workloads,.rm .workloads>tbody,.rm .workloads>tbody>tr,.rm .workloads>tbody>tr>th,
.rm .workloads>tbody>tr>td{display:block;width:auto}
.rm .workloads>thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.rm .workloads>tbody>tr>th{border:0;padding:12px 0 4px;font-size:14px}
.rm .workloads>tbody>tr>th .small{display:inline;padding-left:8px}
.rm .workloads>tbody>.row>td{display:flex;justify-content:space-between;gap:16px;align-items:baseline;border:0;
padding:3px 0;text-align:right;white-space:normal}
.rm .workloads>tbody>.row>td::before{content:attr(data-label);flex:none;color:var(--rm-ink-2)}
.rm .workloads>tbody>.row>td:last-child{padding-bottom:10px}
.rm .workloads>tbody>tr{border-bottom:1px solid var(--rm-line)}
.rm .workloads>tbody>.unfolded{border:0}.rm .short{-webkit-line-clamp:3}
.rm .card{padding:12px;margin:8px 0 16px}.rm h3{font-size:20px}.rm .who{display:block;margin-top:6px}
.rm .chart h4 .note{display:block;margin:0}.rm .data dl{grid-template-columns:minmax(0,1fr)}
.rm .evidence .weight{display:none}
.rm .evidence .n{white-space:normal}.rm .evidence td:nth-child(3){max-width:34vw}}
"""

_PRINT: Final = f"""
@page{{size:A4 landscape;margin:12mm}}
@media print{{.rm{{{theme.variables({**theme.LIGHT, "ink": "#000000", "ink-2": "#000000", "ink-3": "#333333"})};
color-scheme:light;print-color-adjust:exact;-webkit-print-color-adjust:exact}}
.rm main{{max-width:none;padding:0;zoom:.66}}
.rm .answer{{grid-template-columns:minmax(0,1fr) 440px}}.rm .facts{{grid-template-columns:1fr 1fr;border:0}}
.rm .halves{{grid-template-columns:minmax(0,1fr) minmax(0,1fr)}}.rm .tiles{{grid-template-columns:repeat(5,1fr)}}
.rm #filter,.rm .more,.rm .contents,.rm noscript{{display:none}}
.rm .fold[hidden]{{display:block!important;
content-visibility:visible!important}}
.rm .badge{{background:none;color:var(--rm-verdict);outline:1.5px solid var(--rm-verdict)}}
.rm .card,.rm .row,.rm .tiles li{{break-inside:avoid}}.rm thead{{display:table-header-group}}
.rm .row,.rm h2,.rm h4{{break-after:avoid}}.rm .timeline{{min-width:0;max-height:300px}}.rm .scroll{{overflow:visible}}
.rm a{{color:inherit;text-decoration:none}}}}
"""

STYLE: Final = Markup(f"{_BASE}{_PAGE}{_ROWS}{_CARD}{CHARTS}{_NARROW}{_PRINT}".replace("\n", ""))

#: The same in the output of a notebook, which says itself whether it is light or dark, and styles tables of its own.
FRAGMENT: Final = Markup(
    (
        f"{_BASE}{_PAGE}{_ROWS}{_CARD}{CHARTS}{_NARROW}"
        f"[data-jp-theme-light=true] .rm{{{theme.variables(theme.LIGHT)};color-scheme:light}}"
        f"[data-jp-theme-light=false] .rm{{{theme.variables(theme.DARK)};color-scheme:dark}}"
        ".rm.rm main{padding:16px;max-width:1200px}.rm.rm .more{display:none}"
        ".rm.rm table{border:0;margin:0;table-layout:auto;color:var(--rm-ink)}.rm.rm .workloads{table-layout:fixed}"
        ".rm.rm tbody tr:nth-child(n),.rm.rm thead tr{background:none}"
        ".rm.rm td,.rm.rm th{max-width:none;text-align:left}"
        ".rm.rm td.n,.rm.rm th.n{text-align:right}.rm.rm dt{float:none;width:auto;font-weight:400}"
        ".rm.rm .data dt{font-weight:600}.rm.rm .workloads th a::before{content:none}"
        ".rm.rm .workloads th .small{padding-left:0}"
    ).replace("\n", "")
)
