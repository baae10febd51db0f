"""Draw docs/figures/pipeline.svg: the rules of the workflow and what they pass on.  python docs/figures/pipeline.py"""

from pathlib import Path

OUTPUT = Path(__file__).with_suffix(".svg")
DATA, STEP = "#e8f1f8", "#ffffff"
COLUMN, ROW, WIDTH, HEIGHT, MARGIN = 250, 96, 226, 56, 14

# Name: (row, column, second line). Names without a second line "data" are rules.
BOXES = {
    "photos": (0, 0, "data"),
    "style photos": (0, 1, "data"),
    "list_photos": (1, 0, "broken files, copies left out"),
    "detect_keypoints": (2, 0, "SIFT, SuperPoint, …"),
    "stylize_photos": (2, 1, "the same photo in other light"),
    "find_neighbors": (2, 2, "photos that look alike"),
    "train": (3, 1, "pairs of crops of one photo"),
    "benchmark images": (4, 0, "data"),
    "describe_keypoints": (4, 1, "keypoints in, descriptors out"),
    "baselines": (4, 2, "data"),
    "score_hpatches": (5, 0, "homographies are known"),
    "count_inliers": (5, 1, "of the shortlisted images"),
    "match_pairs": (5, 2, "mutual nearest neighbors"),
    "score_retrieval": (6, 1, "re-ranking"),
    "build_map": (6, 2, "triangulation by COLMAP"),
    "compare": (7, 1, "all descriptors in one table"),
    "score_localization": (7, 2, "PnP or registration"),
    "report": (8, 1, "one self-contained page"),
}
ARROWS = [
    ("photos", "list_photos"),
    ("list_photos", "detect_keypoints"),
    ("list_photos", "stylize_photos"),
    ("style photos", "stylize_photos"),
    ("list_photos", "find_neighbors"),
    ("detect_keypoints", "train"),
    ("stylize_photos", "train"),
    ("find_neighbors", "train"),
    ("train", "describe_keypoints"),
    ("benchmark images", "describe_keypoints"),
    ("baselines", "describe_keypoints"),
    ("describe_keypoints", "score_hpatches"),
    ("describe_keypoints", "count_inliers"),
    ("describe_keypoints", "match_pairs"),
    ("count_inliers", "score_retrieval"),
    ("match_pairs", "build_map"),
    ("build_map", "score_localization"),
    ("score_hpatches", "compare"),
    ("score_retrieval", "compare"),
    ("score_localization", "compare"),
    ("compare", "report"),
]


def draw() -> str:
    """Return the diagram as SVG."""
    width = 2 * COLUMN + WIDTH + 2 * MARGIN
    height = max(row for row, *_ in BOXES.values()) * ROW + HEIGHT + 2 * MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="DejaVu Sans, Arial, sans-serif" text-anchor="middle">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0 8 4 0 8z" fill="#555"/></marker></defs>',
            f'<rect width="{width}" height="{height}" rx="8" fill="#fff"/>',
            *(_arrow(start, end) for start, end in ARROWS),
            *(_box(name) for name in BOXES),
            "</svg>\n",
        ]
    )


def _corner(name: str) -> tuple[int, int]:
    row, column, _ = BOXES[name]
    return MARGIN + column * COLUMN, MARGIN + row * ROW


def _box(name: str) -> str:
    x, y = _corner(name)
    second = BOXES[name][2]
    center = x + WIDTH // 2
    shape = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" stroke="#0072B2" fill='
    if second == "data":
        return shape + f'"{DATA}"/><text x="{center}" y="{y + 34}" font-size="19">{name}</text>'
    return (
        shape + f'"{STEP}"/><text x="{center}" y="{y + 25}" font-size="19" font-weight="bold">{name}</text>'
        f'<text x="{center}" y="{y + 45}" font-size="14" fill="#444">{second}</text>'
    )


def _arrow(start: str, end: str) -> str:
    """Return a line from box to box: down where the rows differ by more than their columns allow, else sideways."""
    (x1, y1), (x2, y2) = _corner(start), _corner(end)
    if y1 == y2:
        left, right = (x1 + WIDTH, x2) if x1 < x2 else (x1, x2 + WIDTH)
        points = (left, y1 + HEIGHT // 2, right, y2 + HEIGHT // 2)
    else:
        points = (x1 + WIDTH // 2, y1 + HEIGHT, x2 + WIDTH // 2, y2)
    places = 'x1="{}" y1="{}" x2="{}" y2="{}"'.format(*points)
    return f'<line {places} stroke="#555" stroke-width="1.6" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    OUTPUT.write_text(draw(), encoding="utf-8")
