"""Which candidates count as negatives, and which of them are taken."""

import pytest
import torch

from hndesc.errors import HndescError
from hndesc.training.negatives import NONE, Candidates, allowed, drawn, hardest

# Keypoints: two of pair 0 (photo 5), two of pair 1 (photo 7), one of pair 2 (photo 5 again).
PAIR = torch.tensor([0, 0, 1, 1, 2])
PHOTO = torch.tensor([5, 5, 7, 7, 5])
ROW = torch.arange(5)


def candidates() -> Candidates:
    """The five positives, then keypoints of similar photos: of photo 7 and of a photo outside the batch."""
    return Candidates(torch.zeros(5, 2), PAIR, PHOTO, ROW).extended(torch.zeros(2, 2), torch.tensor([7, 9]))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("in_pair", ["0100000", "1000000", "0001000", "0010000", "0000000"]),
        ("in_batch", ["0011000", "0011000", "1100100", "1100100", "0011000"]),
        ("random", ["0011000", "0011000", "1100100", "1100100", "0011000"]),
        ("all", ["0111000", "1011000", "1101100", "1110100", "0011000"]),
        ("in_batch_global", ["0011011", "0011011", "1100101", "1100101", "0011011"]),
    ],
)
def test_allowed(kind, expected):
    mask = allowed(kind, candidates(), PAIR, PHOTO, ROW)
    assert ["".join(str(int(value)) for value in row) for row in mask] == expected


def test_similar_photos_belong_to_no_pair():
    assert candidates().pair[5:].tolist() == candidates().row[5:].tolist() == [NONE, NONE]


def test_an_unknown_kind_is_named():
    with pytest.raises(HndescError, match="in_crowd"):
        allowed("in_crowd", candidates(), PAIR, PHOTO, ROW)


SIMILARITY = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.8, 0.2, 0.6, 0.4], [0.3, 0.3, 0.1, 0.2]])
MASK = torch.tensor([[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)


def test_hardest_are_the_largest_that_count_and_the_last_is_repeated():
    found = hardest(SIMILARITY, MASK, 3)
    assert torch.equal(found, torch.tensor([[0.7, 0.5, 0.1], [0.2, 0.2, 0.2], [0.3, 0.3, 0.2]]))


def test_hardest_of_fewer_candidates_than_k():
    assert hardest(SIMILARITY[:1, :2], MASK[:1, :2], 4).tolist() == [pytest.approx([0.1] * 4)]


def test_drawn_without_replacement_from_those_that_count():
    seen = set()
    for seed in range(30):
        found = drawn(SIMILARITY, MASK, 2, torch.rand(3, 4, generator=torch.Generator().manual_seed(seed)))
        first = found[0].tolist()
        assert first[0] != first[1]
        assert set(found[0].tolist()) <= set(SIMILARITY[0][MASK[0]].tolist())
        assert found[1].tolist() == pytest.approx([0.2, 0.2])
        seen.add(tuple(first))
    assert len(seen) == 6
