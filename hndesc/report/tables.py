"""Comparison tables: for each benchmark the main figures of every descriptor, as HTML, CSV and plain text."""

import csv
import io
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

from hndesc.files import write_text
from hndesc.report.comparison import Table, gather


def write_tables(
    results: Sequence[Path],
    benchmarks: Sequence[str],
    descriptors: Sequence[str],
    html: Path,
    table: Path,
    summary: Path,
    note: str = "",
    difference: tuple[str, str] = ("trained", "initial"),
) -> None:
    """Compare descriptors, one table a benchmark, the best of each column in bold.

    Args:
        results: JSON results.
        benchmarks: name of each result's benchmark, as long as `results`.
        descriptors: name of each result's descriptor, as long as `results`.
        html: page to write, self-contained.
        table: CSV to write, one line a figure.
        summary: plain text to write.
        note: a sentence to stand above the tables.
        difference: the two descriptors whose difference gets a row of its own wherever both were scored.

    Raises:
        HndescError: no result, one named twice, or a figure that is missing in one.
    """
    tables = gather(results, benchmarks, descriptors, difference)
    write_text(html, _html(tables, note))
    write_text(table, _csv(tables))
    write_text(summary, _text(tables, note))


def _show(value: float, digits: int, sign: bool = False) -> str:
    if math.isnan(value):
        return "\N{EN DASH}"
    return f"{round(value, digits) + 0.0:{'+' if sign else ''}.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _csv(tables: Sequence[Table]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("benchmark", "descriptor", "group", "figure", "value"))
    for table in tables:
        for descriptor, values in table.rows.items():
            for figure, value in zip(table.figures, values, strict=True):
                shown = "" if math.isnan(value) else f"{value:.{figure.digits}f}"
                writer.writerow((table.benchmark, descriptor, figure.group, figure.name, shown))
    return stream.getvalue()


def _text(tables: Sequence[Table], note: str) -> str:
    lines = [note, ""] if note else []
    for table in tables:
        lines += [f"{table.benchmark} ({table.protocol})", *_text_rows(table), *table.remarks, ""]
    return "\n".join(lines)


def _text_rows(table: Table) -> list[str]:
    """Return figures down, descriptors across: fits a terminal; a star marks the best."""
    columns = [("", [f"{figure.group} {figure.name}" for figure in table.figures])]
    for name, values in table.rows.items():
        cells = []
        for column, (figure, value) in enumerate(zip(table.figures, values, strict=True)):
            cells.append(_show(value, figure.digits) + ("*" if value == table.best(column) else " "))
        columns.append((name + " ", cells))
    if table.difference:
        name, values = table.difference
        shown = zip(values, table.figures, strict=True)
        columns.append((name, [_show(value, figure.digits, sign=True) for value, figure in shown]))
    lines = []
    widths = [max(len(cell) for cell in (name, *cells)) for name, cells in columns]
    for row in zip(*([name, *cells] for name, cells in columns), strict=True):
        first, *rest = row
        lines.append("  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))]))
    return [line.rstrip() for line in lines]


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 1.5em auto; max-width: 1150px;
       padding: 0 1em; }
h1 { font-size: 1.35em; } h2 { font-size: 1.1em; margin: 1.8em 0 .2em; }
p { margin: .3em 0; color: #444; } .note { color: #1b1b1b; border-left: 4px solid #E69F00; padding: .3em .8em; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .6em; text-align: right; white-space: nowrap; font-size: .93em; }
thead th { font-weight: 600; border-bottom: 1px solid #bbb; } thead tr:first-child th { text-align: center; }
tbody th { text-align: left; font-weight: 600; } tbody tr:nth-child(even) { background: #f5f7f9; }
.start { border-left: 1px solid #ccc; } td b { color: #00527f; }
tr.difference td, tr.difference th { border-top: 1px solid #bbb; color: #444; font-style: italic; font-weight: 400; }
"""


def _html(tables: Sequence[Table], note: str) -> str:
    body = "\n".join(_html_table(table) for table in tables)
    remark = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Scores</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>Scores</h1>\n{remark}{body}\n"
        "<p>The best value of each column is bold.</p>\n</body>\n</html>\n"
    )


def _html_table(table: Table) -> str:
    starts = [i for i, f in enumerate(table.figures) if i == 0 or f.group != table.figures[i - 1].group]
    spans = [end - start for start, end in zip(starts, [*starts[1:], len(table.figures)], strict=True)]
    groups = "".join(
        f'<th class="start" colspan="{span}">{escape(table.figures[start].group)}</th>'
        for start, span in zip(starts, spans, strict=True)
    )
    marks = [' class="start"' if column in starts else "" for column in range(len(table.figures))]
    names = "".join(f"<th{mark}>{escape(f.name)}</th>" for mark, f in zip(marks, table.figures, strict=True))
    rows = []
    for name, values in table.rows.items():
        cells = [_show(value, figure.digits) for value, figure in zip(values, table.figures, strict=True)]
        bold = [f"<b>{cell}</b>" if values[i] == table.best(i) else cell for i, cell in enumerate(cells)]
        rows.append(_html_row(name, bold, marks))
    if table.difference:
        name, values = table.difference
        shown = [_show(value, figure.digits, sign=True) for value, figure in zip(values, table.figures, strict=True)]
        rows.append(_html_row(name, shown, marks, ' class="difference"'))
    remarks = "".join(f"<p>{escape(remark)}</p>\n" for remark in table.remarks)
    return (
        f"<h2>{escape(table.benchmark)}</h2>\n<p>{escape(table.protocol)}</p>\n"
        f'<div class="wide"><table>\n<thead>\n<tr><th rowspan="2">descriptor</th>{groups}</tr>\n<tr>{names}</tr>\n'
        f"</thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table></div>\n{remarks}"
    )


def _html_row(name: str, cells: Sequence[str], marks: Sequence[str], kind: str = "") -> str:
    inner = "".join(f"<td{mark}>{cell}</td>" for mark, cell in zip(marks, cells, strict=True))
    return f"<tr{kind}><th>{escape(name)}</th>{inner}</tr>\n"
