"""The table of checksums that first downloads record."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hndesc.datasets.fetch.checksums import COLUMNS, Checksums
from hndesc.errors import HndescError

ONE, OTHER = "a" * 64, "b" * 64
HEAD = "\t".join(COLUMNS) + "\n"


@pytest.fixture
def sums(tmp_path: Path) -> Checksums:
    return Checksums(tmp_path / "below" / "sums.tsv")


def test_nothing_is_known_before_the_first_record(sums: Checksums) -> None:
    assert sums.find("a.zip") is None
    assert not sums.path.exists()


def test_a_record_is_found_and_the_table_is_sorted(sums: Checksums) -> None:
    sums.record("b.zip", 20, OTHER, "http://b")
    sums.record("a.zip", 10, ONE, "http://a")
    assert (sums.find("a.zip"), sums.find("b.zip"), sums.find("c.zip")) == (ONE, OTHER, None)
    assert sums.path.read_text() == f"{HEAD}a.zip\t10\t{ONE}\thttp://a\nb.zip\t20\t{OTHER}\thttp://b\n"


def test_the_same_again_changes_nothing_and_another_is_refused(sums: Checksums) -> None:
    sums.record("a.zip", 10, ONE, "http://a")
    before = sums.path.read_bytes()
    sums.record("a.zip", 10, ONE, "http://mirror")
    with pytest.raises(HndescError, match=r"sums\.tsv: the recorded checksum of a.zip differs from b"):
        sums.record("a.zip", 10, OTHER, "http://a")
    assert sums.path.read_bytes() == before


def test_records_at_the_same_time_are_all_kept(sums: Checksums) -> None:
    names = [f"{number}.zip" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: sums.record(name, 1, ONE, "http://a"), names))
    assert [sums.find(name) for name in names] == [ONE] * len(names)


@pytest.mark.parametrize(
    "rows",
    [
        f"a.zip\t1\t{ONE}\tx\na.zip\t1\t{ONE}\tx\n",
        f"a.zip\tmany\t{ONE}\tx\n",
        f"a.zip\t-1\t{ONE}\tx\n",
        "a.zip\t1\tabc\tx\n",
        f"a.zip\t1\t{ONE.upper()}\tx\n",
    ],
    ids=["twice", "no size", "negative size", "short", "upper case"],
)
def test_a_table_that_cannot_be_right_is_refused(sums: Checksums, rows: str) -> None:
    sums.path.parent.mkdir()
    sums.path.write_text(HEAD + rows)
    with pytest.raises(HndescError, match=r"sums\.tsv: 'a\.zip' is listed twice, or .*; repair or delete it"):
        sums.find("b.zip")
    with pytest.raises(HndescError, match="repair or delete it"):
        sums.record("b.zip", 1, ONE, "x")
    assert sums.path.read_text() == HEAD + rows
