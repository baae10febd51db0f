"""The paper's benchmarks from archives of the real layout, served on the loopback: download to score, by Snakemake."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndesc.datasets.fetch.registry import RECEIPT, REGISTRY
from hndesc.datasets.homography.sequences import read_sequences
from hndesc.datasets.localization.readers import read_scene
from hndesc.datasets.revisited import read_ground_truth
from hndesc.io.features import FeatureReader
from tests.datasets.fetch.server import serving
from tests.datasets.fetch.tiny_archives import archives, tiny_registry
from tests.fixtures.demo import Demo
from tests.workflow.conftest import make_checkout

pytestmark = pytest.mark.workflow

NAMES = ("hpatches", "roxford5k", "rparis6k", "aachen_v11")
PAPER = "config/paper.yaml"
CONFIG = """
run: null
datasets: {{registry: tiny.yaml, mirrors: ["{dead}", "{mirror}"], checksums: sums.tsv}}
keypoints: {{detector: sift, weights: null, contrast_threshold: 0.08}} # fewer than by default
descriptors: [sift]
neighbors: {{descriptor: color_gradient}}
"""


def test_the_papers_chain_can_be_planned_without_its_data(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "hndesc")
    for overlays in ([PAPER], [PAPER, "config/paper-r2d2.yaml"]):
        jobs = checkout.jobs("all", "--configfile", *overlays, configfile=None)
        assert jobs["get_dataset"] == len(NAMES) + 1 and jobs["get_weights"] >= 1 and jobs["train"] == 1
        assert jobs["publish"] == len(NAMES)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_from_archives_to_scores(demo: Demo, tmp_path: Path) -> None:
    files = archives(demo.root)
    truth, scene = read_ground_truth(demo.root / "retrieval"), read_scene(demo.root / "scene")
    retrieval = {"database": len(truth.database), "queries": len(truth.queries)}
    counts = {
        "hpatches-sequences-release": {"sequences": len(read_sequences(demo.root / "sequences"))},
        "roxford5k": retrieval,
        "rparis6k": retrieval,
        "aachen-v1.1": {"database": len(scene.database), "queries": len(scene.queries)},
    }
    checkout, scores = make_checkout(tmp_path / "hndesc"), [f"results/{name}.txt" for name in NAMES]
    with serving(files) as server:
        overlay = tmp_path / "overlay.yaml"
        overlay.write_text(CONFIG.format(dead=server.address("403"), mirror=server.address("cut")))
        checkout.path("tiny.yaml").write_text(tiny_registry(REGISTRY, files, counts))
        arguments = [*scores, "--configfile", PAPER, str(overlay)]
        checkout.run(*arguments, configfile=None)
        asked = len(server.requests)
        assert checkout.jobs(*arguments, configfile=None) == {} and len(server.requests) == asked
    for name in NAMES:
        record = json.loads(checkout.path(f"results/{name}.json").read_text())
        assert record["figures"], name
    assert checkout.path("results/roxford5k.txt").read_text() == checkout.path("results/rparis6k.txt").read_text()
    assert "paris_1-v1.tgz" in checkout.path("sums.tsv").read_text()
    ranges = [asked for _, asked in server.requests if asked]
    assert ranges, "what the server cut was resumed"


def test_what_is_there_is_neither_fetched_nor_deleted_again(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "hndesc")
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(
        "keypoints: {detector: superpoint, weights: data/weights/superpoint_v1.pth}\n"
        "descriptors: [sift]\n"
        "benchmarks: [{name: hpatches, kind: hpatches, dataset: data/hpatches-sequences-release/}]\n"
    )
    assert {"get_dataset", "get_weights"} <= checkout.jobs("results/hpatches.txt", configfile=overlay).keys()
    place = checkout.path("data/hpatches-sequences-release")
    place.mkdir(parents=True)
    done = checkout.run("--dry-run", "results/hpatches.txt", configfile=overlay, check=False)
    assert done.returncode and "to verify it: hndesc datasets get hpatches-sequences-release" in done.stdout
    (place / RECEIPT).touch()
    checkout.path("data/weights").mkdir()
    checkout.path("data/weights/superpoint_v1.pth").touch()
    jobs = checkout.jobs("--forceall", "results/hpatches.txt", configfile=overlay)
    assert "detect_keypoints" in jobs and not {"get_dataset", "get_weights"} & jobs.keys()


@pytest.mark.slow
def test_any_folder_of_photos_just_works(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "hndesc")
    photos = checkout.path("my photos")
    for number, name in enumerate(["a.jpg", "b/c.png", "b/d.JPEG"]):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / name)
    (photos / "copy.jpg").write_bytes((photos / "a.jpg").read_bytes())
    (photos / "broken.jpg").write_bytes((photos / "a.jpg").read_bytes()[:500])
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("photos: my photos\n")
    checkout.run("results/keypoints/training.h5", configfile=overlay)
    with FeatureReader(checkout.path("results/keypoints/training.h5")) as reader:
        assert sorted(reader.names()) == ["a.jpg", "b/c.png", "b/d.JPEG"] and not reader.failed
    table = checkout.path("results/photos/training/left_out.tsv").read_text().splitlines()
    assert [line.partition("\t")[0] for line in table] == ["path", "broken.jpg", "copy.jpg"]
