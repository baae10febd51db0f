"""Re-ranking that jobs share: counts of parts of the queries."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hndesc.errors import HndescError
from hndesc.io.features import FeatureWriter
from hndesc.retrieval.inlier_counts import read_counts, write_counts
from hndesc.retrieval.reranking import count_shortlist, rerank_shortlist
from hndesc.retrieval.shortlist import Shortlist, write_shortlist
from tests.evaluation.retrieval.test_revisited import make_view

DATABASE = [f"{number}" for number in range(6)]
QUERIES = [f"q{number}" for number in range(9)]
SETTINGS = {"top": 4, "estimator": "magsac"}
COUNTS = (1, 2, 7, 12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine queries over six photos, one of which has no features; a ranking ends early; all parts of it, counted."""
    folder = tmp_path_factory.mktemp("counts")
    with FeatureWriter(folder / "features.h5", {"detector": "exact"}) as writer:
        for number, name in enumerate(DATABASE[:-1]):
            writer.write(f"db/{name}", make_view(number, 30, 5))
        writer.fail(f"db/{DATABASE[-1]}", "cut short")
        for number, name in enumerate(QUERIES):
            writer.write(f"query/{name}", make_view(number % 5))
    ranks = np.stack([np.random.default_rng(row).permutation(len(DATABASE)) for row in range(len(QUERIES))])
    ranks[3, 2:] = -1
    write_shortlist(folder / "shortlist.h5", Shortlist(QUERIES, DATABASE, ranks, {"name": "random"}))
    for count in COUNTS:
        for part in parts_of(folder, count):
            count_shortlist(folder / "features.h5", folder / "shortlist.h5", part, part=part.stem, **SETTINGS)
    return folder


def parts_of(folder, count):
    return [folder / f"{number}-of-{count}.h5" for number in range(1, count + 1)]


def ranked(folder, **more):
    return rerank_shortlist(folder / "features.h5", folder / "shortlist.h5", DATABASE, QUERIES, **SETTINGS | more)


@settings(max_examples=15, deadline=None)
@given(count=st.sampled_from(COUNTS), order=st.randoms(use_true_random=False))
def test_parts_rank_as_the_whole_in_any_order(folder, count, order):
    whole, parts = ranked(folder), parts_of(folder, count)
    order.shuffle(parts)
    shared = ranked(folder, counted=parts)
    assert (shared.after == whole.after).all() and (whole.after != whole.before).any()
    assert json.dumps(shared.record) == json.dumps(whole.record)


def test_a_part_twice_or_missing_is_an_error(folder):
    first, second = parts_of(folder, 2)
    with pytest.raises(HndescError, match=r"1-of-2\.h5: contains queries of another file"):
        ranked(folder, counted=[first, second, first])
    with pytest.raises(HndescError, match=r"1-of-2\.h5 and the other files lack some queries; give all shards"):
        ranked(folder, counted=[first])


@pytest.mark.parametrize("other", [{"top": 3}, {"estimator": "ransac"}, {"ransac_threshold": 4.0}])
def test_parts_made_with_other_settings_are_named(folder, other):
    with pytest.raises(HndescError, match=r"1-of-1\.h5: counts of another shortlist, features or settings"):
        ranked(folder, counted=parts_of(folder, 1), **other)


def test_broken_parts_are_named(tmp_path):
    write_counts(tmp_path / "a.h5", [0, 5], np.zeros((2, 3), np.int32), {})
    with pytest.raises(HndescError, match=r"a\.h5: counts of another shortlist"):
        read_counts([tmp_path / "a.h5"], (2, 3), {})
    (tmp_path / "a.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:500])
    with pytest.raises(HndescError, match=r"a\.h5: not a complete HDF5 file"):
        read_counts([tmp_path / "a.h5"], (2, 3), {})
