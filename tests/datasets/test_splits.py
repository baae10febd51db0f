"""Splitting photos: sides that never change, one side for one picture, and only what may be trained on."""

from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets import splits
from hndesc.datasets.splits import FOLDERS, split_photos, subject
from hndesc.errors import HndescError
from hndesc.io.images import write_image


def random_image(seed: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 13, 3), dtype=np.uint8)
    rows, columns = (np.arange(side) * cells // side for side, cells in zip(size, (12, 13), strict=True))
    return coarse[np.ix_(rows, columns)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(60):
        write_image(folder / f"{'free' if number % 3 else 'strange'}" / f"photo{number}.png", random_image(number))
    return folder


def sides(output: Path) -> dict[str, str]:
    return {
        path.relative_to(output / folder).as_posix(): side
        for side, folder in FOLDERS.items()
        for path in (output / folder).rglob("*.png")
    }


def test_every_photo_is_on_one_side_and_can_be_read_there(photos: Path, tmp_path: Path) -> None:
    split_photos([photos], tmp_path / "out", share=0.5)
    found = sides(tmp_path / "out")
    assert sorted(found) == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    name = min(found)
    assert (tmp_path / "out" / FOLDERS[found[name]] / name).read_bytes() == (photos / name).read_bytes()
    held_out = [side for side in found.values() if side != "training"]
    assert 20 <= len(held_out) <= 40 and 8 <= held_out.count("test") <= 22


def test_split_is_the_same_again_and_other_with_another_seed(photos: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        split_photos([photos], tmp_path / name, share=0.4, seed=seed)
    one, two, three = (sides(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two != three
    assert (tmp_path / "one" / "split.tsv").read_bytes() == (tmp_path / "two" / "split.tsv").read_bytes()


def test_more_photos_move_none(photos: Path, tmp_path: Path) -> None:
    split_photos([photos], tmp_path / "before", share=0.4)
    for number in range(100, 110):
        write_image(tmp_path / "more" / "more" / f"photo{number}.png", random_image(number))
    split_photos([photos, tmp_path / "more"], tmp_path / "after", share=0.4)
    before, after = sides(tmp_path / "before"), sides(tmp_path / "after")
    assert len(after) == 70 and before.items() <= after.items()


def test_patterns_limit_training_alone(photos: Path, tmp_path: Path) -> None:
    split_photos([photos], tmp_path / "all", share=0.4)
    split_photos([photos], tmp_path / "free", share=0.4, train_on=["free/*"])
    everything = sides(tmp_path / "all")
    expected = {n: side for n, side in everything.items() if side != "training" or n.startswith("free/")}
    assert sides(tmp_path / "free") == expected != everything
    assert "\tunused\t" in (tmp_path / "free" / "split.tsv").read_text()


def test_images_that_look_alike_are_on_one_side_and_held_out_once(photos: Path, tmp_path: Path) -> None:
    for number in range(60):
        write_image(tmp_path / "again" / "again" / f"other{number}.png", random_image(number, (96, 128)))
    split_photos([photos, tmp_path / "again"], tmp_path / "out", share=0.5)
    found = sides(tmp_path / "out")
    originals = {name.rsplit("photo", 1)[1]: side for name, side in found.items() if "photo" in name}
    copies = {name.rsplit("other", 1)[1]: side for name, side in found.items() if "other" in name}
    training = {number for number, side in originals.items() if side == "training"} | {
        number for number, side in copies.items() if side == "training"
    }
    for number in (f"{n}.png" for n in range(60)):
        if number in training:
            assert originals[number] == copies[number] == "training"
        else:
            assert (number in originals) != (number in copies)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("mate/Dune-1920x1080.jpg", "gnome/dune_2560x1440.png", True),
        ("kde/Next/1920x1080.jpg", "kde/Next/5120x2880.jpg", True),
        ("a/lake_16-9.jpg", "b/Lake wide.jpg", True),
        ("a/lake.jpg", "a/lake2.jpg", False),
        ("kde/Next/1920x1080.jpg", "kde/Path/1920x1080.jpg", False),
    ],
)
def test_subject(one: str, other: str, same: bool) -> None:
    assert (subject(one) == subject(other)) == same


def test_a_broken_photo_is_skipped(photos: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "more" / "good.png", random_image(1000))
    (tmp_path / "more" / "bad.png").write_bytes(b"no photo")
    split_photos([photos, tmp_path / "more"], tmp_path / "out", share=0.4)
    assert {"good.png"} == {name for name in sides(tmp_path / "out") if "/" not in name}


def test_what_cannot_be_split_is_reported(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"side 'training'.*train_on"):
        split_photos([photos], tmp_path / "out", share=0.4, train_on=["nothing/*"])
    with pytest.raises(HndescError, match="same relative path"):
        split_photos([photos, photos], tmp_path / "out")


def test_a_side_without_photos_leaves_the_split_before_as_it_was(photos: Path, tmp_path: Path) -> None:
    split_photos([photos], tmp_path / "out", share=0.5)
    before = sides(tmp_path / "out")
    for share, message in ((1e-9, "the side 'validation'"), (0, "between 0 and 1"), (float("nan"), "between 0")):
        with pytest.raises(HndescError, match=message):
            split_photos([photos], tmp_path / "out", share=share)
        assert sides(tmp_path / "out") == before


def test_photos_that_look_alike_are_found_whatever_is_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2, (40, 144)).astype(bool)
    hashes[7] = hashes[33]
    hashes[12, 10:] = hashes[39, 10:]
    hashes[20] = ~hashes[19]
    names = [f"photo {number}.png" for number in range(40)]
    whole = splits._groups(names, hashes)
    assert whole[7] == whole[33] and whole[12] == whole[39] and len(set(whole)) == 38
    for rows in (1, 7):
        monkeypatch.setattr(splits, "_ROWS", rows)
        assert splits._groups(names, hashes) == whole
