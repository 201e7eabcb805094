"""The look of the report: light and dark, from a phone to paper. Colours are those of static/css/tokens.css."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --bg: #fff; --soft: #f2f4f7; --line: #d3dae2; --text: #16202b; --muted: #52606e;
  --accent: #0b5cad; --alert: #b3202b; --above: #fdebdd; --strong: #7f8c9a; }
@media screen and (prefers-color-scheme: dark) { :root { --bg: #0d1117; --soft: #161c24; --line: #29323d;
  --text: #e6ebf1; --muted: #9dabba; --accent: #6bb0ff; --alert: #ff8583; --above: #2f1f10; --strong: #66758a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem clamp(1rem, 3vw, 2rem) 3rem; background: var(--bg);
  color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans",
  sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
p { margin: .5rem 0; max-width: 48rem; }
.muted, figcaption { color: var(--muted); font-size: .875rem; }
.lead { font-size: 1.0625rem; margin-top: 1rem; overflow-wrap: anywhere; }
.honest { background: var(--soft); border: 1px solid var(--line); border-left: 4px solid var(--accent);
  border-radius: 6px; padding: .35rem 1rem; margin: 1rem 0; }
.time { white-space: nowrap; }
figure { margin: 0 0 1.25rem; min-width: 0; break-inside: avoid; }
figure img, figure video { display: block; max-width: 100%; height: auto; border-radius: 6px;
  border: 1px solid var(--line); }
figcaption { margin-top: .35rem; overflow-wrap: anywhere; }
.shots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: 0 1rem; }
.wide { overflow-x: auto; }
.wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.chart { display: block; width: 100%; min-width: 36rem; height: auto; font-size: 12px; }
.chart text { fill: var(--text); }
.chart .tick { fill: var(--muted); }
.chart .grid { stroke: var(--line); fill: none; }
.chart .above { fill: var(--above); }
.chart .threshold { stroke: var(--muted); stroke-dasharray: 6 4; fill: none; }
.chart .unfit { fill: var(--strong); }
.chart .scores { stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; fill: none; }
.chart .mark { stroke: var(--strong); fill: none; }
.chart .mark.peak { stroke: var(--alert); }
.chart .name { font-weight: 600; }
.chart .name.peak { fill: var(--alert); }
.key { display: inline-block; width: 1.6em; height: .6em; background: var(--strong); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; margin: .5rem 0; }
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th { color: var(--muted); font-weight: 600; }
td.size { white-space: nowrap; }
code, .sum { font: .8125rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; margin: .5rem 0; }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
@media print { body { font-size: 10pt; max-width: none; padding: 0; } h2 { break-after: avoid; }
  .wide { overflow: visible; } .chart { min-width: 0; } tr, .honest { break-inside: avoid; }
  figure video { display: none; } th, td { padding-block: .1rem; } table, dl { font-size: 8pt; }
  .shots { grid-template-columns: repeat(3, 1fr); }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
