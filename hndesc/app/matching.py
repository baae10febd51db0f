"""What the page shows of two photos: numbers, estimate, figure and files of the matches."""

import base64
import tempfile
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from hndesc.app.choices import Settings
from hndesc.errors import HndescError, printable
from hndesc.extraction.extractor import Extractor
from hndesc.extraction.photo_pair import match_photos
from hndesc.geometry.two_view import GEOMETRY_NAMES
from hndesc.matching.pair import Matches
from hndesc.matching.report import choice_of_geometry, doubt
from hndesc.visualization.match_figures import plot_pair

FEWEST = 8  # matches that determine a fundamental matrix by linear equations
_one_at_a_time = threading.Lock()  # two requests would share the cores and hold twice the memory


def match_uploads(photos: tuple[bytes, bytes], names: tuple[str, str], settings: Settings) -> dict[str, Any]:
    """Match two photos; nothing remains of them on this machine.

    Args:
        photos: contents of the files.
        names: their names.
        settings: how to match them.

    Returns:
        `photos`, `matches`, `inliers`, `geometry`, `choice`, `matrix` and `doubt` for the page; `figure` (JPEG), `npz`
        and `json`, encoded by base64.

    Raises:
        HndescError: the photos are the same, one is no image, or they have too few matches.
    """
    if photos[0] == photos[1]:
        raise HndescError(f"'{names[0]}' was chosen twice, or both files have the same content; choose two photos")
    with tempfile.TemporaryDirectory(prefix="hndesc_") as folder, _one_at_a_time:
        files = tuple(Path(folder, f"{i}{Path(name).suffix[:10]}") for i, name in enumerate(names))
        for path, content in zip(files, photos, strict=True):
            path.write_bytes(content)
        try:
            images, found = match_photos(
                (files[0], files[1]), _load_extractor(settings), ratio=settings.ratio, geometry=settings.geometry
            )
        except HndescError as error:
            raise HndescError(_by_name(str(error), files, names)) from None
        _check_count(found, names)
        return _numbers(found, names) | _files(images, names, found, Path(folder))


def _load_extractor(settings: Settings) -> Extractor:
    return _extractor(settings.model, settings.detector, settings.max_keypoints, settings.resize_max, settings.views)


@lru_cache(maxsize=2)
def _extractor(model: str, detector: str, max_keypoints: int, resize_max: int, views: bool) -> Extractor:
    return Extractor(model, detector, None, max_keypoints, resize_max, views=views)


def _by_name(message: str, files: tuple[Path, ...], names: tuple[str, str]) -> str:
    """Return an error message with the names of photos in place of temporary files."""
    for path, name in zip(files, names, strict=True):
        message = message.replace(str(path), printable(name))
    return message


def _check_count(found: Matches, names: tuple[str, str]) -> None:
    keypoints = zip(names, (found.keypoints0, found.keypoints1), strict=True)
    empty = [name for name, points in keypoints if len(points) < FEWEST]
    if empty:
        raise HndescError(f"'{empty[0]}' has fewer than {FEWEST} keypoints: too little texture; choose another photo")
    if len(found.matches) < FEWEST:
        raise HndescError(
            f"only {len(found.matches)} matches, fewer than the {FEWEST} that an estimate takes: the photos may show "
            "different places; or raise the number of keypoints or the ratio"
        )


def _numbers(found: Matches, names: tuple[str, str]) -> dict[str, Any]:
    keypoints = len(found.keypoints0), len(found.keypoints1)
    return {
        "photos": [{"name": name, "keypoints": count} for name, count in zip(names, keypoints, strict=True)],
        "matches": len(found.matches),
        "inliers": int(found.inliers.sum()),
        "geometry": GEOMETRY_NAMES.get(found.geometry, "none"),
        "choice": choice_of_geometry(found),
        "matrix": None if found.matrix is None else found.matrix.tolist(),
        "doubt": doubt(found),
    }


def _files(images: tuple[Any, Any], names: tuple[str, str], found: Matches, folder: Path) -> dict[str, str]:
    plot_pair(images, names, found, folder / "matches.jpg")
    paths = {"figure": folder / "matches.jpg", "npz": folder / "matches.npz", "json": folder / "matches.json"}
    for kind in ("npz", "json"):
        found.save(paths[kind])
    return {kind: base64.b64encode(path.read_bytes()).decode() for kind, path in paths.items()}
