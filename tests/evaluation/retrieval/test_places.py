"""A retrieval set of real photos, made from folders of places, from photographs to mAP."""

from dataclasses import replace

import pytest

from hndesc.datasets.listing import list_images
from hndesc.datasets.places import make_places
from hndesc.evaluation.retrieval.revisited import score_retrieval
from hndesc.extraction.description import extract
from hndesc.io.images import find_images
from hndesc.retrieval.ranking import make_shortlist
from hndesc.retrieval.shortlist import read_shortlist, write_shortlist

SCENES = ("fountain-P11", "entry-P10")


@pytest.mark.slow
@pytest.mark.golden
def test_neighboring_views_of_two_scenes_come_first(shared, tmp_path):
    """Four neighboring photos of each scene among others, from the worst order on: re-ranking alone finds them."""
    for scene in SCENES:
        (tmp_path / "photos" / scene).mkdir(parents=True)
        images = shared / "data" / "strecha" / scene / "images"
        for name in find_images(images)[:4]:
            (tmp_path / "photos" / scene / name).symlink_to(images / name)
    (tmp_path / "others").mkdir()
    photos = shared / "data" / "photos"
    for number, name in enumerate(find_images(photos)[::60]):
        (tmp_path / "others" / f"{number}.jpg").symlink_to(photos / name)
    make_places(tmp_path / "photos", tmp_path / "set")
    make_shortlist(tmp_path / "set", tmp_path / "s.h5", descriptor="color_gradient", distractors=tmp_path / "others")
    ranked = read_shortlist(tmp_path / "s.h5")
    write_shortlist(tmp_path / "s.h5", replace(ranked, ranks=ranked.ranks[:, ::-1]))
    listed = list_images(tmp_path / "set", "retrieval", tmp_path / "others")
    extract(listed, tmp_path / "f.h5", "rootsift", max_keypoints=800, resize_max=640)
    paths = [tmp_path / name for name in ("f.h5", "s.h5", "out.txt", "out.json")]
    record = score_retrieval(tmp_path / "set", *paths, estimator="magsac")
    assert record["database"] == {"photos": 8, "distractors": len(find_images(tmp_path / "others"))}
    assert record["figures"]["queries"] == {"easy": 8, "medium": 8, "hard": 0}
    assert record["figures_before"]["mAP"]["easy"] < 0.3
    assert record["figures"]["mAP"]["easy"] > 0.95
