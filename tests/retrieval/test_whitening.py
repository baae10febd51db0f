import numpy as np
import pytest

from hndesc.errors import HndescError
from hndesc.retrieval.whitening import Whitening, learn, read_whitening, write_whitening


@pytest.fixture
def vectors():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(12, 12)) * np.geomspace(1, 0.01, 12)
    return (rng.normal(size=(400, 12)) @ mixing + 5).astype(np.float32)


def test_what_it_was_learned_from_becomes_white(vectors):
    learned = learn(vectors, 6)
    white = (vectors - learned.mean) @ learned.projection
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(6), atol=1e-3)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-3)


def test_the_strongest_components_are_kept(vectors):
    covariance = np.cov(vectors.T)
    strongest = np.linalg.eigh(covariance)[1][:, ::-1][:, :3]
    kept = learn(vectors, 3).projection
    kept /= np.linalg.norm(kept, axis=0)
    np.testing.assert_allclose(np.abs((kept * strongest).sum(axis=0)), 1, atol=1e-3)


def test_applied_vectors_have_unit_length(vectors):
    applied = learn(vectors, 5).apply(vectors[:7])
    assert applied.shape == (7, 5) and applied.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(applied, axis=1), 1, atol=1e-5)
    still = Whitening(np.zeros(2), np.eye(2)).apply(np.zeros((1, 2)))
    assert still.tolist() == [[0, 0]]


def test_dimensions_follow_the_number_of_photos(vectors):
    assert learn(vectors).projection.shape == (12, 12)
    assert learn(vectors[:10]).projection.shape == (12, 5)
    with pytest.raises(HndescError, match="4 images allow a whitening of at most 3 dimensions, not 4"):
        learn(vectors[:4], 4)


def test_comes_back_as_written_or_is_named(tmp_path, vectors):
    path = tmp_path / "w.h5"
    with pytest.raises(HndescError, match=r"w\.h5: no such whitening"):
        read_whitening(path)
    learned = learn(vectors, 4, {"name": "x"})
    write_whitening(path, learned)
    again = read_whitening(path)
    np.testing.assert_array_equal(again.projection, learned.projection)
    np.testing.assert_array_equal(again.mean, learned.mean)
    assert again.settings == {"name": "x", "dimensions": 4}
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(HndescError, match=r"w\.h5: not a complete HDF5 file"):
        read_whitening(path)
