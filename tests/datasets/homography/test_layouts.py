"""Oxford-Affine, tables of pairs, and how layouts are distinguished."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets.homography.layouts import write_table
from hndesc.datasets.homography.sequences import read_sequences, sequence_names
from hndesc.datasets.homography.types import Pair, Sequence
from hndesc.errors import HndescError
from hndesc.geometry.homography import translation


def oxford(folder: Path, count: int = 6, suffix: str = ".ppm") -> Path:
    """Make a sequence of empty images, moved by k pixels each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        (folder / f"img{number}{suffix}").touch()
        if number > 1:
            np.savetxt(folder / f"H1to{number}p", translation(number, 0))
    return folder


def table(root: Path, *lines: str, head: str = "image1,image2,homography") -> Path:
    (root / "pairs.csv").write_text("\n".join((head, *lines)) + "\n")
    return root


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three images in two folders and two homographies, without a table yet."""
    for name in ("a/1.png", "a/2.png", "b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for number in (1, 2):
        np.savetxt(tmp_path / f"{number}.txt", translation(number, 0))
    return tmp_path


def test_oxford_affine_has_the_classes_of_its_sequences(tmp_path: Path) -> None:
    for name, suffix in (("graf", ".ppm"), ("boat", ".pgm"), ("leuven", ".ppm"), ("bikes", ".ppm"), ("mine", ".png")):
        oxford(tmp_path / name, suffix=suffix)
    found = {sequence.name: sequence for sequence in read_sequences(tmp_path)}
    assert {name: one.kind for name, one in found.items()} == {
        "bikes": "i", "boat": "v", "graf": "v", "leuven": "i", "mine": "",
    }  # fmt: skip
    assert found["boat"].images == tuple(f"boat/img{number}.pgm" for number in range(1, 7))
    assert [homography[0, 2] for homography in found["boat"].homographies] == [2, 3, 4, 5, 6]
    assert [(pair.first, pair.second) for pair in found["mine"].pairs][1] == ("mine/img1.png", "mine/img3.png")


def test_a_single_oxford_folder_is_a_set(tmp_path: Path) -> None:
    (only,) = read_sequences(oxford(tmp_path / "graf"))
    assert (only.name, only.kind, only.images[5]) == ("graf", "v", "img6.ppm")


def test_own_sequences_of_that_layout_have_any_number_of_images_but_known_ones_six(tmp_path: Path) -> None:
    oxford(tmp_path / "own", count=3)
    assert len(read_sequences(tmp_path)[0].pairs) == 2
    oxford(tmp_path / "graf", count=5)
    with pytest.raises(HndescError, match=r"graf: image img6 is missing \(img6\.ppm, .*the sequence has 6 images"):
        read_sequences(tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("img1.ppm", "own: image img1 is missing"),
        ("img2.ppm", "own: image img2 is missing"),
        ("img4.ppm", "own: image img4 is missing"),
        ("H1to2p", "own/H1to2p: no such file"),
        ("H1to4p", "own/H1to4p: no such file"),
    ],
)
def test_gaps_in_a_sequence_are_named(tmp_path: Path, gone: str, message: str) -> None:
    oxford(tmp_path / "whole", count=4)
    (oxford(tmp_path / "own", count=4) / gone).unlink()
    with pytest.raises(HndescError, match=message):
        read_sequences(tmp_path)


def test_one_image_without_a_homography_is_no_sequence(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/img1.ppm").touch()
    with pytest.raises(HndescError, match=r"own: image img2 is missing .*the sequence has 2 images"):
        read_sequences(tmp_path)
    (tmp_path / "own/img1.ppm").rename(tmp_path / "own/img1.txt")
    with pytest.raises(HndescError, match="no sequences; expected"):
        read_sequences(tmp_path)


def test_table_with_sequences_and_classes(pairs: Path) -> None:
    lines = ("a/1.png, a/2.png, 1.txt, day, i", '"b.png",a/1.png,2.txt,walk,v', "a/2.png,b.png,1.txt,day,i")
    table(pairs, *lines, head="image1,image2,homography,sequence,class")
    day, walk = read_sequences(pairs)
    assert (day.name, day.kind, walk.name, walk.kind) == ("day", "i", "walk", "v")
    assert [(pair.first, pair.second) for pair in day.pairs] == [("a/1.png", "a/2.png"), ("a/2.png", "b.png")]
    assert day.images == ("a/1.png", "a/2.png", "b.png")
    assert walk.pairs[0].homography[0, 2] == 2


def test_table_without_them_goes_by_the_folder_of_the_first_image(pairs: Path) -> None:
    table(pairs, "a/1.png,a/2.png,1.txt", "b.png,a/1.png,2.txt")
    found = read_sequences(pairs)
    assert sorted((one.name, one.kind) for one in found) == sorted([("a", ""), (pairs.name, "")])
    assert sorted(sequence_names(pairs)) == sorted(["a", pairs.name])


@pytest.mark.parametrize(
    ("head", "line", "message"),
    [
        (
            "image1,image2",
            "a/1.png,a/2.png",
            r"pairs\.csv: no column 'homography'; the header must have image1, image2",
        ),
        ("image1,image2,homography", "a/1.png,a/2.png,", r"pairs\.csv: pair 1 needs image1, image2 and homography"),
        ("image1,image2,homography,class", "a/1.png,a/2.png,1.txt,x", "pair 1 needs .* a class v, i or none"),
        ("image1,image2,homography", "a/1.png,a/3.png,1.txt", r"pairs\.csv: no image 'a/3\.png' below its folder"),
        ("image1,image2,homography", "a/1.png,../b.png,1.txt", r"image2 '\.\./b\.png' is not the name of a file in"),
        ("image1,image2,homography", "a/1.png,a/2.png,3.txt", r"3\.txt: no such file; each image pair needs"),
        ("image1,image2,homography", "a/1.png,a/2.png,a/1.png", r"a/1\.png: not an? .*3 x 3 matrix"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_bad_tables_are_named(pairs: Path, head: str, line: str, message: str) -> None:
    with pytest.raises(HndescError, match=message):
        read_sequences(table(pairs, line, head=head))


def test_empty_and_binary_tables_and_mixed_classes_are_named(pairs: Path) -> None:
    with pytest.raises(HndescError, match=r"pairs\.csv: it contains no pair"):
        read_sequences(table(pairs))
    (pairs / "pairs.csv").write_bytes(b"\xff\xfe\x00image1")
    with pytest.raises(HndescError, match=r"pairs\.csv: not a text file"):
        read_sequences(pairs)
    table(pairs, "a/1.png,a/2.png,1.txt,v", "a/1.png,b.png,1.txt,i", head="image1,image2,homography,class")
    with pytest.raises(HndescError, match="pairs of sequence 'a' have different classes"):
        read_sequences(pairs)


def test_layout_is_reported_from_what_is_there_or_by_its_name(tmp_path: Path) -> None:
    oxford(tmp_path / "graf")
    for number in range(1, 7):
        (tmp_path / "v_x").mkdir(exist_ok=True)
        (tmp_path / "v_x" / f"{number}.png").touch()
        np.savetxt(tmp_path / "v_x" / f"H_1_{number}", np.eye(3))
    assert sequence_names(tmp_path) == ["v_x"]
    assert sequence_names(tmp_path, "oxford_affine") == ["graf"]
    table(tmp_path, "v_x/1.png,v_x/3.png,v_x/H_1_3")
    assert [len(one.pairs) for one in read_sequences(tmp_path)] == [1]
    assert [len(one.pairs) for one in read_sequences(tmp_path, layout="hpatches")] == [5]


def test_the_error_lists_the_supported_layouts(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(HndescError) as error:
        read_sequences(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: no sequences; expected pairs: pairs.csv with columns image1, image2, homography; "
        "hpatches: folders v_<name> and i_<name> with 1.ppm to 6.ppm and H_1_2 to H_1_6; "
        "oxford_affine: folders with img1.ppm, img2.ppm, … and H1to2p, …"
    )
    with pytest.raises(HndescError, match="expected oxford_affine: folders") as error:
        read_sequences(tmp_path, layout="oxford_affine")
    assert "hpatches" not in str(error.value)
    with pytest.raises(
        HndescError, match="unknown layout of sequences 'kitti'; choose one of: pairs, hpatches, oxford"
    ):
        read_sequences(tmp_path, layout="kitti")


def test_written_table_is_read_back_exactly(pairs: Path) -> None:
    homography = np.random.default_rng(0).normal(size=(3, 3))
    sequence = Sequence("x, y", "v", (Pair("a/1.png", "a/2.png", homography), Pair("a/1.png", "b.png", np.eye(3))))
    write_table(pairs, [sequence])
    (back,) = read_sequences(pairs)
    assert (back.name, back.kind, back.images) == (sequence.name, sequence.kind, sequence.images)
    np.testing.assert_array_equal(back.pairs[0].homography, homography)


SEQUENCE_HEAD = "image1,image2,homography,sequence"


@pytest.mark.parametrize("name", ["../../../victim", "/tmp/victim", "..", "a/../../victim", "line\x0bbreak"])
def test_a_sequence_whose_name_leads_out_of_the_folder_is_refused(pairs: Path, name: str) -> None:
    table(pairs, f"a/1.png,a/2.png,1.txt,{name}", head=SEQUENCE_HEAD)
    with pytest.raises(HndescError, match=r"pair 1: sequence .* is not the name of a file in the folder"):
        read_sequences(pairs)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a/1.png,a/2.png,../1.txt,s"], "pair 1: homography '../1.txt' is not the name of a file in the folder"),
        (["a/1.png,a/2.png,1.txt,s", "a/./1.png,a//2.png,2.txt,s"], "pair 2 is the same as pair 1; remove one"),
        (["b.png,./b.png,1.txt,s"], "pair 1 is of 'b.png' with itself; remove it"),
        (["a/1.png,a/2.png,1.txt,s,more"], "a row has more cells than columns"),
    ],
)
def test_rows_that_would_count_twice_or_for_nothing_are_refused(pairs: Path, lines: list[str], message: str) -> None:
    with pytest.raises(HndescError, match=message):
        read_sequences(table(pairs, *lines, head=SEQUENCE_HEAD))


def test_a_column_that_is_there_twice_is_refused(pairs: Path) -> None:
    with pytest.raises(HndescError, match=r"pairs\.csv: two columns 'image1'"):
        read_sequences(table(pairs, "a/1.png,a/2.png,1.txt,b.png", head="image1,image2,homography,image1"))
