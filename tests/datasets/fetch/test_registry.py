"""The registry as it is bundled, users' own entries, and datasets that arrive by it."""

import hashlib
import io
import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndesc.cli.main import main
from hndesc.datasets.fetch import install
from hndesc.datasets.fetch.download import RetryPolicy
from hndesc.datasets.fetch.install import get_dataset, list_datasets
from hndesc.datasets.fetch.registry import read_registry
from hndesc.datasets.fetch.verify import verify_layout
from hndesc.datasets.localization.posed import COLUMNS
from hndesc.errors import HndescError
from hndesc.io.owned_folders import open_part_folder
from tests.datasets.fetch.server import Server, serving
from tests.datasets.fetch.tiny_archives import tarred, zipped

QUICK = RetryPolicy(tries=2, backoff=0, timeout=5)
REQUIRED = {
    *("hpatches-sequences-release", "roxford5k", "rparis6k", "revisitop1m", "megadepth", "aachen-v1.1", "tokyo247"),
    *("hndesc-training", "hndesc-weights", "hndesc-retrieval", "hndesc-aachen"),
    *("superpoint_v1.pth", "superpoint_v6_from_tf.pth", "r2d2_WASF_N16.pt", "resnet50-0676ba61.pth"),
}


def photo(seed: int, size: int = 16) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PPM")
    return stream.getvalue()


def sequences(*names: str) -> dict[str, bytes]:
    files = {f"top/{name}/{k}.ppm": photo(k) for name in names for k in range(1, 7)}
    return files | {f"top/{name}/H_1_{k}": b"1 0 0\n0 1 0\n0 0 1\n" for name in names for k in range(2, 7)}


WHOLE = zipped(sequences("v_a", "i_b"))
WEIGHTS = zipped({"archive/data.pkl": b"N."})
GAPS = {
    "a sequence": zipped(sequences("v_a")),
    "an image": zipped({name: body for name, body in sequences("v_a", "i_b").items() if name != "top/i_b/4.ppm"}),
    "a homography": zipped({name: body for name, body in sequences("v_a", "i_b").items() if name != "top/v_a/H_1_3"}),
    "a readable image": zipped(sequences("v_a", "i_b") | {"top/v_a/2.ppm": b"no image"}),
}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"seq.zip": WHOLE, "w.pth": WEIGHTS, "x.tgz": tarred({"a/b.ppm": photo(0)})}) as server:
        yield server


@pytest.fixture
def get(server: Server, tmp_path: Path):
    """Get an entry of a small registry, below tmp_path."""
    registry = tmp_path / "registry.yaml"
    registry.write_text(
        f"""
datasets:
  seq:
    page: https://page
    license: free
    files: [{{addresses: ["{server.address("404", "seq.zip")}", "{server.address("cut", "seq.zip")}"], strip: 1}}]
    layout: {{kind: hpatches, sequences: 2}}
  hand:
    page: https://hand
    by_hand: write to its authors
    files: [{{name: hand.zip, strip: 1}}]
    layout: {{kind: hpatches, sequences: 2}}
  bound:
    unpacked: 100
    files: [{{addresses: ["{server.address("good", "x.tgz")}"]}}]
    layout: {{kind: photos}}
weights:
  w.pth:
    page: https://weights
    files: [{{addresses: ["{server.address("good", "w.pth")}"]}}]
"""
    )

    def run(name: str, **options) -> Path:
        options = {"registry": registry, "checksums": tmp_path / "checksums.tsv", "retry_policy": QUICK} | options
        return get_dataset(name, tmp_path / "data", **options)

    return run


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_the_shipped_registry_has_what_the_workflow_speaks_of() -> None:
    entries = read_registry()
    assert entries.keys() >= REQUIRED
    for entry in entries.values():
        assert entry.title and entry.license and entry.page.startswith(("https://", "http://"))
    names = [file.name for entry in entries.values() for file in entry.files]
    assert len(set(names)) == len(names), "mirrors tell files by their names"
    assert len(entries["revisitop1m"].files) == 100
    assert entries["revisitop1m"].files[99].addresses[0].endswith("/revisitop1m.100.tar.gz")
    hpatches = entries["hpatches-sequences-release"]
    assert hpatches.size == 1_279_545_572 and hpatches.layout == {"kind": "hpatches", "sequences": 116}
    assert hpatches.files[0].sha256.startswith("99cf7e1c") and len(hpatches.files[0].sha256) == 64
    assert entries["superpoint_v1.pth"].place == "weights/superpoint_v1.pth"


@pytest.mark.golden
def test_shipped_checksums_are_those_of_the_real_files(shared: Path) -> None:
    files = {file.name: file for entry in read_registry().values() for file in entry.files}
    for name, place in {
        "r2d2_WASF_N16.pt": "weights/r2d2_WASF_N16.pt",
        "gnd_roxford5k.pkl": "data/revisitop/gnd_roxford5k.pkl",
        "gnd_rparis6k.pkl": "data/revisitop/gnd_rparis6k.pkl",
    }.items():
        body = (shared / place).read_bytes()
        assert (files[name].size, files[name].sha256) == (len(body), hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datasets: {a: {titel: x}}", "a has an unknown key 'titel'"),
        ("sets: {}", "unknown key 'sets'"),
        ("datasets: {../a: {}}", "cannot be the name"),
        ("datasets: {a: {files: []}}", "at least one file"),
        ("datasets: {a: {files: [{name: f}], layout: {kind: photos}}}", "needs 'by_hand'"),
        ("datasets: {a: {files: [{addresses: ['ftp://x/f']}], layout: {kind: photos}}}", "not a list of http"),
        (
            "datasets: {a: {files: [{addresses: ['http://x/f'], into: ../b}], layout: {kind: photos}}}",
            "not a sub-folder",
        ),
        ("datasets: {a: {files: [{addresses: ['http://x/f'], sha256: xyz}], layout: {kind: photos}}}", "hexadecimal"),
        ("datasets: {a: {files: [{addresses: ['http://x/f']}]}}", "'layout' must state"),
        ("datasets: [", "not YAML"),
    ],
)
def test_mistakes_in_a_registry_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(HndescError, match=message) as caught:
        read_registry(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_dataset_arrives_through_a_dead_link_and_a_cut(get, server: Server, tmp_path: Path) -> None:
    place = get("seq")
    assert place == tmp_path / "data" / "seq" and visible(place) == ["i_b", "v_a"]
    assert visible(tmp_path / "data") == ["downloads", "seq"]
    receipt = json.loads((place / install.RECEIPT).read_text())
    assert receipt["sha256"] == {"seq.zip": hashlib.sha256(WHOLE).hexdigest()}
    asked = len(server.requests)
    assert get("seq") == place and len(server.requests) == asked
    shutil.rmtree(place)
    assert get("seq") == place and len(server.requests) == asked, "the archive was kept"


def test_the_first_download_is_recorded_and_binds(get, server: Server, tmp_path: Path) -> None:
    get("seq")
    row = (tmp_path / "checksums.tsv").read_text().splitlines()[1].split("\t")
    assert row[:3] == ["seq.zip", str(len(WHOLE)), hashlib.sha256(WHOLE).hexdigest()]
    assert row[3] == server.address("cut", "seq.zip")
    shutil.rmtree(tmp_path / "data")
    server.files["seq.zip"] = zipped(sequences("v_a", "i_b") | {"top/new": b""})
    with pytest.raises(HndescError, match="not the one recorded in"):
        get("seq")
    assert not (tmp_path / "data" / "seq").exists()


@pytest.mark.parametrize("gap", GAPS)
def test_a_dataset_with_a_gap_never_appears(get, server: Server, tmp_path: Path, gap: str) -> None:
    server.files["seq.zip"] = GAPS[gap]
    with pytest.raises(HndescError):
        get("seq")
    assert visible(tmp_path / "data") == ["downloads"]
    assert not (tmp_path / "checksums.tsv").exists(), "a first download is trusted when its content is right"


def test_a_quota_page_never_becomes_a_dataset(get, server: Server, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"text instead of a \.zip file"):
        server.files["seq.zip"] = b"quota, without a tag"
        get("seq")
    assert visible(tmp_path / "data") == ["downloads"] and not (tmp_path / "checksums.tsv").exists()


def test_a_bomb_is_bounded_by_the_entry(get, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="increase 'unpacked' of its entry"):
        get("bound")
    assert visible(tmp_path / "data") == ["downloads"]


def test_weights_arrive_and_are_recorded(get, tmp_path: Path) -> None:
    place = get("w.pth")
    assert place == tmp_path / "data" / "weights" / "w.pth" and place.read_bytes() == WEIGHTS
    assert "w.pth" in (tmp_path / "checksums.tsv").read_text()
    place.write_bytes(b"spoilt")
    with pytest.raises(HndescError, match="not the one recorded"):
        get("w.pth")


def test_by_hand_first_says_how_then_takes_the_file(get, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"write to its authors from https://hand, save it as .*hand.zip"):
        get("hand")
    (tmp_path / "data" / "downloads" / "hand.zip").write_bytes(WHOLE)
    assert visible(get("hand")) == ["i_b", "v_a"]


def test_a_folder_put_there_by_hand_is_verified(get, server: Server, tmp_path: Path) -> None:
    shutil.copytree(get("seq"), tmp_path / "copy", ignore=shutil.ignore_patterns(install.RECEIPT))
    shutil.rmtree(tmp_path / "data")
    shutil.copytree(tmp_path / "copy", tmp_path / "data" / "seq")
    asked = len(server.requests)
    get("seq")
    assert len(server.requests) == asked
    (tmp_path / "data" / "seq" / install.RECEIPT).unlink()
    shutil.rmtree(tmp_path / "data" / "seq" / "v_a")
    with pytest.raises(HndescError, match=r"1 sequences instead of 2; complete .*, or move it"):
        get("seq")
    assert (tmp_path / "data" / "seq" / "i_b").is_dir(), "what is a user's is not deleted"


@pytest.mark.parametrize("link", [True, False])
def test_an_empty_folder_or_a_link_to_one_is_filled(get, tmp_path: Path, link: bool) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    if link:
        (tmp_path / "data" / "seq").symlink_to(tmp_path / "disk")
    else:
        (tmp_path / "data" / "seq").mkdir()
    assert visible(get("seq")) == ["i_b", "v_a"]
    assert (tmp_path / "data" / "seq").is_symlink() == link


def test_what_an_interrupted_unpacking_left_is_replaced(get, tmp_path: Path) -> None:
    (open_part_folder(tmp_path / "data" / "seq", "get_dataset") / "half").touch()
    assert visible(get("seq")) == ["i_b", "v_a"]


def test_list_shows_what_is_there(get, tmp_path: Path) -> None:
    def state() -> dict[str, str]:
        return {entry.name: state for entry, state in list_datasets(tmp_path / "data", tmp_path / "registry.yaml")}

    assert state()["seq"] == "absent" and state()["hand"] == "manual" and state()["w.pth"] == "absent"
    get("seq")
    get("w.pth")
    assert state()["seq"] == "present" and state()["w.pth"] == "present"
    (tmp_path / "data" / "seq" / install.RECEIPT).unlink()
    (tmp_path / "data" / "downloads" / "hand.zip").touch()
    assert state()["seq"] == "not verified" and state()["hand"] == "incomplete (1 of 1 files)"


def test_command_line(get, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["datasets", "--registry", "registry.yaml"]
    main([*options, "get", "w.pth", "--mirror", server.address("good")])
    assert capsys.readouterr().out == "data/weights/w.pth\n"
    assert (tmp_path / "checksums.tsv").is_file()
    main(options)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("w.pth", "seq"))] == [
        ["seq", "absent"],
        ["w.pth", "present"],
    ]
    with pytest.raises(SystemExit) as caught:
        main([*options, "get", "nothing"])
    assert caught.value.code == 1
    message = capsys.readouterr().err.strip()
    assert "no dataset or weights named 'nothing'; known: " in message and "\n" not in message


def retrieval(root: Path) -> None:
    (root / "jpg").mkdir(parents=True)
    entry = {"bbx": [0, 0, 9, 9], "easy": [0], "hard": [1], "junk": []}
    truth = {"imlist": ["a", "b"], "qimlist": ["q"], "gnd": [entry]}
    (root / "gnd_tiny.pkl").write_bytes(pickle.dumps(truth, protocol=2))
    for name in "abq":
        (root / "jpg" / f"{name}.jpg").write_bytes(photo(0))


def test_layout_of_retrieval(tmp_path: Path) -> None:
    retrieval(tmp_path / "set")
    layout = {"kind": "retrieval", "database": 2, "queries": 1}
    assert verify_layout(tmp_path / "set", layout) == "2 database images, 1 query"
    with pytest.raises(HndescError, match="2 database images instead of 4993"):
        verify_layout(tmp_path / "set", layout | {"database": 4993})
    (tmp_path / "set" / "jpg" / "b.jpg").unlink()
    with pytest.raises(HndescError, match=r"b\.jpg: no such image"):
        verify_layout(tmp_path / "set", layout)


def test_layout_of_localization(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    rows = ["\t".join(COLUMNS)]
    for name in ("1.ppm", "2.ppm", "3.ppm"):
        (tmp_path / "images" / name).write_bytes(photo(1))
        camera = [16, 16, 20, 20, 8, 8, *np.eye(3).ravel(), 0, 0, 0]
        rows.append("\t".join(map(str, [name, *camera])))
    (tmp_path / "cameras.tsv").write_text("\n".join(rows) + "\n")
    layout = {"kind": "localization", "database": 2, "queries": 1}
    assert verify_layout(tmp_path, layout).startswith("2 database images, 1 query")
    (tmp_path / "images" / "2.ppm").unlink()
    with pytest.raises(HndescError, match=r"image '2\.ppm' has a camera but no file"):
        verify_layout(tmp_path, layout)


def test_mistakes_in_a_layout_are_named(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="unknown layout 'sculptures'; choose one of: hpatches, "):
        verify_layout(tmp_path, {"kind": "sculptures"})
    with pytest.raises(HndescError, match="layout 'photos' of the registry has wrong settings"):
        verify_layout(tmp_path, {"kind": "photos", "most": 3})
    (tmp_path / "one.ppm").write_bytes(photo(2))
    with pytest.raises(HndescError, match="1 photo instead of at least 2"):
        verify_layout(tmp_path, {"kind": "photos", "least": 2})
