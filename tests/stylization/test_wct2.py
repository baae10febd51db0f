"""WCT2 without its weights: its transforms against what they promise, and the network's shape and files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hndesc.errors import HndescError
from hndesc.stylization import wct2
from hndesc.stylization.wct2 import WaveletNetwork, color, haar_bands, haar_split, stylize, transfer_covariance, whiten

torch.set_num_threads(1)


def features(seed: int, channels: int = 6, count: int = 400) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(channels, channels, generator=generator)
    return mix @ torch.randn(channels, count, generator=generator) + torch.randn(channels, 1, generator=generator)


def covariance(values: torch.Tensor) -> torch.Tensor:
    return torch.cov(values, correction=0)


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (2, 3, 8, 10)])
def test_wavelet_gives_the_image_back(shape: tuple[int, ...]) -> None:
    pattern = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    low, high = haar_split(pattern)
    assert low.shape == (*shape[:2], shape[2] // 2, shape[3] // 2)
    assert torch.allclose(sum(haar_bands(low, high)), pattern, atol=1e-6)
    energy = low.square().sum() + sum(band.square().sum() for band in high)
    assert energy == pytest.approx(float(pattern.square().sum()), rel=1e-5)


def test_bands_tell_the_direction_of_an_edge() -> None:
    columns = torch.tensor([0.0, 1.0]).repeat(8, 4)[None, None]
    _, (along_columns, along_rows, diagonal) = haar_split(columns)
    assert torch.allclose(along_columns, torch.ones_like(along_columns))
    assert along_rows.abs().max() < 1e-6
    assert diagonal.abs().max() < 1e-6
    assert torch.allclose(haar_split(columns.mT)[1][1], torch.ones(1, 1, 4, 4))


def test_whitening_gives_the_identity_as_covariance() -> None:
    white = whiten(features(0))
    assert torch.allclose(covariance(white), torch.eye(6), atol=1e-4)
    assert white.mean(dim=1).abs().max() < 1e-4


def test_coloring_gives_mean_and_covariance_of_the_style() -> None:
    style = features(1, count=300)
    colored = color(whiten(features(0)), style)
    assert torch.allclose(covariance(colored), covariance(style), rtol=1e-3, atol=1e-3)
    assert torch.allclose(colored.mean(dim=1), style.mean(dim=1), atol=1e-4)


def test_degenerate_features_stay_finite() -> None:
    flat = torch.ones(4, 50) * torch.arange(4.0)[:, None]
    assert torch.equal(whiten(flat), torch.zeros(4, 50))
    assert torch.allclose(color(whiten(flat), features(1, 4)), features(1, 4).mean(dim=1, keepdim=True).expand(4, 50))
    line = torch.outer(torch.arange(1.0, 5), torch.randn(50, generator=torch.Generator().manual_seed(0)))
    white = whiten(line)
    assert torch.linalg.eigvalsh(covariance(white).double()).numpy() == pytest.approx([0, 0, 0, 1], abs=1e-4)


def test_adopt_mixes_by_strength_and_leaves_features_that_are_the_style() -> None:
    content, style = (features(seed).reshape(1, 6, 20, 20) for seed in (0, 1))
    assert torch.allclose(transfer_covariance(content, content), content, atol=1e-3)
    half = transfer_covariance(content, style, 0.5)
    assert torch.allclose(half, (transfer_covariance(content, style) + content) / 2, atol=1e-5)
    assert torch.equal(transfer_covariance(content, style, 0.0), content)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in files like the published ones, which hold the wavelets too."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    network = WaveletNetwork()
    for part, name in wct2.FILES.items():
        state = {**getattr(network, part).state_dict(), "pool1.LL.weight": torch.ones(64, 1, 2, 2)}
        torch.save(state, folder / name)
    return folder


def test_network_has_the_published_layers() -> None:
    network = WaveletNetwork()
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["encoder.conv0.weight"] == (3, 3, 1, 1)
    assert shapes["encoder.conv4_1.weight"] == (512, 256, 3, 3)
    assert shapes["decoder.conv3_4_2.weight"] == (256, 1280, 3, 3)
    assert shapes["decoder.conv1_2_2.weight"] == (64, 320, 3, 3)
    assert shapes["decoder.conv1_1.bias"] == (3,)
    assert len(shapes) == 2 * (10 + 9)


@pytest.mark.parametrize("shape", [(1, 1), (33, 18)])
def test_stylize_with_weights(weights: Path, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in (shape, (24, 40)))
    result = stylize(content, style, weights=str(weights), device="cpu")
    assert result.shape == content.shape
    assert result.dtype == np.uint8
    assert (result == stylize(content, style, weights=str(weights), device="cpu")).all()
    assert (stylize(content, style, strength=0) == content).all()


def test_places_of_transfer_matter(weights: Path) -> None:
    network = wct2.load(str(weights), "cpu")
    generator = torch.Generator().manual_seed(0)
    content, style = (torch.rand(1, 3, 16, 24, generator=generator) for _ in range(2))
    with torch.inference_mode():
        results = [network.transfer(content, style, 1.0, (place,)) for place in wct2.PLACES]
        none = network.transfer(content, style, 0.0, wct2.PLACES)
        for result in results:
            assert result.shape == content.shape
            assert (result - none).abs().max() > 1e-4
        for place in wct2.PLACES:
            same = network.transfer(content, content, 1.0, (place,))
            assert torch.allclose(same, none, atol=1e-2 * float(none.abs().max()))


def test_errors(weights: Path, tmp_path: Path) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(HndescError, match="needs its pretrained weights"):
        stylize(image, image)
    with pytest.raises(HndescError, match=r"wave_encoder_cat5_l4\.pth: no such weights file"):
        stylize(image, image, weights=str(tmp_path))
    with pytest.raises(HndescError, match="not at sky"):
        stylize(image, image, weights=str(weights), at=["sky"])
    (tmp_path / wct2.FILES["encoder"]).write_bytes(b"no weights")
    with pytest.raises(HndescError, match="not a readable file of weights"):
        stylize(image, image, weights=str(tmp_path))
    torch.save({"conv0.weight": torch.zeros(2)}, tmp_path / wct2.FILES["encoder"])
    with pytest.raises(HndescError, match=r"not the weights of WCT2.*conv0"):
        stylize(image, image, weights=str(tmp_path))
