import numpy as np
import pytest

from hndesc.datasets.homography.sequences import read_sequences
from hndesc.errors import HndescError


@pytest.fixture
def make(tmp_path):
    """Make a sequence whose images are empty files: reading sequences opens none."""

    def make(name, suffix=".ppm"):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(1, 7):
            (folder / f"{number}{suffix}").touch()
        for number in range(2, 7):
            np.savetxt(folder / f"H_1_{number}", np.diag([1.0, 1.0, 1.0 / number]))
        return folder

    return make


def test_sequences_are_sorted_and_complete(make, tmp_path):
    for name, suffix in (("v_b", ".ppm"), ("i_c", ".png"), ("v_a", ".jpg"), ("other", ".ppm")):
        make(name, suffix)
    sequences = read_sequences(tmp_path)
    assert [(sequence.name, sequence.kind) for sequence in sequences] == [("i_c", "i"), ("v_a", "v"), ("v_b", "v")]
    assert sequences[0].images == tuple(f"i_c/{number}.png" for number in range(1, 7))
    assert [homography[2, 2] for homography in sequences[0].homographies] == [1 / k for k in range(2, 7)]


def test_sequences_are_skipped_by_name_even_when_broken(make, tmp_path):
    make("v_a")
    (make("v_b") / "3.ppm").unlink()
    assert [sequence.name for sequence in read_sequences(tmp_path, ["v_b"])] == ["v_a"]


def test_missing_image_is_named(make, tmp_path):
    (make("v_b") / "3.ppm").unlink()
    with pytest.raises(HndescError, match=r"v_b: image 3 is missing \(3\.ppm, 3\.pgm, 3\.png, 3\.jpg\)"):
        read_sequences(tmp_path)


def test_missing_homography_is_named(make, tmp_path):
    (make("v_b") / "H_1_4").unlink()
    with pytest.raises(HndescError, match=r"v_b/H_1_4: no such file"):
        read_sequences(tmp_path)


@pytest.mark.parametrize(
    "text", ["1 0 0\n0 1 0\n", "a b c\n", "1 0 0\n0 1 0\n0 0 nan\n", "0 0 0\n0 1 0\n0 0 1\n", "\x00"]
)
def test_malformed_homography_is_named(make, tmp_path, text):
    (make("v_b") / "H_1_6").write_text(text)
    with pytest.raises(HndescError, match=r"v_b/H_1_6(:\d)?: (not an? .*3 x 3 matrix|.* is not|not a line of text)"):
        read_sequences(tmp_path)


def test_folders_without_sequences_are_named(make, tmp_path):
    with pytest.raises(HndescError, match="no such folder"):
        read_sequences(tmp_path / "absent")
    make("graffiti")
    with pytest.raises(HndescError, match="no sequences; expected"):
        read_sequences(tmp_path)
