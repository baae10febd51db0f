import pytest

from hndesc.errors import HndescError
from hndesc.retrieval.neighbor_table import read_neighbors, write_neighbors


def test_comes_back_in_order(tmp_path):
    path = tmp_path / "n.tsv"
    write_neighbors(path, [("a.jpg", "b c.jpg", 0.5), ("a.jpg", '"d".jpg', 0.25), ("é.jpg", "a.jpg", 1.0)])
    assert path.read_text().splitlines()[:2] == ["photo\tneighbor\tsimilarity", "a.jpg\tb c.jpg\t0.500000"]
    assert read_neighbors(path) == {"a.jpg": ["b c.jpg", '"d".jpg'], "é.jpg": ["a.jpg"]}


@pytest.mark.parametrize(
    "text", ["", "a\tb\n", "photo\tneighbor\tsimilarity\na\tb\n", "photo\tneighbor\tsimilarity\na\n"]
)
def test_malformed_table_is_named(tmp_path, text):
    path = tmp_path / "n.tsv"
    path.write_text(text)
    with pytest.raises(HndescError, match=r"n\.tsv: not a table"):
        read_neighbors(path)


def test_missing_table_is_named(tmp_path):
    with pytest.raises(HndescError, match=r"n\.tsv: no such file; compute the neighbors again"):
        read_neighbors(tmp_path / "n.tsv")


@pytest.mark.parametrize("name", ["a\tb.jpg", "a\nb.jpg", "a\rb.jpg", "\udc80.jpg"])
def test_names_that_a_table_cannot_hold_are_refused(tmp_path, name):
    with pytest.raises(HndescError, match=r"n\.tsv: cannot hold"):
        write_neighbors(tmp_path / "n.tsv", [("a.jpg", name, 0.5)])
    assert list(tmp_path.iterdir()) == []
