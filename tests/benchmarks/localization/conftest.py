"""The synthetic scene as fixtures."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .synthetic import Mapped, Synthetic, make_scene, map_scene


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Synthetic]:
    """Return a function that makes a scene below a folder of its own."""
    count = iter(range(100))
    return lambda **options: make_scene(tmp_path / str(next(count)) / "scene", **options)


@pytest.fixture(scope="session")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Synthetic:
    """The scene without noise; do not change its files."""
    return make_scene(tmp_path_factory.mktemp("exact") / "scene")


@pytest.fixture(scope="session")
def mapped(exact: Synthetic, tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    """The map of the scene without noise; do not change its files."""
    return map_scene(exact, tmp_path_factory.mktemp("mapped"))
