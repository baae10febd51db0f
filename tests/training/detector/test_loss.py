"""The loss of the detector on maps whose keypoints are known."""

import math

import pytest
import torch

from hndesc.training.detector.loss import agreement, detector_loss, find_peaks, position_entropy, project
from hndesc.training.detector.settings import DetectorLossSettings

SETTINGS = DetectorLossSettings(radius=3, border=4, window=3)
SHIFT = torch.tensor([[[1.0, 0, 5], [0, 1, -3], [0, 0, 1]]], dtype=torch.float64)
POINTS = torch.tensor([[12, 14], [30, 20], [20, 40], [44, 33], [50, 50]])


def spikes(points: torch.Tensor, height: float = 8.0, side: int = 64) -> torch.Tensor:
    """Logits with a peak of 3 x 3 pixels at each (x, y), 0 elsewhere; B = 1."""
    logits = torch.zeros(1, side, side)
    for x, y in points.tolist():
        logits[0, y - 1 : y + 2, x - 1 : x + 2] = height / 2
        logits[0, y, x] = height
    return logits


def loss_of(first: torch.Tensor, second: torch.Tensor):
    return detector_loss(torch.cat([first, second]), SHIFT, SETTINGS)


def test_peaks_that_are_found_again_have_the_lowest_loss() -> None:
    first, moved = spikes(POINTS), spikes(POINTS + torch.tensor([5, -3]))
    settings = SETTINGS.model_copy(update={"peaks": len(POINTS)})
    right = detector_loss(torch.cat([first, moved]), SHIFT, settings)
    assert right.found == 1.0
    assert right.ranking < 1e-3 and right.agreement < -0.05
    wrong = detector_loss(torch.cat([first, spikes(POINTS)]), SHIFT, settings)
    assert wrong.found == 0.0
    assert wrong.ranking > 5 and wrong.agreement > right.agreement and wrong.position > right.position + 1


def test_constant_maps_agree_by_chance() -> None:
    constant = torch.full((1, 64, 64), -2.0)
    loss = loss_of(constant, constant)
    assert loss.agreement == pytest.approx(0, abs=1e-3)
    assert loss.position == pytest.approx(math.log(7**2), abs=1e-3)


def test_agreement_of_one_window_by_hand() -> None:
    """Both maps are uniform over the middle row of a window of 7 x 7, and blurred over the 21 pixels of three rows."""
    logits = torch.full((1, 15, 15), -30.0)
    logits[0, 7] = 0
    settings = DetectorLossSettings(border=4, window=3)
    found = agreement(logits, logits, torch.eye(3)[None], settings)
    assert found.item() == pytest.approx(math.log((1 / 21) / (1 / 49)), abs=1e-3)


def test_blur_tolerates_peaks_that_are_a_few_pixels_apart() -> None:
    first, moved = spikes(POINTS), spikes(POINTS + torch.tensor([7, -3]))  # 2 pixels from where they should be
    sharp, blurred = (
        agreement(first, moved, SHIFT.float(), SETTINGS.model_copy(update={"blur": blur})).item() for blur in (0, 3)
    )
    assert sharp < 0 < blurred


def test_only_what_both_crops_show_counts() -> None:
    far = torch.tensor([[[1.0, 0, 500], [0, 1, 0], [0, 0, 1]]], dtype=torch.float64)
    maps = torch.rand(2, 64, 64, requires_grad=True)
    loss = detector_loss(maps, far, SETTINGS)
    assert [term.item() for term in loss] == [0, 0, 0, 0]
    (loss.ranking + loss.agreement + loss.position).backward()
    assert not maps.grad.any()


def test_position_is_divided_among_four_pixels() -> None:
    logits = torch.full((1, 20, 20), -50.0)
    logits[0, 10, 10], logits[0, 10, 11] = math.log(0.7), math.log(0.3)
    entropy = position_entropy(logits, torch.tensor([[[10.3, 10.0]]]), 3)
    assert entropy.item() == pytest.approx(-0.7 * math.log(0.7) - 0.3 * math.log(0.3), abs=1e-4)


def test_gradient_moves_the_mass_towards_the_peak_of_the_other_map() -> None:
    first = spikes(POINTS[:1])
    second = torch.zeros(1, 64, 64, requires_grad=True)
    loss_of(first, second).agreement.backward()
    x, y = (POINTS[0] + torch.tensor([5, -3])).tolist()
    assert second.grad[0].argmin().item() == y * 64 + x


def test_peaks_are_the_highest_maxima_with_padding() -> None:
    logits = spikes(POINTS)
    logits[0, 20, 30] += 1
    found = find_peaks(logits, SETTINGS.model_copy(update={"peaks": 2}))
    assert found.pixels[0, 0].tolist() == [30, 20] and found.valid.all()
    padded = find_peaks(spikes(POINTS[:1])[:, :24, :24] - 0.01 * torch.rand(1, 24, 24), SETTINGS)
    assert padded.pixels[0, 0].tolist() == [12, 14] and 1 <= padded.valid.sum() < padded.valid.numel()


def test_points_behind_the_horizon_are_not_shown() -> None:
    matrix = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0.1, 0, -2]]])
    places, shown = project(torch.tensor([[[10.0, 10], [60, 10]]]), matrix, (64, 64), 0)
    assert shown.tolist() == [[False, True]]
    assert places[0, 1].tolist() == [15.0, 2.5] and places[0, 0].tolist() == [0, 0]
