"""A linear map from the descriptors of an image to those of the image rotated by 90 degrees, fitted to photos.

After Bökman et al., "Steerers: A Framework for Rotation Equivariant Keypoint Descriptors", CVPR 2024. The network is
not trained: the map is the orthogonal matrix that fits its descriptors best.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hndesc.datasets.image_set import ImageEntry
from hndesc.descriptors.network import NetworkDescriptor
from hndesc.descriptors.views import describe_turned
from hndesc.detectors.sift import SiftDetector
from hndesc.errors import HndescError, ImageError, counted
from hndesc.io.images import resize_longest
from hndesc.models.backbone import STEERER
from hndesc.models.checkpoint import check_checkpoint, load_checkpoint, save_checkpoint
from hndesc.models.release import inherited_card

logger = logging.getLogger(__name__)

_MAX_KEYPOINTS = 500  # of a photo
_RESIZE_MAX = 640
_HELD_OUT = 10  # one photo of as many is left out of the fit


def fit_steerer(
    checkpoint: str | Path, images: Sequence[ImageEntry], output: str | Path, device: str = "auto"
) -> tuple[float, float]:
    """Write a checkpoint with a steerer (`hndesc.models.backbone.Backbone`); one that it has is fitted again.

    Keypoints are those of OpenCV's SIFT in photos of at most 640 pixels, described in the photo and in its three
    rotations. The matrix is the solution of the orthogonal Procrustes problem for the four quarter turns from one to
    the next.

    Args:
        checkpoint: checkpoint of the model.
        images: photos, which must not be those of an evaluation.
        output: checkpoint to write; its card describes the fit.
        device: "auto" (a GPU if there is one) or a torch device.

    Returns:
        The mean cosine between the descriptors of a keypoint in an image and in the image rotated by 90 degrees, and
        that after the steerer is applied to the former; on every tenth photo, which is left out of the fit.

    Raises:
        HndescError: photos have fewer keypoints than descriptors have dimensions, or only one photo is readable.
    """
    check_checkpoint(output, [checkpoint, Path(checkpoint).with_suffix(".json"), *(entry.path for entry in images)])
    model, card = load_checkpoint(checkpoint)
    # In float32, so that a model does not depend on the machine.
    descriptor = NetworkDescriptor(checkpoint, device, compute_precision="float32")
    logger.info("fitting the steerer to %s", counted(len(images), "photo"))
    moment, number, photos, held_out = np.zeros((model.dim, model.dim)), 0, 0, []
    for photos, turned in enumerate(_describe(descriptor, images), start=1):
        if photos % _HELD_OUT == 1:
            held_out.append(turned)
        else:
            before, after = _quarter_turns(turned)
            moment += after.T @ before
            number += turned.shape[1]
    if number < model.dim:
        raise HndescError(
            f"{output}: no steerer was fitted, since the photos (without those held out) have "
            f"{counted(number, 'SIFT keypoint')}, fewer than the model's {model.dim} dimensions; use more or larger "
            "photos"
        )
    left, _, right = np.linalg.svd(moment)
    steerer = left @ right
    model.steerer = torch.from_numpy(steerer.astype(np.float32))
    before, after = _quarter_turns(np.concatenate(held_out, axis=1))
    cosines = [float(np.sum(one * after, axis=1).mean()) for one in (before, before @ steerer.T)]
    card = inherited_card(card)
    card[STEERER] = {"photos": photos, "keypoints": number, "cosine": np.round(cosines, 4)}
    save_checkpoint(output, model, card, card.get("settings", {}).get("half_weights", False))
    return cosines[0], cosines[1]


def _describe(descriptor: NetworkDescriptor, images: Sequence[ImageEntry]) -> Iterator[np.ndarray]:
    """Yield the descriptors of each photo in its four rotations, 4 x N x D, N at least 1."""
    detector = SiftDetector(max_keypoints=_MAX_KEYPOINTS)
    for entry in tqdm(images, desc="steerer", unit="photo", disable=None):
        try:
            image, _ = resize_longest(entry.read(), _RESIZE_MAX)
        except ImageError as error:
            logger.warning("skipped '%s': %s", entry.name, error)
            continue
        if len(features := detector.detect(image)):
            yield describe_turned(descriptor, image, features.keypoints)


def _quarter_turns(turned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return descriptors before and after a quarter turn, 4N x D each, of those in four rotations."""
    dim = turned.shape[-1]
    return turned.reshape(-1, dim).astype(np.float64), np.roll(turned, -1, axis=0).reshape(-1, dim).astype(np.float64)
