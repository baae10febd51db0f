import logging
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features
from hndesc.localization import matches as module
from hndesc.localization.matches import MatchReader, gather_matches, match_listed, match_pairs
from tests.fixtures.synthetic import Synthetic, write_features


def copy_features(scene: Synthetic, output: Path, leave_out: str, failed: dict[str, str] | None = None) -> Path:
    with FeatureReader(scene.features) as reader:
        write_features(output, {name: reader.read(name) for name in reader.names() if name != leave_out}, failed)
    return output


def test_matches_are_the_points_that_both_images_show(exact: Synthetic, tmp_path: Path) -> None:
    match_pairs(exact.root, exact.features, tmp_path / "matches.h5", threads=2)
    with MatchReader(tmp_path / "matches.h5") as reader:
        rows = reader.read("query/day/cam/d0.jpg", "db/7.jpg")
        assert len(rows) == 200 and rows.dtype == np.int64
        assert (exact.seen["query/day/cam/d0.jpg"][rows[:, 0]] == exact.seen["db/7.jpg"][rows[:, 1]]).all()
        assert (reader.read("db/7.jpg", "query/day/cam/d0.jpg") == rows[:, ::-1]).all()
        assert reader.read("query/day/cam/d0.jpg", "db/0.jpg") is None
        assert reader.settings == {"matcher": "mutual_nearest", "features": {"detector": "exact"}}


def test_a_ratio_drops_keypoints_with_a_twin(exact: Synthetic, tmp_path: Path) -> None:
    with FeatureReader(exact.features) as reader:
        rows = np.concatenate([np.arange(200), np.arange(30)])
        write_features(tmp_path / "twins.h5", {name: reader.read(name).take(rows) for name in reader.names()})
    counts = {}
    for name, ratio in (("all", None), ("clear", 0.9)):
        match_pairs(exact.root, tmp_path / "twins.h5", tmp_path / f"{name}.h5", ratio=ratio)
        with MatchReader(tmp_path / f"{name}.h5") as reader:
            counts[name] = len(reader.read("query/day/cam/d0.jpg", "db/7.jpg"))
            assert reader.settings.get("ratio") == ratio
    assert counts["all"] == 200 and 140 <= counts["clear"] <= 170


def test_images_described_in_several_views_are_matched_in_the_best_pair(exact: Synthetic, tmp_path: Path) -> None:
    first, second = "query/day/cam/d0.jpg", "db/7.jpg"
    noise = np.random.default_rng(0).normal(size=(4, 200, 32)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=2, keepdims=True)
    with FeatureReader(exact.features) as reader:
        features = {name: replace(reader.read(name), views=noise) for name in (first, second)}
    # The second image agrees with the first in its third view alone, as if turned by 180 degrees.
    turned = features[second]
    views = np.stack([*noise[:1], turned.descriptors, *noise[1:3]])
    features[second] = replace(turned, descriptors=noise[3], views=views)
    write_features(tmp_path / "views.h5", features)
    write_features(tmp_path / "one.h5", {name: replace(one, views=None) for name, one in features.items()})
    right = {}
    for name in ("views", "one"):
        match_listed([(first, second)], tmp_path / f"{name}.h5", tmp_path / f"{name}-matches.h5", place="two")
        with MatchReader(tmp_path / f"{name}-matches.h5") as reader:
            rows = reader.read(first, second)
        right[name] = int((exact.seen[first][rows[:, 0]] == exact.seen[second][rows[:, 1]]).sum())
    assert right["views"] == 200 and right["one"] < 10


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_the_file(exact: Synthetic, tmp_path: Path, request, threads: int) -> None:
    match_pairs(exact.root, exact.features, tmp_path / "one.h5")
    request.getfixturevalue("helpers_only")
    match_pairs(exact.root, exact.features, tmp_path / "many.h5", threads=threads)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "many.h5").read_bytes()


def test_the_file_has_the_layout_of_hloc(make, tmp_path: Path) -> None:
    scene = make(keypoints=150)
    match_pairs(scene.root, scene.features, tmp_path / "matches.h5")
    with h5py.File(tmp_path / "matches.h5") as file:
        group = file["db-0.jpg"]["db-1.jpg"]
        matches, scores = group["matches0"][()], group["matching_scores0"][()]
        assert sorted(file.attrs) == ["missing", "settings"]
    assert matches.shape == scores.shape == (150,) and matches.dtype == np.int16
    true = matches >= 0
    true[true] = scene.seen["db/0.jpg"][true] == scene.seen["db/1.jpg"][matches[true]]
    assert 100 <= true.sum() < 150 and (matches == -1).any()
    assert np.allclose(scores[true], 1, atol=1e-3) and (scores[matches == -1] == 0).all()


def test_every_unordered_pair_once(make, tmp_path: Path) -> None:
    scene = make()
    (tmp_path / "pairs.txt").write_text("db/0.jpg db/1.jpg\ndb/1.jpg db/0.jpg\ndb/0.jpg db/1.jpg\n")
    match_pairs(scene.root, scene.features, tmp_path / "matches.h5", pairs=tmp_path / "pairs.txt")
    with h5py.File(tmp_path / "matches.h5") as file:
        assert list(file) == ["db-0.jpg"] and list(file["db-0.jpg"]) == ["db-1.jpg"]


def test_images_without_features_are_skipped_by_name(make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = make()
    name = "query/night/cam/n2.jpg"
    features = copy_features(scene, tmp_path / "features.h5", name, {name: "truncated image"})
    match_pairs(scene.root, features, tmp_path / "matches.h5")
    assert f"no features of '{name}' (truncated image)" in caplog.text
    with MatchReader(tmp_path / "matches.h5") as reader:
        assert reader.missing == {name: "truncated image"}
        assert reader.read(name, "db/7.jpg") is None
        assert reader.read("query/night/cam/n1.jpg", "db/7.jpg") is not None


def test_features_of_another_dataset_are_an_error(exact: Synthetic, tmp_path: Path) -> None:
    entry = Features(np.zeros((1, 2), np.float32), (4, 4), np.ones(1, np.float32), np.full((1, 4), 0.5, np.float32))
    write_features(tmp_path / "features.h5", {"other.jpg": entry})
    with pytest.raises(HndescError, match=r"features.h5: has features of no image of .*scene"):
        match_pairs(exact.root, tmp_path / "features.h5", tmp_path / "matches.h5")


def test_keypoints_without_descriptors_are_an_error(exact: Synthetic, tmp_path: Path) -> None:
    entry = Features(np.zeros((1, 2), np.float32), (4, 4), np.ones(1, np.float32))
    write_features(tmp_path / "features.h5", {f"db/{i}.jpg": entry for i in range(8)})
    with pytest.raises(HndescError, match=r"features.h5: 'db/0.jpg' has keypoints without descriptors"):
        match_pairs(exact.root, tmp_path / "features.h5", tmp_path / "matches.h5")
    assert not (tmp_path / "matches.h5").exists()


def test_an_image_without_keypoints_has_empty_matches(make, tmp_path: Path) -> None:
    scene = make()
    with FeatureReader(scene.features) as reader:
        entries = {name: reader.read(name) for name in reader.names()}
    entries["db/7.jpg"] = entries["db/7.jpg"].take(np.arange(0))
    write_features(tmp_path / "features.h5", entries)
    match_pairs(scene.root, tmp_path / "features.h5", tmp_path / "matches.h5")
    with MatchReader(tmp_path / "matches.h5") as reader:
        assert reader.read("query/day/cam/d0.jpg", "db/7.jpg").shape == (0, 2)
        assert reader.read("db/7.jpg", "db/0.jpg").shape == (0, 2)


def interrupt_after(monkeypatch: pytest.MonkeyPatch, batches: int) -> list[int]:
    """Make matching in batches of ten stop after some; return a list that counts the pairs matched."""
    count = [0]
    original = module._match_loaded

    def counted(*pair):
        count[0] += 1
        if count[0] > 10 * batches:
            raise KeyboardInterrupt
        return original(*pair)

    monkeypatch.setattr(module, "_BATCH", 10)
    monkeypatch.setattr(module, "_match_loaded", counted)
    return count


def test_an_interrupted_run_resumes_with_the_missing_pairs(
    exact: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    match_pairs(exact.root, exact.features, tmp_path / "whole.h5")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            match_pairs(exact.root, exact.features, tmp_path / "matches.h5")
    assert not (tmp_path / "matches.h5").exists()
    with monkeypatch.context() as patch:
        count = interrupt_after(patch, 100)
        match_pairs(exact.root, exact.features, tmp_path / "matches.h5")
    assert count[0] == 63 - 30
    assert "30 of 63 pairs were matched before" in caplog.text
    with h5py.File(tmp_path / "whole.h5") as whole, h5py.File(tmp_path / "matches.h5") as resumed:
        names: list[str] = []
        whole.visit(names.append)
        compared = [name for name in names if isinstance(whole[name], h5py.Dataset)]
        assert len(compared) == 2 * 63
        assert all((whole[name][()] == resumed[name][()]).all() for name in compared)
        assert dict(whole.attrs) == dict(resumed.attrs)


def test_a_killed_run_resumes_with_the_missing_pairs(
    exact: Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from hndesc.localization import matches
original, count = matches._match_loaded, [0]
def killed(*pair):
    count[0] += 1
    if count[0] > 35:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*pair)
matches._match_loaded, matches._BATCH = killed, 10
matches.match_pairs(*map(Path, sys.argv[1:]))
"""
    paths = [exact.root, exact.features, tmp_path / "matches.h5"]
    done = subprocess.run([sys.executable, "-c", code, *map(str, paths)], capture_output=True)
    assert done.returncode == -signal.SIGKILL and not paths[-1].exists()
    count = interrupt_after(monkeypatch, 100)
    match_pairs(*paths)
    assert count[0] == 63 - 30
    with MatchReader(paths[-1]) as reader, h5py.File(paths[-1]) as file:
        assert sum(len(file[first]) for first in file) == 63
        assert len(reader.read("query/night/cam/n2.jpg", "db/7.jpg")) == 200


def test_other_features_start_over(exact: Synthetic, make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        interrupt_after(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            match_pairs(exact.root, exact.features, tmp_path / "matches.h5")
    other = make(seed=1)
    count = interrupt_after(monkeypatch, 100)
    match_pairs(other.root, other.features, tmp_path / "matches.h5")
    assert count[0] == 63


def test_a_part_cut_short_is_made_again(exact: Synthetic, tmp_path: Path) -> None:
    (tmp_path / "matches.h5.part").write_bytes(b"\x89HDF\r\n\x1a\n cut")
    match_pairs(exact.root, exact.features, tmp_path / "matches.h5")
    with MatchReader(tmp_path / "matches.h5") as reader:
        assert len(reader.read("db/0.jpg", "db/1.jpg")) == 200


def test_broken_match_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"none.h5: no such match file"):
        MatchReader(tmp_path / "none.h5")
    (tmp_path / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(HndescError, match=r"cut.h5: not a complete HDF5 file"):
        MatchReader(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("a/b")
    with (
        MatchReader(tmp_path / "other.h5") as reader,
        pytest.raises(HndescError, match=r"other.h5: pair 'a/b' is broken"),
    ):
        reader.read("a", "b")


def test_names_that_fall_together_in_the_file_are_an_error(make, tmp_path: Path) -> None:
    scene = make()
    for path in (scene.root / "3D-models" / "aachen_v_1_1").iterdir():
        path.write_text(path.read_text().replace("db/1.jpg", "db-0.jpg"))
    (tmp_path / "pairs.txt").write_text("db/0.jpg db/2.jpg\ndb-0.jpg db/2.jpg\n")
    with FeatureReader(scene.features) as reader:
        entry = reader.read("db/0.jpg")
    write_features(tmp_path / "features.h5", dict.fromkeys(["db/0.jpg", "db-0.jpg", "db/2.jpg"], entry))
    with pytest.raises(HndescError, match="names differ in '/' and '-' only"):
        match_pairs(scene.root, tmp_path / "features.h5", tmp_path / "matches.h5", pairs=tmp_path / "pairs.txt")


def content(path: Path) -> dict:
    """Everything a file tells, whatever the order in which it was written."""
    found: dict = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        value = item[()].tolist() if isinstance(item, h5py.Dataset) else None
        found[name] = (getattr(item, "dtype", None), value, dict(item.attrs))

    with h5py.File(path) as file:
        file.visititems(visit)
        found[""] = dict(file.attrs)
    return found


@pytest.fixture(scope="session")
def sharded(exact: Synthetic, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[Path]]:
    """The match files of all parts, by how many parts there are; night query 2 has no features."""
    folder = tmp_path_factory.mktemp("shards")
    features = copy_features(exact, folder / "features.h5", "query/night/cam/n2.jpg", {"query/night/cam/n2.jpg": "cut"})
    files = {count: [folder / f"{part}-of-{count}.h5" for part in range(1, count + 1)] for count in (1, 2, 7, 80)}
    for paths in files.values():
        for path in paths:
            match_pairs(exact.root, features, path, part=path.stem)
    match_pairs(exact.root, features, folder / "whole.h5")
    return files | {0: [folder / "whole.h5"]}


@settings(max_examples=15, deadline=None)
@given(count=st.sampled_from([1, 2, 7, 80]), order=st.randoms(use_true_random=False))
def test_shards_gather_to_the_whole_in_any_order(
    sharded: dict[int, list[Path]], tmp_path_factory: pytest.TempPathFactory, count: int, order
) -> None:
    output = tmp_path_factory.mktemp("gathered") / "matches.h5"
    shards = list(sharded[count])
    order.shuffle(shards)
    gather_matches(shards, output)
    assert content(output) == content(sharded[0][0])


def test_a_shard_twice_or_of_other_features_is_an_error(
    sharded: dict[int, list[Path]], exact: Synthetic, tmp_path: Path
) -> None:
    first, second = sharded[2]
    with pytest.raises(HndescError, match=r"1-of-2\.h5: '.*' is already in another of the merged files"):
        gather_matches([first, second, first], tmp_path / "matches.h5")
    match_pairs(exact.root, exact.features, tmp_path / "2-of-2.h5", part="2-of-2")
    with pytest.raises(HndescError, match=r"2-of-2\.h5: made with other settings"):
        gather_matches([first, tmp_path / "2-of-2.h5"], tmp_path / "matches.h5")
    assert not (tmp_path / "matches.h5").exists()
