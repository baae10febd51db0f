"""Checks the operations, names, nesting, sharing and sizes of a pickle before it is read.

The scan follows the operations as the unpickler will, with the weight of each value in the place of the value. Nothing
is built, imported or called. A file that passes cannot make the unpickler, or whoever walks, prints, hashes or compares
the result, take much more time and memory than its own length accounts for.
"""

import codecs
import io
import pickletools
import re
from collections.abc import Callable, Sequence
from typing import Any

from hndesc.io.pickled_arrays import CALLABLES, MAX_KEY, NAMES, Refused

MAX_OPCODES = 2_500_000
MAX_CONTAINERS = 250_000
MAX_DEPTH = 100
_MAX_BITS = 512
_LONG = 64
_BUILT = frozenset(f"{name}()" for name in CALLABLES if name.endswith(("._reconstruct", ".dtype")))
_LEAVES = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "NONE", "NEWTRUE", "NEWFALSE"),
    }
)
# Small numbers, None and truth values, which take most of the time where lists of indices are long.
_SMALL = re.compile(rb"[N\x88\x89]|K.|M..|J....|G.{8}", re.DOTALL)
_SMALL_PER_OPCODE = 4
_RUN = re.compile(rb"(?:%s){1,65536}" % _SMALL.pattern, re.DOTALL)


class _Value:
    """A value of the scan other than a short leaf.

    Attributes:
        kind: opcode that made it, or the name that it refers to, or the name that was called.
        weight: number of nodes when every shared one is counted each time; eight bytes of text or data are a node.
        depth: levels of containers in it.
        final: it is shared, so that no operation may add to it.
    """

    __slots__ = ("depth", "final", "kind", "weight")

    def __init__(self, kind: str, weight: int = 1, depth: int = 0) -> None:
        self.kind, self.weight, self.depth, self.final = kind, weight, depth, False


def scan_pickle(data: bytes) -> None:
    """Check a pickle.

    Raises:
        Refused: it asks for what ground truth has no need of.
        ValueError, KeyError, IndexError: it is malformed or cut short.
    """
    _Scan(data).run()


class _Scan:
    def __init__(self, data: bytes) -> None:
        self._data, self._stream = data, io.BytesIO(data)
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._count = self._containers = 0
        self._limit = MAX_OPCODES + len(data)
        self._handlers: dict[str, Callable[[Any], None]] = {
            "PROTO": self._skip,
            "FRAME": self._skip,
            "MARK": lambda _: self._marks.append(len(self._stack)),
            "EMPTY_TUPLE": lambda _: self._stack.append(()),
            "GLOBAL": self._name,
            "STACK_GLOBAL": self._stack_name,
            "REDUCE": self._call,
            "BUILD": self._build,
            "MEMOIZE": lambda _: self._put(len(self._memo)),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), self._get),
            **{f"EMPTY_{kind}": self._container(kind, lambda: ()) for kind in ("LIST", "DICT", "SET")},
            **{kind: self._container(kind, self._to_mark) for kind in ("LIST", "DICT", "TUPLE", "FROZENSET")},
            **{f"TUPLE{length}": self._container("TUPLE", self._last, length) for length in (1, 2, 3)},
            "APPEND": self._extension("LIST", self._last, 1),
            "APPENDS": self._extension("LIST", self._to_mark),
            "SETITEM": self._extension("DICT", self._last, 2),
            "SETITEMS": self._extension("DICT", self._to_mark),
            "ADDITEMS": self._extension("SET", self._to_mark),
        }

    def run(self) -> None:
        while self._count < MAX_OPCODES:
            self._small()
            name, argument = self._next()
            if name in _LEAVES:
                self._leaf(argument)
            elif name == "STOP":
                return
            elif name in self._handlers:
                self._handlers[name](argument)
            else:
                raise Refused(f"the opcode {name}" if argument is None else f"the opcode {name} ({argument!r:.80})")
        raise Refused(f"more than {MAX_OPCODES} operations")

    def _small(self) -> None:
        if run := _RUN.match(self._data, self._stream.tell()):
            length = len(_SMALL.findall(run[0]))
            self._stack.extend([None] * length)
            self._count += -(-length // _SMALL_PER_OPCODE)
            self._stream.seek(run.end())

    def _next(self) -> tuple[str, Any]:
        self._count += 1
        code = self._stream.read(1)
        opcode = pickletools.code2op.get(code.decode("latin-1")) if code else None  # type: ignore[attr-defined]
        if opcode is None:
            raise ValueError(f"byte {code!r} at position {self._stream.tell()} is no opcode" if code else "cut short")
        if opcode.name == "STRING":  # Python 2 wrote other characters than ASCII, which pickletools does not take
            line = self._stream.readline().strip()
            return opcode.name, codecs.escape_decode(line[1:-1])[0].decode("latin-1")
        return opcode.name, opcode.arg.reader(self._stream) if opcode.arg else None

    def _leaf(self, value: Any) -> None:
        if isinstance(value, int):
            if value.bit_length() > _MAX_BITS:
                raise Refused(f"a number of {value.bit_length()} bits")
            if abs(value) >= MAX_KEY:
                value = _Value("long number")
        elif isinstance(value, str | bytes | bytearray) and len(value) > _LONG:
            value = _Value("text" if isinstance(value, str) else "data", 1 + len(value) // 8)
        self._stack.append(value)

    def _skip(self, _: Any) -> None:
        pass

    # The stack and the memo.
    def _to_mark(self) -> list[Any]:
        return self._from(self._marks.pop())

    def _last(self, length: int) -> list[Any]:
        return self._from(len(self._stack) - length)

    def _from(self, start: int) -> list[Any]:
        if start < (self._marks[-1] if self._marks else 0):
            raise ValueError("too few values on the stack")
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _top(self) -> _Value:
        top = self._stack[-1]
        return top if isinstance(top, _Value) else _Value(type(top).__name__)

    def _put(self, index: int) -> None:
        # The unpickler holds its memo as an array.
        if not 0 <= index <= self._count:
            raise Refused(f"place {index} of its memo")
        self._memo[index] = self._stack[-1]

    def _get(self, index: int) -> None:
        value = self._memo[index]
        if isinstance(value, _Value):
            value.final = True
        self._stack.append(value)

    # Containers.
    def _container(self, kind: str, take: Callable[..., Sequence[Any]], *arguments: int) -> Callable[[Any], None]:
        def handle(_: Any) -> None:
            items = take(*arguments)
            self._containers += 1
            if self._containers > MAX_CONTAINERS:
                raise Refused(f"more than {MAX_CONTAINERS} containers")
            self._stack.append(self._filled(_Value(kind, 1, 1), items))

        return handle

    def _extension(self, kind: str, take: Callable[..., Sequence[Any]], *arguments: int) -> Callable[[Any], None]:
        def handle(_: Any) -> None:
            items = take(*arguments)
            if self._top().kind != kind:
                raise ValueError(f"{self._top().kind.lower()} where a {kind.lower()} is due")
            self._filled(self._top(), items)

        return handle

    def _filled(self, value: _Value, items: Sequence[Any]) -> _Value:
        if value.final:
            raise Refused("a change of a value that is in use already, which may make it a part of itself")
        if value.kind == "DICT" and len(items) % 2:
            raise ValueError("a key without a value")
        # Hashing nested tuples may take exponential time, and large numbers can be chosen to have equal hashes.
        keys = {"DICT": items[::2], "SET": items, "FROZENSET": items}.get(value.kind, ())
        for key in keys:
            if type(key) is _Value and key.kind not in ("text", "data"):
                raise Refused(f"a {key.kind.lower()} as the key of a dictionary or member of a set")
        values = [item for item in items if type(item) is _Value]
        value.weight += len(items) - len(values) + sum(item.weight for item in values)
        value.depth = max([value.depth, *(item.depth + 1 for item in values)])
        if value.weight > self._limit:
            raise Refused("shared values that amount to far more than the file holds")
        if value.depth > MAX_DEPTH:
            raise Refused(f"containers nested deeper than {MAX_DEPTH} levels")
        return value

    # Names, and calls of them.
    def _name(self, name: str) -> None:
        dotted = ".".join(name.split(" ", 1))
        if dotted not in NAMES:
            raise Refused(f"'{dotted:.120}'")
        self._stack.append(_Value(dotted))

    def _stack_name(self, _: Any) -> None:
        module, attribute = self._last(2)
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise Refused("a name that is no short text")
        self._name(f"{module} {attribute}")

    def _call(self, _: Any) -> None:
        function, arguments = self._last(2)
        name = function.kind if isinstance(function, _Value) else "an object"
        if name not in CALLABLES or not (arguments == () or getattr(arguments, "kind", None) == "TUPLE"):
            raise Refused(f"a call of {name:.80}")
        self._stack.append(self._filled(_Value(f"{name}()"), [arguments]))

    def _build(self, _: Any) -> None:
        (state,) = self._last(1)
        if self._top().kind not in _BUILT:
            raise Refused(f"the state of a {self._top().kind.lower()}")
        self._filled(self._top(), [state])
