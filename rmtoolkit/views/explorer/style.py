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
.X .rm-explorer{display:grid;grid-template-columns:304px minmax(0,1fr);gap:8px 32px;align-items:start}
.X .rm-explorer>*{width:auto;min-width:0}
.X .rm-at{font-size:13px;color:var(--rm-ink-2)}
.X .rm-explorer .headline{margin:2px 0 6px;font-size:26px;line-height:1.25}
.X .rm-ours{color:var(--rm-accent)}
.X .rm-pair{display:grid;grid-template-columns:repeat(2,minmax(0,404px));gap:16px 28px;margin:16px 0 0}
.X .rm-pair h2,.X .rm-replay h2{font-size:16px}
.X .rm-replay{margin:16px 0 0}
.X .rm-replay svg,.X .rm-pair svg{display:block;height:auto}
.X .rm-patch{display:flex;justify-content:space-between;align-items:flex-end;gap:12px}
.X pre.rm-code{margin:4px 0 0;padding:10px 12px;background:var(--rm-panel);border:1px solid var(--rm-line);
border-radius:4px;font:13px/1.45 var(--rm-code);color:var(--rm-ink);white-space:pre-wrap;overflow-wrap:anywhere;
max-height:340px;overflow:auto}
.X ul.rm-assumed{margin:6px 0 0;padding-left:18px;font-size:12px;color:var(--rm-ink-3)}
@container (max-width:1130px){.X .rm-explorer{grid-template-columns:minmax(0,1fr)}}
@container (max-width:780px){.X .rm-pair{grid-template-columns:minmax(0,1fr)}}
"""
