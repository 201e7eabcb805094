"""The evaluation as text: sections A to E, every row there whether measured or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analyzer.evaluation.report import numerals, wording
from analyzer.evaluation.results.evaluation_report import EvaluationReport
from analyzer.evaluation.results.pseudo_rows import PSEUDO_ROWS, row_name
from analyzer.evaluation.results.section_figures import PseudoRow
from analyzer.printable import printable

SHOWN: Final = 20
"""Files without a score that are named on the screen; JSON and HTML name all."""
WIDTH: Final = 150
"""Columns of a table that goes to a file or a pipe."""


def make_console() -> Console:
    """For results: as wide as the screen, or as the table needs where there is no screen."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)


def print_report(report: EvaluationReport, console: Console) -> None:
    """The table that people read."""
    console.print(printable(wording.run_line(report)), style="bold", markup=False)
    console.print(printable(wording.set_line(report)), markup=False)
    _quality(report, console)
    for note in wording.reading_notes(report):
        console.print(note, style="dim", markup=False)
    _comparison(report, console)
    _robustness(report, console)
    _pairs("C ALARMS", wording.alarm_pairs(report), console)
    if report.alarms is not None and report.alarms.note:
        console.print(f"  {report.alarms.note}", style="dim", markup=False)
    _pairs("D COST", wording.cost_pairs(report), console)
    _failures(report, console)
    _explanation(report, console)


def pseudo_rows(report: EvaluationReport) -> list[list[str]]:
    """The pseudo-fake rows, measured or not; the card tells which family the weights have never seen."""
    found: dict[str, PseudoRow] = {row.name: row for row in report.pseudo}
    unseen = tuple(row_name(family) for family in report.provenance.left_out)
    rows = []
    for name in [*PSEUDO_ROWS, *(name for name in found if name not in PSEUDO_ROWS)]:
        cells = wording.pseudo_cells(found[name]) if name in found else wording.quality_cells(name, None)
        rows.append([f"{name} (left out of training)" if name.startswith(unseen) else name, *cells[1:]])
    return rows


def quality_sections(report: EvaluationReport) -> list[tuple[str, list[list[str]]]]:
    """Section A in its parts: title, rows of cells."""
    return [
        ("pseudo-fakes, windows", pseudo_rows(report)),
        (
            "real fakes, files",
            [wording.quality_cells(row.name, row.quality, pooled=row is report.rows[-1]) for row in report.rows],
        ),
        ("by method", [wording.quality_cells(name, one) for name, one in report.methods.items()]),
        ("by family as the manifest has it", [wording.quality_cells(n, one) for n, one in report.families.items()]),
        ("real files alone", [wording.quality_cells(n, one, pooled=True) for n, one in report.reals.items()]),
        ("baselines, all files", [wording.baseline_cells(row.name, row.quality) for row in report.baselines]),
    ]


def _quality(report: EvaluationReport, console: Console) -> None:
    table = Table(title="A QUALITY", title_justify="left", box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for index, head in enumerate(wording.QUALITY_HEAD):
        table.add_column(head, no_wrap=index > 0, justify="right" if index else "left")
    for title, rows in quality_sections(report):
        table.add_section()
        table.add_row(f"[dim]{escape(title)}[/dim]")
        for cells in rows:
            table.add_row(*(escape(printable(cell)) for cell in cells))
    console.print(table)


def _comparison(report: EvaluationReport, console: Console) -> None:
    if report.comparison is None:
        return
    title = "COMPARISON with other weights"
    table = Table(*wording.COMPARISON_HEAD, title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for row in report.comparison.rows:
        table.add_row(*(escape(printable(cell)) for cell in wording.comparison_cells(row)))
    console.print(table)
    console.print(f"  {printable(wording.comparison_line(report.comparison))}", markup=False, style="dim")


def _robustness(report: EvaluationReport, console: Console) -> None:
    table = Table(*wording.ROBUSTNESS_HEAD, title="B ROBUSTNESS", title_justify="left", box=box.SIMPLE, pad_edge=False)
    for cell in report.robustness:
        table.add_row(*(escape(printable(text)) for text in wording.robustness_cells(cell)))
    if not report.robustness:
        table.add_row("every delivery", *[numerals.NOT_MEASURED] * (len(wording.ROBUSTNESS_HEAD) - 1))
    console.print(table)
    console.print(wording.steadiness_line(report), markup=False)
    for name, note in wording.robustness_notes(report.robustness):
        console.print(f"  {printable(name)}: {note}", markup=False, style="dim")


def _pairs(title: str, pairs: Sequence[tuple[str, str]], console: Console) -> None:
    console.print(title, style="italic")
    console.print("  " + " | ".join(f"{name}: {value}" for name, value in pairs), markup=False)


def _failures(report: EvaluationReport, console: Console) -> None:
    console.print("E FAILURES", style="italic")
    console.print(f"not scored: {len(report.failures)}")
    for failure in report.failures[:SHOWN]:
        console.print(f"  {printable(failure.file)}: {printable(failure.reason)}", markup=False)
    if len(report.failures) > SHOWN:
        console.print(f"  ... and {len(report.failures) - SHOWN} more (all of them with --json)")
    for title, fake in (("real files with the highest score", False), ("fakes with the lowest score", True)):
        worst = report.worst(fake=fake)
        console.print(f"{title}:" if worst else f"{title}: {numerals.NOT_MEASURED}")
        for one in worst:
            name = printable(f"{one.row.file}  ({one.row.method})")
            console.print(f"  {one.fake_probability:.3f}  {name}", markup=False)


def _explanation(report: EvaluationReport, console: Console) -> None:
    if report.pointing is None:
        return
    title = "EXPLANATION: how often the map's highest cell is one that was pasted, in percent"
    table = Table(*wording.POINTING_HEAD, title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for row in report.pointing.rows:
        table.add_row(*(escape(cell) for cell in wording.pointing_cells(row)))
    console.print(table)
    console.print(f"  {wording.pointing_line(report.pointing)}", markup=False, style="dim")
