"""MMA at equal yield: every descriptor's accuracy at the number of matches of the one with fewest, pair by pair."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.ranking import accuracy_at_yield, unpack
from hndesc.visualization.results import Result

_Pairs = dict[tuple[str, str, str], tuple[str, np.ndarray]]


def equal_yield(results: Mapping[str, Result]) -> dict[str, dict[str, float]]:
    """Return the MMA@3 px of descriptors at equal yield, from their results on one set of sequences.

    Each pair's matches are cut, those first that are most clearly the nearest, at the number of matches of the
    descriptor that has fewest on that pair; pairs on which one has none are left out.

    Args:
        results: by descriptor.

    Returns:
        By descriptor the means "v", "i", "avg" (half of v + i) and "all", NaN without such a pair; nothing where fewer
        than two results tell the order of their matches.

    Raises:
        HndescError: a result whose matches cannot be read.
    """
    told = {name: pairs for name, result in results.items() if (pairs := _pairs(result)) is not None}
    if len(told) < 2:
        return {}
    shared = [key for key in next(iter(told.values())) if all(key in pairs for pairs in told.values())]
    fewest = {key: min(len(pairs[key][1]) for pairs in told.values()) for key in shared}
    return {name: _means(pairs, {key: count for key, count in fewest.items() if count}) for name, pairs in told.items()}


def _pairs(result: Result) -> _Pairs | None:
    """Return by sequence and images the class of a pair and its matches in order; None of an older result."""
    if not result.has("figures", "average_precision") or not result.has("per_sequence"):
        return None
    pairs: _Pairs = {}
    sequences = result.get("per_sequence")
    if not isinstance(sequences, Mapping):
        raise HndescError(f"{result.path}: 'per_sequence' is no section of sequences; make the result again")
    for name in sequences:
        fields = [result.get("per_sequence", name, key) for key in ("pairs", "matches", "correct_in_order")]
        try:
            for (first, second), count, text in zip(*fields, strict=True):
                pairs[name, first, second] = sequences[name]["class"], unpack(text, count)
        except (ValueError, TypeError, KeyError) as error:
            raise HndescError(f"{result.path}: matches of '{name}' cannot be read ({error}); make it again") from None
    return pairs


def _means(pairs: _Pairs, counts: Mapping[tuple[str, str, str], int]) -> dict[str, float]:
    values = [(pairs[key][0], accuracy_at_yield(pairs[key][1], count)) for key, count in counts.items()]
    means = {kind: _mean([value for own, value in values if own == kind]) for kind in "vi"}
    return means | {"avg": (means["v"] + means["i"]) / 2, "all": _mean([value for _, value in values])}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
