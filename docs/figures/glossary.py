"""Draw docs/figures/glossary.svg: correct matches, near misses and wrong matches.  python docs/figures/glossary.py"""

from pathlib import Path

OUTPUT = Path(__file__).with_suffix(".svg")
SCALE = 15  # units of the drawing per pixel
CENTER = 190
KINDS = (
    ("correct: at most 3 px", "#009E73", (1.4, -0.9)),
    ("near miss: up to 10 px", "#E69F00", (-4.2, 5.1)),
    ("wrong", "#D55E00", (9.4, 7.6)),
)


def draw() -> str:
    """Return the drawing as SVG."""
    rings = "".join(
        f'<circle cx="{CENTER}" cy="{CENTER}" r="{radius * SCALE}" fill="{fill}" stroke="#888"/>'
        for radius, fill in ((10, "#fdf3df"), (3, "#dff3ec"))
    )
    marks = "".join(
        f'<circle cx="{CENTER + x * SCALE}" cy="{CENTER + y * SCALE}" r="7" fill="{color}"/>'
        f'<circle cx="430" cy="{80 + 50 * row}" r="7" fill="{color}"/><text x="448" y="{86 + 50 * row}">{text}</text>'
        for row, (text, color, (x, y)) in enumerate(KINDS)
    )
    truth = (
        f'<path d="M{CENTER - 8} {CENTER}h16M{CENTER} {CENTER - 8}v16" stroke="#000" stroke-width="2"/>'
        '<path d="M422 230h16M430 222v16" stroke="#000" stroke-width="2"/><text x="448" y="236">true position</text>'
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 380" font-size="20" '
        'font-family="DejaVu Sans, Arial, sans-serif"><rect width="720" height="380" rx="8" fill="#fff"/>'
        f"{rings}{truth}{marks}</svg>\n"
    )


if __name__ == "__main__":
    OUTPUT.write_text(draw(), encoding="utf-8")
