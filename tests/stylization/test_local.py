"""Local transfer: the pyramid, the transport against analytic truth, and light that follows the place."""

import numpy as np
import pytest
from skimage import data

from hndesc.geometry.color import rgb_to_lab
from hndesc.io.images import resize_longest
from hndesc.stylization.local import light_change, split, stylize, transport
from hndesc.stylization.structure import edge_similarity


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def photo(name: str, longest: int = 240) -> np.ndarray:
    return resize_longest(np.ascontiguousarray(getattr(data, name)()[..., :3]), longest)[0]


def test_base_and_bands_sum_to_the_image_and_edges_stay_in_the_base() -> None:
    lab = np.full((128, 256, 3), (20, 0, 0), np.float32)
    lab[:, 128:, 0] = 80
    lab += rng().normal(0, 0.5, lab.shape).astype(np.float32)
    base, bands = split(lab)
    assert len(bands) == 2
    assert np.allclose(base + sum(bands), lab, atol=1e-3)
    assert base[:, 129, 0].mean() - base[:, 126, 0].mean() > 50
    assert base[:, :100, 0].std() < 0.5 * lab[:, :100, 0].std()


def test_transport_gives_the_colors_of_the_target() -> None:
    turn = rng().normal(size=(3, 3))
    colors = rng(1).normal(0, 5, (40, 50, 3)).astype(np.float32)
    target = (rng(2).normal(0, 5, (40, 50, 3)) @ turn + (30, 10, -20)).astype(np.float32)
    moved = transport(colors, target, rng(3), place=0.0, rounds=30).reshape(-1, 3)
    goal = target.reshape(-1, 3)
    assert np.allclose(moved.mean(axis=0), goal.mean(axis=0), atol=0.1)
    assert np.allclose(np.cov(moved.T), np.cov(goal.T), atol=0.03 * np.abs(np.cov(goal.T)).max())


def test_transport_between_shifted_images_is_the_shift() -> None:
    colors = rng(1).normal(0, 5, (20, 30, 3)).astype(np.float32)
    moved = transport(colors, colors + np.float32((7, -3, 2)), rng(), place=0.5, rounds=10)
    assert np.abs(moved - colors - (7, -3, 2)).max() < 0.01


def test_light_comes_from_the_same_place() -> None:
    content = np.full((64, 64, 3), (50, 0, 0), np.float32)
    style = content.copy()
    style[:32, :, 2], style[32:, :, 2] = 40, -40  # yellow above, blue below
    near = light_change(content, style, rng(), (0.5, 1.5), place=1.0, rounds=20)
    assert near[:10, :, 2].mean() > 15
    assert near[-10:, :, 2].mean() < -15


def test_gain_is_limited() -> None:
    texture = np.full((64, 64, 3), (50, 0, 0), np.float32)
    texture[..., 0] += rng().choice([-5, 5], (64, 64))
    strong = texture.copy()
    strong[..., 0] = 50 + rng().choice([-50, 50], (64, 64))
    for limits in ((0.5, 1.5), (0.5, 2.0)):
        changed = texture + light_change(texture, strong, rng(), limits, place=0.0, rounds=10)
        assert changed[..., 0].std() == pytest.approx(limits[1] * 5, rel=0.1)


@pytest.mark.parametrize("name", ["astronaut", "coffee"])
def test_its_own_style_leaves_a_photo_unchanged(name: str) -> None:
    image = photo(name)
    assert np.abs(stylize(image, image).astype(int) - image).max() <= 2


def test_strength_and_seed() -> None:
    content, style = photo("coffee"), photo("rocket")
    assert (stylize(content, style, strength=0) == content).all()
    light = [rgb_to_lab(stylize(content, style, rng(), strength=s))[..., 0].mean() for s in (0.0, 0.5, 1.0)]
    assert light[1] == pytest.approx((light[0] + light[2]) / 2, abs=1.5)
    first, second, other = (stylize(content, style, rng(seed)) for seed in (1, 1, 2))
    assert (first == second).all()
    assert 0 < np.abs(first.astype(int) - other).mean() < 15


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (40, 60)])
def test_any_size_and_plain_photos(shape: tuple[int, int]) -> None:
    for content in (np.full((*shape, 3), 90, np.uint8), rng().integers(0, 256, (*shape, 3), dtype=np.uint8)):
        for style in (np.full((9, 9, 3), 200, np.uint8), photo("coffee", 64)):
            result = stylize(content, style)
            assert result.shape == content.shape
            assert result.dtype == np.uint8


def test_edges_stay() -> None:
    names = ("astronaut", "coffee", "chelsea", "rocket")
    scores = [edge_similarity(photo(a), stylize(photo(a), photo(b))) for a in names for b in names if a != b]
    assert np.mean(scores) > 0.86
    assert min(scores) > 0.55  # a night sky that is lit up shows what was faint in it
