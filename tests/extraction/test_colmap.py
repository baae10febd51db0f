"""The ONNX file in COLMAP's place of ALIKED: run as COLMAP runs it, from photos to a model, and by COLMAP itself.

COLMAP 4 built with ONNX checks names and shapes of the file, pads RGB images in 0 to 1 to multiples of 32 pixels by
repeating the edge, gives the two limits as scalars, converts keypoints to pixels with the corner of the image at
(0, 0), and drops those outside of the image. Matches are mutual nearest neighbors with a least cosine.
"""

import subprocess
import sys
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from hndesc.datasets.localization.posed import read_cameras
from hndesc.datasets.localization.pycolmap_border import opened, pycolmap, to_pose
from hndesc.datasets.localization.scene import Pose
from hndesc.evaluation.reconstruction.metrics import position_figures
from hndesc.extraction.pair_export import export_pair_onnx
from hndesc.io.images import read_image
from hndesc.models.bundled import DEFAULT, bundled_models
from hndesc.reconstruction.photos import reconstruct_photos
from tests.fixtures.corner import photograph_corner
from tests.fixtures.sharing import make_once

MULTIPLE = 32
KEYPOINTS = 1024
MIN_COSINE = 0.85  # COLMAP's default
NO_ONNX = 77
TYPE = pycolmap.FeatureExtractorType.ALIKED_N16ROT
# Its options are there in a build with ONNX alone; others end the process when such an extractor is made.
EXTRACT = f"""
import sys
import numpy, pycolmap
options = pycolmap.FeatureExtractionOptions()
options.type = pycolmap.FeatureExtractorType.ALIKED_N16ROT
options.use_gpu = False
if not hasattr(options, "aliked"):
    sys.exit({NO_ONNX})
options.aliked.n16rot_model_path = sys.argv[1]
options.aliked.max_num_features, options.aliked.min_score = {KEYPOINTS}, 0.0
pycolmap.extract_features(sys.argv[2], sys.argv[3], extraction_options=options)
"""

pytestmark = pytest.mark.slow


class ColmapExtractor:
    """What COLMAP does with the file of its ALIKED extractor."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        assert [one.name for one in inputs] == ["image", "max_keypoints", "min_score"]
        assert [one.type for one in inputs] == ["tensor(float)", "tensor(int64)", "tensor(float)"]
        assert [one.name for one in outputs] == ["keypoints", "descriptors", "scores"]
        assert inputs[0].shape[1] == 3 and [len(one.shape) for one in inputs] == [4, 0, 0]
        assert [len(one.shape) for one in outputs] == [3, 3, 2]
        self.dim = outputs[1].shape[2]
        assert isinstance(self.dim, int) and self.dim > 0

    def __call__(self, image: np.ndarray, max_keypoints: int, min_score: float) -> tuple[np.ndarray, np.ndarray]:
        height, width = image.shape[:2]
        missing = ((0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0))
        padded = np.pad(image.astype(np.float32) / 255, missing, mode="edge")
        inputs = {
            "image": np.ascontiguousarray(padded.transpose(2, 0, 1)[None]),
            "max_keypoints": np.array(max_keypoints, np.int64),
            "min_score": np.array(min_score, np.float32),
        }
        keypoints, descriptors, scores = self.session.run(None, inputs)
        count = keypoints.shape[1]
        assert keypoints.shape == (1, count, 2) and scores.shape == (1, count)
        assert descriptors.shape == (1, count, self.dim)
        points = (keypoints[0] + 1) / 2 * (np.array(padded.shape[1::-1]) - 1) + 0.5
        inside = np.all((points >= 0) & (points <= (width, height)), axis=1)
        return points[inside].astype(np.float32), descriptors[0, inside]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled pair with COLMAP's signature."""
    path = tmp_path_factory.mktemp("pair") / "pair.onnx"
    export_pair_onnx(bundled_models()[DEFAULT], path)
    return path


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight photos of a textured corner, with their cameras."""
    return make_once(tmp_path_factory, "corner", photograph_corner)


def match(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    cosines = first @ second.T
    best = cosines.argmax(axis=1)
    rows = np.arange(len(first))
    kept = (cosines.argmax(axis=0)[best] == rows) & (cosines[rows, best] >= MIN_COSINE)
    return np.stack([rows, best], axis=1)[kept].astype(np.uint32)


def fill_database(path: Path, images: Path, extract: ColmapExtractor) -> None:
    """Import the images of a folder with their features and all matches."""
    with opened(path):
        pass  # COLMAP adds images to an existing database alone
    pycolmap.import_images(path, images, camera_mode=pycolmap.CameraMode.SINGLE)
    with opened(path) as database:
        descriptors = {}
        for image in database.read_all_images():
            points, values = extract(read_image(images / image.name), KEYPOINTS, 0.0)
            database.write_keypoints(image.image_id, points)
            database.write_descriptors(image.image_id, pycolmap.FeatureDescriptorsFloat(TYPE, values).to_bytes())
            descriptors[image.image_id] = values
        for first, second in combinations(descriptors, 2):
            database.write_matches(first, second, match(descriptors[first], descriptors[second]))


def reconstruct(database: Path, images: Path, output: Path) -> dict[str, Pose]:
    """Verify all pairs and map, by COLMAP; return the poses of the largest model."""
    with opened(database) as connection:
        names = [image.name for image in connection.read_all_images()]
    pairs = database.with_suffix(".txt")
    pairs.write_text("".join(f"{first} {second}\n" for first, second in combinations(names, 2)))
    pycolmap.verify_matches(database, pairs)
    output.mkdir()
    options = pycolmap.IncrementalPipelineOptions(random_seed=0, multiple_models=False)
    (found,) = pycolmap.incremental_mapping(database, images, output, options).values()
    return read_poses(found)


def read_poses(found: "pycolmap.Reconstruction") -> dict[str, Pose]:
    return {image.name: to_pose(image.cam_from_world()) for image in found.images.values() if image.has_pose}


def check_scene(root: Path, model: Path, folder: Path, limit: float) -> Mapping[str, float]:
    """Compare the poses of both paths with the measured ones and with each other; return the figures of COLMAP's."""
    fill_database(folder / "database.db", root / "images", ColmapExtractor(model))
    poses = reconstruct(folder / "database.db", root / "images", folder / "sparse")
    settings = {"extraction": {"detector": "hndesc", "max_keypoints": KEYPOINTS}}
    reconstruct_photos(root / "images", folder / "own", **settings)
    own = read_poses(pycolmap.Reconstruction(folder / "own" / "sparse" / "0"))
    truth = read_cameras(root / "cameras.tsv")[1]
    assert poses.keys() == own.keys() == truth.keys()
    figures = {name: position_figures(found, truth) for name, found in (("colmap", poses), ("own", own))}
    figures["difference"] = position_figures(poses, own)
    shares = {name: found["median_position_share"] for name, found in figures.items()}
    print(root.name, shares, {name: found["median_rotation_error"] for name, found in figures.items()})
    assert max(shares.values()) < limit
    assert all(found["median_rotation_error"] < 1 for found in figures.values())
    return shares


def test_rendered_corner_is_reconstructed(corner: Path, model: Path, tmp_path: Path) -> None:
    check_scene(corner, model, tmp_path, limit=0.01)


@pytest.mark.golden
def test_fountain_is_reconstructed(shared: Path, model: Path, tmp_path: Path) -> None:
    check_scene(shared / "data" / "strecha" / "fountain-P11", model, tmp_path, limit=0.005)


def test_colmap_extracts_with_the_file(corner: Path, model: Path, tmp_path: Path) -> None:
    """In another process, which COLMAP would end if something were wrong."""
    database = tmp_path / "database.db"
    done = subprocess.run(
        [sys.executable, "-c", EXTRACT, model, database, corner / "images"], capture_output=True, text=True
    )
    if done.returncode == NO_ONNX:
        pytest.skip("this pycolmap is built without ONNX")
    assert done.returncode == 0, done.stderr
    extract = ColmapExtractor(model)
    with opened(database) as connection:
        for image in connection.read_all_images():
            expected, _ = extract(read_image(corner / "images" / image.name), KEYPOINTS, 0.0)
            found = connection.read_keypoints(image.image_id)[:, :2]
            assert found.shape == expected.shape
            np.testing.assert_allclose(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)], atol=0.05)
