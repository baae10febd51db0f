"""The matches of two images with the geometry that relates them, and files of them for other programs."""

import io
import os
import zipfile
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError, counted, printable
from hndesc.geometry.epipolar import chance_inliers
from hndesc.geometry.two_view import TwoView, estimate_two_view
from hndesc.io.features import Features
from hndesc.io.files import atomic_path, check_json_file, check_own_file, write_json
from hndesc.io.hdf5 import check_hdf5_output, write_array, write_text, written_hdf5
from hndesc.matching.matcher import match_scored

FORMATS = (".npz", ".json", ".h5")
# In 98 % of the pairs of unrelated photos that `chance_inliers` is by, at most 12 matches were inliers of a homography.
_CHANCE = 12


@dataclass(frozen=True)
class Matches:
    """The matches of two images.

    Attributes:
        keypoints0: N x 2 float32, (x, y) in pixels of the first image; the center of the top-left pixel is (0, 0).
        keypoints1: M x 2 float32, of the second image.
        matches: K x 2 int64, rows of `keypoints0` and `keypoints1`.
        scores: K float32, cosines of the descriptors.
        inliers: K bool, the matches that agree with `matrix`.
        matrix: 3 x 3 float64, the estimate, from the first image to the second; None without one.
        geometry: what `matrix` is: "homography", "fundamental", "essential" or "none".
        counts: number of inliers of each geometry that was estimated.
    """

    keypoints0: np.ndarray
    keypoints1: np.ndarray
    matches: np.ndarray
    scores: np.ndarray
    inliers: np.ndarray
    matrix: np.ndarray | None
    geometry: str
    counts: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        numbers = counted(len(self.matches), "match"), counted(int(self.inliers.sum()), "inlier")
        return f"Matches({', '.join(numbers)}, geometry={self.geometry!r})"

    @property
    def points0(self) -> np.ndarray:
        """The matched keypoints of the first image, K x 2."""
        return self.keypoints0[self.matches[:, 0]]

    @property
    def points1(self) -> np.ndarray:
        """The matched keypoints of the second image, K x 2."""
        return self.keypoints1[self.matches[:, 1]]

    @property
    def by_chance(self) -> bool:
        """Whether there are no more inliers than images of different places have."""
        chance = _CHANCE if self.geometry == "homography" else chance_inliers(len(self.matches))
        return self.geometry != "none" and int(self.inliers.sum()) <= chance

    def save(self, path: str | os.PathLike) -> None:
        """Write the matches as .npz, .json or .h5 by the suffix of the file.

        The keys are `keypoints0`, `keypoints1`, `matches`, `scores`, `inliers`, `matrix` and `geometry`. Without an
        estimate, `matrix` is null in JSON and 3 x 3 NaN in the others.

        Raises:
            HndescError: another suffix, or a file that cannot be written or was not made by hndesc.
        """
        check_matches_output(path)
        arrays = {name: getattr(self, name) for name in ("keypoints0", "keypoints1", "matches", "scores", "inliers")}
        suffix = Path(path).suffix.lower()
        if suffix == ".json":
            matrix = None if self.matrix is None else self.matrix.tolist()
            lists = {name: values.tolist() for name, values in arrays.items()}
            write_json(path, {**lists, "matrix": matrix, "geometry": self.geometry})
            return
        arrays["matrix"] = np.full((3, 3), np.nan) if self.matrix is None else self.matrix
        if suffix == ".npz":
            _write_npz(path, arrays | {"geometry": np.array(self.geometry)})
            return
        with written_hdf5(path) as file:
            for name, values in arrays.items():
                write_array(file, name, values)
            file["geometry"] = self.geometry
            write_text(file, "settings", "{}")


def match_pair(
    first: Features,
    second: Features,
    *,
    ratio: float | None = None,
    geometry: str | None = None,
    estimator: str = "magsac",
    threshold: float = 3.0,
    intrinsics: tuple[np.ndarray, np.ndarray] | None = None,
) -> Matches:
    """Match two images and estimate their geometry.

    Args:
        first, second: features with descriptors.
        ratio: see `hndesc.matching.matcher.match_features`.
        geometry, estimator, threshold, intrinsics: see `hndesc.geometry.two_view.estimate_two_view`.
    """
    rows, scores = match_scored(first, second, ratio)
    points = first.keypoints[rows[:, 0]], second.keypoints[rows[:, 1]]
    found: TwoView = estimate_two_view(
        *points, geometry, threshold=threshold, estimator=estimator, intrinsics=intrinsics
    )
    keypoints = first.keypoints, second.keypoints
    return Matches(*keypoints, rows, scores, found.inliers, found.matrix, found.geometry, found.counts)


def check_matches_output(path: str | os.PathLike) -> None:
    """Check in advance that matches can be written to a file; errors as of `Matches.save`."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise HndescError(f"{printable(path)}: not the name of a file of matches; it must end in {', '.join(FORMATS)}")
    if suffix == ".h5":
        check_hdf5_output(path)
    elif suffix == ".npz":
        check_own_file(path, made=_is_npz_of_matches)
    else:
        check_json_file(path)


def _is_npz_of_matches(content: mmap) -> bool:
    return content[:2] == b"PK" and content.find(b"keypoints0.npy") >= 0


def _write_npz(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays as `numpy.savez` does, without the time, so that equal matches give equal bytes."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.asarray(values, order="C"), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, stream.getvalue())
