"""The look of the HTML report: light and dark, from a phone to paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --bg: #fff; --soft: #f3f5f8; --line: #d5dae1; --ink: #1d2430; --muted: #566070;
  --accent: #0060a8; --warn: #9a3b00; }
@media screen and (prefers-color-scheme: dark) { :root { --bg: #14181f; --soft: #1d232c; --line: #3a4350;
  --ink: #e8ecf2; --muted: #a3adba; --accent: #6cb8f0; --warn: #ffb07a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem clamp(.75rem, 3vw, 2rem) 3rem; background: var(--bg);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; line-height: 1.25; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
p { margin: .4rem 0; max-width: 62rem; }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .75rem 0; }
nav a { padding: .4rem 0; }
.muted, figcaption, .notes { color: var(--muted); font-size: .875rem; }
.run { font: .8rem/1.5 ui-monospace, monospace; color: var(--muted); overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 9.5rem), 1fr)); gap: .75rem;
  margin: 1rem 0; }
.tile { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile dt { font-size: .875rem; color: var(--muted); }
.tile dd { margin: 0; font-size: 1.4rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.tile .more { display: block; font-size: .875rem; font-weight: 400; color: var(--muted); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
.wide:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 9rem; max-width: 22rem;
  overflow-wrap: anywhere; }
thead th { background: var(--soft); vertical-align: bottom; }
tbody th { font-weight: 400; }
tbody th[scope="row"], thead th:first-child { position: sticky; left: 0; background: var(--bg); }
thead th:first-child { background: var(--soft); }
.words td, .words th { text-align: left; white-space: normal; overflow-wrap: anywhere; }
tbody tr.title th { background: var(--soft); font-weight: 650; text-align: left; }
tr.pooled > * { font-weight: 650; }
tbody:last-child tr:last-child > * { border-bottom: 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1.5rem;
  align-items: start; }
figure { margin: 1rem 0; }
figure img, picture img { max-width: 100%; height: auto; display: block; }
dl.pairs { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; margin: .5rem 0; }
dl.pairs dt { color: var(--muted); }
dl.pairs dd { margin: 0; font-variant-numeric: tabular-nums; }
@media (max-width: 34rem) { dl.pairs { grid-template-columns: 1fr; gap: 0; } dl.pairs dd { margin-bottom: .5rem; } }
.worst { list-style: none; padding: 0; margin: 0; display: grid; gap: 1rem; }
.worst > li { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; break-inside: avoid; }
.worst header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; }
.worst .score { font-weight: 650; font-variant-numeric: tabular-nums; }
.name { overflow-wrap: anywhere; }
.faces { display: flex; flex-wrap: wrap; gap: .75rem; align-items: flex-start; margin-top: .5rem; }
.faces img { border-radius: .25rem; display: block; max-width: 100%; height: auto; }
.faces .line { flex: 1 1 15rem; max-width: 24rem; }
@media (max-width: 34rem) { th:first-child, td:first-child { min-width: 7rem; max-width: 8rem; } }
details { margin: .5rem 0; }
summary { cursor: pointer; padding: .4rem 0; }
ul.plain { padding-left: 1.2rem; margin: .25rem 0; }
@media print { tbody th[scope="row"], thead th:first-child { position: static; }
  body { font-size: 10pt; max-width: none; padding: 0; } nav { display: none; }
  .wide { overflow: visible; border: 0; } table { font-size: 7.5pt; } th, td { padding: .15rem .3rem; }
  thead { display: table-header-group; } tr, figure, .tile { break-inside: avoid; } }
"""
