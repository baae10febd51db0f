"""Figures of a model, whose page needs no network and draws in a browser."""

import re
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from hndesc.datasets.localization.pycolmap_border import pycolmap
from hndesc.visualization.reconstructions import plot_from_above, view_page
from tests.fixtures.browser import CHROMIUM, needs_chromium
from tests.fixtures.synthetic import Mapped


@pytest.fixture
def model(mapped: Mapped) -> "pycolmap.Reconstruction":
    return pycolmap.Reconstruction(mapped.folder / "model")


def test_the_page_is_one_file(model: "pycolmap.Reconstruction") -> None:
    page = view_page(model)
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=", page)
    assert (
        page.count("<script") >= 1
        and "8 images, 200 points" in page
        and r"db\u002f0.jpg" in page
        and "<body style=" in page
    )
    assert 1_000_000 < len(page) < 10_000_000


def test_the_model_is_drawn_from_above(model: "pycolmap.Reconstruction", tmp_path: Path) -> None:
    plot_from_above(model, tmp_path / "m.png")
    drawn = cv2.imread(str(tmp_path / "m.png"))
    orange = (np.abs(drawn.astype(int) - [0x00, 0x5E, 0xD5]) < 30).all(axis=2)
    assert orange.sum() > 200  # cameras
    filled = np.flatnonzero((drawn < 250).any(axis=(1, 2)))
    assert filled[0] < 0.06 * len(drawn) and len(drawn) - filled[-1] < 0.06 * len(drawn)


@pytest.mark.slow
@needs_chromium
def test_a_browser_without_network_draws_the_page(model: "pycolmap.Reconstruction", tmp_path: Path) -> None:
    page, picture = tmp_path / "m.html", tmp_path / "m.png"
    page.write_text(view_page(model), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=900,700"]
    command += ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000", f"--screenshot={picture}"]
    subprocess.run([*command, page.as_uri()], check=True, capture_output=True, timeout=300)
    drawn = cv2.imread(str(picture))
    orange = (np.abs(drawn.astype(int) - [0x00, 0x5E, 0xD5]) < 40).all(axis=2)
    rows = np.flatnonzero(orange.any(axis=1))
    assert orange.sum() > 200 and rows[-1] - rows[0] > 50  # cameras, not only the legend
