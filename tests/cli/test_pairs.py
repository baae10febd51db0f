"""Pairs of photos from the command line."""

from pathlib import Path

import pytest

from hndesc.cli.main import main
from hndesc.io.images import write_image
from hndesc.io.lists import distinct_pairs, read_pairs
from hndesc.localization.matches import MatchReader
from tests.cli.test_main import texture


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number in range(5):
        write_image(folder / f"my photo {number}.png", texture(number))
    return folder


@pytest.mark.parametrize(
    ("options", "count"),
    [("", 10), ("--exhaustive 4 --similar 0 --sequential 1", 4), ("--exhaustive 0 --similar 4 --sequential 0", 10)],
)
def test_pairs_are_matched(
    photos: Path, tmp_path: Path, options: str, count: int, capsys: pytest.CaptureFixture
) -> None:
    listed, features, matches = (str(tmp_path / name) for name in ("pairs.txt", "f.h5", "m.h5"))
    main(["pairs", str(photos), listed, "--global-descriptor", "color_gradient", *options.split()])
    assert capsys.readouterr().out == f"{listed}: {count} pairs\n"
    found = list(read_pairs(listed))
    with open(listed, "a") as stream:  # as lists of other programs do, name some pairs twice
        stream.writelines(f"{second}\t{first}\n{first}\t{second}\n" for first, second in found[:2])
    main(["extract", str(photos), features, "--model", "sift", "--max-keypoints", "50", "--workers", "1"])
    main(["match-pairs", features, listed, matches, "--ratio", "0.9", "--threads", "1"])
    with MatchReader(matches) as reader:
        assert sorted(reader.pairs([path.name for path in photos.iterdir()])) == sorted(distinct_pairs(found))
        assert reader.settings["ratio"] == 0.9


def test_a_list_of_the_users_is_kept(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    content = next(photos.iterdir()).read_bytes()
    (tmp_path / "mine.png").write_bytes(content)
    with pytest.raises(SystemExit):
        main(["pairs", str(photos), str(tmp_path / "mine.png")])
    assert "not made by hndesc" in capsys.readouterr().err and (tmp_path / "mine.png").read_bytes() == content
