"""Mutual nearest neighbors against brute force, and the quick way among whole numbers against all products."""

import contextlib
import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hndesc.errors import HndescError
from hndesc.matching import nearest_neighbors, screening
from hndesc.matching.nearest_neighbors import mutual_nearest
from tests import ties
from tests.conftest import ROOT
from tests.hostile.guard import outcome


def brute_force(a: np.ndarray, b: np.ndarray) -> list[list[int]]:
    similarity = [[float(np.dot(x, y)) for y in b] for x in a]
    pairs = []
    for i, row in enumerate(similarity):
        j = row.index(max(row))
        column = [other[j] for other in similarity]
        if column.index(max(column)) == i:
            pairs.append([i, j])
    return pairs


def exact_product(a: torch.Tensor, b: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
    """Multiply 8-bit numbers as torch does where the processor has quick instructions for it."""
    return out.copy_(torch.from_numpy(a.numpy().astype(np.int32) @ b.numpy().astype(np.int32)))


@pytest.fixture(params=["single precision", "whole numbers"])
def way(request, monkeypatch) -> str:
    """Search in one of the two ways whatever the size and the processor."""
    force(monkeypatch, request.param)
    return request.param


def force(patch: pytest.MonkeyPatch, way: str) -> None:
    usual = nearest_neighbors._multiplies_bytes()
    patch.setattr(nearest_neighbors, "_FEW", 0)
    patch.setattr(nearest_neighbors, "_multiplies_bytes", lambda: way == "whole numbers")
    if way == "whole numbers" and not usual:
        patch.setattr(torch, "_int_mm", exact_product)


def no_fallback(patch: pytest.MonkeyPatch) -> None:
    def missed(*_: object) -> None:
        raise AssertionError("the quick way gave up")

    patch.setattr(nearest_neighbors, "_distinct", missed)


# Small whole numbers: products are exact, and ties are frequent.
whole = st.integers(-2, 2).map(float)


@pytest.mark.parametrize("kind", ["single precision", "whole numbers"])
@settings(max_examples=150, deadline=None)
@given(data=st.data(), dim=st.integers(1, 4), rows=st.sampled_from([1, 2, 3, 256]), lanes=st.sampled_from([1, 4, 512]))
def test_equals_brute_force_with_ties(kind, data, dim, rows, lanes):
    a, b = (
        data.draw(arrays(np.float32, st.tuples(st.integers(1, 12), st.just(dim)), elements=whole)) for _ in range(2)
    )
    with pytest.MonkeyPatch.context() as patch:
        force(patch, kind)
        patch.setattr(nearest_neighbors, "_ROWS", rows)
        for module in (nearest_neighbors, screening):
            patch.setattr(module, "LANES", lanes)
        patch.setattr(nearest_neighbors, "_MAX_CANDIDATES", 10**6)
        if kind == "whole numbers" and dim > 1 and a.any() and b.any():
            no_fallback(patch)
        assert mutual_nearest(a, b).tolist() == brute_force(a, b)


def unit(count: int, dim: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def check(a: np.ndarray, b: np.ndarray, pairs: np.ndarray, rounding: float = 1e-6) -> None:
    """Compare with products in double precision, which may decide otherwise only on what single precision rounds."""
    similarity = a.astype(np.float64) @ b.astype(np.float64).T
    close = rounding * max(np.abs(similarity).max(), 1e-30)
    i, j = pairs.T
    assert (similarity[i, j] >= similarity[i].max(axis=1) - close).all()
    assert (similarity[i, j] >= similarity[:, j].max(axis=0) - close).all()
    assert len(set(i.tolist())) == len(set(j.tolist())) == len(pairs)
    # A pair that is nearest with room to spare both ways is among them.
    best, rows, columns = similarity.argmax(axis=1), np.arange(len(a)), np.arange(len(b))
    rest = similarity.copy()
    rest[rows, best] = -np.inf
    clear = similarity[rows, best] - rest.max(axis=1, initial=-np.inf) > close
    back = similarity.argmax(axis=0)
    rest = similarity.copy()
    rest[back, columns] = -np.inf
    clear &= (similarity[back, columns] - rest.max(axis=0, initial=-np.inf) > close)[best]
    expected = {(row, best[row]) for row in rows if clear[row] and back[best[row]] == row}
    assert expected <= set(map(tuple, pairs.tolist()))


def clusters(rng: np.random.Generator, count: int, dim: int, spread: float, shared: np.ndarray) -> np.ndarray:
    """Return descriptors around shared centers, some of them twice, some zero."""
    values = shared[rng.integers(len(shared), size=count)] + rng.normal(scale=spread, size=(count, dim))
    values[rng.integers(count, size=count // 8)] = values[rng.integers(count, size=count // 8)]
    values[rng.random(count) < 0.02] = 0
    return values.astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    dim=st.sampled_from([1, 3, 16, 128]),
    centers=st.sampled_from([1, 5, 60]),
    spread=st.sampled_from([0.0, 1e-6, 1e-4, 1e-2, 0.3]),
    sign=st.sampled_from(["any", "positive", "negative"]),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    lanes=st.sampled_from([3, 16, 512]),
)
def test_the_quick_way_is_exact_on_duplicates_and_nearly_equal_descriptors(
    seed, sizes, dim, centers, spread, sign, scale, lanes
):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(centers, dim))
    shared = shared / np.linalg.norm(shared, axis=1, keepdims=True)
    a, b = (clusters(rng, size, dim, spread, shared) * np.float32(scale) for size in sizes)
    if sign != "any":
        a, b = np.abs(a), np.abs(b) * (1 if sign == "positive" else -1)
    with pytest.MonkeyPatch.context() as patch:
        force(patch, "whole numbers")
        for module in (nearest_neighbors, screening):
            patch.setattr(module, "LANES", lanes)
        patch.setattr(nearest_neighbors, "_ROWS", 32)
        patch.setattr(nearest_neighbors, "_MAX_CANDIDATES", 10**6)
        if dim > 1 and a.any() and b.any():
            no_fallback(patch)
        check(a, b, mutual_nearest(a, b))


def test_the_quick_way_decides_what_whole_numbers_cannot_tell_apart(monkeypatch):
    # The true neighbor differs from its rivals by a hundredth of the step to which codes are rounded.
    rng = np.random.default_rng(0)
    base = unit(40, 64, 0)
    b = np.repeat(base, 8, axis=0) + rng.normal(scale=1e-4, size=(320, 64)).astype(np.float32)
    order = rng.permutation(320)
    a = b[order]
    force(monkeypatch, "whole numbers")
    no_fallback(monkeypatch)
    assert len(np.unique(screening.Side.of(b, "int8").codes, axis=0)) < 320
    a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b))
    matches = mutual_nearest(a, b)
    np.testing.assert_array_equal(matches[:, 1], order[matches[:, 0]])
    assert len(matches) == 320


@pytest.mark.parametrize("arithmetic", ["int8", "float32"])
def test_a_crowd_of_nearly_equal_descriptors_is_decided_in_double_precision(monkeypatch, way, arithmetic):
    a = unit(1, 32, 0) + np.float32(1e-5 if arithmetic == "int8" else 1e-7) * unit(600, 32, 1)
    assert nearest_neighbors._search(a, a, arithmetic) is None
    similarity = a.astype(np.float64) @ a.astype(np.float64).T
    forth, back = similarity.argmax(axis=1), similarity.argmax(axis=0)
    assert mutual_nearest(a, a).tolist() == [[i, forth[i]] for i in range(600) if back[forth[i]] == i]


@pytest.mark.parametrize("count", [1, 300, 5000])
def test_any_number_of_equal_descriptors_gives_one_pair(way, count):
    a = np.repeat(unit(1, 32, 0), count, axis=0)
    assert mutual_nearest(a, a[:200]).tolist() == [[0, 0]]
    assert mutual_nearest(0 * a, -0.0 * a[:200]).tolist() == [[0, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("first", [True, False])
def test_what_is_not_finite_is_refused(way, value, first):
    good, bad = unit(8, 4, 0), unit(5, 4, 1)
    bad[3, 2] = value
    with pytest.raises(HndescError, match="non-finite"):
        mutual_nearest(*((bad, good) if first else (good, bad)))


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12, 1e30])
def test_lengths_do_not_matter(way, scale):
    a, b = unit(300, 8, 0), unit(400, 8, 1)
    assert mutual_nearest(a, b * np.float32(scale)).tolist() == mutual_nearest(a, b).tolist()


@pytest.mark.parametrize(("tile", "tops"), [(64, 2**24), (64, 1000), (256, 1)])
@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), sizes=st.tuples(st.integers(1, 200), st.integers(1, 200)))
def test_tiles_change_nothing(tile, tops, seed, sizes):
    a, b = (
        np.random.default_rng(seed + k).integers(-3, 4, (size, 4)).astype(np.float32) for k, size in enumerate(sizes)
    )
    for kind in ("single precision", "whole numbers"):
        with pytest.MonkeyPatch.context() as patch:
            force(patch, kind)
            patch.setattr(nearest_neighbors, "_TILE", tile)
            patch.setattr(nearest_neighbors, "_ROWS", 32)
            patch.setattr(nearest_neighbors, "_TOPS", tops)
            patch.setattr(nearest_neighbors, "_MAX_CANDIDATES", 10**6)
            assert mutual_nearest(a, b).tolist() == brute_force(a, b)


def match_large() -> int:
    """Match 8,000 with 100,000 descriptors."""
    rng = np.random.default_rng(0)
    b = rng.normal(size=(100_000, 32)).astype(np.float32)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    order = rng.permutation(100_000)[:8_000]
    pairs = mutual_nearest(b[order], b)
    return int((order[pairs[:, 0]] == pairs[:, 1]).sum())


def test_memory_is_bounded():
    # All products take 3.2 GB.
    assert outcome(match_large, seconds=60, megabytes=200) == 8_000


def test_a_processor_without_the_instructions_multiplies_in_single_precision(monkeypatch):
    monkeypatch.setattr(nearest_neighbors, "_FEW", 0)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"architecture": "aarch64"})
    monkeypatch.setattr(nearest_neighbors, "_multiplies_bytes", nearest_neighbors._multiplies_bytes.__wrapped__)
    monkeypatch.setattr(torch, "_int_mm", lambda *_, **__: pytest.fail("whole numbers were tried"))
    a = unit(50, 8, 0)
    np.testing.assert_array_equal(mutual_nearest(a, a)[:, 1], np.arange(50))


_PROGRAM = """
import sys
import numpy as np
from hndesc.matching import nearest_neighbors

def outcome():
    pairs, products = nearest_neighbors.nearest_with_products(a, a)
    return "torch" in sys.modules, products is None, len(pairs)

a = np.random.default_rng(0).normal(size=(1600, 128)).astype(np.float32)
few = outcome()
nearest_neighbors._IMPORT = 3 * a.size * len(a)
print(few, outcome(), outcome(), outcome())
"""


def test_torch_is_imported_only_for_many_products():
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    without, imported = (False, True, 1600), (True, True, 1600)
    assert done.stdout.strip() == f"{without} {without} {without} {imported}"


def test_products_that_saturate_are_not_used(monkeypatch):
    if not nearest_neighbors._multiplies_bytes():
        monkeypatch.setattr(torch, "_int_mm", lambda a, b: a.int() @ b.int())
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_vnni": True})
    assert nearest_neighbors._multiplies_bytes.__wrapped__()
    monkeypatch.setattr(torch, "_int_mm", lambda a, b: (a.int() @ b.int()).clamp(max=2**15 - 1))
    assert not nearest_neighbors._multiplies_bytes.__wrapped__()


def test_real_sizes_take_the_quick_way_and_both_ways_agree(monkeypatch):
    rng = np.random.default_rng(0)
    a = np.abs(unit(2100, 128, 0)) / 3 + unit(2100, 128, 1)
    b = np.concatenate([a[rng.permutation(2100)[:900]] + 0.4 * unit(900, 128, 2), np.abs(unit(1300, 128, 3))])
    a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b.astype(np.float32)))
    expected = nearest_neighbors._search(a, b, "float32")
    assert len(expected) > 700
    if nearest_neighbors._multiplies_bytes():
        no_fallback(monkeypatch)
    assert mutual_nearest(a, b).tolist() == expected.tolist()


def test_equals_one_whole_product_over_several_blocks(way):
    a, b = unit(700, 16, 0), unit(900, 16, 1)
    similarity = a @ b.T
    forth, back = similarity.argmax(axis=1), similarity.argmax(axis=0)
    expected = [[i, forth[i]] for i in range(700) if back[forth[i]] == i]
    assert len(expected) > 100
    assert mutual_nearest(a, b).tolist() == expected


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 40), (40, 1), (255, 40), (256, 40), (257, 40), (513, 300)])
def test_equals_brute_force_at_the_borders_of_blocks(way, n, m):
    # Whole numbers: no rounding, and ties within a block and across blocks.
    a, b = (np.random.default_rng(count).integers(-3, 4, (count, 5)).astype(np.float32) for count in (n, m))
    assert mutual_nearest(a, b).tolist() == brute_force(a, b)


@pytest.mark.parametrize("copy", [1, 255, 256, 599])
def test_of_equal_rows_the_first_is_matched(way, copy):
    a = unit(600, 32, 0)
    a[copy] = a[0]
    expected = [[i, i] for i in range(600) if i != copy]
    assert mutual_nearest(a, a).tolist() == expected


OTHERS = [("Prescott", 1), ("Nehalem", 2), ("Zen", 2), ("SkylakeX", 2)]


@pytest.mark.parametrize(
    ("processor", "threads"), [("Haswell", 2), *(pytest.param(*one, marks=pytest.mark.slow) for one in OTHERS)]
)
def test_ties_are_the_same_with_every_linear_algebra(processor: str, threads: int) -> None:
    environment = os.environ | {"OPENBLAS_CORETYPE": processor, "OPENBLAS_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "tests.ties"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
    if done.returncode == -signal.SIGILL:
        pytest.skip(f"this processor lacks the instructions of {processor}")
    with contextlib.redirect_stdout(io.StringIO()) as expected:
        ties.main()
    assert done.stdout == expected.getvalue(), done.stderr
    assert done.stdout.startswith("0 ")


def test_a_row_that_ties_but_prefers_another_column_keeps_the_pair_from_a_later_row(way):
    a = np.array([[1, 1], [0, 1]], np.float32)
    assert mutual_nearest(a, np.eye(2, dtype=np.float32)).tolist() == brute_force(a, np.eye(2)) == [[0, 0]]


def test_swapping_sides_swaps_the_pairs(way):
    a, b = unit(300, 8, 0), unit(400, 8, 1)
    assert sorted(mutual_nearest(b, a)[:, ::-1].tolist()) == mutual_nearest(a, b).tolist()


def test_permuted_descriptors_are_found_again(way):
    a = unit(600, 32, 0)
    order = np.random.default_rng(1).permutation(600)
    matches = mutual_nearest(a, a[order])
    assert matches.dtype == np.int64
    np.testing.assert_array_equal(order[matches[:, 1]], np.arange(600))


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_match(n, m):
    matches = mutual_nearest(np.empty((n, 4), np.float32), np.empty((m, 4), np.float32))
    assert matches.shape == (0, 2)
    assert matches.dtype == np.int64


def test_half_precision_and_transposed_input(way):
    a = unit(50, 8, 0)
    np.testing.assert_array_equal(mutual_nearest(a.astype(np.float16), np.asfortranarray(a))[:, 1], np.arange(50))


def test_descriptors_without_a_dimension_are_an_error():
    with pytest.raises(HndescError, match="N x D"):
        mutual_nearest(np.empty((3, 0)), np.empty((2, 0)))


def test_other_dimensions_are_an_error():
    with pytest.raises(HndescError, match="8 and 16 dimensions"):
        mutual_nearest(unit(3, 8, 0), unit(3, 16, 0))
