"""A folder of photos to a reconstruction: features, pairs, matches and mapping in one resumable job."""

import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.extraction.description import extract
from hndesc.io.lists import read_pairs
from hndesc.io.locks import writing
from hndesc.io.owned_folders import check_output_folder, finish_folder, resume_folder
from hndesc.localization.matches import match_listed
from hndesc.reconstruction.build import fill_reconstruction
from hndesc.reconstruction.mapping import ReconstructionSettings
from hndesc.reconstruction.pairs import Pairing, pair_photos

logger = logging.getLogger(__name__)

STEP = "reconstruct_photos"
FEATURES, PAIRS, MATCHES = "features.h5", "pairs.txt", "matches.h5"
_RECORD = "settings.json"
# Chosen on other photos than those of the reported accuracy; docs/photos.md has the figures.
RATIO = 0.9


def reconstruct_photos(
    photos: str | os.PathLike,
    output: str | os.PathLike,
    *,
    extraction: dict[str, Any] | None = None,
    pairing: dict[str, Any] | None = None,
    ratio: float | None = RATIO,
    share_cameras: bool = True,
    threads: int = 1,
    workers: int = 1,
    draw: Callable[[Path], object] | None = None,
    **settings: Any,
) -> dict:
    """Reconstruct cameras and points from a folder of photos; an interrupted run resumes where it was.

    Args:
        photos: folder of photos, with all below it. They are sorted by name, in which order they count as a sequence.
        output: folder to write: `features.h5`, `pairs.txt`, `matches.h5`, and what
            `hndesc.reconstruction.build.build_reconstruction` writes.
        extraction: settings of `hndesc.extraction.description.extract`; by default with the descriptor `hndesc-fast`.
        pairing: settings of `hndesc.reconstruction.pairs.Pairing`.
        ratio: see `hndesc.matching.matcher.match_features`; few matches of unrelated photos pass it.
        share_cameras: see `hndesc.reconstruction.cameras.read_cameras`.
        threads: of matching, verification and bundle adjustment.
        workers: number of images whose features are extracted at a time.
        draw: called with the folder once it is filled, to add figures.
        **settings: of `hndesc.reconstruction.mapping.ReconstructionSettings`.

    Returns:
        The content of `reconstruction.json`.

    Raises:
        HndescError: fewer than two readable photos, or `output` exists and was not made by this job.
    """
    place = check_output_folder(output, STEP, [photos])
    chosen = ReconstructionSettings(**settings)
    extraction = {"descriptor": "hndesc-fast", "detector": "sift"} | (extraction or {})
    pairing = pairing or {}
    images = list_images(photos)
    Pairing(**pairing).check([image.name for image in images], photos)
    record = {
        "extraction": {name: str(value) if isinstance(value, Path) else value for name, value in extraction.items()},
        "pairing": pairing,
        "ratio": ratio,
        "mapping": asdict(chosen),
        "share_cameras": share_cameras,
        "photos": [image.identity for image in images],
    }
    with writing(place):
        part = resume_folder(output, STEP, [photos], record, _RECORD)
        paths = part / FEATURES, part / MATCHES, part / PAIRS
        _match(part, images, photos, extraction, pairing, ratio, threads, workers)
        summary = fill_reconstruction(
            part, images, photos, *paths, chosen, share_cameras=share_cameras, threads=threads
        )
        if draw is not None:
            draw(part)
        finish_folder(part, output, STEP, [photos])
    return summary


def _match(
    part: Path,
    images: list[ImageEntry],
    photos: str | os.PathLike,
    extraction: dict[str, Any],
    pairing: dict[str, Any],
    ratio: float | None,
    threads: int,
    workers: int,
) -> None:
    """Make features, pairs and matches, those that an interrupted run has not made; each resumes by itself."""
    features, pairs, matches = part / FEATURES, part / PAIRS, part / MATCHES
    if not features.is_file():
        extract(images, features, workers=workers, **extraction)
    if not pairs.is_file():
        pair_photos(images, pairs, **pairing)
    if not matches.is_file():
        match_listed(list(read_pairs(pairs)), features, matches, place=photos, ratio=ratio, threads=threads)
