"""Comparison tables of the main scores of all descriptors on each benchmark, as HTML, CSV and plain text."""

from collections.abc import Sequence
from html import escape
from itertools import groupby
from math import isnan
from pathlib import Path

from pandas import DataFrame, MultiIndex
from pandas.io.formats.style import Styler

from hndesc.io.files import check_output_files, write_text
from hndesc.io.lists import aligned
from hndesc.visualization.comparison import Table, gather

TextColumn = tuple[str, list[str]]  # heading and cells

_WIDEST = 130  # characters of a line of text


def write_tables(
    results: Sequence[Path],
    benchmarks: Sequence[str],
    descriptors: Sequence[str],
    html: Path,
    table: Path,
    summary: Path,
    note: str = "",
    difference: tuple[str, str] = ("trained", "untrained"),
) -> None:
    """Compare descriptors in one table per benchmark, with the best value of each column in bold.

    Args:
        results: JSON results.
        benchmarks: benchmark of each result, as long as `results`.
        descriptors: descriptor of each result, as long as `results`.
        html: self-contained page to write.
        table: CSV file to write, with one line per score.
        summary: text file to write.
        note: sentence above the tables.
        difference: two descriptors whose difference is shown in a separate row if both were evaluated.

    Raises:
        HndescError: there is no result, a result is given twice, or a value is missing.
    """
    check_output_files([html, table, summary], results)
    tables = gather(results, benchmarks, descriptors, difference)
    write_text(html, _html(tables, note))
    write_text(table, _csv(tables))
    write_text(summary, _text(tables, note))


def show(value: float, digits: int, sign: bool = False) -> str:
    """Return a value with a number of decimals; a dash for NaN."""
    if isnan(value):
        return "\N{EN DASH}"
    return f"{round(value, digits) + 0.0:{'+' if sign else ''}.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _csv(tables: Sequence[Table]) -> str:
    rows = [
        (table.benchmark, descriptor, figure.group, figure.name, "" if isnan(value) else f"{value:.{figure.digits}f}")
        for table in tables
        for descriptor, values in table.rows.items()
        for figure, value in zip(table.figures, values, strict=True)
    ]
    names = ["benchmark", "descriptor", "group", "figure", "value"]
    return DataFrame(rows, columns=names).to_csv(index=False, lineterminator="\n")


def _text(tables: Sequence[Table], note: str) -> str:
    lines = [note, ""] if note else []
    for table in tables:
        lines += [f"{table.benchmark} ({table.protocol})", *_text_rows(table), *table.remarks, ""]
    return "\n".join(lines)


def _text_rows(table: Table) -> list[str]:
    """Return a table with scores as rows and descriptors as columns, wrapped if too wide; a star marks the best."""
    columns: list[TextColumn] = [("", [f"{figure.group} {figure.name}" for figure in table.figures])]
    for name, values in table.rows.items():
        cells = []
        for column, (figure, value) in enumerate(zip(table.figures, values, strict=True)):
            cells.append(show(value, figure.digits) + ("*" if value == table.best(column) else " "))
        columns.append((name + " ", cells))
    if table.difference:
        name, values = table.difference
        shown = zip(values, table.figures, strict=True)
        columns.append((name, [show(value, figure.digits, sign=True) for value, figure in shown]))
    lines: list[str] = []
    for part in _side_by_side(columns[1:], _WIDEST - _width(columns[0])):
        rows = zip(*([name, *cells] for name, cells in (columns[0], *part)), strict=True)
        lines += [*aligned(list(rows)), ""]
    return lines[:-1]


def _width(column: TextColumn) -> int:
    return max(map(len, (column[0], *column[1])))


def _side_by_side(columns: Sequence[TextColumn], room: int) -> list[list[TextColumn]]:
    """Split columns into groups that fit into the width, with at least one column each."""
    parts: list[list[TextColumn]] = [[]]
    left = room
    for column in columns:
        needed = 2 + _width(column)
        if parts[-1] and needed > left:
            parts.append([])
            left = room
        parts[-1].append(column)
        left -= needed
    return parts


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 1.5em auto; max-width: 1150px;
       padding: 0 1em; }
h1 { font-size: 1.35em; } h2 { font-size: 1.1em; margin: 1.8em 0 .2em; }
p { margin: .3em 0; color: #444; } .note { color: #1b1b1b; border-left: 4px solid #E69F00; padding: .3em .8em; }
"""
TABLE_STYLE = """
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .6em; text-align: right; white-space: nowrap; font-size: .93em; }
thead th { font-weight: 600; } thead tr:last-child th { border-bottom: 1px solid #bbb; }
thead th.col_heading.level0 { text-align: center; white-space: normal; vertical-align: bottom;
                             border-bottom: 1px solid #bbb; }
thead th.index_name { text-align: center; }
tbody th { text-align: left; font-weight: 600; } tbody tr:nth-child(even) { background: #f5f7f9; }
.best { color: #00527f; font-weight: bold; }
"""
_START = [{"selector": "", "props": "border-left: 1px solid #ccc"}]
_DIFFERENCE = [
    {"selector": "", "props": "border-top: 1px solid #bbb; color: #444; font-style: italic; font-weight: 400"}
]


def _html(tables: Sequence[Table], note: str) -> str:
    body = "\n".join(
        f"<h2>{escape(table.benchmark)}</h2>\n<p>{escape(table.protocol)}</p>\n{table_html(table, str(number))}"
        for number, table in enumerate(tables)
    )
    remark = f'<p class="note">{escape(note)}</p>\n' if note else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Scores</title>\n'
        f"<style>{_STYLE}{TABLE_STYLE}</style>\n</head>\n<body>\n<h1>Scores</h1>\n{remark}{body}\n"
        "<p>The best value of each column is bold.</p>\n</body>\n</html>\n"
    )


def table_html(table: Table, name: str) -> str:
    """Return the scores of a benchmark as HTML, with remarks below.

    Args:
        table: the scores.
        name: of the tables in the page, unique.
    """
    blocks = groupby(range(len(table.figures)), key=lambda column: table.figures[column].block)
    parts = [_html_block(table, list(columns), f"{name}_{part}") for part, (_, columns) in enumerate(blocks)]
    inner = "".join(f'<div class="wide">\n{part}</div>\n' for part in parts)
    remarks = "".join(f"<p>{escape(remark)}</p>\n" for remark in table.remarks)
    return inner + remarks


def _html_block(table: Table, columns: Sequence[int], name: str) -> str:
    figures = [table.figures[column] for column in columns]
    heads = MultiIndex.from_tuples([(figure.group, figure.name) for figure in figures], names=["", "descriptor"])
    cells, classes = {}, {}
    for descriptor, values in table.rows.items():
        cells[descriptor] = [show(values[column], table.figures[column].digits) for column in columns]
        classes[descriptor] = ["best" if values[column] == table.best(column) else "" for column in columns]
    starts = [head for head, before in zip(heads, [None, *heads], strict=False) if not before or head[0] != before[0]]
    styles = [({head: _START for head in starts}, 0)]
    if table.difference:
        label, values = table.difference
        cells[label] = [show(values[column], table.figures[column].digits, sign=True) for column in columns]
        styles.append(({label: _DIFFERENCE}, 1))
    styler = Styler(DataFrame.from_dict(cells, "index", columns=heads), uuid=name, cell_ids=False)
    styler.set_td_classes(DataFrame.from_dict(classes, "index", columns=heads)).format(escape="html")
    for style, axis in styles:
        styler.set_table_styles(style, axis=axis, overwrite=False)
    for axis in (0, 1):
        styler.format_index(escape="html", axis=axis)
    return styler.to_html()
