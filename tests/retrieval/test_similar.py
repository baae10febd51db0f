"""Similar photos: copies in other light and frame are found, and inliers sort what looks alike."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hndesc.cli.main import main
from hndesc.datasets.listing import list_images
from hndesc.errors import HndescError
from hndesc.extraction.extractor import Extractor
from hndesc.io.images import write_image
from hndesc.retrieval.similar import find_similar
from tests.cli.test_main import texture


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four textures of colors of their own, each cut twice, and an unreadable file."""
    folder = tmp_path_factory.mktemp("similar")
    for number, color in enumerate(([255, 120, 60], [60, 255, 90], [80, 90, 255], [240, 240, 60])):
        image = (texture(number, 240, 320) * (np.array(color) / 255)).astype(np.uint8)
        write_image(folder / f"{number}_left.png", image[:, :280])
        write_image(folder / f"{number}_right.png", image[10:, 30:])
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


def test_each_photo_finds_its_other_half(photos: Path) -> None:
    found = find_similar(list_images(photos), descriptor="color_gradient", count=2)
    assert sorted(found) == sorted(f"{n}_{side}.png" for n in range(4) for side in ("left", "right"))
    for name, neighbors in found.items():
        assert len(neighbors) == 2 and neighbors[0].similarity >= neighbors[1].similarity
        assert neighbors[0].name[0] == name[0] and neighbors[0].name != name and neighbors[0].inliers is None


def test_inliers_decide_where_colors_do_not(tmp_path: Path) -> None:
    # The same colors everywhere: gray textures differ in detail only.
    gray = {name: cv2.cvtColor(texture(seed, 240, 320), cv2.COLOR_RGB2GRAY) for name, seed in (("a", 1), ("b", 2))}
    write_image(tmp_path / "db" / "a.png", gray["a"][:, :280])
    write_image(tmp_path / "db" / "b.png", gray["b"][:, :280])
    write_image(tmp_path / "query.png", gray["b"][12:, 25:])
    queries = list_images(tmp_path / "db")[:0] + [entry for entry in list_images(tmp_path) if entry.name == "query.png"]
    extractor = Extractor("sift", max_keypoints=400)
    found = find_similar(
        list_images(tmp_path / "db"), queries, descriptor="color_gradient", extractor=extractor, count=2
    )
    first, second = found["query.png"]
    assert first.name == "b.png" and first.inliers > 50 > second.inliers


def test_the_command_prints_writes_and_draws(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    table, figure = tmp_path / "similar.tsv", tmp_path / "similar.png"
    arguments = ["--global-descriptor", "color_gradient", "--count", "3", "--rerank", "--model", "sift"]
    query = ["--query", str(photos / "2_left.png")]
    main(["similar", str(photos), *query, *arguments, "--table", str(table), "--figure", str(figure)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["photo", "similar", "similarity", "inliers"] and len(lines) == 6
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert rows[0] == ["photo", "similar", "similarity", "inliers"] and len(rows) == 4
    assert rows[1][1] == "2_right.png" and "2_left.png" not in [row[1] for row in rows[1:]]  # not itself
    assert int(rows[1][3]) >= int(rows[2][3]) >= int(rows[3][3])
    assert cv2.imread(str(figure)).shape[1] > 600


def test_a_single_photo_has_no_similar_ones(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", texture(0, 60, 80))
    with pytest.raises(HndescError, match=r"a\.png: the only photo"):
        find_similar(list_images(tmp_path), descriptor="color_gradient")


def test_names_that_no_table_can_hold_are_refused_before_the_work(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_image(tmp_path / "photos" / "a.png", texture(0, 60, 80))
    (tmp_path / "photos" / "a.png").rename(tmp_path / "photos" / "a\nb.png")
    with pytest.raises(SystemExit, match="1"):
        main(
            [
                "similar",
                str(tmp_path / "photos"),
                "--query",
                str(photos / "0_left.png"),
                "--table",
                str(tmp_path / "t.tsv"),
            ]
        )
    found = capsys.readouterr()
    assert "cannot hold 'a\\nb.png'" in found.err and not found.out


def test_nothing_readable_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with pytest.raises(HndescError):
        find_similar(list_images(tmp_path), descriptor="color_gradient")
