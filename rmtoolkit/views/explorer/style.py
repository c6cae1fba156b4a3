"""Rules for the explorer's pictures and its columns, beside those of every dashboard."""

from __future__ import annotations

from typing import Final

#: For `rmtoolkit.views.notebook_style.themed`.
RULES: Final = """
.X .rm-chart .band{fill:var(--rm-kept);opacity:.45}.X .rm-chart .curve{fill:none;stroke:var(--rm-live);stroke-width:2.4;
stroke-linejoin:round}
.X .rm-chart .point.now,.X .rm-chart .point.chosen{fill:var(--rm-ink)}.X .rm-chart .point.ours{fill:var(--rm-accent)}
.X .rm-chart .point.other,.X .rm-chart .point.now:not(.chosen){fill:var(--rm-surface);stroke:var(--rm-ink-2);
stroke-width:1.6}
.X .rm-chart text.ours{fill:var(--rm-accent);font-weight:600}
.X .rm-chart .ours-rule{stroke:var(--rm-accent);stroke-width:1.6;stroke-dasharray:6 4}
.X .rm-chart .incidents{fill:var(--rm-leak);opacity:.2}
.X .rm-chart text.alarm-word{fill:var(--rm-leak)}
.X .rm-chart .recorded{fill:none;stroke:var(--rm-ink-3);stroke-width:1;stroke-dasharray:3 2}
.X .rm-chart .whisker{fill:none;stroke:var(--rm-ink);stroke-width:1.6}
.X .rm-chart text.on-bar{fill:var(--rm-ink);stroke:none}
.X .rm-explorer{display:grid;grid-template-columns:276px minmax(0,1fr);gap:8px 28px;align-items:start}
.X .rm-explorer>*{width:auto;min-width:0}
.X .rm-at{font-size:13px;color:var(--rm-ink-2)}
.X .rm-explorer .headline{margin:2px 0 6px;font-size:26px;line-height:1.25}
.X .rm-ours{color:var(--rm-accent)}
.X .rm-pair{display:grid;grid-template-columns:repeat(2,minmax(0,372px));gap:16px 24px;margin:16px 0 0}
.X .rm-pair h2,.X .rm-replay h2{margin:0 0 4px}
.X .rm-replay{margin:16px 0 0}
.X .rm-replay svg,.X .rm-pair svg{display:block;height:auto}
.X .rm-patch{display:flex;justify-content:space-between;align-items:flex-end;gap:12px}
.X pre.rm-code{margin:4px 0 0;padding:10px 12px;background:var(--rm-panel);border:1px solid var(--rm-line);
border-radius:4px;font:13px/1.45 var(--rm-code);color:var(--rm-ink);white-space:pre-wrap;overflow-wrap:anywhere;
word-break:normal;line-break:auto}
.X ul.rm-assumed{margin:6px 0 0;padding-left:18px;font-size:12px;color:var(--rm-ink-3)}
.X .rm-tick-row{height:0;margin:0 137px 0 9px;position:relative;width:auto;pointer-events:none;overflow:visible}
.X .rm-tick-row .widget-html-content{position:static;height:0;line-height:0}
.X .rm-tick{position:absolute;left:var(--at);top:-38px;width:2px;height:18px;margin-left:-1px;
background:var(--rm-accent)}
.X .rm-side .widget-toggle-buttons{margin:0 0 14px}
.X .rm-side .widget-toggle-button{padding:0 7px;font-size:12px}
.X .rm-side .widget-toggle-buttons>.widget-label{color:var(--rm-ink-2);font-size:12px}
.X .rm-side .widget-button{margin:2px 0 0}
.X .rm-unknown input{color:transparent}.X .rm-unknown .noUi-target{opacity:.4}
.X .rm-side{gap:0}
.X .rm-side .rm-slider-row{gap:8px}.X .rm-side .rm-slider-row>.widget-text input{width:72px}
.X .rm-side .rm-slider-row>.rm-unit{width:32px}
.X .rm-side h2{margin:0 0 6px}.X .rm-side .widget-html:nth-child(n+2) h2{margin-top:10px}
@container (max-width:1000px){.X .rm-explorer{grid-template-columns:minmax(0,1fr)}
.X .rm-side{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:0 28px;align-items:end;
border-bottom:1px solid var(--rm-line);padding-bottom:12px}
.X .rm-side>.widget-html:not(.rm-tick-row){grid-column:1/-1}}
@container (max-width:740px){.X .rm-pair{grid-template-columns:minmax(0,1fr)}}
"""
