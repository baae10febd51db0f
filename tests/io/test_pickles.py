"""The restricted unpickler: what plain data it reads, and that nothing else is ever run."""

import datetime
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hndesc.errors import HndescError
from hndesc.io import pickle_scan
from hndesc.io.pickles import load_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


@pytest.fixture
def load(tmp_path):
    def load(data: bytes):
        path = tmp_path / "gnd_test.pkl"
        path.write_bytes(data)
        return load_pickle(path)

    return load


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner, inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(value=PLAIN, protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_comes_back_equal(value, protocol, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "plain.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert load_pickle(path) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sets_and_empty_values_come_back_equal(load, protocol):
    value = [{1, "a"}, frozenset({2.5}), set(), frozenset(), b"", "", (), [], {}, 10**40, -(2**70), 255, 256, 70000]
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["bool", "u1", "i8", "<u2", ">i4", "f2", ">f8", "c16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numeric_arrays_come_back_equal(load, protocol, dtype, order):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype).copy(order=order)
    loaded = load(pickle.dumps({"ranks": array, "again": array}, protocol))
    assert loaded["ranks"].dtype == pickle.loads(pickle.dumps(array, protocol)).dtype
    np.testing.assert_array_equal(loaded["ranks"], array)
    assert loaded["again"] is loaded["ranks"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scalars_empty_arrays_and_arrays_without_axes_come_back_equal(load, protocol):
    scalar, empty, point = load(pickle.dumps((np.float32(2.5), np.zeros((0, 3), "f4"), np.array(7)), protocol))
    assert (scalar, type(scalar)) == (2.5, float)
    assert empty.shape == (0, 3)
    assert point.shape == () and point == 7


def test_loaded_array_can_be_changed(load):
    array = load(pickle.dumps(np.arange(3), 5))
    array[0] = 9
    assert array.tolist() == [9, 1, 2]


def python2_string(text: bytes) -> bytes:
    return b"U" + bytes([len(text)]) + text


def test_python_2_pickle_of_strings_and_an_array(load):
    # What Python 2's cPickle writes at protocol 2 for [u'a', 'caf\xe9', numpy.array([1, 255], 'u2')].
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + python2_string(b"b") + b"\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\n" + python2_string(b"u2") + b"K\x00K\x01\x87R"
        b"(K\x03" + python2_string(b"<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + python2_string(b"\x01\x00\xff\x00") + b"tb"
    )
    data = b"\x80\x02](X\x01\x00\x00\x00a" + python2_string(b"caf\xe9") + array + b"e."
    text, latin, values = load(data)
    assert (text, latin, values.tolist(), values.dtype) == ("a", "café", [1, 255], np.uint16)


def test_python_2_text_protocol(load):
    assert load(b"(lp0\nS'caf\\xe9'\np1\naS\"it's\"\np2\naI5\naI01\naL7L\na.") == ["café", "it's", 5, True, 7]


@pytest.mark.golden
@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
def test_published_ground_truth_is_read_as_the_real_unpickler_does(shared, name):
    path = shared / "data" / "revisitop" / f"gnd_{name}.pkl"
    assert load_pickle(path) == pickle.loads(path.read_bytes())


def touch(path: Path) -> None:
    path.touch()


@pytest.fixture
def victim(tmp_path):
    """A file that any of the malicious pickles would make or change."""
    return tmp_path / "executed"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_calls_are_refused_by_name_and_not_run(load, victim, protocol):
    import os

    for function, arguments, name in [
        (os.system, (f"touch {victim}",), "posix.system"),
        (eval, (f"open({str(victim)!r}, 'w')",), "eval"),
        (exec, (f"open({str(victim)!r}, 'w')",), "exec"),
        (getattr, (victim, "touch"), "getattr"),
        (touch, (victim,), "touch"),
        (open, (str(victim), "w"), "open"),
        (np.fromfile, (str(victim),), "fromfile"),
    ]:
        with pytest.raises(HndescError, match=rf"gnd_test\.pkl: refused.*{name}"):
            load(pickle.dumps([Call(function, *arguments)], protocol))
    assert not victim.exists()


@pytest.mark.parametrize(
    "dotted",
    [
        "numpy.f2py.compile",
        "numpy.testing.measure",
        "numpy.testing._private.utils.runstring",
        "numpy.load",
        "numpy.core.multiarray.fromfile",
        "numpy._core.multiarray._reconstruct.__globals__",
        "numpy.ndarray.tofile",
        "numpy.dtype.__reduce__",
        "_codecs.decode",
        "codecs.encode",
        "builtins.bytes.fromhex",
        "builtins.bytearray",
        "builtins.set.__init__",
        "copyreg._reconstructor",
        "collections.OrderedDict",
        "functools.partial",
        "hndesc.io.pickled_arrays.Dtype",
    ],
)
@pytest.mark.parametrize("split", ["first", "last"])
def test_other_names_are_refused(load, dotted, split):
    module, name = dotted.split(".", 1) if split == "first" else dotted.rsplit(".", 1)
    text = b"c" + module.encode() + b"\n" + name.encode() + b"\n."
    strings = b"".join(b"\x8c" + bytes([len(part)]) + part.encode() for part in (module, name))
    for data in (text, b"\x80\x04" + strings + b"\x93."):
        with pytest.raises(HndescError, match=rf"refused.*'{dotted}'"):
            load(data)


def test_no_name_is_imported(load, monkeypatch):
    monkeypatch.setattr("builtins.__import__", lambda name, *_: pytest.fail(f"imported {name}"))
    with pytest.raises(HndescError, match=r"refused.*'antigravity.fly'"):
        load(b"cantigravity\nfly\n.")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"Pos.system\n.", "PERSID"),
        (b"K\x01Q.", "BINPERSID"),
        (b"(S'touch x'\nios\nsystem\n.", "INST"),
        (b"(cnumpy\ndtype\nS'f8'\no.", "OBJ"),
        (b"cnumpy\ndtype\nS'f8'\n\x85\x81.", "NEWOBJ"),
        (b"\x82\x01.", "EXT1"),
        (b"\x97.", "NEXT_BUFFER"),
    ],
)
def test_other_opcodes_are_refused(load, data, what):
    with pytest.raises(HndescError, match=f"refused.*{what}"):
        load(data)


@pytest.mark.parametrize(
    "value",
    [OrderedDict(a=1), datetime.date(2021, 1, 1), Path("x"), range(3), slice(1), len, np.dtype("f8"), np.ndarray],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_of_other_types_are_refused(load, value, protocol):
    with pytest.raises(HndescError, match="refused"):
        load(pickle.dumps({"imlist": [(value,)]}, protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.array([None, "a"], object),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.zeros(2, [("a", "f4"), ("b", "O")]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, "V8"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_of_other_types_are_refused(load, protocol, array):
    with pytest.raises(HndescError, match="refused"):
        load(pickle.dumps(array, protocol))


def test_object_array_with_a_plain_dtype_code_is_refused(load):
    # dtype('f8') whose state turns it into a record of objects
    dtype = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
    state = b"(K\x03U\x01|NU\x01a\x85}J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb"
    with pytest.raises(HndescError, match="structured numpy dtype"):
        load(b"\x80\x02" + dtype + state + b".")


@pytest.mark.parametrize("target", [b"]", b"}", b"cbuiltins\nset\n", b"K\x01", b"cnumpy\nndarray\n", b")"])
@pytest.mark.parametrize("state", [b"}U\x01aK\x01s", b"N}U\x0c__defaults__)s\x86"])
def test_state_of_anything_but_arrays_is_refused(load, target, state):
    with pytest.raises(HndescError, match=r"refused.*state of a"):
        load(target + state + b"b.")


def test_array_is_as_long_as_its_data(load):
    for shape in (b"J\xff\xff\xff\x7f\x85", b"J\xff\xff\xff\xff\x85", b"K\x02J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87"):
        data = (
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01" + shape + b"cnumpy\n"
            b"dtype\nU\x02u1K\x00K\x01\x87R\x89U\x04abcdtb."
        )
        with pytest.raises(HndescError, match=r"gnd_test\.pkl: not a complete pickle \(array of shape .* 4 bytes"):
            load(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x8e" + struct.pack("<Q", 1 << 62) + b"abc.",  # 4 EiB of bytes
        b"\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.",  # a number of 2 GiB
        b"X" + struct.pack("<I", 2**32 - 1) + b"abc.",
        b"\x95" + struct.pack("<Q", 1 << 62),
        b"",
        b"(",
        b"]",
        b"a.",
        b"]K\x01",
        b"h\x07.",
        b"\x80\x09N.",
        b"\xffN.",
        b"}K\x01s.",
        b"}(K\x01u.",
        b"S'open\n.",
        b"I" + b"9" * 10_000 + b"\n.",
    ],
)
def test_cut_short_and_malformed_pickles(load, data):
    with pytest.raises(HndescError, match=r"gnd_test\.pkl: not a complete pickle"):
        load(data)


def test_number_of_operations_is_bounded(load, monkeypatch):
    monkeypatch.setattr(pickle_scan, "MAX_OPCODES", 100)
    assert load(b"(" + b"U\0" * 97 + b"l.") == [""] * 97
    with pytest.raises(HndescError, match="more than 100 operations"):
        load(b"(" + b"U\0" * 98 + b"l.")


def test_nested_tuples_are_not_hashed(load):
    # 60 doublings: hashing the outermost would take 2^60 steps
    nested = b")" + b"q\x00h\x00\x86" * 60
    for data in (b"}" + nested + b"K\x01s.", b"\x8f(" + nested + b"\x90."):
        with pytest.raises(HndescError, match="refused"):
            load(data)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(HndescError, match=r"absent\.pkl: cannot be read"):
        load_pickle(tmp_path / "absent.pkl")
