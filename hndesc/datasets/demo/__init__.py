"""The demo data: training photos, styles and three benchmarks, made of photographs in Python packages.

It demonstrates all steps on small, known data. Its images are rendered from a few photographs, so results on it are not
comparable with any published results.
"""

import logging
import os
from functools import partial
from pathlib import Path

from hndesc.io.files import check_text_file, write_text
from hndesc.io.owned_folders import check_output_folder, replace_folder
from hndesc.runtime.processes import workers

logger = logging.getLogger(__name__)

STEP = "demo_data"
PARTS = ("photos", "styles", "scene", "retrieval", "sequences")  # quick ones, and those of seconds, the longest first


def make_demo(output: str | os.PathLike, seed: int = 0, threads: int = 1) -> None:
    """Create the demo data; the same seed gives the same bytes.

    Writes `photos/` (training photos), `styles/<class>/` (style photos), `sequences/` (layout of HPatches),
    `retrieval/` (layout of revisited Oxford), `scene/` (layout of Aachen Day-Night v1.1) and `README.txt` to `output`.
    Each folder is moved into place when it is complete and replaces an earlier one. Other files in `output` are not
    touched. `threads` processes make the parts.

    Raises:
        HndescError: a photograph is missing or broken, or a folder exists that was not made by this step.
    """
    output = Path(output)
    for part in PARTS:
        check_output_folder(output / part, STEP)
    check_text_file(output / "README.txt", README.partition("\n")[0])
    with workers(partial(_make_part, output, seed), threads) as make:
        for made in make(PARTS):
            logger.info("made %s", made)
    write_text(output / "README.txt", readme())


def _make_part(output: Path, seed: int, part: str) -> Path:
    from hndesc.datasets.demo import photographs, retrieval, scene, sequences

    makers = {
        "photos": lambda folder: photographs.make_photos(folder),
        "styles": lambda folder: photographs.make_styles(folder, seed),
        "sequences": lambda folder: sequences.make_sequences(folder, seed),
        "retrieval": lambda folder: retrieval.make_retrieval(folder, seed),
        "scene": lambda folder: scene.make_scene(folder, seed),
    }
    with replace_folder(output / part, STEP) as temporary:
        makers[part](temporary)
    return output / part


def readme() -> str:
    """Return the text of the README of the demo data, with the source and license of each photograph."""
    from hndesc.datasets.demo.photographs import SOURCES

    rows = [(name, s.use, f"{s.package}, {s.file}", s.shows, s.license) for name, s in SOURCES.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, [*widths, 0], strict=True)) for row in rows]
    return README.format(table="\n".join(line.rstrip() for line in table))


README = """\
Demo data of hndesc
===================
Made by hndesc.datasets.demo from photographs in Python packages. Results on these data are not comparable with
published results: the sequences, the retrieval set and the scene only share the file layouts of HPatches, revisited
Oxford and Aachen Day-Night, not their images and not their difficulty.

photos/     training photos
styles/     style photos by class, made of training photos
sequences/  viewpoint (v_) and illumination (i_) sequences
retrieval/  database, queries and ground truth
scene/      a posed scene with day and night queries

The last three are made only of held-out photographs. Sources and licenses, as far as known:

{table}
"""
