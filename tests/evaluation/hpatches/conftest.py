"""Small sets of sequences with exact features."""

import json

import numpy as np
import pytest
from PIL import Image

from hndesc.evaluation.hpatches.evaluate import score_hpatches
from hndesc.geometry.homography import warp_points
from hndesc.io.features import Features, FeatureWriter

SIZE = (200, 150)
POINTS = np.stack(np.meshgrid(np.arange(10.0, 160, 15), np.arange(10.0, 110, 11)), axis=-1).reshape(-1, 2)
CODES = np.random.default_rng(0).normal(size=(len(POINTS), 32)).astype(np.float32)
CODES /= np.linalg.norm(CODES, axis=1, keepdims=True)
SHEAR = np.array([[1.02, 0.03, 4], [-0.02, 0.97, 3], [1e-5, 2e-5, 1]])


def make_features(points=POINTS, codes=CODES, size=SIZE, scores=None):
    scores = np.ones(len(points), np.float32) if scores is None else scores
    return Features(points.astype(np.float32), size, scores, codes)


class Sequences:
    """A folder of sequences and the features of their images, all of them exact unless they are changed."""

    def __init__(self, folder, size=SIZE):
        self.root, self.file, self.size = folder / "sequences", folder / "features.h5", size
        self.features, self.failed = {}, {}

    def add(self, name):
        folder = self.root / name
        folder.mkdir(parents=True)
        for number in range(1, 7):
            homography = np.linalg.matrix_power(SHEAR, number - 1)
            Image.new("L", self.size).save(folder / f"{number}.png")
            if number > 1:
                np.savetxt(folder / f"H_1_{number}", homography)
            self.features[f"{name}/{number}.png"] = make_features(warp_points(homography, POINTS), size=self.size)
        return folder

    def write(self):
        with FeatureWriter(self.file, {"detector": "exact"}) as writer:
            for name, features in self.features.items():
                writer.write(name, features)
            for name, reason in self.failed.items():
                writer.fail(name, reason)

    def score(self, **settings):
        self.write()
        folder = self.root.parent
        paths = [folder / name for name in ("out.txt", "out.json", "out.csv", "sequences.csv")]
        returned = score_hpatches(self.root, self.file, *paths, **settings)
        written = json.loads(paths[1].read_text())
        assert written["figures"] == json.loads(json.dumps(returned["figures"]).replace("NaN", "null"))
        return paths[0].read_text(), written


@pytest.fixture
def sequences(tmp_path):
    made = Sequences(tmp_path)
    made.add("v_one")
    made.add("i_two")
    return made
