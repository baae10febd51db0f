"""The description of a row: descriptor, keypoints, weights and license, from the settings in a feature file."""

import json

from hndesc.visualization.comparison import gather
from hndesc.visualization.origins import descriptor_styles, origin
from hndesc.visualization.style import COLORS

WEIGHTS = {"weights": "ab", "weights_file": "disk.pth", "license": "Apache 2.0"}
DISK = {"name": "disk", **WEIGHTS}


def test_own_and_others_keypoints():
    assert origin({"descriptor": DISK, "detector": DISK | {"max_keypoints": 2048}}) == (
        "DISK (disk.pth: Apache 2.0) at its own keypoints, at most 2048 per image"
    )
    assert origin({"descriptor": DISK, "detector": {"name": "sift", "max_keypoints": None}}) == (
        "DISK (disk.pth: Apache 2.0) at SIFT keypoints"
    )
    assert origin({"descriptor": {"name": "rootsift"}, "detector": {"name": "sift"}}) == (
        "RootSIFT at its own keypoints"
    )
    assert origin({"descriptor": {"name": "model"}, "detector": {"name": "sift"}, "views": True}) == (
        "model at SIFT keypoints, in several views"
    )


def test_another_file_than_published_says_so():
    rebuilt = {"name": "superpoint", **WEIGHTS, "rebuilt": True}
    text = origin({"descriptor": {"name": "model"}, "detector": rebuilt})
    assert text == "model at SuperPoint keypoints (disk.pth: rebuilt, not the published file; Apache 2.0)"


def test_features_of_other_programs():
    assert origin({"imported": {"file": "theirs.h5", "sha256": "ab"}}) == "features of theirs.h5"
    assert origin({}) == "" and origin(None) == "" and origin({"detector": "orb"}) == ""


def test_tables_have_a_line_a_descriptor(write_result):
    def change(record: dict) -> None:
        record["features"] = {"descriptor": DISK, "detector": DISK}

    paths = [write_result("hpatches", "disk", change=change), write_result("hpatches", "other")]
    (table,) = gather(paths, ["b", "b"], ["peer", "other"], ("trained", "untrained"))
    assert "peer: DISK (disk.pth: Apache 2.0) at its own keypoints." in table.remarks
    assert not any(remark.startswith("other:") for remark in table.remarks)
    assert json.loads(paths[1].read_text())["features"] == {}


def test_a_descriptor_has_one_color_wherever_others_are_left_out():
    order = ["trained", "untrained", "disk", "disk-at-sift"]
    disk = {"descriptor": DISK}
    everywhere = descriptor_styles(order, [None, None, disk, disk], order)
    assert [style["color"] for style in everywhere] == [COLORS[0], COLORS[1], COLORS[2], COLORS[2]]
    assert descriptor_styles(["trained", "disk"], [None, disk], order) == [everywhere[0], everywhere[2]]
    assert [style["color"] for style in descriptor_styles(["a", "a"], [None, {}])] == list(COLORS[:2])
