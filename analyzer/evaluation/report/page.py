"""The evaluation as one HTML file: nothing is loaded from anywhere, and no name in it is ever read as HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from typing import Final

from analyzer.evaluation.report import numerals, plots, wording
from analyzer.evaluation.report.page_style import STYLE
from analyzer.evaluation.report.table import quality_sections
from analyzer.evaluation.results.evaluation_report import WORST, EvaluationReport
from analyzer.evaluation.results.outcomes import Scored
from analyzer.evaluation.results.quality import Quality
from analyzer.printable import printable
from analyzer.video.strips import GRID, WHERE

Picture = Callable[[str | None, str], bytes | None]
"""`WorkFolder.picture`: the JPEG of a file's strip, by key and kind."""

_HEAD: Final = (
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    # second lock behind escaping: even a tag that got through could load and run nothing
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
    '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
)


def text(value: object) -> str:
    """Anything as HTML text, also inside a quoted attribute."""
    return html.escape(printable(str(value)), quote=True)


def make_page(report: EvaluationReport, picture: Picture) -> str:
    """The whole document. Needs matplotlib: raises `ConfigError` without it."""
    plots.require_matplotlib()
    title = f"Evaluation of {report.provenance.model}"
    body = [
        f"<header><h1>{text(title)}</h1>",
        f'<p class="run">{text(wording.run_line(report))}</p>',
        f"<p>{text(wording.set_line(report))}.</p>",
        f'<p class="run">{text(report.command)}</p>' if report.command else "",
        '<p class="muted">A high score means: look closer. A low one means that no sign of manipulation was found, not '
        "that there is none. Figures in brackets are 95 % intervals over sources; - means not measured. This file "
        "shows faces of the people in the evaluated videos: treat it as you treat those.</p></header>",
        '<nav aria-label="Sections"><a href="#quality">Quality</a><a href="#robustness">Robustness</a>'
        '<a href="#alarms">Alarms</a><a href="#cost">Cost</a><a href="#failures">Failures</a>'
        + ('<a href="#comparison">Comparison</a>' if report.comparison is not None else "")
        + ('<a href="#explanation">Explanation</a>' if report.pointing is not None else "")
        + '<a href="#origin">Origin</a></nav>',
        "<main>",
        _tiles(report.video),
        _quality(report),
        _robustness(report),
        _pairs("alarms", "C Alarms", wording.alarm_pairs(report), report.alarms.note if report.alarms else ""),
        _pairs("cost", "D Cost", wording.cost_pairs(report), ""),
        _failures(report, picture),
        _comparison(report),
        _explanation(report),
        _origin(report),
        "</main>",
    ]
    return (
        f"{_HEAD}<title>{text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + ("\n</body>\n</html>\n")
    )


def _tiles(video: Quality) -> str:
    found = video.figures
    auc = f"{video.n_fake} fake, {video.n_real} real files{'; few, read the counts' if video.few else ''}"
    cells = [
        ("AUC, all files", numerals.short(found.auc.value), f"{numerals.interval(found.auc.interval)} {auc}"),
        ("Real files called fake", *_counted(numerals.of(video.flagged_real, video.n_real, found.fpr))),
        ("Fakes found", *_counted(numerals.of(video.flagged_fake, video.n_fake, found.tpr))),
        (
            "Calibration error",
            numerals.short(found.ece.value),
            f"{numerals.interval(found.ece.interval)} {numerals.short(video.ece_floor)} by chance alone",
        ),
        (
            "No face fit to be judged",
            numerals.percent(video.abstention(everything=True)),
            f"{video.abstained} of {video.n_fake + video.n_real + video.abstained} files",
        ),
    ]
    inner = "".join(
        f'<div class="tile"><dt>{text(name)}</dt><dd>{text(value)}<span class="more">{text(more.strip())}</span></dd>'
        "</div>"
        for name, value, more in cells
    )
    return f'<dl class="tiles">{inner}</dl>'


def _counted(words: str) -> tuple[str, str]:
    """`4/18 22% [6-48]` in two: what is large, and what explains it."""
    count, _, more = words.partition(" ")
    return count.replace("/", " of "), more


def _table(
    head: Sequence[str], parts: Sequence[tuple[str, Sequence[Sequence[str]]]], label: str, *, words: bool = False
) -> str:
    bodies = []
    for title, rows in parts:
        lines = (
            [f'<tr class="title"><th colspan="{len(head)}" scope="colgroup">{text(title)}</th></tr>'] if title else []
        )
        for name, *cells in rows:
            mark = ' class="pooled"' if name == "pooled" else ""
            inner = "".join(f"<td>{text(cell)}</td>" for cell in cells)
            lines.append(f'<tr{mark}><th scope="row"><bdi>{text(name)}</bdi></th>{inner}</tr>')
        bodies.append(f"<tbody>{''.join(lines)}</tbody>")
    heads = "".join(f'<th scope="col">{text(one)}</th>' for one in head)
    mark = ' class="words"' if words else ""
    # focusable, so that a keyboard can scroll it
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(label)}">'
        f"<table{mark}>"
        f"<thead><tr>{heads}</tr></thead>{''.join(bodies)}</table></div>"
    )


def _image(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _figure(plot: plots.Plot | None, caption: str) -> str:
    if plot is None:
        return ""
    return f"<figure>{_themed(plot)}<figcaption>{text(caption)}</figcaption></figure>"


def _themed(plot: plots.Plot) -> str:
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{_image(plot.dark, "svg+xml")}">'
        f'<img src="{_image(plot.light, "svg+xml")}" alt="{text(plot.says)}"></picture>'
    )


def _quality(report: EvaluationReport) -> str:
    notes = "".join(f"<p>{text(note)}</p>" for note in wording.reading_notes(report))
    pictures = _figure(
        plots.roc(report),
        "How many fakes are found at how many false alarms, for every threshold. The point is the card's threshold, "
        "with its 95 % interval; a detector that guesses is on the dotted line.",
    ) + _figure(
        plots.reliability(report),
        "Whether scores can be taken at their word: on the dotted line, of the files with .7 seven in ten are fake. "
        "Numbers are files in a bin, bars exact 95 % intervals as if each file were a source (too narrow where several "
        "are of one); below, how scores are spread.",
    )
    return (
        f'<section id="quality"><h2>A Quality</h2>{_table(wording.QUALITY_HEAD, quality_sections(report), "Quality")}'
        f'<div class="notes">{notes}</div><div class="plots">{pictures}</div></section>'
    )


def _robustness(report: EvaluationReport) -> str:
    rows = [wording.robustness_cells(cell) for cell in report.robustness]
    rows = rows or [["every delivery"] + [numerals.NOT_MEASURED] * (len(wording.ROBUSTNESS_HEAD) - 1)]
    notes = "".join(
        f"<p><bdi>{text(name)}</bdi>: {text(note)}</p>" for name, note in wording.robustness_notes(report.robustness)
    )
    plot = _figure(
        plots.robustness(report.robustness),
        "The same files, delivered worse; weights and threshold stay. Bars are 95 % intervals over sources.",
    )
    return (
        f'<section id="robustness"><h2>B Robustness</h2>{_table(wording.ROBUSTNESS_HEAD, [("", rows)], "Robustness")}'
        f'<p>{text(wording.steadiness_line(report))}.</p><div class="notes">{notes}</div>{plot}</section>'
    )


def _pairs(name: str, title: str, pairs: Sequence[tuple[str, str]], note: str) -> str:
    inner = "".join(f"<dt>{text(key)}</dt><dd>{text(value)}</dd>" for key, value in pairs)
    after = f'<p class="muted">{text(note)}</p>' if note else ""
    return f'<section id="{name}"><h2>{text(title)}</h2><dl class="pairs">{inner}</dl>{after}</section>'


def _failures(report: EvaluationReport, picture: Picture) -> str:
    rows = [[one.file, "fake" if one.row.fake else "real", one.reason] for one in report.failures]
    listed = _table(("file", "kind", "why"), [("", rows)], "Files without a score", words=True) if rows else ""
    parts = [f'<section id="failures"><h2>E Failures</h2><h3>Not scored: {len(rows)}</h3>']
    parts.append(
        f"<details{' open' if len(rows) <= WORST else ''}><summary>Which, and why</summary>{listed}</details>"
        if rows
        else ""
    )
    parts.append(
        '<p class="muted">Pictures below: where the network looked in the newest face of the most suspicious window '
        "(orange; attention, not proof of what was changed), the window's 16 faces in order, each with a bar for how "
        "suspicious it looked for itself among the sixteen, and the scores in time.</p>"
    )
    for title, fake in (("Real files with the highest score", False), ("Fakes with the lowest score", True)):
        worst = report.worst(fake=fake)
        items = "".join(_worst(one, report.threshold, picture) for one in worst)
        parts.append(
            f"<h3>{title}</h3>" + (f'<ol class="worst">{items}</ol>' if items else f"<p>{numerals.NOT_MEASURED}</p>")
        )
    return "".join(parts) + "</section>"


def _worst(one: Scored, threshold: float, picture: Picture) -> str:
    wrong = (one.fake_probability >= threshold) != one.row.fake
    told = "called fake" if one.fake_probability >= threshold else "no sign of manipulation found"
    parts = []
    where, grid = picture(one.strip, WHERE), picture(one.strip, GRID)
    if where:
        parts.append(f'<img src="{_image(where, "jpeg")}" alt="Newest face with the network\'s attention" width="156">')
    if grid:
        parts.append(f'<img src="{_image(grid, "jpeg")}" alt="The 16 faces of the window" width="576">')
    line = plots.timeline(one, threshold)
    if line is not None:
        parts.append(f'<div class="line">{_themed(line)}</div>')
    return (
        f'<li><header><span class="score">{one.fake_probability:.3f}</span>'
        f'<bdi class="name">{text(one.row.file)}</bdi>'
        f'<span class="muted"><bdi>{text(one.row.method)}</bdi>, {told}, {"wrong" if wrong else "right"}</span>'
        f'</header><div class="faces">{"".join(parts)}</div></li>'
    )


def _comparison(report: EvaluationReport) -> str:
    found = report.comparison
    if found is None:
        return ""
    rows = [wording.comparison_cells(row) for row in found.rows]
    return (
        '<section id="comparison"><h2>Comparison with other weights</h2><p class="muted">'
        f"<bdi>{text(wording.comparison_line(found))}</bdi>.</p>"
        f"{_table(wording.COMPARISON_HEAD, [('', rows)], 'Comparison with other weights')}</section>"
    )


def _explanation(report: EvaluationReport) -> str:
    found = report.pointing
    if found is None:
        return ""
    table = _table(wording.POINTING_HEAD, [("", [wording.pointing_cells(row) for row in found.rows])], "Pointing game")
    return (
        '<section id="explanation"><h2>Explanation</h2><p class="muted">How often the highest cell of the map of where '
        "the network looked is one that was pasted, in percent; beside it others that know nothing of the pasting. "
        f"{text(wording.pointing_line(found))}.</p>{table}</section>"
    )


def _origin(report: EvaluationReport) -> str:
    run = report.provenance
    data = "".join(f"<li>{text(one)}</li>" for one in run.trained_on) or f"<li>{numerals.NOT_MEASURED}</li>"
    limits = "".join(f"<li>{text(one)}</li>" for one in run.limits)
    pairs = [
        ("weights", run.model), ("sha256", run.sha256), ("made", run.created or numerals.NOT_MEASURED),
        ("by", run.command or numerals.NOT_MEASURED), ("measured with code of", run.commit or numerals.NOT_MEASURED),
    ]  # fmt: skip
    inner = "".join(f'<dt>{text(key)}</dt><dd class="name">{text(value)}</dd>' for key, value in pairs)
    told = f'<h3>What the card says it cannot do</h3><ul class="plain">{limits}</ul>' if limits else ""
    return (
        f'<section id="origin"><h2>Origin</h2><dl class="pairs">{inner}</dl><h3>Trained on</h3>'
        f'<ul class="plain">{data}</ul>{told}</section>'
    )
