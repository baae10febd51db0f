"""An output file: links are followed; a folder, FIFO, socket or an input in its place is refused before any work."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import h5py
import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.datasets.image_set import ImageEntry
from hndesc.errors import HndescError
from hndesc.evaluation.hpatches import evaluate as hpatches
from hndesc.extraction import description, detection, extractor, pair_export, steerer
from hndesc.io.features import Features, FeatureWriter, import_features, merge
from hndesc.io.files import atomic_path, check_output_file, check_output_files, write_json, write_text
from hndesc.io.images import write_image
from hndesc.io.resumable_hdf5 import partial_path
from hndesc.localization.matches import MatchWriter, gather_matches
from hndesc.models import onnx_export, reduction, release
from hndesc.models.checkpoint import save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.retrieval import global_features, ranking
from hndesc.retrieval.inlier_counts import write_counts
from hndesc.retrieval.neighbor_table import write_neighbors
from hndesc.retrieval.shortlist import Shortlist, write_shortlist
from hndesc.visualization.style import figure

from .guard import refusal

NOTHING = np.zeros((0, 2), np.float32)


def draw(path: Path) -> None:
    with figure(path, 1, 1):
        pass


def write_features(path: Path) -> None:
    with FeatureWriter(path, {}) as writer:
        writer.write("a.png", Features(NOTHING, (4, 4), NOTHING[:, 0]))


def write_matches(path: Path) -> None:
    with MatchWriter(path, {}, {}) as writer:
        writer.write(("a", "b"), np.zeros(1, np.int16), np.zeros(1, np.float16))


# Suffix and writer of each kind of file.
WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "text": (".txt", lambda path: write_text(path, "new")),
    "json": (".json", lambda path: write_json(path, {})),
    "image": (".png", lambda path: write_image(path, np.zeros((2, 2, 3), np.uint8))),
    "figure": (".svg", draw),
    "features": (".h5", write_features),
    "matches": (".h5", write_matches),
    "counts": (".h5", lambda path: write_counts(path, [0], np.zeros((1, 1), np.int32), {})),
    "shortlist": (".h5", lambda path: write_shortlist(path, Shortlist(["q"], ["d"], np.zeros((1, 1), np.int32), {}))),
    "neighbors": (".tsv", lambda path: write_neighbors(path, [("a", "b", 1.0)])),
    "checkpoint": (".safetensors", lambda path: save_checkpoint(path, build_model("lite", "random", seed=1), {})),
}


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest) -> tuple[str, Callable[[Path], object]]:
    return WRITERS[request.param]


@pytest.fixture
def opened() -> Iterator[Callable[[Path], IO[bytes]]]:
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(path.open("rb"))


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(writer, there: bool, tmp_path: Path, opened: Callable[[Path], IO[bytes]]) -> None:
    suffix, write = writer
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / f"file{suffix}", tmp_path / f"link{suffix}"
    if there:
        write(target)
        held = opened(target)  # the file system cannot give its inode to the next file
        found = os.fstat(held.fileno()).st_ino
        target.with_suffix(".json").unlink(missing_ok=True)  # the card of a checkpoint
    link.symlink_to(target)
    write(link)
    assert link.is_symlink() and not target.is_symlink() and target.stat().st_size > 0
    assert not there or target.stat().st_ino != found
    beside = {"link.json"} if suffix == ".safetensors" else set()
    assert {path.name for path in tmp_path.iterdir()} == {"far", link.name} | beside
    assert os.listdir(tmp_path / "far") == [target.name]


@pytest.mark.parametrize("obstacle", ["folder", "link to folder", "fifo", "link to fifo", "socket", "loop", "parent"])
def test_anything_else_is_refused_by_name(writer, obstacle: str, tmp_path: Path, monkeypatch) -> None:
    suffix, write = writer
    path = real = tmp_path / f"out{suffix}"
    if obstacle.startswith("link"):
        real = tmp_path / "real"
        path.symlink_to(real)
    if "folder" in obstacle:
        real.mkdir()
    elif "fifo" in obstacle:
        os.mkfifo(real)
    elif obstacle == "socket":
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    elif obstacle == "loop":
        path.symlink_to(path)
    else:
        path.write_text("a file")
        path = path / f"x{suffix}"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HndescError, match=path.name) as refused:
        write(path)
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.h5.part")
    os.mkfifo(tmp_path / "fifo.h5")
    for name in ("out.h5", "fifo.h5"):
        assert "a FIFO, socket or device exists under the name" in refusal(write_features, tmp_path / name)


@pytest.mark.parametrize("name", ["x" * 252 + ".txt", "x" * 300])
def test_a_name_that_is_too_long(name: str, tmp_path: Path) -> None:
    assert "cannot be written" in refusal(write_text, tmp_path / name, "text")


def test_no_permission(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # tests may run as root
    with pytest.raises(HndescError, match="no permission to write in"):
        check_output_file(tmp_path / "new" / "out.txt")


def test_two_outputs_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(HndescError, match="named for two outputs"):
        check_output_files([tmp_path / "a", None, tmp_path / "link"])


@pytest.mark.parametrize("content", ["text", "hdf5", "link"])
def test_a_part_file_that_is_not_ours_is_spared(content: str, tmp_path: Path) -> None:
    part = partial_path(tmp_path / "out.h5")
    if content == "text":
        part.write_text("my notes")
    elif content == "hdf5":
        with h5py.File(part, "w") as file:
            file["mine"] = [1, 2]
    else:
        write_features(tmp_path / "mine.h5")
        part.symlink_to(tmp_path / "mine.h5")
    before = part.read_bytes()
    for write in (write_features, write_matches):
        with pytest.raises(HndescError, match=r"out\.h5\.part: exists and was not made by hndesc"):
            write(tmp_path / "out.h5")
    assert part.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n cut short"])
def test_what_a_kill_left_of_a_part_file_is_replaced(content: bytes, tmp_path: Path) -> None:
    partial_path(tmp_path / "out.h5").write_bytes(content)
    write_features(tmp_path / "out.h5")
    assert os.listdir(tmp_path) == ["out.h5"]


def begun(*_: object, **__: object) -> None:
    raise AssertionError("the work has begun")


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what a step does first fail the test."""
    for module, names in (
        (detection, ("load_detector",)),
        (description, ("load_descriptor",)),
        (extractor, ("load_detector", "load_descriptor")),
        (global_features, ("load_global_descriptor",)),
        (reduction, ("load_checkpoint",)),
        (steerer, ("load_checkpoint",)),
        (release, ("load_checkpoint",)),
        (onnx_export, ("load_checkpoint",)),
        (pair_export, ("load_pair",)),
        (ranking, ("describe_globally",)),
        (hpatches, ("DescribedImages",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, begun)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with an input of each kind."""
    save_checkpoint(tmp_path / "model.safetensors", build_model("lite", "random", seed=1), {})
    write_features(tmp_path / "keypoints.h5")
    write_image(tmp_path / "set" / "v_a" / "1.png", np.zeros((4, 4, 3), np.uint8))
    write_image(tmp_path / "set" / "v_a" / "2.png", np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "set" / "v_a" / "H_1_2").write_text("1 0 0 0 1 0 0 0 1")
    for name in ("model.onnx", "model.pt"):
        (tmp_path / name).symlink_to(tmp_path / "model.safetensors")
    (tmp_path / "about.yaml").write_text("{}")
    (tmp_path / "mine.json").write_text('{"mine": 1}')
    return tmp_path


PHOTO = "set/v_a/1.png"
SCORE = "score hpatches set keypoints.h5 --output"
COMMANDS = [
    "extract set keypoints.h5 --keypoints keypoints.h5",
    f"extract set {PHOTO}",
    "extract set model.safetensors --model model.safetensors",
    "extract set model.safetensors --detector xfeat --detector-weights model.safetensors",
    "extract set set",
    "extract set about.yaml/out.h5",
    f"match {PHOTO} {PHOTO} --output {PHOTO}",
    f"match {PHOTO} {PHOTO} --output set",
    "export-onnx model.safetensors model.onnx",
    "export-onnx model.safetensors model.onnx --detector hndesc",
    "export-torchscript model.safetensors model.pt",
    "reduce-dimensions model.safetensors keypoints.h5 model.safetensors",
    "reduce-dimensions model.safetensors keypoints.h5 mine.safetensors",
    "fit-steerer model.safetensors set model.safetensors",
    "fit-steerer model.safetensors set mine.safetensors",
    f"{SCORE} keypoints.h5",
    f"{SCORE} new.txt --json keypoints.h5",
    f"{SCORE} new.txt --csv {PHOTO}",
    f"{SCORE} set/v_a/H_1_2",
    f"{SCORE} set",
    f"{SCORE} new.txt --json new.txt",
    "release model.safetensors model --about about.yaml --scores mine.json --pages about.yaml",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_before_the_work(command: str, files: Path, no_work, monkeypatch, capsys) -> None:
    monkeypatch.chdir(files)
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    assert ended.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and " ERROR " in lines[0] and "unexpected" not in lines[0]
    assert {path: path.read_bytes() for path in files.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "step",
    [
        lambda path: merge([path], path),
        lambda path: gather_matches([path], path),
        lambda path: import_features(path, path),
        lambda path: global_features.describe_globally([ImageEntry("a", path)], path),
    ],
)
def test_a_step_does_not_write_onto_its_input(step: Callable[[Path], object], files: Path, no_work) -> None:
    before = (files / "keypoints.h5").read_bytes()
    with pytest.raises(HndescError, match="destroy the input"):
        step(files / "keypoints.h5")
    assert (files / "keypoints.h5").read_bytes() == before


@pytest.mark.parametrize("output", ["list.tsv", "shortlist.h5"])
def test_descriptors_beside_an_output_that_are_not_ours_are_spared(output: str, files: Path, no_work) -> None:
    notes = files / f"{output}.descriptors"
    notes.write_text("mine")
    step = ranking.find_neighbors if output == "list.tsv" else ranking.learn_whitening
    with pytest.raises(HndescError, match="descriptors: exists and was not made by hndesc"):
        step(files / "set", files / output)
    assert notes.read_text() == "mine"


def test_an_earlier_output_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("old")
    with atomic_path(tmp_path / "out.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "out.txt").read_text() == "new"
