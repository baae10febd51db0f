"""The feature store: hloc's layout, resuming, damaged files, merging."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndesc.errors import HndescError
from hndesc.io.features import FeatureReader, Features, FeatureWriter, import_features, merge

SETTINGS = {"detector": {"name": "sift"}, "resize_max": None}


def make(count: int = 5, seed: int = 0, dim: int = 8) -> Features:
    rng = np.random.default_rng(seed)
    descriptors = rng.normal(size=(count, dim))
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    return Features(
        keypoints=rng.uniform(0, 40, (count, 2)).astype(np.float32),
        image_size=(40, 50),
        scores=rng.random(count, np.float32),
        descriptors=descriptors.astype(np.float32),
        extra={"sizes": rng.random(count, np.float32)},
    )


def assert_equal(a: Features, b: Features) -> None:
    assert a.image_size == b.image_size
    assert a.extra.keys() == b.extra.keys()
    for name in ("keypoints", "scores", "descriptors"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name in a.extra:
        np.testing.assert_array_equal(a.extra[name], b.extra[name])


def write(path, entries: dict[str, Features], failed: dict[str, str] | None = None, settings: dict = SETTINGS):
    with FeatureWriter(path, settings) as writer:
        for name, features in entries.items():
            writer.write(name, features)
        for name, reason in (failed or {}).items():
            writer.fail(name, reason)
    return path


def content(path) -> dict:
    """Everything in the file, for comparison."""
    found = {"/": dict(h5py.File(path).attrs)}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update(
                {name: (item[()].tobytes(), item.shape, item.dtype) if hasattr(item, "shape") else dict(item.attrs)}
            )
        )
    return found


def test_layout_is_hlocs(tmp_path):
    features = make()
    with h5py.File(write(tmp_path / "f.h5", {"db/1.jpg": features})) as file:
        group = file["db/1.jpg"]
        assert group["keypoints"].shape == (5, 2)
        assert group["keypoints"].dtype == np.float32
        assert group["descriptors"].shape == (8, 5)
        np.testing.assert_array_equal(group["descriptors"][:, 3], features.descriptors[3])
        assert group["scores"].shape == (5,)
        assert group["image_size"][()].tolist() == [40, 50]
        assert json.loads(file.attrs["settings"]) == SETTINGS


def test_round_trip(tmp_path):
    entries = {"a.jpg": make(3, 1), "sub/b.jpg": make(4, 2), "sub/deep/c.jpg": make(0, 3)}
    with FeatureReader(write(tmp_path / "f.h5", entries)) as reader:
        assert reader.names() == ["a.jpg", "sub/b.jpg", "sub/deep/c.jpg"]
        assert reader.settings == SETTINGS
        assert reader.failed == {}
        for name, features in entries.items():
            assert name in reader
            assert_equal(reader.read(name), features)


def test_names_that_look_like_datasets(tmp_path):
    names = ["descriptors", "keypoints/a.jpg", "scores/keypoints/b.jpg"]
    write(tmp_path / "f.h5", {name: make() for name in names[:2]}, {names[2]: "no"})
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert (reader.names(), reader.failed) == (names[:2], {names[2]: "no"})


def test_image_without_keypoints_is_legal(tmp_path):
    with FeatureReader(write(tmp_path / "f.h5", {"a.jpg": make(0)})) as reader:
        features = reader.read("a.jpg")
    assert features.keypoints.shape == (0, 2)
    assert features.descriptors.shape == (0, 8)
    assert features.scores.shape == features.extra["sizes"].shape == (0,)


def test_file_of_another_program(tmp_path):
    """The least that hloc writes: half-precision keypoints and descriptors."""
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["db/1.jpg/keypoints"] = np.array([[1, 2], [3, 4.5]], np.float16)
        file["db/1.jpg/descriptors"] = np.eye(2, dtype=np.float16)
    with FeatureReader(tmp_path / "f.h5") as reader:
        assert (reader.settings, reader.failed, reader.names()) == ({}, {}, ["db/1.jpg"])
        features = reader.read("db/1.jpg")
    assert features.keypoints.tolist() == [[1, 2], [3, 4.5]]
    assert features.scores.tolist() == [1, 1]
    assert features.image_size == (0, 0)


def test_take_selects_every_array():
    features = make(5)
    taken = features.take(np.array([4, 1]))
    assert len(taken) == 2
    for name in ("keypoints", "scores", "descriptors"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(features, name)[[4, 1]])
    np.testing.assert_array_equal(taken.extra["sizes"], features.extra["sizes"][[4, 1]])
    assert len(features.take(features.scores > 2)) == 0


@pytest.mark.parametrize("field", ["keypoints", "scores", "descriptors"])
def test_nan_is_refused_when_writing_and_when_reading(tmp_path, field):
    features = make()
    with FeatureWriter(tmp_path / "f.h5", {}) as writer:
        writer.write("good.jpg", features)
        getattr(features, field)[2] = np.nan
        with pytest.raises(HndescError, match=f"'bad.jpg' has non-finite {field}"):
            writer.write("bad.jpg", features)
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        file["good.jpg"][field][..., 0] = np.nan
    with FeatureReader(tmp_path / "f.h5") as reader, pytest.raises(HndescError, match=f"f.h5.*good.jpg.*{field}"):
        reader.read("good.jpg")
    assert "bad.jpg" not in FeatureReader(tmp_path / "f.h5")


@pytest.mark.parametrize("factor", [0, 0.5, 512])
def test_descriptors_that_are_not_of_length_1_are_refused(tmp_path, factor):
    path = write(tmp_path / "f.h5", {"a.jpg": make()})
    with h5py.File(path, "r+") as file:
        file["a.jpg/descriptors"][...] *= factor
    expected = "all zero" if factor == 0 else f"of length {factor}"
    with FeatureReader(path) as reader, pytest.raises(HndescError, match=f"f.h5: entry 'a.jpg' has .*{expected}"):
        reader.read("a.jpg")
    wrong = Features(**vars(make()) | {"descriptors": make().descriptors * factor})
    with FeatureWriter(path, {}) as writer, pytest.raises(HndescError, match=f"features of 'b.jpg' has .*{expected}"):
        writer.write("b.jpg", wrong)


@pytest.mark.parametrize("field", ["scores", "descriptors"])
def test_wrong_lengths_are_refused_when_writing_and_when_reading(tmp_path, field):
    path = write(tmp_path / "f.h5", {"a.jpg": make(5)})
    with h5py.File(path, "r+") as file:
        del file["a.jpg"][field]
        file["a.jpg"][field] = np.ones((8, 4) if field == "descriptors" else 4, np.float32)
    with FeatureReader(path) as reader, pytest.raises(HndescError, match=f"a.jpg.*5 keypoints but 4 {field}"):
        reader.read("a.jpg")
    short = make(5)
    short = Features(**vars(short) | {field: getattr(short, field)[:4]})
    with FeatureWriter(path, {}) as writer, pytest.raises(HndescError, match="make the file again"):
        writer.write("a.jpg", short)


def test_wrong_length_of_an_extra_is_refused(tmp_path):
    features = make(5)
    with FeatureWriter(tmp_path / "f.h5", {}) as writer, pytest.raises(HndescError, match="5 keypoints but 3 sizes"):
        writer.write("a.jpg", Features(**vars(features) | {"extra": {"sizes": np.ones(3)}}))


def in_views(count: int) -> Features:
    return replace(make(count), views=np.stack([make(count, seed).descriptors for seed in range(1, 5)]))


def test_further_views_are_read_as_they_were_written_and_taken_with_their_keypoints(tmp_path):
    features = in_views(5)
    with FeatureReader(write(tmp_path / "f.h5", {"a.jpg": features, "b.jpg": make(4)})) as reader:
        assert_equal(reader.read("a.jpg"), features)
        np.testing.assert_array_equal(reader.read("a.jpg").views, features.views)
        assert reader.read("a.jpg").extra.keys() == {"sizes"} and reader.read("b.jpg").views is None
    np.testing.assert_array_equal(features.take(np.array([4, 1])).views, features.views[:, [4, 1]])


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (np.ones((4, 3, 8)), r"views of shape \(4, 3, 8\) instead of 4 x 5 x 8"),
        (np.ones((5, 5, 8)), r"views of shape \(5, 5, 8\) instead of 4 x 5 x 8"),
        (np.ones((4, 40)), r"views of shape \(4, 40\) instead of 4 x 5 x 8"),
        (np.ones((4, 5, 8)), "further views, has a descriptor of length 2.83"),
        (np.full((4, 5, 8), np.nan), "has non-finite views"),
    ],
)
def test_broken_views_are_an_error(tmp_path, views, message):
    path = write(tmp_path / "f.h5", {"a.jpg": make(5)})
    with h5py.File(path, "a") as file:
        file["a.jpg/views"] = views.astype(np.float32)
    with FeatureReader(path) as reader, pytest.raises(HndescError, match=f"a.jpg.*{message}"):
        reader.read("a.jpg")


def test_keypoints_of_another_shape_are_an_error(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a.jpg/keypoints"] = np.zeros((4, 3))
    with FeatureReader(tmp_path / "f.h5") as reader, pytest.raises(HndescError, match=r"a\.jpg' is broken.*\(4, 3\)"):
        reader.read("a.jpg")


@pytest.mark.parametrize("keep", [0, 0.2, 0.9])
def test_file_cut_short_is_an_error_that_names_it(tmp_path, keep):
    path = write(tmp_path / "f.h5", {f"{index}.jpg": make(50) for index in range(5)})
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(HndescError, match=r"f\.h5: not a complete HDF5 file.*make it again"):
        FeatureReader(path)


def test_missing_file_and_entry(tmp_path):
    with pytest.raises(HndescError, match=r"f\.h5: no such feature file"):
        FeatureReader(tmp_path / "f.h5")
    with FeatureReader(write(tmp_path / "f.h5", {"a.jpg": make()}, {"c.jpg": "too dark"})) as reader:
        with pytest.raises(HndescError, match=r"f\.h5: no features of 'b.jpg' \(was it made from another"):
            reader.read("b.jpg")
        with pytest.raises(HndescError, match=r"no features of 'c.jpg' \(failed at extraction: too dark\)"):
            reader.read("c.jpg")


def test_nothing_under_the_final_name_before_the_end(tmp_path):
    with FeatureWriter(tmp_path / "f.h5", {}) as writer:
        writer.write("a.jpg", make())
        assert not (tmp_path / "f.h5").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["f.h5"]


def interrupt(path, settings: dict) -> None:
    with pytest.raises(KeyboardInterrupt), FeatureWriter(path, settings) as writer:
        writer.write("a.jpg", make(seed=1))
        writer.fail("b.jpg", "unreadable")
        raise KeyboardInterrupt


def test_interrupted_run_resumes_with_equal_settings(tmp_path):
    path = tmp_path / "f.h5"
    interrupt(path, {"k": 1})
    assert not path.exists()
    with FeatureWriter(path, {"k": 1}) as writer:
        assert "a.jpg" in writer
        assert "b.jpg" not in writer  # a failure is tried again
        writer.write("b.jpg", make(seed=2))
    with FeatureReader(path) as reader:
        assert_equal(reader.read("a.jpg"), make(seed=1))
        assert_equal(reader.read("b.jpg"), make(seed=2))
        assert reader.failed == {}


def test_interrupted_run_with_other_settings_starts_over(tmp_path, caplog):
    interrupt(tmp_path / "f.h5", {"k": 1})
    caplog.set_level("INFO")
    with FeatureWriter(tmp_path / "f.h5", {"k": 2}) as writer:
        assert "a.jpg" not in writer
    assert "f.h5.part was written with other settings" in caplog.text
    assert FeatureReader(tmp_path / "f.h5").settings == {"k": 2}


def test_half_an_entry_is_made_again(tmp_path):
    interrupt(tmp_path / "f.h5", {})
    with h5py.File(tmp_path / "f.h5.part", "r+") as file:
        del file["a.jpg"].attrs["complete"], file["a.jpg/scores"]
    with FeatureWriter(tmp_path / "f.h5", {}) as writer:
        assert "a.jpg" not in writer
        writer.write("a.jpg", make(4))
    assert len(FeatureReader(tmp_path / "f.h5").read("a.jpg")) == 4


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_damaged_partial_file_is_started_over(tmp_path, keep):
    interrupt(tmp_path / "f.h5", {})
    part = tmp_path / "f.h5.part"
    part.write_bytes(part.read_bytes()[: int(keep * part.stat().st_size)])
    with FeatureWriter(tmp_path / "f.h5", {}) as writer:
        assert "a.jpg" not in writer
        writer.write("a.jpg", make())
    assert FeatureReader(tmp_path / "f.h5").names() == ["a.jpg"]


def resumed(path, entries: dict[str, str] | None, source: str = "") -> list[str]:
    """Resume what was begun from a.jpg, b.jpg and c.jpg of the first kind; the entries that are kept."""
    first = {name: "first" for name in ("a.jpg", "sub/b.jpg", "c.jpg")}
    with pytest.raises(KeyboardInterrupt), FeatureWriter(path, {}, "k1.h5", first) as writer:
        for name in list(first)[:2]:
            writer.write(name, make())
        writer.fail("c.jpg", "no")
        raise KeyboardInterrupt
    with FeatureWriter(path, {}, source or "k1.h5", entries) as writer:
        kept = [name for name in first if name in writer]
    assert FeatureReader(path).failed == ({"c.jpg": "no"} if (entries or {}).get("c.jpg") == "first" else {})
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return kept


def test_entries_of_other_sources_are_made_again(tmp_path):
    path = tmp_path / "f.h5"
    assert resumed(path, {"a.jpg": "first", "sub/b.jpg": "first", "c.jpg": "first"}) == ["a.jpg", "sub/b.jpg"]
    assert resumed(path, {"a.jpg": "other", "sub/b.jpg": "first", "c.jpg": "first"}) == ["sub/b.jpg"]
    assert resumed(path, {"sub/b.jpg": "first"}) == ["sub/b.jpg"]
    assert resumed(path, {"a.jpg": "first", "sub/b.jpg": "first"}, "k2.h5") == []


@pytest.mark.parametrize("name", ["f.h5.part", "f.h5.part.json"])
def test_a_file_of_the_user_where_the_part_would_be_is_kept(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with (
        pytest.raises(HndescError, match=rf"{name}: exists and was not made by hndesc"),
        FeatureWriter(tmp_path / "f.h5", {}),
    ):
        pass
    assert (tmp_path / name).read_text() == "mine"


def test_sources_leave_no_trace_in_the_finished_file(tmp_path):
    for name, source in (("a.h5", "x 1"), ("b.h5", "another 2")):
        with FeatureWriter(tmp_path / name, SETTINGS, source, {"a.jpg": source}) as writer:
            writer.write("a.jpg", make())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_thousands_of_failures(tmp_path):
    failed = {f"folder/{index:05}.jpg": "broken or truncated image; replace or remove it" for index in range(3000)}
    with FeatureReader(write(tmp_path / "f.h5", {"a.jpg": make()}, failed)) as reader:
        assert reader.failed == failed
        assert reader.names() == ["a.jpg"]


def test_rewriting_replaces_a_failure_and_the_reverse(tmp_path):
    path = write(tmp_path / "f.h5", {"a.jpg": make()}, {"a.jpg": "on second thoughts"})
    with FeatureReader(path) as reader:
        assert (reader.names(), reader.failed) == ([], {"a.jpg": "on second thoughts"})


def test_same_input_same_bytes(tmp_path):
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name, {f"{index}.jpg": make(seed=index) for index in range(3)}, {"x.jpg": "no"})
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


@settings(max_examples=20, deadline=None)
@given(shards=st.integers(1, 7), order=st.randoms(use_true_random=False))
def test_merge_equals_a_single_write(tmp_path_factory, shards, order):
    folder = tmp_path_factory.mktemp("merge")
    entries = {f"{'night/' * (index % 2)}{index}.jpg": make(index, index) for index in range(7)}
    failed = {"bad.jpg": "too small", "night/bad.jpg": "gone"}
    names = [*entries, *failed]
    paths = []
    for shard in range(shards):
        mine = names[shard::shards]
        part = {name: entries[name] for name in mine if name in entries}
        paths.append(write(folder / f"{shard}.h5", part, {name: failed[name] for name in mine if name in failed}))
    order.shuffle(paths)
    merge(paths, folder / "merged.h5")
    assert content(folder / "merged.h5") == content(write(folder / "single.h5", entries, failed))


def test_merge_refuses_other_settings_and_twice_the_same_image(tmp_path):
    a = write(tmp_path / "a.h5", {"1.jpg": make()})
    b = write(tmp_path / "b.h5", {"2.jpg": make()}, settings=SETTINGS | {"detector": {"name": "sift", "border": 9}})
    c = write(tmp_path / "c.h5", {"1.jpg": make()})
    with pytest.raises(
        HndescError, match=r"b\.h5: made with other settings .* \(settings\.detector\.border is 9, there not set\)"
    ):
        merge([a, b], tmp_path / "out.h5")
    with pytest.raises(HndescError, match=r"c\.h5: '1.jpg' is already in another"):
        merge([a, c], tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def foreign(path, scale: float = 1.0, dtype=np.float32) -> None:
    """A file as hloc writes it: no settings, nested groups, descriptors D x N."""
    values = np.random.default_rng(0).normal(size=(8, 5))
    values *= scale / np.linalg.norm(values, axis=0)
    with h5py.File(path, "w") as file:
        for name in ("v_a/1.ppm", "v_a/2.ppm", "b.jpg"):
            group = file.create_group(name)
            group["keypoints"] = np.arange(10, dtype=np.float32).reshape(5, 2)
            group["descriptors"] = values.astype(dtype)
            group["scores"] = np.ones(5, dtype)


def test_features_of_another_program_stay_where_they_are(tmp_path):
    (tmp_path / "theirs").mkdir()
    foreign(tmp_path / "theirs/features.h5", dtype=np.float16)
    import_features(tmp_path / "theirs/features.h5", tmp_path / "results/a/theirs.h5")
    with FeatureReader(tmp_path / "results/a/theirs.h5") as reader:
        assert reader.names() == ["b.jpg", "v_a/1.ppm", "v_a/2.ppm"]
        assert reader.failed == {} and reader.reason("v_a/3.ppm") is None
        found = reader.read("v_a/2.ppm")
        assert reader.settings["imported"]["file"] == "features.h5"
        assert len(reader.settings["imported"]["sha256"]) == 64
    assert found.descriptors.shape == (5, 8) and found.keypoints.tolist()[1] == [2, 3]
    assert (tmp_path / "results/a/theirs.h5").stat().st_size < (tmp_path / "theirs/features.h5").stat().st_size


def test_features_that_cannot_be_imported(tmp_path):
    foreign(tmp_path / "long.h5", scale=512)
    with pytest.raises(HndescError, match=r"long\.h5: entry '.*' has a descriptor of length 512; scale each to length"):
        import_features(tmp_path / "long.h5", tmp_path / "out.h5")
    with h5py.File(tmp_path / "long.h5", "r+") as file:
        del file["v_a/1.ppm/descriptors"], file["b.jpg"], file["v_a/2.ppm"]
    with pytest.raises(HndescError, match=r"entry 'v_a/1\.ppm' has no dataset 'descriptors'"):
        import_features(tmp_path / "long.h5", tmp_path / "out.h5")
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(HndescError, match=r"empty\.h5: no group with keypoints"):
        import_features(tmp_path / "empty.h5", tmp_path / "out.h5")
    with pytest.raises(HndescError, match="no such feature file"):
        import_features(tmp_path / "absent.h5", tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_lengths_of_anothers_descriptors_are_checked_wherever_they_are_read(tmp_path):
    foreign(tmp_path / "theirs.h5")
    import_features(tmp_path / "theirs.h5", tmp_path / "linked.h5")
    with h5py.File(tmp_path / "theirs.h5", "r+") as file:
        file["v_a/1.ppm/descriptors"][:, 3] *= 2
        file["v_a/2.ppm/descriptors"][:, 3] = 0  # described as nothing, as SIFT does where all is flat
        del file["b.jpg/descriptors"]
    for path in (tmp_path / "theirs.h5", tmp_path / "linked.h5"):
        with FeatureReader(path) as reader:
            with pytest.raises(HndescError, match=rf"{path.name}: entry 'v_a/1\.ppm' has a descriptor of length 2;"):
                reader.read("v_a/1.ppm")
            assert len(reader.read("v_a/2.ppm")) == 5
            assert reader.read("b.jpg").descriptors is None
