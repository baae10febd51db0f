"""The step: names, tables, bad photos, resuming, and the same bytes each time."""

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndesc.errors import HndescError
from hndesc.io.images import read_image, write_image
from hndesc.stylization import methods, stylize
from hndesc.stylization.stylize import copy_names, gather_stylized, stylize_photos


def random_image(seed: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    return np.random.default_rng(seed).integers(30, 220, (*size, 3), dtype=np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_image(folder / "a.jpg", random_image(0))
    write_image(folder / "deep" / "er" / "b.png", random_image(1, (40, 20)))
    write_image(folder / "c.JPG", random_image(2))
    write_image(folder / "gray.png", random_image(3)[..., 0])
    write_image(folder / "dot.png", random_image(4, (1, 1)))
    write_image(folder / "flat.png", np.full((9, 9, 3), 255, np.uint8))
    Image.fromarray(random_image(5)[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.tif")
    return folder


@pytest.fixture
def styles(tmp_path: Path) -> Path:
    folder = tmp_path / "styles"
    write_image(folder / "night" / "n.jpg", random_image(10) // 4)
    write_image(folder / "dusk" / "d.jpg", np.minimum(random_image(11), (255, 150, 120)).astype(np.uint8))
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_makes_a_copy_of_each_photo_under_its_name(photos: Path, styles: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    stylize_photos(photos, styles, output)
    rows = table(output / "stylized.tsv")
    assert {row["photo"]: row["copy"] for row in rows} == {
        "a.jpg": "a.jpg",
        "c.JPG": "c.jpg",
        "deep/er/b.png": "deep/er/b.jpg",
        "dot.png": "dot.jpg",
        "flat.png": "flat.jpg",
        "gray.png": "gray.jpg",
        "sixteen.tif": "sixteen.jpg",
    }
    assert {(row["style"], row["class"]) for row in rows} <= {("night/n.jpg", "night"), ("dusk/d.jpg", "dusk")}
    assert {row["method"] for row in rows} == {"monge_kantorovich"}
    for row in rows:
        assert read_image(output / row["copy"]).shape == read_image(photos / row["photo"]).shape
    assert table(output / "failed.tsv") == []
    assert not (tmp_path / ".out.part").exists()
    night = [row for row in rows if row["class"] == "night" and row["photo"] != "dot.png"]
    assert night
    for row in night:
        assert read_image(output / row["copy"]).mean() < read_image(photos / row["photo"]).mean()


def test_same_bytes_each_time_and_with_any_number_of_threads(photos: Path, styles: Path, tmp_path: Path) -> None:
    for name, threads in (("one", 1), ("two", 1), ("three", 3)):
        stylize_photos(photos, styles, tmp_path / name, seed=3, threads=threads)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "three")
    stylize_photos(photos, styles, tmp_path / "other", seed=4)
    assert contents(tmp_path / "other") != contents(tmp_path / "one")


def test_a_copy_does_not_depend_on_the_other_photos(photos: Path, styles: Path, tmp_path: Path) -> None:
    stylize_photos(photos, styles, tmp_path / "all")
    (photos / "a.jpg").unlink()
    stylize_photos(photos, styles, tmp_path / "fewer")
    both, fewer = contents(tmp_path / "all"), contents(tmp_path / "fewer")
    kept = [name for name in fewer if name.endswith(".jpg")]
    assert len(kept) == 6
    assert all(fewer[name] == both[name] for name in kept)


def test_strength_zero_leaves_the_photo(photos: Path, styles: Path, tmp_path: Path) -> None:
    stylize_photos(photos, styles, tmp_path / "out", strength=0.0, quality=100)
    difference = read_image(tmp_path / "out" / "deep/er/b.jpg").astype(int) - read_image(photos / "deep/er/b.png")
    assert np.abs(difference).max() <= 4  # JPEG's own


def test_resize_max_and_settings_of_the_method(photos: Path, styles: Path, tmp_path: Path) -> None:
    stylize_photos(photos, styles, tmp_path / "small", resize_max=16)
    assert read_image(tmp_path / "small" / "deep/er/b.jpg").shape == (16, 8, 3)
    stylize_photos(photos, styles, tmp_path / "flat", resize_max=16, gain=(0.1, 0.1), detail_gain=(0.1, 0.1))
    spread = [read_image(tmp_path / name / "c.jpg").std() for name in ("flat", "small")]
    assert spread[0] < 0.5 * spread[1]


def test_photos_that_differ_in_their_suffix_only_have_copies_of_their_own(tmp_path: Path, styles: Path) -> None:
    photos = tmp_path / "photos"
    write_image(photos / "a.jpg", np.full((8, 8, 3), 40, np.uint8))
    write_image(photos / "a.png", np.full((12, 8, 3), 200, np.uint8))
    stylize_photos(photos, styles, tmp_path / "out")
    rows = {row["photo"]: row["copy"] for row in table(tmp_path / "out" / "stylized.tsv")}
    assert rows == {"a.jpg": "a.jpg.jpg", "a.png": "a.png.jpg"}
    assert read_image(tmp_path / "out" / "a.png.jpg").shape == (12, 8, 3)
    with pytest.raises(HndescError, match=r"a\.png.*a\.png\.jpg|a\.png\.jpg.*a\.png"):
        copy_names(["a.jpg", "a.png", "a.png.jpg"])


def test_broken_photo_is_skipped_named_and_recorded(
    photos: Path, styles: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "a.jpg").write_bytes((photos / "a.jpg").read_bytes()[:300])
    with caplog.at_level(logging.WARNING):
        stylize_photos(photos, styles, tmp_path / "out")
    assert "a.jpg" in caplog.text
    failed = table(tmp_path / "out" / "failed.tsv")
    assert [row["photo"] for row in failed] == ["a.jpg"]
    assert "truncated" in failed[0]["reason"]
    assert "a.jpg" not in {row["photo"] for row in table(tmp_path / "out" / "stylized.tsv")}
    assert not (tmp_path / "out" / "a.jpg").exists()


def test_photo_gone_since_the_listing_is_recorded(photos: Path, styles: Path, tmp_path: Path, monkeypatch) -> None:
    find = stylize.find_images
    monkeypatch.setattr(stylize, "find_images", lambda folder: [*find(folder), "zz_gone.jpg"])
    stylize_photos(photos, styles, tmp_path / "out")
    assert [row["photo"] for row in table(tmp_path / "out" / "failed.tsv")] == ["zz_gone.jpg"]
    assert len(table(tmp_path / "out" / "stylized.tsv")) == 7


def test_no_photo_that_can_be_read_is_an_error(styles: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"")
    with pytest.raises(HndescError, match="none of its 1 photos"):
        stylize_photos(tmp_path / "photos", styles, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Counter:
    """A method that counts its calls and can be interrupted."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.calls = 0
        self.stop_after = stop_after

    def __call__(self, content: np.ndarray, style: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.calls == self.stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        return content // 2


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch):
    """Put a method in the place of the registered one."""

    def put(method: Counter) -> Counter:
        monkeypatch.setattr(methods.METHODS, "load", lambda name: method)
        return method

    return put


def test_resumes_where_it_was_interrupted(photos: Path, styles: Path, tmp_path: Path, use) -> None:
    use(Counter())
    stylize_photos(photos, styles, tmp_path / "whole")
    use(Counter(stop_after=3))
    with pytest.raises(KeyboardInterrupt):
        stylize_photos(photos, styles, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / ".out.part" / ".a-x1y2.jpg").write_bytes(b"cut short")
    rest = use(Counter())
    stylize_photos(photos, styles, tmp_path / "out")
    assert rest.calls == 4
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("change", ["seed", "photo", "style"])
def test_starts_over_when_settings_or_inputs_differ(
    photos: Path, styles: Path, tmp_path: Path, use, change: str
) -> None:
    use(Counter(stop_after=3))
    with pytest.raises(KeyboardInterrupt):
        stylize_photos(photos, styles, tmp_path / "out")
    if change == "photo":
        write_image(photos / "gray.png", random_image(77))
    if change == "style":
        write_image(styles / "night" / "n.jpg", random_image(78, (30, 30)))
    again = use(Counter())
    stylize_photos(photos, styles, tmp_path / "out", seed=1 if change == "seed" else 0)
    assert again.calls == 7


def test_replaces_its_own_output_and_no_other_folder(photos: Path, styles: Path, tmp_path: Path) -> None:
    stylize_photos(photos, styles, tmp_path / "out")
    (photos / "a.jpg").unlink()
    stylize_photos(photos, styles, tmp_path / "out")
    assert not (tmp_path / "out" / "a.jpg").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(HndescError, match="mine: exists and was not made by stylize_photos"):
        stylize_photos(photos, styles, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_relighting_needs_no_styles(photos: Path, tmp_path: Path) -> None:
    stylize_photos(photos, None, tmp_path / "out", method="relighting", classes=["night", "snow"])
    rows = table(tmp_path / "out" / "stylized.tsv")
    assert {row["class"] for row in rows} == {"night", "snow"}
    assert {(row["style"], row["method"]) for row in rows} == {("", "relighting")}
    night, snow = (
        np.mean([read_image(tmp_path / "out" / r["copy"]).mean() for r in rows if r["class"] == name])
        for name in ("night", "snow")
    )
    assert night < 0.5 * snow
    with pytest.raises(HndescError, match="monge_kantorovich needs style photos"):
        stylize_photos(photos, None, tmp_path / "other")


def test_several_copies_differ_and_the_first_is_the_only_one_there_was(
    photos: Path, styles: Path, tmp_path: Path
) -> None:
    settings = {"method": "relighting", "seed": 5}
    stylize_photos(photos, styles, tmp_path / "one", **settings)
    stylize_photos(photos, styles, tmp_path / "three", copies=3, **settings)
    one, three = (table(tmp_path / name / "stylized.tsv") for name in ("one", "three"))
    assert [row["photo"] for row in three] == [row["photo"] for row in one for _ in range(3)]
    assert [row["copy"] for row in three[:3]] == ["1/a.jpg", "2/a.jpg", "3/a.jpg"]
    for row in one:
        copies = [(tmp_path / "three" / str(number) / row["copy"]).read_bytes() for number in (1, 2, 3)]
        assert copies[0] == (tmp_path / "one" / row["copy"]).read_bytes()
        if row["photo"] != "dot.png":
            assert len(set(copies)) == 3


def test_a_mixture_draws_methods_by_weight_and_makes_what_they_make_alone(
    photos: Path, styles: Path, tmp_path: Path
) -> None:
    for index in range(60):
        write_image(photos / f"small{index}.png", random_image(index, (4, 4)))
    both = {"relighting": {"weight": 3}, "monge_kantorovich": {"strength": 0.5}}
    stylize_photos(photos, styles, tmp_path / "mixed", method="mixed", methods=both)
    stylize_photos(photos, styles, tmp_path / "relit", method="relighting")
    stylize_photos(photos, styles, tmp_path / "moved", strength=0.5)
    rows = table(tmp_path / "mixed" / "stylized.tsv")
    relit = [row for row in rows if row["method"] == "relighting"]
    assert 0.6 < len(relit) / len(rows) < 0.9
    for row in rows:
        alone = tmp_path / ("relit" if row in relit else "moved") / row["copy"]
        assert (tmp_path / "mixed" / row["copy"]).read_bytes() == alone.read_bytes()


def test_shards_make_what_one_run_makes(photos: Path, styles: Path, tmp_path: Path) -> None:
    (photos / "c.JPG").write_bytes(b"no picture")
    settings = {"method": "mixed", "methods": {"relighting": {}, "monge_kantorovich": {}}, "copies": 2}
    stylize_photos(photos, styles, tmp_path / "whole", **settings)
    shards = [tmp_path / f"{number}-of-9" for number in range(1, 10)]  # seven photos: two shards are empty
    for shard in shards:
        stylize_photos(photos, styles, shard, part=shard.name, **settings)
    gather_stylized(shards[::-1], tmp_path / "gathered")
    assert contents(tmp_path / "gathered") == contents(tmp_path / "whole")
    assert len(table(tmp_path / "gathered" / "failed.tsv")) == 1
    with pytest.raises(HndescError, match=r"is in .*1-of-9 and in .*1-of-9"):
        gather_stylized([*shards, shards[0]], tmp_path / "gathered")
    stylize_photos(photos, styles, shards[0], part=shards[0].name, **settings, seed=1)
    with pytest.raises(HndescError, match="different settings"):
        gather_stylized(shards, tmp_path / "gathered")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": 1.5}, "strength of the stylization is 1.5"),
        ({"method": "magic"}, "unknown stylization method 'magic'; choose one of: .*monge_kantorovich"),
        ({"color": 3}, "unknown setting 'color' of stylization monge_kantorovich"),
        ({"copies": 0}, "copies is 0; expected a whole number"),
        ({"classes": ["noon"]}, "no style photo of the classes noon"),
        ({"method": "relighting", "classes": ["noon"]}, "none of the classes noon; known: cloudy, dusk"),
        ({"method": "mixed"}, "needs methods"),
        ({"method": "mixed", "methods": {"relighting": {}}, "strength": 0.5}, "setting 'strength' of a mixed"),
        ({"method": "mixed", "methods": {"relighting": {"weight": 0}}}, "not all 0"),
        ({"method": "mixed", "methods": {"relighting": {"gain": 1}}}, "unknown setting 'gain' of stylization reli"),
        ({"methods": {"relighting": {}}}, "call it 'mixed'"),
        ({"part": "3-of-2"}, "'3-of-2' is not a shard"),
    ],
)
def test_wrong_settings(photos: Path, styles: Path, tmp_path: Path, settings: dict, message: str) -> None:
    with pytest.raises(HndescError, match=message):
        stylize_photos(photos, styles, tmp_path / "out", **settings)
    assert not (tmp_path / ".out.part").exists()


def test_wrong_places(photos: Path, styles: Path, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="overlaps with the input"):
        stylize_photos(photos, styles, photos / "out")
    with pytest.raises(HndescError, match="nowhere: no such folder"):
        stylize_photos(photos, tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(HndescError, match="nowhere: no such folder"):
        stylize_photos(tmp_path / "nowhere", styles, tmp_path / "out")
