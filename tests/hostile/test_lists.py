"""Every text list that is read: marks, line ends, blanks, other encodings, files that are cut, swapped or no text."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hndesc.datasets.homography.sequences import read_sequences
from hndesc.datasets.homography.types import read_homography
from hndesc.datasets.localization.aachen import read_intrinsics, read_nvm, read_pairs, read_tracks
from hndesc.datasets.localization.kapture import read_images
from hndesc.datasets.localization.posed import COLUMNS, read_cameras
from hndesc.datasets.localization.poses import format_poses, read_poses
from hndesc.datasets.localization.scene import Pose
from hndesc.datasets.tokyo247 import _read_list
from hndesc.errors import HndescError
from hndesc.io.files import read_json
from hndesc.io.lists import distinct_pairs, read_table, split_pair, write_pairs, write_table
from hndesc.retrieval.neighbor_table import read_neighbors
from hndesc.stylization.tables import read_copies
from tests.hostile.guard import refusal

ROW = "1.0 0.0 0.0 0.0 0.5 -1.0 2.0"
NVM = f"NVM_V3 \n\n2\na b.jpg\t500 {ROW} 0 0\nc.jpg 500 {ROW} 0 0\n\n1\n0 0 1 9 9 9 2 0 5 1.5 2.5 1 6 1.5 2.5\n\n0\n"
POSED = "\t".join(COLUMNS) + "\na b.jpg\t640\t480\t500\t500\t320\t240\t1\t0\t0\t0\t1\t0\t0\t0\t1\t0\t0\t1\n"


def _pairs(path: Path) -> Any:
    return list(read_pairs(path))


def _intrinsics(path: Path) -> Any:
    return list(read_intrinsics(path).items())


def _poses(path: Path) -> Any:
    return [(name, pose.quaternion().tolist(), pose.translation.tolist()) for name, pose in read_poses(path).items()]


def _nvm(path: Path) -> Any:
    return [(name, pose.center().tolist()) for name, pose in read_nvm(path).items()], list(read_tracks(path.parents[2]))


def _posed(path: Path) -> Any:
    cameras, poses = read_cameras(path)
    return list(cameras.items()), [pose.rotation.tolist() for pose in poses.values()]


def _kapture(path: Path) -> Any:
    cameras, poses = read_images(path.parents[1])
    return list(cameras.items()), [pose.translation.tolist() for pose in poses.values()]


def _homography(path: Path) -> Any:
    return read_homography(path).tolist()


def _sequences(path: Path) -> Any:
    return [sequence.images for sequence in read_sequences(path.parent)]


def _copies(path: Path) -> Any:
    return read_copies(path.parent)


def _views(path: Path) -> Any:
    return _read_list(path, "database")


# name of the format -> where its file lies, a valid text, how it is read, and texts of the files beside it
FORMATS: dict[str, tuple[str, str, Callable, dict[str, str]]] = {
    "pairs": ("pairs.txt", "a b.jpg\tc d.jpg\ne.jpg f.jpg\n", _pairs, {}),
    "intrinsics": (
        "list.txt",
        "a b.jpg SIMPLE_RADIAL 640 480 500 320 240 0.01\nc.jpg\tPINHOLE 640 480 500 500 320 240\n",
        _intrinsics,
        {},
    ),
    "poses": ("poses.txt", f"a b.jpg {ROW}\nc.jpg\t{ROW}\n", _poses, {}),
    "nvm": ("3D-models/aachen_v_1_1/aachen_v_1_1.nvm", NVM, _nvm, {}),
    "posed": ("cameras.tsv", POSED, _posed, {}),
    "kapture": (
        "sensors/records_camera.txt",
        "# kapture format: 1.1\n0, cam, a b.jpg\n1, cam, c.jpg\n",
        _kapture,
        {
            "sensors/sensors.txt": "cam, , camera, SIMPLE_PINHOLE, 640, 480, 500, 320, 240\n",
            "sensors/trajectories.txt": "0, cam, 1, 0, 0, 0, 0, 0, 1\n",
        },
    ),
    "homography": ("H_1_2", "1.1 0 5\n0 0.9 -3\n0 1e-5 1\n", _homography, {}),
    "sequences": (
        "pairs.csv",
        'image1,image2,homography\na b.jpg,"c,d.jpg",H\n',
        _sequences,
        {"H": "1 0 0\n0 1 0\n0 0 1\n", "a b.jpg": "", "c,d.jpg": ""},
    ),
    "neighbors": ("n.tsv", "photo\tneighbor\tsimilarity\na b.jpg\tc.jpg\t0.5\n", read_neighbors, {}),
    "stylized": ("stylized.tsv", "photo\tcopy\tstyle\tclass\tmethod\na b.jpg\ta b.jpg\t\tall\tx\n", _copies, {}),
    "tokyo": ("list.txt", "03814/381479.97/aBc_012_000.jpg\n03814/381479.97/a b_012_000.jpg\n", _views, {}),
    "json": ("a.json", '{"a b": [1.5, "\\u00e9"]}\n', read_json, {}),
}
FORMS = {
    "a mark": lambda text: b"\xef\xbb\xbf" + text,
    "CRLF": lambda text: text.replace(b"\n", b"\r\n"),
    "a mark and CRLF": lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
    "no last line end": lambda text: text.rstrip(b"\n"),
    "blank lines at the end": lambda text: text + b"\n\n",
}
BROKEN = {
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "Latin-1": lambda text: text.replace(b"a", "\xe9".encode("latin-1")).replace(b"1", b"\xe9"),
    "NUL bytes": lambda text: text[: len(text) // 2] + b"\0" * 9 + text[len(text) // 2 :],
    "empty": lambda _: b"",
    "one field": lambda _: b"a\n",
    "a huge line": lambda text: b"a 1 " * 5_000_000 + text,
}


def make(folder: Path, kind: str, text: bytes | None = None) -> tuple[Callable, Path]:
    """Write a list of a kind and what belongs to it; return its reader and its place."""
    place, valid, read, others = FORMATS[kind]
    for name, content in (others | {place: ""}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    (folder / place).write_bytes(valid.encode() if text is None else text)
    return read, folder / place


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_list_from_other_systems(tmp_path: Path, kind: str, form: str) -> None:
    read, path = make(tmp_path, kind)
    expected = read(path)
    assert expected
    path.write_bytes(FORMS[form](path.read_bytes()))
    assert read(path) == expected


@pytest.mark.parametrize("form", BROKEN)
@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_no_list_is_refused_by_name(tmp_path: Path, kind: str, form: str) -> None:
    read, path = make(tmp_path, kind)
    path.write_bytes(BROKEN[form](path.read_bytes()))
    if form == "one field" and kind == "tokyo":
        assert read(path) == ["a"]
    elif form == "empty" and kind in ("pairs", "intrinsics", "poses", "kapture"):
        assert not any(read(path))  # a list of nothing: whoever needs an entry says so
    elif form == "a huge line":
        assert str(path) in refusal(read, path)
    else:
        with pytest.raises(HndescError, match=re.escape(str(path))):
            read(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_missing_files_folders_and_pipes_are_refused(tmp_path: Path, kind: str) -> None:
    read, path = make(tmp_path, kind)
    path.unlink()
    for put in (lambda: None, path.mkdir):
        put()
        if kind != "sequences":  # without a table the folder is one of another layout
            with pytest.raises(HndescError, match=re.escape(str(path))):
                read(path)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("kind", FORMATS)
@given(data=st.data())
def test_mutated_lists_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, kind: str, data: Any) -> None:
    text = bytearray(FORMATS[kind][1].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        size = data.draw(st.integers(0, 12))
        new = data.draw(st.sampled_from([b"", b"\t", b" ", b"\n", b"nan", b"-1", b"1e308", b"99999999999", b",", b'"']))
        text[at : at + size] = new if data.draw(st.booleans()) else data.draw(st.binary(max_size=4))
    read, path = make(tmp_path_factory.mktemp("list"), kind, bytes(text))
    try:
        read(path)
    except HndescError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "names",
    [
        ("a.jpg", "b.jpg"),
        ("my photo.jpg", "b.jpg"),
        ("a.jpg", "two  blanks.jpg"),
        ("x y 1.jpg", "z 2"),
        ("no\xa0break.jpg", "\u3000ideographic\u3000.jpg"),
        ("line\u2028separator.jpg", "next\x85line.jpg"),
        ("a#b.jpg", "sub folder/#c.jpg"),
        ('"quoted".jpg', "a,b;c'.jpg"),
    ],
)
def test_pairs_come_back_as_they_were_written(tmp_path: Path, names: tuple[str, str]) -> None:
    write_pairs(tmp_path / "pairs.txt", [names, names[::-1]])
    assert list(read_pairs(tmp_path / "pairs.txt")) == [names, names[::-1]]


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\rb", "#a", " a", "a ", "", "\udc80", "\ufeffa", "a\0"])
def test_names_that_no_list_can_hold_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HndescError, match=re.escape(f"the name {name!r} cannot be written to a list")):
        write_pairs(tmp_path / "pairs.txt", [("b.jpg", name)])
    assert not list(tmp_path.iterdir())


def test_a_pair_of_an_image_with_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("a.jpg b.jpg\nb.jpg b.jpg\n")
    with pytest.raises(HndescError, match=r"pairs\.txt: 'b\.jpg' is paired with itself"):
        distinct_pairs(read_pairs(tmp_path / "pairs.txt"), tmp_path / "pairs.txt")


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_pairs_are_written_as_they_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("pairs") / "pairs.txt"
    try:
        write_pairs(path, pairs)
    except HndescError:
        return
    assert list(read_pairs(path)) == pairs


@given(st.lists(st.tuples(st.text(), st.text(min_size=1)), max_size=4))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_table_is_written_unchanged_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "table.tsv"
    try:
        write_table(path, ("one", "other"), rows)
    except HndescError:
        return
    assert read_table(path, ("one", "other")) == [list(row) for row in rows]


@pytest.mark.parametrize("line", ["a.jpg b.jpg", "a.jpg   b.jpg", "a.jpg\tb.jpg", "a.jpg \t b.jpg", "a.jpg b.jpg\t"])
def test_pairs_of_other_programs(line: str) -> None:
    assert split_pair(line, "pairs.txt:1") == ("a.jpg", "b.jpg")


def test_poses_of_names_with_blanks_come_back(tmp_path: Path) -> None:
    pose = Pose.from_quaternion([1, 0, 0, 0], [1, 2, 3])
    for name in ("a.jpg", "my photo.jpg", "x 12"):
        (tmp_path / "poses.txt").write_text(format_poses({name: pose}))
        assert list(read_poses(tmp_path / "poses.txt")) == [name]


@pytest.mark.parametrize(
    ("kind", "old", "new", "message"),
    [
        ("intrinsics", "640 480 500", "640 480 -500", "list.txt:1: impossible camera: focal length -500"),
        ("intrinsics", "640 480 500", "640 480 0", "list.txt:1: impossible camera: focal length 0"),
        ("intrinsics", "640 480 500", "640 480 nan", "list.txt:1: a number is not finite"),
        ("intrinsics", "640 480 500", "0 480 500", "list.txt:1: impossible camera: 0x480 pixels"),
        ("intrinsics", "640 480 500", "640.5 480 500", "list.txt:1: impossible camera: 640.5x480 pixels"),
        (
            "intrinsics",
            "500 320 240",
            "500 32000 240",
            ":1: impossible camera: principal point at 32000 of 640",
        ),
        ("intrinsics", "500 320 240", "320 240", "list.txt:1: SIMPLE_RADIAL has 4 parameters, not 3"),
        ("intrinsics", "c.jpg", "a b.jpg", "list.txt:2: 'a b.jpg' is listed twice"),
        ("poses", "c.jpg", "a b.jpg", "poses.txt:2: 'a b.jpg' is listed twice"),
        ("poses", "1.0 0.0 0.0 0.0", "0 0 0 0", "poses.txt:1: a quaternion of length 0"),
        ("poses", "0.5 -1.0 2.0", "0.5 inf 2.0", "poses.txt:1: a number is not finite"),
        ("poses", "0.5 -1.0 2.0", "0.5 1e300 2.0", "poses.txt:1: a position of 1e+300 units"),
        ("poses", "0.5 -1.0 2.0", "0.5 -1.0 2.0 7", "poses.txt:1: expected 'name qw"),
        ("nvm", "c.jpg", "a b.jpg", "aachen_v_1_1.nvm:5: 'a b.jpg' is listed twice"),
        ("nvm", "\n2\n", "\n99999999999\n", "nvm:7: camera 3 of 99999999999: expected"),
        ("nvm", "9 2 0 5", "9 2 -1 5", "nvm:8: '-1' is not a whole number"),
        ("nvm", "9 2 0 5", "9 2 7 5", "nvm:8: a point is observed by an image that is not in the file"),
        ("nvm", "\n1\n0", "\nx\n0", "nvm:7: 'x' is not a whole number"),
        ("posed", "\t1\t0\t0\t0", "\t1\t1\t0\t0", "cameras.tsv:2: r00 … r22 are not a rotation matrix"),
        ("posed", "640\t480\t500", "640\t480\t-500", "cameras.tsv:2: impossible camera: focal length -500"),
        ("kapture", "1, cam", "1, other", "records_camera.txt:3: 'c.jpg' was taken by sensor 'other'"),
        ("kapture", "c.jpg", "a b.jpg", "records_camera.txt:3: 'a b.jpg' is listed twice"),
        ("homography", "1.1 0 5\n0 0.9", "0 0 5\n0 0.9", "H_1_2: not an invertible 3 x 3 matrix"),
        ("homography", "0 1e-5 1", "nan 1e-5 1", "H_1_2:3: a number is not finite"),
        ("homography", "0 1e-5 1\n", "0 1e-5 1\n0 0 1\n", "H_1_2: not a 3 x 3 matrix"),
        ("homography", "0 1e-5 1", "0 1e-5 1 1", "H_1_2: not a 3 x 3 matrix"),
        ("sequences", "c,d.jpg", "x" * 300, "pairs.csv: no image 'xxx"),
    ],
)
def test_impossible_entries_are_refused_by_line(tmp_path: Path, kind: str, old: str, new: str, message: str) -> None:
    text = FORMATS[kind][1]
    assert old in text
    read, path = make(tmp_path, kind, text.replace(old, new, 1).encode())
    with pytest.raises(HndescError, match=re.escape(message)):
        read(path)
