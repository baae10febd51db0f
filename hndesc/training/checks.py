"""Settings from a config into dataclasses, with errors that name the key."""

import contextlib
import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hndesc.errors import HndescError


@dataclass(frozen=True)
class Checker:
    """Reads sections of settings.

    Attributes:
        choices: key -> the values that it may have.
        bounds: key -> (least, most), both included, None for no bound.
    """

    choices: Mapping[str, Sequence[str]]
    bounds: Mapping[str, tuple[float | None, float | None]]

    def section(self, kind: type, values: Any, prefix: str = "") -> Any:
        """Return `values` as the dataclass `kind`; keys of nested sections have a dot.

        Raises:
            HndescError: an unknown key, or a value of a wrong type, out of bounds or not among the choices.
        """
        if isinstance(values, kind):
            return values
        if not isinstance(values, Mapping):
            raise HndescError(f"training setting '{prefix[:-1]}' must be a section of settings, not {values!r}")
        types = typing.get_type_hints(kind)
        unknown = sorted(set(values) - set(types))
        if unknown:
            known = ", ".join(sorted(types))
            raise HndescError(f"unknown training setting '{prefix}{unknown[0]}'; known here: {known}")
        return kind(**{name: self._value(types[name], value, prefix + name) for name, value in values.items()})

    def _value(self, kind: Any, value: Any, key: str) -> Any:
        if dataclasses.is_dataclass(kind):
            return self.section(kind, value, key + ".")
        accepted = typing.get_args(kind) or (kind,)
        # YAML reads 1e-4 as text and 1 as an integer.
        if float in accepted and isinstance(value, str | int) and not isinstance(value, bool):
            with contextlib.suppress(ValueError):
                value = float(value)
        if (isinstance(value, bool) and bool not in accepted) or not isinstance(value, accepted):
            names = " or ".join("nothing" if one is type(None) else one.__name__ for one in accepted)
            raise HndescError(f"training setting '{key}' must be {names}, not {value!r}")
        self._check(key, value)
        return value

    def _check(self, key: str, value: Any) -> None:
        choices = self.choices.get(key)
        if choices is not None and value not in choices:
            raise HndescError(f"training setting '{key}' is '{value}'; choose one of: {', '.join(choices)}")
        least, most = self.bounds.get(key, (None, None))
        if value is None or (least is None and most is None):
            return
        if (least is not None and not value >= least) or (most is not None and not value <= most):
            bounds = f"at least {least}" if most is None else f"between {least} and {most}"
            raise HndescError(f"training setting '{key}' is {value}; it must be {bounds}")
