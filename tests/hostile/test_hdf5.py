"""HDF5 files that are malformed, huge, linked, locked or damaged: one named error each, or exactly what was stored."""

import json
import multiprocessing
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.extraction.description import describe_keypoints
from hndesc.io.features import FeatureReader, Features, FeatureWriter, import_features, merge
from hndesc.io.hdf5 import create_hdf5, make_group, write_array
from hndesc.io.images import write_image
from hndesc.localization.matches import MatchReader, MatchWriter
from hndesc.retrieval.global_features import read_global, stored_names
from hndesc.retrieval.inlier_counts import read_counts, write_counts
from hndesc.retrieval.shortlist import Shortlist, read_shortlist, write_shortlist
from hndesc.retrieval.whitening import Whitening, read_whitening, write_whitening
from tests.hostile.guard import outcome, refusal

COUNT, DIM = 5, 8
HUGE = (2**40, 2)
Change = Callable[[h5py.File], None]


def described(seed: int = 0) -> dict[str, np.ndarray]:
    """The datasets of an image, as other programs store them."""
    rng = np.random.default_rng(seed)
    descriptors = rng.normal(size=(DIM, COUNT))
    return {
        "keypoints": rng.uniform(0, 40, (COUNT, 2)).astype(np.float32),
        "scores": rng.random(COUNT, np.float32),
        "descriptors": (descriptors / np.linalg.norm(descriptors, axis=0)).astype(np.float32),
        "image_size": np.array([40, 50]),
    }


def write_foreign(path: Path, change: Change = lambda file: None) -> Path:
    """Write the features of a.jpg and sub/b.jpg as another program does, with a change."""
    with h5py.File(path, "w") as file:
        for name in ("a.jpg", "sub/b.jpg"):
            for key, values in described().items():
                file[f"{name}/{key}"] = values
        change(file)
    return path


def use_features(path: Path) -> tuple[list[str], list[Features]]:
    """Read all that a feature file has."""
    with FeatureReader(path) as reader:
        assert isinstance(reader.failed, dict) and isinstance(reader.settings, dict)
        return reader.names(), [reader.read(name) for name in ("a.jpg", "sub/b.jpg")]


def put(name: str, values: object, **options: object) -> Change:
    """Put a dataset in the place of one of a.jpg's."""

    def change(file: h5py.File) -> None:
        del file[f"a.jpg/{name}"]
        file["a.jpg"].create_dataset(name, data=values, **options)

    return change


def declare(name: str, shape: tuple[int, ...], dtype: str = "f4", **options: object) -> Change:
    """Declare a dataset of which nothing is stored."""

    def change(file: h5py.File) -> None:
        del file[f"a.jpg/{name}"]
        file["a.jpg"].create_dataset(name, shape, dtype, **options)

    return change


def put_item(name: str, item: object) -> Change:
    """Put a link, a type or a group in the place of one of a.jpg's datasets."""

    def change(file: h5py.File) -> None:
        del file[f"a.jpg/{name}"]
        file[f"a.jpg/{name}"] = item

    return change


def scaled(factor: float, row: slice = slice(None)) -> Change:
    def change(file: h5py.File) -> None:
        values = file["a.jpg/descriptors"][()]
        values[:, row] *= factor
        file["a.jpg/descriptors"][...] = values

    return change


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((COUNT, 2), "f4")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "keypoints", (COUNT, 2))
    del file["a.jpg/keypoints"]
    file["a.jpg"].create_virtual_dataset("keypoints", layout)


def packed(file: h5py.File) -> None:
    """Zeros, packed to a thousandth."""
    del file["a.jpg/keypoints"]
    made = file["a.jpg"].create_dataset("keypoints", (2**25, 2), "f4", chunks=(2**21, 2), compression="gzip")
    for start in range(0, 2**25, 2**21):
        made[start : start + 2**21] = np.zeros((2**21, 2), "f4")


def deep(file: h5py.File) -> None:
    group = file
    for _ in range(3000):
        group = group.create_group("g")


def wide_loops(file: h5py.File) -> None:
    """Groups with two names each, 2^40 paths in all."""
    group = file.create_group("loops")
    for _ in range(40):
        group["x"] = inner = file.create_group(None)
        group["y"] = inner
        group = inner


COMPOUND = np.zeros(COUNT, [("x", "f4"), ("y", "f4")])
DATASETS = {
    "keypoints compound": put("keypoints", COMPOUND),
    "keypoints text": put("keypoints", "many"),
    "keypoints texts": put("keypoints", ["a"] * COUNT),
    "keypoints bytes": put("keypoints", np.array([b"a", b"b"])),
    "keypoints complex": put("keypoints", np.zeros((COUNT, 2), np.complex64)),
    "keypoints opaque": put("keypoints", np.zeros((COUNT, 2), "V8")),
    "keypoints of any length": declare("keypoints", (COUNT,), h5py.vlen_dtype(np.float32)),
    "keypoints of arrays": declare("keypoints", (COUNT,), np.dtype("(2,)f4")),
    "keypoints references": declare("keypoints", (COUNT, 2), h5py.ref_dtype),
    "keypoints scalar": put("keypoints", 3.0),
    "keypoints 1-D": put("keypoints", np.zeros(COUNT)),
    "keypoints 3-D": put("keypoints", np.zeros((COUNT, 2, 1))),
    "keypoints of three": put("keypoints", np.zeros((COUNT, 3))),
    "keypoints too few": put("keypoints", np.zeros((COUNT - 1, 2))),
    "keypoints without a shape": put("keypoints", h5py.Empty("f4")),
    "keypoints infinite": put("keypoints", np.full((COUNT, 2), np.inf)),
    "keypoints beyond float32": put("keypoints", np.full((COUNT, 2), 1e300)),
    "keypoints huge": declare("keypoints", HUGE),
    "keypoints huge in pieces": declare("keypoints", HUGE, chunks=(2**16, 2)),
    "keypoints in countless pieces": declare("keypoints", (2**23, 2), chunks=(1, 1)),
    "keypoints in a huge piece": declare("keypoints", (COUNT, 2), chunks=(2**28, 2), maxshape=(None, 2)),
    "keypoints packed": packed,
    "keypoints beyond all numbers": declare("keypoints", (2**62, 2**40), chunks=(1, 2**20)),
    "keypoints elsewhere": declare("keypoints", (COUNT, 2), external=[("/dev/zero", 0, COUNT * 8)]),
    "keypoints virtual": virtual,
    "scores too many": put("scores", np.zeros(COUNT + 1)),
    "scores text": put("scores", "high"),
    "scores NaN": put("scores", np.full(COUNT, np.nan)),
    "scores huge": declare("scores", (2**40,)),
    "descriptors zero": scaled(0),
    "descriptors long": scaled(512),
    "one descriptor short": scaled(0.5, slice(1, 2)),
    "descriptors NaN": scaled(np.nan, slice(2, 3)),
    "descriptors infinite": scaled(np.inf),
    "descriptors of no dimension": put("descriptors", np.zeros((0, COUNT))),
    "descriptors 1-D": put("descriptors", np.ones(COUNT)),
    "descriptors scalar": put("descriptors", 1.0),
    "descriptors 3-D": put("descriptors", np.ones((DIM, COUNT, 1))),
    "descriptors transposed": put("descriptors", np.eye(COUNT, DIM)),
    "descriptors whole numbers": put("descriptors", np.full((DIM, COUNT), 9, np.uint8)),
    "descriptors huge": declare("descriptors", (2**40, COUNT)),
    "descriptors of no shape": put("descriptors", h5py.Empty("f4")),
    "size of three": put("image_size", [1, 2, 3]),
    "size scalar": put("image_size", 4),
    "size text": put("image_size", ["40", "50"]),
    "size negative": put("image_size", [-1, 50]),
    "size NaN": put("image_size", [np.nan, 50]),
    "size beyond all numbers": put("image_size", [1e300, 50]),
    "extra huge": lambda file: file["a.jpg"].create_dataset("sizes", (COUNT, 2**40), "f4", chunks=(COUNT, 2**10)),
    "extra NaN": lambda file: file["a.jpg"].create_dataset("sizes", data=np.full(COUNT, np.nan)),
}
LINKS = {
    "a soft link": h5py.SoftLink("/sub/b.jpg/keypoints"),
    "a loop of soft links": h5py.SoftLink("/a.jpg/keypoints"),
    "a link to another file": h5py.ExternalLink("elsewhere.h5", "keypoints"),
    "a link to a device": h5py.ExternalLink("/dev/zero", "keypoints"),
    "a type": np.dtype("f4"),
}
FILES = {
    "a link to the file itself": lambda file: file.__setitem__("loop", h5py.SoftLink("/")),
    "a dangling link": lambda file: file.__setitem__("loop", h5py.SoftLink("/nowhere")),
    "another file": lambda file: file.__setitem__("other", h5py.ExternalLink("elsewhere.h5", "/")),
    "a group within itself": lambda file: file.__setitem__("loop/again", file.create_group("loop")),
    "deep groups": deep,
    "groups of two names": wide_loops,
    "failed, a number": lambda file: file.create_group("c.jpg").attrs.__setitem__("failed", 3),
    "failed, no text": lambda file: file.create_group("c.jpg").attrs.__setitem__("failed", h5py.Empty("f4")),
    "failed, no UTF-8": lambda file: file.create_group("c.jpg").attrs.__setitem__("failed", np.bytes_(b"\xff")),
}
SETTINGS = {
    "no JSON": "{",
    "a list": "[]",
    "a text": '"x"',
    "a number": 3,
    "numbers": np.arange(4),
    "nothing": h5py.Empty("f4"),
    "no UTF-8": np.bytes_(b"\xff{}"),
    "deep": "[" * 50_000,
    "no number": '{"a": NaN}',
    "a number beyond all": '{"a": 1e999}',
    "a wrong size": '{"resize_max": "big"}',
    "a wrong import": '{"imported": "x"}',
}


def use_all(paths: list[Path]) -> list[str]:
    """Return what is said of each feature file: all in one limited process, which takes seconds to start."""
    return [told(use_features, path) for path in paths]


def told(use: Callable[[Path], object], path: Path) -> str:
    try:
        use(path)
    except HndescError as error:
        return str(error) if "\n" not in str(error) else "several lines"
    return "read without complaint"


def all_told(folder: Path, changes: dict[str, Change], part: str) -> None:
    """Make a file with each change: all are refused, by a line with `part` in it, and with the file's name."""
    paths = [write_foreign(folder / f"{number}.h5", change) for number, change in enumerate(changes.values())]
    messages = dict(zip(changes, outcome(use_all, paths), strict=True))
    wrong = {
        name: message
        for (name, message), path in zip(messages.items(), paths, strict=True)
        if part not in message or path.name not in message
    }
    assert not wrong


def test_malformed_datasets_are_named(tmp_path: Path) -> None:
    all_told(tmp_path, DATASETS, ": entry 'a.jpg'")


def test_malformed_orientations_are_named(tmp_path: Path) -> None:
    def holding(value: object) -> Change:
        return lambda file: file["a.jpg"].attrs.__setitem__("exif_orientation", value)

    values = [0, 9, -1, 2**40, 1.5, "6", [1, 2], h5py.Empty("i4"), np.nan, True]
    all_told(tmp_path, {str(value): holding(value) for value in values}, ": entry 'a.jpg'")


@pytest.mark.parametrize("kind", ["keypoints huge", "descriptors zero", "keypoints elsewhere"])
def test_malformed_datasets_are_not_imported(tmp_path: Path, kind: str) -> None:
    with pytest.raises(HndescError, match=r"f\.h5: entry 'a\.jpg'"):
        import_features(write_foreign(tmp_path / "f.h5", DATASETS[kind]), tmp_path / "out.h5")
    assert [file.name for file in tmp_path.iterdir()] == ["f.h5"]


@pytest.mark.parametrize("name", ["keypoints", "descriptors", "image_size"])
def test_links_in_an_entry_are_refused_by_name(tmp_path: Path, name: str) -> None:
    write_foreign(tmp_path / "elsewhere.h5")
    all_told(tmp_path, {kind: put_item(name, link) for kind, link in LINKS.items()}, name)


def test_malformed_files_are_named(tmp_path: Path) -> None:
    write_foreign(tmp_path / "elsewhere.h5")
    all_told(tmp_path, FILES, ": broken HDF5 file")


def test_settings_that_are_none_are_named(tmp_path: Path) -> None:
    def holding(value: object) -> Change:
        return lambda file: file.attrs.__setitem__("settings", value)

    all_told(tmp_path, {name: holding(value) for name, value in SETTINGS.items()}, "settings")


def test_groups_without_features_are_no_images(tmp_path: Path) -> None:
    def add(file: h5py.File) -> None:
        file.create_group("empty/within")
        file["number"] = 3
        file["a.jpg/keypoints_of_the_other"] = "text"

    names, features = use_features(write_foreign(tmp_path / "f.h5", add))
    assert names == ["a.jpg", "sub/b.jpg"] and features[0].extra == {}


def test_one_name_that_is_no_utf8_does_not_end_the_file(tmp_path: Path) -> None:
    def add(file: h5py.File) -> None:
        for key, values in described().items():
            file[b"\xff.jpg/" + key.encode()] = values

    path = write_foreign(tmp_path / "f.h5", add)
    with FeatureReader(path) as reader:
        assert reader.names() == ["a.jpg", "sub/b.jpg", "\udcff.jpg"]
        assert len(reader.read("\udcff.jpg")) == COUNT
    import_features(path, tmp_path / "out.h5")
    with FeatureReader(tmp_path / "out.h5") as reader:
        assert len(reader.read("\udcff.jpg")) == COUNT


GLOBAL = {
    "zero": np.zeros(DIM),
    "long": np.full(DIM, 3.0),
    "short": np.full(DIM, 0.1),
    "whole numbers": np.arange(DIM),
    "beyond float32": np.full(DIM, 1e300),
    "of no dimension": np.zeros(0),
    "a matrix": np.eye(DIM),
}


@pytest.mark.parametrize("kind", GLOBAL)
def test_global_descriptors_that_are_none(tmp_path: Path, kind: str) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a.jpg/global_descriptor"] = np.eye(1, DIM)[0]
        file["b.jpg/global_descriptor"] = GLOBAL[kind]
    with pytest.raises(HndescError, match=r"f\.h5: entry 'b.jpg' is broken \(a global descriptor"):
        read_global(tmp_path / "f.h5", ["a.jpg", "b.jpg"])


@pytest.mark.parametrize("keypoint", [(-500, 5), (5, 41 + 11), (1e30, 5)])
@pytest.mark.parametrize("size", ["known", "unknown"])
def test_keypoints_of_another_image_are_not_described(tmp_path: Path, keypoint: tuple, size: str) -> None:
    keypoints = described()["keypoints"]
    keypoints[2] = keypoint

    def change(file: h5py.File) -> None:
        put("keypoints", keypoints)(file)
        if size == "unknown":
            del file["a.jpg/image_size"]

    write_foreign(tmp_path / "f.h5", change)
    write_image(tmp_path / "a.jpg", np.zeros((50, 40, 3), np.uint8))
    photos = [ImageEntry("a.jpg", tmp_path / "a.jpg")]
    with pytest.raises(HndescError, match=r"f\.h5: 'a.jpg' has 1 of 5 keypoints outside its 40 x 50 pixels"):
        describe_keypoints(photos, tmp_path / "f.h5", tmp_path / "out.h5", "sift")


@pytest.mark.parametrize("kind", ["as it is", "halves", "a flat keypoint", "no keypoints"])
def test_sound_files_of_others_are_read(tmp_path: Path, kind: str) -> None:
    empty = {"keypoints": (0, 2), "scores": (0,), "descriptors": (DIM, 0)}
    changes = {
        "halves": put("descriptors", described()["descriptors"].astype(np.float16)),
        "a flat keypoint": scaled(0, slice(1, 2)),
        "no keypoints": lambda file: [put(name, np.zeros(shape, "f4"))(file) for name, shape in empty.items()],
    }
    path = write_foreign(tmp_path / "f.h5", changes.get(kind, lambda file: None))
    assert len(use_features(path)[1][0]) == (0 if kind == "no keypoints" else COUNT)
    import_features(path, tmp_path / "out.h5")
    assert len(use_features(tmp_path / "out.h5")[1][1]) == COUNT


def imported(folder: Path) -> Path:
    write_foreign(folder / "theirs.h5")
    import_features(folder / "theirs.h5", folder / "f.h5")
    return folder / "f.h5"


def test_an_imported_file_refers_to_nothing_but_the_file_that_was_imported(tmp_path: Path) -> None:
    path = imported(tmp_path)
    write_foreign(tmp_path / "elsewhere.h5")
    with h5py.File(path, "r+") as file:
        for key in list(file):
            del file[key]
            file[key] = h5py.ExternalLink("elsewhere.h5", key)
    assert "f.h5: its links lead to another file" in refusal(use_features, path)
    path = imported(tmp_path)
    with h5py.File(tmp_path / "theirs.h5", "r+") as file:
        del file["sub"]
        file["sub"] = h5py.ExternalLink("elsewhere.h5", "sub")
    assert "'sub' is a link" in refusal(use_features, path)
    (tmp_path / "theirs.h5").unlink()
    assert "theirs.h5: no such file" in refusal(use_features, path)
    os.mkfifo(tmp_path / "theirs.h5")
    assert "theirs.h5" in refusal(use_features, path)


WRITER = """
import sys, h5py
with h5py.File(sys.argv[1], "r+"):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_file_that_another_process_writes_is_locked_not_broken(tmp_path: Path) -> None:
    path = write_foreign(tmp_path / "f.h5")
    with pytest.raises(KeyboardInterrupt), FeatureWriter(tmp_path / "g.h5", {}) as writer:
        writer.write("a.jpg", own_features())
        raise KeyboardInterrupt
    for opened, use in ((path, FeatureReader), (tmp_path / "g.h5.part", lambda _: begin(tmp_path / "g.h5"))):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", WRITER, opened], **pipes) as run:
            assert run.stdout.readline() == b"open\n"
            with pytest.raises(HndescError, match=rf"{opened.name}: locked by another process.*HDF5_USE_FILE_LOCKING"):
                use(opened)
            run.stdin.close()
    with FeatureWriter(tmp_path / "g.h5", {}) as writer:
        assert "a.jpg" in writer


def killed_writer(path: Path) -> None:
    """Leave a file as a writer in HDF5's latest form does that is killed."""
    with h5py.File(path, "w", libver="latest") as file:
        file["a.jpg/keypoints"] = described()["keypoints"]
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_file_whose_writer_was_killed_is_called_so(tmp_path: Path) -> None:
    run = multiprocessing.get_context("spawn").Process(target=killed_writer, args=(tmp_path / "f.h5",))
    run.start()
    run.join()
    with pytest.raises(HndescError, match=r"f\.h5: another process writes it, or was killed.*h5clear"):
        FeatureReader(tmp_path / "f.h5")


def begin(path: Path) -> None:
    with FeatureWriter(path, {}):
        pass


def use_as_nobody(folder: Path) -> list[str]:
    """Read a file without permission to; the folders above it cannot be passed, so that its name is relative."""
    os.chdir(folder)
    if os.geteuid() == 0:
        os.seteuid(65534)
    return use_features(Path("f.h5"))[0]


def test_a_file_that_may_not_be_read_is_not_broken(tmp_path: Path) -> None:
    write_foreign(tmp_path / "f.h5").chmod(0)
    tmp_path.chmod(stat.S_IRWXU | stat.S_IXOTH)
    assert "f.h5: no permission to open it" in refusal(use_as_nobody, tmp_path)


@pytest.mark.parametrize("kind", ["a folder", "a FIFO", "a dangling link", "a text", "nothing in it"])
def test_what_is_no_file_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "f.h5"
    make = {
        "a folder": path.mkdir,
        "a FIFO": lambda: os.mkfifo(path),
        "a dangling link": lambda: path.symlink_to("nowhere"),
        "a text": lambda: path.write_text("features"),
        "nothing in it": path.touch,
    }
    make[kind]()
    assert all("f.h5" in message for message in outcome(use_each, path))


def use_each(path: Path) -> list[str]:
    uses = (use_features, use_matches, use_global, use_shortlist, use_whitening, use_counts)
    return [told(use, path) for use in uses]


def own_features(seed: int = 0) -> Features:
    values = described(seed)
    extra = {"angles": np.arange(COUNT, dtype=np.float32)}
    return Features(values["keypoints"], (40, 50), values["scores"], values["descriptors"].T, extra)


def write_features(path: Path) -> None:
    with FeatureWriter(path, {"detector": {"name": "sift"}, "resize_max": 640}) as writer:
        for seed, name in enumerate(("a.jpg", "sub/b.jpg")):
            writer.write(name, own_features(seed))
        writer.fail("c.jpg", "too dark")


def write_matches(path: Path) -> None:
    with MatchWriter(path, {"matcher": "x"}, {"c.jpg": "no"}) as writer:
        writer.write(("a.jpg", "sub/b.jpg"), np.array([1, -1, 0], np.int16), np.array([0.5, 0, 1], np.float16))


def write_global(path: Path) -> None:
    with create_hdf5(path) as file:
        file.attrs["settings"] = "{}"
        for name in ("a.jpg", "sub/b.jpg"):
            write_array(make_group(file, name), "global_descriptor", np.eye(1, 4, dtype=np.float32)[0])


def write_list(path: Path) -> None:
    write_shortlist(path, Shortlist(["q", "ç"], ["x", "y", "z"], np.array([[0, 2, 1], [1, -1, -1]])))


def write_white(path: Path) -> None:
    write_whitening(path, Whitening(np.arange(3.0), np.eye(3)[:, :2]))


def write_count(path: Path) -> None:
    write_counts(path, [0, 1], np.arange(6, dtype=np.int32).reshape(2, 3), {"top": 3})


def use_own_features(path: Path) -> str:
    with FeatureReader(path) as reader:
        values = [reader.read(name) for name in ("a.jpg", "sub/b.jpg")]
        return repr((values, reader.names(), reader.failed, reader.settings))


def use_matches(path: Path) -> str:
    with MatchReader(path) as reader:
        return repr((reader.read("a.jpg", "sub/b.jpg"), reader.read("sub/b.jpg", "a.jpg"), reader.missing))


def use_global(path: Path) -> str:
    return repr((stored_names(path), read_global(path, ["a.jpg", "sub/b.jpg"])))


def use_shortlist(path: Path) -> str:
    return repr(read_shortlist(path))


def use_whitening(path: Path) -> str:
    return repr(read_whitening(path))


def use_counts(path: Path) -> str:
    return repr(read_counts([path], (2, 3), {"top": 3}))


OURS = {
    "features": (write_features, use_own_features),
    "matches": (write_matches, use_matches),
    "global descriptors": (write_global, use_global),
    "shortlist": (write_list, use_shortlist),
    "whitening": (write_white, use_whitening),
    "inlier counts": (write_count, use_counts),
}


def use_damaged(use: Callable[[Path], str], path: Path, content: bytes, places: list[tuple[int, int]]) -> list[str]:
    """Return what a reader makes of each file with one byte changed: "refused", or what it read."""
    results = []
    for place, change in places:
        damaged = bytearray(content)
        damaged[place % len(content)] ^= change
        path.write_bytes(damaged)
        try:
            results.append(use(path))
        except HndescError as error:
            assert path.name in str(error) and "\n" not in str(error), error
            results.append("refused")
    return results


@pytest.mark.parametrize(("write", "use"), OURS.values(), ids=OURS)
def test_no_changed_byte_changes_what_is_read(tmp_path: Path, write: Callable, use: Callable) -> None:
    path = tmp_path / "f.h5"
    write(path)
    content, whole = path.read_bytes(), use(path)
    places = [(place, 1 << place % 8) for place in range(0, len(content), 1 + len(content) // 500)]
    results = outcome(use_damaged, use, tmp_path / "damaged.h5", content, places, seconds=20)
    assert {"refused"} <= set(results) <= {whole, "refused"}


def write_large_features(path: Path) -> None:
    with FeatureWriter(path, {}) as writer:
        for number in range(100):
            writer.write(str(number), own_features(number))


def write_large_matches(path: Path) -> None:
    with MatchWriter(path, {}, {}) as writer:
        for number in range(100):
            writer.write(("a", str(number)), np.arange(5000, dtype=np.int16), np.ones(5000, np.float16))


def write_large_counts(path: Path) -> None:
    write_counts(path, list(range(500)), np.arange(100_000, dtype=np.int32).reshape(500, 200), {"top": 200})


def write_with_limit(write: Callable[[Path], None], path: Path, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    write(path)


@pytest.mark.parametrize("limit", [500, 5000, 50_000])
@pytest.mark.parametrize("write", [write_large_features, write_large_matches, write_large_counts])
def test_a_file_that_cannot_grow_is_one_error(tmp_path: Path, write: Callable[[Path], None], limit: int) -> None:
    message = refusal(write_with_limit, write, tmp_path / "f.h5", limit)
    assert "f.h5: cannot be written" in message and "ulimit -f" in message
    assert not (tmp_path / "f.h5").exists()
    write(tmp_path / "f.h5")
    with h5py.File(tmp_path / "f.h5") as file:
        file.visititems(lambda _, item: item[()] if isinstance(item, h5py.Dataset) else None)
        assert len(file) > 0


@settings(max_examples=5, deadline=None, derandomize=True)
@given(places=st.lists(st.tuples(st.integers(0, 2**20), st.integers(1, 255)), min_size=20, max_size=20))
def test_features_with_any_changed_byte(tmp_path_factory, places: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    write_features(folder / "f.h5")
    whole = use_own_features(folder / "f.h5")
    content = (folder / "f.h5").read_bytes()
    results = outcome(use_damaged, use_own_features, folder / "damaged.h5", content, places)
    assert set(results) <= {whole, "refused"}


CUT = st.tuples(st.integers(0, 2**20), st.integers(0, 2**20), st.integers(0, 2**20), st.integers(0, 255))


@settings(max_examples=5, deadline=None, derandomize=True)
@given(cuts=st.lists(CUT, min_size=20, max_size=20))
def test_files_of_others_with_bytes_changed_moved_and_lost(tmp_path_factory, cuts: list) -> None:
    """They have no checksums: other values may be read, but they are numbers of the right form."""
    folder = tmp_path_factory.mktemp("damaged")
    content = write_foreign(folder / "f.h5").read_bytes()
    outcome(use_mutated, folder, content, cuts, seconds=4)


def use_mutated(folder: Path, content: bytes, cuts: list[tuple[int, int, int, int]]) -> None:
    for number, cut in enumerate(cuts):
        first, second, third = (place % len(content) for place in cut[:3])
        mutated = [
            content[:first],
            content[:first] + content[second : second + third] + content[first:],
            content[:first] + content[first + second % 64 :],
            content[:first] + bytes([cut[3]]) + content[first + 1 :],
        ][number % 4]
        (folder / "f.h5").write_bytes(mutated)
        try:
            read = use_features(folder / "f.h5")[1]
        except HndescError as error:
            assert "f.h5" in str(error) and "\n" not in str(error)
            continue
        for features in read:
            assert features.keypoints.shape == (len(features), 2) and np.isfinite(features.keypoints).all()
            assert features.descriptors is None or len(features.descriptors) == len(features)


def test_damage_is_called_damage_and_names_the_entry(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    write_features(path)
    stored = np.ascontiguousarray(own_features(1).descriptors.T).tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(stored) + 9] ^= 1
    path.write_bytes(content)
    with FeatureReader(path) as reader:
        reader.read("a.jpg")
        with pytest.raises(HndescError, match=r"f\.h5: entry 'sub/b\.jpg' is broken \(damaged: a checksum does not"):
            reader.read("sub/b.jpg")
    merge([path], tmp_path / "out.h5")  # which copies values as they are, and their checksums
    with FeatureReader(tmp_path / "out.h5") as reader, pytest.raises(HndescError, match=r"'sub/b\.jpg' is broken"):
        reader.read("sub/b.jpg")


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.attrs["settings"] = json.dumps({"detector": {"name": "sift"}, "resize_max": 640})
        for key, values in described().items():
            file[f"a.jpg/{key}"] = values
        file["a.jpg"].attrs["complete"] = True
        file.create_group("c.jpg").attrs["failed"] = "too dark"
    with FeatureReader(tmp_path / "f.h5") as reader:
        np.testing.assert_array_equal(reader.read("a.jpg").descriptors, described()["descriptors"].T)
        assert reader.failed == {"c.jpg": "too dark"} and reader.settings["resize_max"] == 640
