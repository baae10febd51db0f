"""Ground-truth pickles that run, hang or fill the memory in a trusting reader."""

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hndesc.datasets.revisited import read_ground_truth
from hndesc.errors import HndescError
from hndesc.io.pickles import load_pickle
from tests.hostile.guard import outcome, refusal

ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
DTYPE = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
MEGABYTE = b"B" + struct.pack("<I", 2**20) + bytes(2**20)
EQUAL = [b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") for k in range(1, 100_000)]
TRUTH = {
    "imlist": ["a", "b", "c"],
    "qimlist": ["q"],
    "gnd": [{"bbx": [0.0, 1.5, 9.0, 9.0], "easy": [0], "hard": np.array([1]), "junk": [2]}],
}


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def state(shape: bytes, raw: bytes) -> bytes:
    return b"(K\x01" + shape + DTYPE + b"\x89" + raw + b"tb"


def doubled(start: bytes, pair: bytes, times: int = 60) -> bytes:
    """Return a value that holds the one before twice, again and again."""
    levels = b"".join(b"q" + bytes([k]) + b"h" + bytes([k]) + pair for k in range(times))
    return start + levels


def lists_filled_late() -> bytes:
    """Each list gets the next one twice before that one is filled."""
    made = b"".join(b"]q" + bytes([k]) for k in range(60))
    return b"(" + made + b"".join(b"h%c(h%ch%ce" % (k, k + 1, k + 1) for k in range(59)) + b"l"


BOMBS = {
    "dtype of nested tuples": b"cnumpy\ndtype\n" + doubled(b")", b"\x86") + b"K\x00K\x01\x87R",
    "name of nested tuples": doubled(b")", b"\x86") + text("system") + b"\x93",
    "tuples": doubled(b")", b"\x86"),
    "lists": b"]" + doubled(b"K\x01", b"\x86") + b"a",
    "list in list": b"".join(b"]q%c" % k for k in range(2)) + b"(h\x00h\x00eq\x02" + doubled(b"h\x02", b"\x86"),
    "lists filled late": lists_filled_late(),
    "tuple as a key": b"}" + doubled(b")", b"\x86") + b"K\x01s",
    "tuple in a set": b"\x8f(" + doubled(b")", b"\x86") + b"\x90",
    "tuple in a frozen set": b"(" + doubled(b")", b"\x86") + b"\x91",
    "tuple in a called set": b"cbuiltins\nset\n(" + doubled(b")", b"\x86") + b"lt\x85R",
    "duplicated values": b")" + b"2\x86" * 60,
    "a list in itself": b"]q\x00h\x00a",
    "a dictionary in itself": b"}q\x00K\x01h\x00s",
    "deep tuples": b")" + b"\x85" * 1_000_000,
    "deep lists": b"]" * 1_000_000 + b"a" * 999_999,
    "equal hashes": b"}(" + b"".join(EQUAL[k] + b"N" for k in range(99_999)) + b"u",
    "equal hashes in a called set": b"cbuiltins\nset\n(" + b"".join(EQUAL) + b"l\x85R",
    "far memo": b"K\x05r\xff\xff\xff\x7fj\xff\xff\xff\x7f",
    "far memo in text": b"K\x05p99999999999\ng99999999999\n",
    "one array filled again and again": MEGABYTE + b"q\x00" + ARRAY + state(b"J\x00\x00\x10\x00\x85", b"h\x00") * 5_000,
    "many arrays of one buffer": MEGABYTE + b"q\x00" + (ARRAY + state(b"J\x00\x00\x10\x00\x85", b"h\x00")) * 5_000,
    "many buffers": MEGABYTE
    + b"q\x000"
    + (b"cnumpy.core.numeric\n_frombuffer\n(h\x00" + DTYPE + b"J\x00\x00\x10\x00\x85U\x01CtR") * 5_000,
    "text encoded again and again": b"X" + struct.pack("<I", 2**20) + b"x" * 2**20 + b"q\x00"
    + b"c_codecs\nencode\nh\x00U\x06latin1\x86R" * 20_000,
    "sets of one list": b"(" + b"N" * 500_000 + b"lq\x00" + b"cbuiltins\nset\nh\x00\x85R" * 2_000,
    "declared shape": ARRAY + state(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", b"U\x01x"),
    "shape of giant numbers": ARRAY + state(b"(" + (b"\x8a\xff" + b"\x7f" * 255) * 30 + b"t", b"U\x01x"),
    "shape of empty giants": ARRAY + state(b"(K\x00" + b"\x8a\x08" + b"\xff" * 7 + b"\x7f" + b"t", b"U\x00"),
    "giant number": b"\x8b" + struct.pack("<i", 10_000_000) + b"\x7f" * 10_000_000,
    "giant number in text": b"I" + b"9" * 1_000_000 + b"\n",
    "declared bytes": b"\x8e" + struct.pack("<Q", 2**40) + b"x",
    "declared byte array": b"\x96" + struct.pack("<Q", 2**40) + b"x",
    "declared text": b"\x8d" + struct.pack("<Q", 2**40) + b"x",
    "declared frame": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N",
    "operations": b"(" + b"N" * 30_000_000 + b"l",
    "sets": b"\x80\x04(" + b"\x8f" * 3_000_000 + b"l",
}  # fmt: skip
CALLS = {
    "os.system": b"cos\nsystem\nU\x02id\x85R",
    "posix.system": b"cposix\nsystem\nU\x02id\x85R",
    "builtins.eval": b"cbuiltins\neval\nU\x011\x85R",
    "__builtin__.exec": b"c__builtin__\nexec\nU\x011\x85R",
    "a stacked name": text("os") + text("system") + b"\x93U\x02id\x85R",
    "a dotted name": text("numpy") + text("core.multiarray.fromfile") + b"\x93",
    "a name through an allowed one": text("numpy") + text("dtype.__reduce__") + b"\x93",
    "instance": b"(U\x02idios\nsystem\n",
    "object": b"(cos\nsystem\nU\x02ido",
    "new object": b"cnumpy\ndtype\nU\x02f8\x85\x81",
    "new object with keywords": b"cnumpy\ndtype\n)}\x92",
    "extension": b"\x82\x01",
    "long extension": b"\x84\x01\x00\x00\x00",
    "persistent": b"Pid\n",
    "binary persistent": b"U\x02idQ",
    "out-of-band buffer": b"\x97",
    "numpy.testing": b"cnumpy.testing._private.utils\nrunstring\nU\x011}\x86R",
    "numpy.f2py": b"cnumpy.f2py\ncompile\nU\x011\x85R",
    "numpy.load": b"cnumpy\nload\nU\x01x\x85R",
    "numpy.fromfile": b"cnumpy\nfromfile\nU\x01x\x85R",
    "copyreg": b"ccopyreg\n_reconstructor\ncnumpy\nndarray\ncbuiltins\nobject\nN\x87R",
    "functools": b"cfunctools\npartial\ncos\nsystem\n\x85R",
    "operator": b"coperator\nattrgetter\nU\x08__class_\x85R",
    "state of a stand-in": b"cnumpy\ndtype\nN}U\x08__init__K\x01s\x86b",
    "state of a set": b"cbuiltins\nset\n)R}U\x01aK\x01sb",
    "array of objects": pickle.dumps(np.array([None, "x"], object)),
    "nested pickle in an array of objects": pickle.dumps(np.array([pickle.dumps(len)], object)),
    "record": pickle.dumps(np.zeros(2, [("a", "f4"), ("b", "O")])),
    "bare name": b"]cnumpy\ndtype\na",
    "bare dtype": b"]" + DTYPE + b"a",
    "call of a result": DTYPE + b")R",
    "call of a text": b"U\x02id)R",
}


def load_and_walk(path: Path) -> int:
    """Do with the value of a file what readers and their messages do."""
    value = load_pickle(path)
    assert value == value
    return len(repr(value)) if not isinstance(value, np.ndarray) else value.size


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_end_soon(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "gnd_x.pkl"
    path.write_bytes(b"\x80\x02" * (not BOMBS[kind].startswith(b"\x80")) + BOMBS[kind] + b".")
    assert str(path) in refusal(load_and_walk, path, seconds=8)


@pytest.mark.parametrize("kind", CALLS)
def test_nothing_is_called(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "gnd_x.pkl"
    path.write_bytes(CALLS[kind] + b"." * (CALLS[kind][-1:] != b"."))
    assert f"{path}: refused" in refusal(load_and_walk, path)


def test_shared_values_are_read(tmp_path: Path) -> None:
    easy = list(range(100))
    path = tmp_path / "x.pkl"
    for protocol in range(6):
        path.write_bytes(pickle.dumps([{"easy": easy, "box": (1, 2)}, {"easy": easy}, easy, [easy, easy]], protocol))
        value = load_pickle(path)
        assert value == [{"easy": easy, "box": (1, 2)}, {"easy": easy}, easy, [easy, easy]]
        assert value[0]["easy"] is value[2]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [2**63, 2**200, 10**400, "x" * 10_000, "../x", "a\0b", "a\nb", b"a", float("nan"), 1e300, {}, set()]
    ),
    st.sampled_from([np.array(1), np.zeros((2, 2)), np.array([1.5]), np.array([2**63], "u8"), np.array([1j])]),
    st.lists(st.sampled_from([0, 1, 5, -1, 2**70, "a", "x" * 1000, None, [1], [[1]], 0.5, np.zeros(3)]), max_size=4),
)
PLACES = [("imlist",), ("qimlist",), ("gnd",), ("imlist", 0), ("qimlist", 0), ("gnd", 0)]
PLACES += [("gnd", 0, key) for key in ("bbx", "easy", "hard", "junk")] + [("gnd", 0, "bbx", 2), ("gnd", 0, "easy", 0)]


@given(place=st.sampled_from(PLACES), value=VALUES)
@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_other_structures_are_named(tmp_path: Path, place: tuple, value: object) -> None:
    truth = pickle.loads(pickle.dumps(TRUTH))
    inner = truth
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = tmp_path / "gnd_x.pkl"
    path.write_bytes(pickle.dumps(truth))
    try:
        read = read_ground_truth(path)
    except HndescError as error:
        assert str(path) in str(error) and "\n" not in str(error) and len(str(error)) < 1000
    else:
        assert np.isfinite(read.queries[0].box).all()


def read_mutations(path: Path, seeds: range) -> int:
    """Read a file with a few bytes changed, cut out or repeated, once for each seed; return how many passed."""
    passed = 0
    for seed in seeds:
        chance = np.random.default_rng(seed)
        data = bytearray(pickle.dumps(TRUTH, seed % 6))
        for _ in range(chance.integers(1, 4)):
            first, second = sorted(chance.integers(0, len(data), 2).tolist())
            match chance.integers(4):
                case 0:
                    data[first] = chance.integers(256)
                case 1:
                    del data[first : min(second, first + 20)]
                case 2:
                    data[first:first] = data[first:second]
                case _:
                    data[first] ^= 1 << int(chance.integers(8))
        path.write_bytes(data)
        try:
            read_ground_truth(path)
            passed += 1
        except HndescError as error:
            assert str(path) in str(error)
    return passed


@pytest.mark.parametrize("part", range(2))
def test_damaged_files(tmp_path: Path, part: int) -> None:
    passed = outcome(read_mutations, tmp_path / "gnd_x.pkl", range(part * 500, (part + 1) * 500), seconds=10)
    assert 0 <= passed < 250


@pytest.mark.parametrize("kind", ["folder", "device", "pipe", "absent"])
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    path = {"device": Path("/dev/zero")}.get(kind, tmp_path / "gnd_x.pkl")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    assert str(path) in refusal(load_pickle, path)
