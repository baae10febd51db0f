"""One demo for all tests of this folder, and the record of which photographs each part of it was made of."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from hndesc.datasets.demo import make_demo, photographs, retrieval, scene, sequences


@dataclass(frozen=True)
class Demo:
    root: Path
    used: dict[str, set[str]]


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Demo:
    root = tmp_path_factory.mktemp("data") / "demo"
    used: dict[str, set[str]] = {}
    load = photographs.load
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (photographs, sequences, retrieval, scene):
            names = used.setdefault(module.__name__.rpartition(".")[2], set())
            patch.setattr(module, "load", _recorded(load, names))
        make_demo(root)
    cv2.setNumThreads(threads)
    return Demo(root, used)


def _recorded(load, names):
    def recorded(name, use):
        names.add(name)
        return load(name, use)

    return recorded
