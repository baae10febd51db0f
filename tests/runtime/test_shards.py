import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.errors import HndescError
from hndesc.runtime.shards import block_of, read_part


@given(items=st.lists(st.integers(), max_size=40), count=st.integers(1, 50))
def test_blocks_are_the_whole_in_its_order_and_even(items, count):
    blocks = [block_of(items, f"{number}-of-{count}") for number in range(1, count + 1)]
    assert [item for block in blocks for item in block] == items
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


def test_no_part_is_all():
    assert block_of([3, 1], None) == [3, 1]


@pytest.mark.parametrize("part", ["0-of-3", "4-of-3", "2", "a-of-b", "", "-1-of-2", "1-of-0"])
def test_what_is_no_part_is_named(part):
    with pytest.raises(HndescError, match=f"'{part}' is not a shard"):
        read_part(part)
