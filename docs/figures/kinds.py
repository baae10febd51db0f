"""Draw docs/figures/kinds.svg: what each kind of benchmark measures.  python docs/figures/kinds.py"""

from pathlib import Path

OUTPUT = Path(__file__).with_suffix(".svg")
LEFT, COLUMN, ROW, HEIGHT, TOP, MARGIN = 172, 290, 78, 62, 46, 12
HEADS = ("ground truth", "computed from features", "main scores")
# Kind: what is known, what is computed, and the score, each in lines.
ROWS = {
    "hpatches": (
        ("homography of", "each pair of images"),
        ("mutual nearest neighbors,", "a robust homography"),
        ("share within 3 px (MMA),", "AUC of the corner error"),
    ),
    "retrieval": (
        ("photos that show", "the query's building"),
        ("inliers of the 100 photos", "nearest by global descriptor"),
        ("mean average precision,", "before and after re-ranking"),
    ),
    "tokyo247": (
        ("position of the camera,", "right within 25 m"),
        ("inliers of the 100 photos", "nearest by global descriptor"),
        ("queries with a right photo", "among the first N"),
    ),
    "localization": (
        ("pose of the camera", "of each query"),
        ("points of a map,", "poses by PnP"),
        ("queries within thresholds", "of distance and angle"),
    ),
    "reconstruction": (
        ("poses of cameras,", "not used by the mapping"),
        ("structure from motion",),
        ("median position error,", "registered photos"),
    ),
}


def draw() -> str:
    """Return the table as SVG."""
    width, height = LEFT + 3 * COLUMN + MARGIN, TOP + len(ROWS) * ROW + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="DejaVu Sans, Arial, sans-serif">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
            f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>',
            *(_text(_x(column), 28, head, 16, "#444") for column, head in enumerate(HEADS)),
            *(line for number, kind in enumerate(ROWS) for line in _row(TOP + number * ROW, kind)),
            "</svg>\n",
        ]
    )


def _row(y: int, kind: str) -> list[str]:
    lines = [_text(MARGIN, y + 37, kind, 17, "#000", "bold")]
    for column, words in enumerate(ROWS[kind]):
        shape = f'x="{_x(column)}" y="{y}" width="{COLUMN - 34}" height="{HEIGHT}" rx="6" stroke="#0072B2"'
        lines.append(f'<rect {shape} fill="{"#e8f1f8" if column == 0 else "#fff"}"/>')
        first = y + (37 if len(words) == 1 else 27)
        lines += [_text(_x(column) + 12, first + 20 * number, word, 15) for number, word in enumerate(words)]
        if column:
            ends = f'x1="{_x(column) - 32}" x2="{_x(column) - 2}" y1="{y + HEIGHT // 2}" y2="{y + HEIGHT // 2}"'
            lines.append(f'<line {ends} stroke="#555" stroke-width="1.6" marker-end="url(#tip)"/>')
    return lines


def _x(column: int) -> int:
    return LEFT + column * COLUMN


def _text(x: int, y: int, text: str, size: int, color: str = "#000", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" font-weight="{weight}">{text}</text>'


if __name__ == "__main__":
    OUTPUT.write_text(draw(), encoding="utf-8")
