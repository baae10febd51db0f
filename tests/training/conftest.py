"""A folder of small textured photos with their keypoints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hndesc.io.features import Features, FeatureWriter
from hndesc.io.images import write_image

torch.set_num_threads(1)
cv2.setNumThreads(1)


def textured(seed: int, width: int, height: int) -> np.ndarray:
    """Return a photo-like image: smooth random colors with detail at three scales."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width, 3), np.float32)
    for cell in (4, 12, 40):
        noise = generator.uniform(0, 255, (height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        image += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image / 3 * 1.6 - 76, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Data:
    """Photos, keypoints and stylized copies on disk."""

    photos: Path
    keypoints: Path
    stylized: Path


def write_keypoints(path: Path, photos: dict[str, tuple[int, int]], count: int = 200) -> None:
    with FeatureWriter(path, {}) as writer:
        for number, (name, (width, height)) in enumerate(photos.items()):
            points = np.random.default_rng(number).uniform(0, (width - 1, height - 1), (count, 2))
            writer.write(name, Features(points.astype(np.float32), (width, height), np.ones(count, np.float32)))


def make_data(folder: Path, count: int = 6, size: tuple[int, int] = (120, 96)) -> Data:
    names = {f"set/{number}.png": size for number in range(count)}
    for number, (name, (width, height)) in enumerate(names.items()):
        photo = textured(number, width, height)
        write_image(folder / "photos" / name, photo)
        write_image((folder / "stylized" / name).with_suffix(".jpg"), 255 - photo)
    write_keypoints(folder / "keypoints.h5", names)
    return Data(folder / "photos", folder / "keypoints.h5", folder / "stylized")


@pytest.fixture(name="textured")
def textured_fixture() -> Callable[[int, int, int], np.ndarray]:
    return textured


@pytest.fixture(name="make_data", scope="session")
def make_data_fixture() -> Callable[..., Data]:
    return make_data


@pytest.fixture(name="write_keypoints")
def write_keypoints_fixture() -> Callable[..., None]:
    return write_keypoints


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return make_data(tmp_path)
