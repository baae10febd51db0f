"""Reads YAML and JSON, and refuses repeated keys, of which other parsers silently keep the last."""

import json
from collections.abc import Hashable
from typing import Any

import yaml

from hndesc.errors import HndescError, reason


def parse_yaml(text: str, place: object) -> Any:
    """Return what a text in YAML, or in JSON, holds.

    Raises:
        HndescError: it is neither, or a section has a key twice; the message names `place`, the key and its line.
    """
    try:
        return yaml.load(text, _Loader)
    except _TwiceError as error:
        raise HndescError(f"{place}: {error}") from None
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        try:
            return json.loads(text, object_pairs_hook=_distinct)  # with tabs, which YAML has not
        except _TwiceError as twice:
            raise HndescError(f"{place}: {twice}") from None
        except (ValueError, RecursionError):
            raise HndescError(f"{place}: not YAML ({' '.join(str(error).split())[:300] or reason(error)})") from None


class _TwiceError(Exception):
    """A repeated key of a section."""


class _Loader(yaml.SafeLoader):
    """Loads plain values, and refuses repeated keys. Merged sections (<<) may have keys that are overridden."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        if isinstance(node, yaml.MappingNode):
            seen: dict[Hashable, int] = {}
            for key_node, _ in node.value:
                if key_node.tag == "tag:yaml.org,2002:merge":
                    continue
                key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
                if not isinstance(key, Hashable):
                    continue
                if key in seen:
                    raise _TwiceError(f"the key '{key!s:.60}' is in lines {seen[key]} and {line}; take one out")
                seen[key] = line
        return super().construct_mapping(node, deep)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _TwiceError(f"the key '{key:.60}' is there twice; take one out")
        found[key] = value
    return found
