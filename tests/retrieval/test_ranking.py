import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.retrieval import ranking
from hndesc.retrieval.global_features import describe_globally
from hndesc.retrieval.neighbor_table import read_neighbors
from hndesc.retrieval.ranking import find_neighbors, learn_whitening, make_shortlist, rank
from hndesc.retrieval.shortlist import read_shortlist
from hndesc.retrieval.whitening import read_whitening
from hndesc.workflow.image_selection import select_images


@given(
    arrays.arrays(np.float32, (5, 2), elements=st.integers(-3, 3)),
    arrays.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(2)), elements=st.integers(-3, 3)),
    st.none() | st.integers(1, 12),
    st.integers(1, 30),
)
@settings(deadline=None)
def test_ranking_is_by_similarity_and_then_by_index(queries, database, count, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranking, "BLOCK", block)
        ranked = list(rank(queries, database, count))
    assert len(ranked) == len(queries)
    for query, (order, similarity) in zip(queries, ranked, strict=True):
        products = [float(query @ row) for row in database]
        expected = sorted(range(len(database)), key=lambda i, products=products: (-products[i], i))[:count]
        assert order.tolist() == expected
        assert similarity.tolist() == [products[i] for i in expected]


def striped(angle, seed):
    """An image of stripes at an angle, so that equal angles look alike."""
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    waves = np.sin((x * np.cos(angle) + y * np.sin(angle)) / 3)
    noise = np.random.default_rng(seed).normal(scale=0.1, size=waves.shape)
    return np.repeat((127 + 100 * np.clip(waves + noise, -1.2, 1.2))[..., None], 3, axis=2).astype(np.uint8)


ANGLES = {"a": 0.0, "b": 0.9, "c": 1.8}


def test_neighbors_of_a_folder(tmp_path):
    photos, table = tmp_path / "photos", tmp_path / "out" / "n.tsv"
    for name, angle in ANGLES.items():
        for number in range(3):
            write_image(photos / name / f"{number}.png", striped(angle, number))
    (photos / "a" / "broken.png").write_bytes(b"no image")
    find_neighbors(photos, table, descriptor="color_gradient", count=4)
    found = read_neighbors(table)
    assert sorted(found) == [f"{name}/{number}.png" for name in "abc" for number in range(3)]
    for photo, others in found.items():
        assert len(others) == len(set(others)) == 4 and photo not in others
        assert {other[0] for other in others[:2]} == {photo[0]}
    assert [path.name for path in table.parent.iterdir()] == ["n.tsv"]
    similarity = [float(line.split("\t")[2]) for line in table.read_text().splitlines()[1:5]]
    assert similarity == sorted(similarity, reverse=True)
    find_neighbors(photos, table, descriptor="color_gradient", count=100)
    assert {len(others) for others in read_neighbors(table).values()} == {8}


def test_identical_photos_are_each_others_neighbors(tmp_path):
    for name in "abcd":
        write_image(tmp_path / "photos" / f"{name}.png", striped(0, 0))
    find_neighbors(tmp_path / "photos", tmp_path / "n.tsv", descriptor="color_gradient", count=1)
    assert read_neighbors(tmp_path / "n.tsv") == {
        "a.png": ["b.png"],
        "b.png": ["a.png"],
        "c.png": ["a.png"],
        "d.png": ["a.png"],
    }


@pytest.fixture
def places(tmp_path):
    database = [f"{name}{number}" for number in range(2) for name in ANGLES]
    truth = {
        "imlist": database,
        "qimlist": ["qb", "qc"],
        "gnd": [{"bbx": [0, 0, 48, 64], "easy": [0], "hard": [], "junk": []}] * 2,
    }
    for name in database:
        write_image(tmp_path / "jpg" / f"{name}.jpg", striped(ANGLES[name[0]], int(name[1])))
    for name in ("qb", "qc"):
        image = striped(ANGLES[name[1]], 7)
        image[:, 48:] = striped(ANGLES["a"], 7)[:, 48:]  # outside the box
        write_image(tmp_path / "jpg" / f"{name}.jpg", image)
    (tmp_path / "gnd_places.pkl").write_bytes(pickle.dumps(truth))
    return tmp_path


def test_shortlist_ranks_the_whole_database(places):
    make_shortlist(places, places / "s.h5", descriptor="color_gradient", resize_max=60)
    shortlist = read_shortlist(places / "s.h5")
    assert shortlist.queries == ["qb", "qc"]
    assert shortlist.settings["name"] == "color_gradient" and shortlist.settings["resize_max"] == 60
    assert (np.sort(shortlist.ranks, axis=1) == np.arange(6)).all()
    for query, row in zip(shortlist.queries, shortlist.ranks, strict=True):
        assert {shortlist.database[index] for index in row[:2]} == {f"{query[1]}0", f"{query[1]}1"}


def test_unreadable_photos_are_not_ranked(places):
    whole = places / "s.h5"
    make_shortlist(places, whole, descriptor="color_gradient")
    before = read_shortlist(whole)
    (places / "jpg" / "c0.jpg").unlink()
    (places / "jpg" / "qb.jpg").write_bytes(b"no image")
    make_shortlist(places, whole, descriptor="color_gradient")
    after = read_shortlist(whole)
    assert (after.ranks[0] == -1).all()
    assert after.ranks[1].tolist() == [index for index in before.ranks[1] if after.database[index] != "c0"] + [-1]
    assert sorted(after.failed) == ["db/c0", "query/qb"]


def test_shortlist_of_whitened_descriptors(places):
    photos = places / "photos"
    for number in range(12):
        write_image(photos / f"{number}.png", striped(number / 4, number))
    learn_whitening(photos, places / "w.h5", descriptor="color_gradient", resize_max=60, dimensions=4)
    learned = read_whitening(places / "w.h5")
    assert learned.settings["photos"] == 12 and learned.settings["name"] == "color_gradient"
    settings = {"descriptor": "color_gradient", "resize_max": 60}
    make_shortlist(places, places / "s.h5", learned=places / "w.h5", **settings)
    shortlist = read_shortlist(places / "s.h5")
    assert shortlist.settings["whitening"] == {"dimensions": 4, "photos": 12}
    for query, row in zip(shortlist.queries, shortlist.ranks, strict=True):
        assert {shortlist.database[index] for index in row[:2]} == {f"{query[1]}0", f"{query[1]}1"}
    with pytest.raises(HndescError, match=r"w\.h5: learned with other settings"):
        make_shortlist(places, places / "s.h5", learned=places / "w.h5", **settings | {"resize_max": 50})


def test_whitening_is_learned_on_at_most_a_maximum_number_of_photos(tmp_path):
    for number in range(9):
        write_image(tmp_path / "photos" / f"{number}.png", striped(number / 4, number))
    learn_whitening(tmp_path / "photos", tmp_path / "w.h5", descriptor="color_gradient", max_photos=4)
    assert read_whitening(tmp_path / "w.h5").settings["photos"] == 3


def test_distractors_stand_behind_the_database(places):
    for number in range(3):
        write_image(places / "others" / "far" / f"{number}.png", striped(0.5, number))
    make_shortlist(places, places / "s.h5", descriptor="color_gradient", distractors=places / "others")
    shortlist = read_shortlist(places / "s.h5")
    assert shortlist.database[6:] == [f"distractors/far/{number}.png" for number in range(3)]
    assert (np.sort(shortlist.ranks, axis=1) == np.arange(9)).all()


def test_shards_of_global_descriptors_make_no_difference(places, tmp_path):
    (places / "jpg" / "c0.jpg").unlink()
    shards = [places / f"{number}.h5" for number in (1, 2, 3)]
    for number, path in enumerate(shards, 1):
        describe_globally(select_images(places, "retrieval", part=f"{number}-of-3"), path, "color_gradient")
    make_shortlist(places, places / "whole.h5", descriptor="color_gradient")
    make_shortlist(places, places / "parts.h5", descriptor="color_gradient", described=shards)
    whole, parts = (read_shortlist(places / name) for name in ("whole.h5", "parts.h5"))
    np.testing.assert_array_equal(whole.ranks, parts.ranks)
    assert whole.settings == parts.settings and whole.failed == parts.failed and list(parts.failed) == ["db/c0"]
    assert all(path.is_file() for path in shards)
    with pytest.raises(HndescError, match=r"1\.h5: no global descriptor of 'db/\w+' in any shard"):
        make_shortlist(places, places / "parts.h5", descriptor="color_gradient", described=shards[:2])
    describe_globally(
        select_images(places, "retrieval", part="3-of-3"), shards[2], descriptor="color_gradient", resize_max=50
    )
    with pytest.raises(HndescError, match=r"3\.h5: made with other settings than the other shards"):
        make_shortlist(places, places / "parts.h5", descriptor="color_gradient", described=shards)


def test_blocks_of_the_database_make_no_difference(places, monkeypatch):
    make_shortlist(places, places / "s.h5", descriptor="color_gradient")
    monkeypatch.setattr("hndesc.retrieval.ranking.ROWS", 4)
    make_shortlist(places, places / "t.h5", descriptor="color_gradient")
    np.testing.assert_array_equal(read_shortlist(places / "s.h5").ranks, read_shortlist(places / "t.h5").ranks)


def test_database_without_a_readable_photo_is_an_error(places):
    for path in (places / "jpg").glob("[abc]?.jpg"):
        path.unlink()
    with pytest.raises(HndescError, match="no image of the database is readable"):
        make_shortlist(places, places / "s.h5", descriptor="color_gradient")
