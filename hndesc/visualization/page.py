"""The page of results: one self-contained HTML file with the scores, figures and settings of a run."""

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from hndesc.errors import HndescError
from hndesc.io.files import check_output_files, write_text
from hndesc.visualization.comparison import Table, gather
from hndesc.visualization.results import Result
from hndesc.visualization.tables import TABLE_STYLE, table_html
from hndesc.visualization.verdict import main_scores, verdict

TEMPLATE = Path(__file__).with_name("page.html.jinja")
_SUFFIXES = (".png", ".jpg", ".jpeg")
_LARGE, _WIDEST = 300_000, 1300  # bytes above which a figure is compressed, and pixels to which it is then reduced
# CSS pixels per pixel of a figure: the least, at which its text is still legible, and the most.
_LEAST, _MOST = 0.45, 0.75


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        title: heading.
        figures: file or folder of figures, and the caption.
        benchmark: name of the benchmark whose tables it contains; empty for other sections.
        text: text file that is shown as it is, or empty.
    """

    title: str
    figures: Sequence[tuple[str, str]]
    benchmark: str = ""
    text: str = ""


def write_page(
    results: Sequence[Path],
    benchmarks: Sequence[str],
    descriptors: Sequence[str],
    sections: Sequence[Section],
    output: str | os.PathLike,
    *,
    title: str = "Results",
    note: str = "",
    settings: str = "",
    links: Mapping[str, str] | None = None,
    difference: tuple[str, str] = ("trained", "untrained"),
) -> None:
    """Write the page of results. Figures are embedded, so that a copy of the file is complete.

    Args:
        results: JSON results; without any, the page has no scores.
        benchmarks: benchmark of each result, as long as `results`.
        descriptors: descriptor of each result, as long as `results`.
        sections: sections in their order; those without figures and scores are left out.
        output: HTML file to write.
        title: heading of the page.
        note: sentence above everything.
        settings: configuration of the run, as text.
        links: further files of the run: name -> path.
        difference: two descriptors, of which the first is compared with the second in the verdict.

    Raises:
        HndescError: a result or a figure is missing or broken.
    """
    output = Path(output)
    check_output_files([output], results)
    tables = gather(results, benchmarks, descriptors, difference) if results else []
    kinds = {name: Result(path).kind for name, path in zip(benchmarks, results, strict=True)}
    rows = [row for table in tables for row in main_scores(table, kinds[table.benchmark])]
    shown = [_section(section, number, tables, output.parent) for number, section in enumerate(sections)]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(TEMPLATE.name).render(
        title=title,
        note=note,
        verdict=verdict(rows, difference) if rows else [],
        rows=rows,
        descriptors=list(dict.fromkeys(descriptors)),
        sections=[section for section in shown if section["drawings"] or section["tables"] or section["text"]],
        settings=settings,
        versions=_versions(results),
        links={name: _link(path, output.parent) for name, path in (links or {}).items()},
        style=TABLE_STYLE,
    )
    write_text(output, page)


def _section(section: Section, number: int, tables: Sequence[Table], folder: Path) -> dict[str, Any]:
    own = [
        (place, table)
        for place, table in enumerate(tables)
        if section.benchmark and table.benchmark == section.benchmark
    ]
    return {
        "title": section.title,
        "anchor": f"section-{number + 1}",
        "protocols": [table.protocol for _, table in own],
        "drawings": [
            {"caption": caption, "images": [_image(path, caption, folder) for path in _files(Path(place))]}
            for place, caption in section.figures
        ],
        "text": Path(section.text).read_text(encoding="utf-8") if section.text else "",
        "tables": [table_html(table, str(place)) for place, table in own],
    }


def _files(place: Path) -> list[Path]:
    """Return the figures of a folder, overviews (`model*`, `errors*`) first; a file stands for itself."""
    if not place.is_dir():
        return [place]
    found = [path for path in place.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith(".")]
    return sorted(found, key=lambda path: (not path.stem.startswith("model"), path.stem != "errors", path.name))


def _image(path: Path, caption: str, folder: Path) -> dict[str, Any]:
    try:
        with Image.open(path) as image:
            width, height = image.size
            data, kind = path.read_bytes(), image.format or ""
            if len(data) > _LARGE:
                data, kind = _compressed(image), "WEBP"
    except OSError as error:
        raise HndescError(
            f"{path}: not a figure that the page could show ({error}); run the step that draws it"
        ) from None
    view = path.with_suffix(".html")
    return {
        "source": f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}",
        "alt": f"{caption}: {path.stem}",
        "width": width,
        "height": height,
        "least": round(_LEAST * width),
        "most": round(_MOST * width),
        "view": _link(view, folder) if view.is_file() else "",
    }


def _compressed(image: Image.Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_WIDEST, 10 * _WIDEST), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=82, use_sharp_yuv=True)  # else thin colored lines fade
    return stream.getvalue()


def _link(path: str | os.PathLike, folder: Path) -> str:
    """Return a link to a file, relative to the folder of the page."""
    return quote(Path(os.path.relpath(path, folder)).as_posix())


def _versions(results: Sequence[Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in results:
        result = Result(path)
        found |= result.get("versions") if result.has("versions") else {}
    return found
