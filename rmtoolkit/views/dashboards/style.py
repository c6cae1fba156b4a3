"""The style of the dashboards: controls, answers and charts under one class, so that nothing leaks out of it."""

from __future__ import annotations

from typing import Final

from rmtoolkit.views.markup import Markup
from rmtoolkit.views.notebook_style import ANSWER, themed
from rmtoolkit.views.svg import STYLE as CHARTS

#: ipywidgets and JupyterLab style controls by rules of their own; two classes and an element outweigh them.
_CONTROLS: Final = """
.X{padding:12px 20px 18px;container-type:inline-size;width:auto;max-width:1320px;overflow:visible;border-radius:6px}
.X .widget-html,.X .widget-html-content{margin:0;height:auto;width:100%;overflow:visible;line-height:inherit;
font-size:inherit;color:inherit}
.X .widget-html:has(>.widget-html-content:empty){display:none}
.X .jupyter-widgets{font-family:var(--rm-family);overflow:visible}
.X .widget-vbox,.X .widget-hbox{margin:0}
.X .rm-controls{display:flex;flex-flow:row wrap;align-items:flex-end;gap:12px 16px;padding-bottom:12px;
border-bottom:1px solid var(--rm-line);margin-bottom:12px}
.X .rm-controls>*{flex:none}
.X .rm-controls>.rm-aside{flex:1 1 160px;width:auto;min-width:0;text-align:right;font-size:12px;line-height:1.4;
color:var(--rm-ink-2)}
.X .widget-inline-hbox{display:flex;flex-direction:column;align-items:flex-start;height:auto;margin:0;width:auto;
overflow:visible}
.X .widget-inline-hbox .widget-label{width:auto;max-width:none;height:auto;margin:0 0 4px;text-align:left;
font-size:12px;line-height:1.4;color:var(--rm-ink-2);overflow:visible}
.X .widget-toggle-buttons>.widget-label{font:12px/1.4 var(--rm-family);color:var(--rm-ink-2)}
.X .widget-text input,.X .widget-dropdown select{flex:none;height:34px;padding:0 8px;margin:0;
border:1px solid var(--rm-control);border-radius:4px;background:var(--rm-surface);color:var(--rm-ink);
font:14px/1.45 var(--rm-family);font-variant-numeric:tabular-nums;box-shadow:none;width:100%}
.X .widget-dropdown select{padding-right:24px;
background-image:linear-gradient(45deg,transparent 50%,var(--rm-ink-2) 50%),
linear-gradient(135deg,var(--rm-ink-2) 50%,transparent 50%);background-size:5px 5px,5px 5px;background-repeat:no-repeat;
background-position:right 13px top 15px,right 8px top 15px;appearance:none}
.X .widget-dropdown select option{background:var(--rm-surface);color:var(--rm-ink)}
.X .rm-wide{width:280px}.X .rm-wide input{width:280px}
.X .widget-toggle-buttons>.widget-toggle-buttons-options,.X .widget-toggle-buttons>div{display:flex;
flex-flow:row nowrap;border:1px solid var(--rm-control);border-radius:4px;overflow:visible;width:fit-content}
.X .widget-toggle-button{width:auto;height:32px;line-height:32px;margin:0;padding:0 12px;border:0;border-radius:0;
background:var(--rm-surface);color:var(--rm-ink-2);font:14px/32px var(--rm-family);box-shadow:none;min-width:0}
.X .widget-toggle-button+.widget-toggle-button{border-left:1px solid var(--rm-control)}
.X .widget-toggle-button:first-of-type{border-radius:3px 0 0 3px}
.X .widget-toggle-button:last-of-type{border-radius:0 3px 3px 0}
.X .widget-toggle-button.mod-active{background:var(--rm-ink);color:var(--rm-surface);font-weight:600}
.X button.widget-button,.X button.rm-button{width:auto;height:34px;line-height:32px;padding:0 12px;margin:0;
border:1px solid var(--rm-control);border-radius:4px;background:var(--rm-panel);color:var(--rm-ink);cursor:pointer;
font:14px/32px var(--rm-family);box-shadow:none;white-space:nowrap}
.X button:hover,.X .widget-toggle-button:not(.mod-active):hover{background:var(--rm-panel);color:var(--rm-ink)}
.X button:disabled{opacity:.55;cursor:default}
.X :focus-visible,.X .noUi-handle:focus{outline:2px solid var(--rm-accent);outline-offset:2px}
.X .rm-slider{margin:0 0 12px;width:100%}
.X .rm-slider-row{display:flex;flex-flow:row nowrap;align-items:center;gap:12px;width:100%}
.X .rm-slider .rm-name{margin:0 0 2px;font-size:12px;line-height:1.4;color:var(--rm-ink-2)}
.X .rm-slider-row>.widget-slider{flex:1 1 auto;width:auto;margin:0 9px 0 9px}
.X .rm-slider-row>.widget-text{flex:none}
.X .rm-slider-row .widget-label,.X .rm-hidden{position:absolute;width:1px;height:1px;overflow:hidden;margin:0;
clip-path:inset(50%);white-space:nowrap}
.X .rm-slider-row>.widget-text input{width:84px;text-align:right}
.X .rm-slider-row>.rm-unit{flex:none;width:38px;font-size:12px;color:var(--rm-ink-2)}
.X .widget-slider .slider-container{flex:none;width:100%;margin:0;height:34px;display:flex;align-items:center}
.X .noUi-target{width:100%;height:4px;border:1px solid var(--rm-control);border-radius:3px;box-shadow:none;
background:var(--rm-line)}
.X .noUi-connect{background:var(--rm-ink-2)}
.X .noUi-handle{width:16px;height:16px;right:-8px;top:-7px;border:2px solid var(--rm-ink);border-radius:50%;
background:var(--rm-surface);box-shadow:none;cursor:grab}
.X .noUi-handle:before,.X .noUi-handle:after{display:none}
.X .rm-alert .widget-html-content>*{border-left:3px solid var(--rm-leak);background:var(--rm-panel);color:var(--rm-ink);
padding:8px 12px;margin:0 0 12px;overflow-wrap:anywhere}
.X h2{margin:20px 0 4px;font-size:16px;line-height:1.45;font-weight:600;color:var(--rm-ink);padding:0;border:0}
.X h2 .note{margin-left:4px}
.X .rm-moment input{width:176px}
.X .rm-typed{border-bottom:0;margin:8px 0 0;padding:0}
.X .rm-again{display:flex;flex-flow:row wrap;align-items:center;gap:8px 16px;margin:0 0 12px;padding:8px 12px;
background:var(--rm-panel);border-left:3px solid var(--rm-accent)}
.X .rm-again .widget-html{width:auto}
.X .rm-live-chart{position:relative;width:100%;min-width:560px;height:320px;margin:0}
.X .rm-live-chart svg{overflow:visible;display:block}.X .rm-live-chart:focus-visible{outline-offset:2px}
.X .rm-tip{position:absolute;max-width:260px;padding:3px 8px;border:1px solid var(--rm-control);border-radius:4px;
background:var(--rm-surface);color:var(--rm-ink);font-size:12px;pointer-events:none;z-index:2;width:max-content}
.X .rm-halves{display:grid;grid-template-columns:minmax(300px,400px) minmax(0,1fr);gap:0 32px;margin:0;
align-items:start;width:100%}
.X td.n{white-space:nowrap}.X td.code{max-width:360px;overflow-wrap:break-word}
.X .rm-halves td.n{white-space:normal}.X .rm-halves table{margin-top:20px}
.X td.word{white-space:nowrap}.X td.wrap{white-space:normal}
.X .copied{display:flex;align-items:flex-start;gap:8px;margin:6px 0 2px}.X .copied code.block{margin:0;padding:6px 10px}
.X button.rm-button.small{height:28px;font:12px/26px var(--rm-family);padding:0 10px;display:inline-block}
.X p.judged{color:var(--rm-ink)}
.X .headline{font-size:28px;line-height:1.25}.X .answer{grid-template-columns:minmax(0,1fr) 380px}
.X .whole{white-space:nowrap}.X .wide{overflow-x:auto}.X .wide :is(td,th,code){overflow-wrap:break-word}
.X svg.rm-icicle.key{display:inline-block;vertical-align:-2px;margin:0 4px 0 10px}
.X .rm-zoomed{display:flex;flex-flow:row wrap;align-items:center;gap:8px 16px;margin:4px 0 8px;overflow-wrap:anywhere}
.X .rm-tree .rm-icicle{min-width:1080px;width:100%}
.X .rm-tree .said{min-height:1.45em;margin:6px 0;overflow-wrap:anywhere}
.X .plain{padding-left:20px;margin:8px 0}.X .plain li{margin:3px 0;overflow-wrap:anywhere}
.X .ages{display:block;width:100%;max-width:440px;height:auto}
.X .ages .life{fill:none;stroke:var(--rm-ink-3);stroke-width:1;stroke-linejoin:round}
.X .ages .newest{stroke:var(--rm-live);stroke-width:2}
@container (max-width:960px){.X .rm-halves,.X .answer{grid-template-columns:minmax(0,1fr)}
.X .facts{grid-template-columns:repeat(4,minmax(0,1fr));border-top:1px solid var(--rm-line);margin-top:4px}
.X .facts div{border-bottom:0}.X .headline{font-size:24px}}
@container (max-width:700px){.X .facts{grid-template-columns:1fr 1fr}}
@media (forced-colors:active){.X .widget-toggle-button.mod-active{outline:2px solid Highlight}}
"""

DASHBOARD: Final = Markup(themed(".rm.rm-dashboard", ANSWER + _CONTROLS) + CHARTS)
