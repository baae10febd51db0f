"""MMA at equal yield: the accuracy of all descriptors at the same number of matches, the smallest on each pair."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hndesc.errors import HndescError
from hndesc.evaluation.hpatches.ranking import accuracy_at_yield, unpack
from hndesc.visualization.results import Result

_Pairs = dict[tuple[str, str, str], tuple[str, np.ndarray]]


def equal_yield(results: Mapping[str, Result]) -> dict[str, dict[str, float]]:
    """Return the MMA@3 px of descriptors at equal yield, from their results on the same sequences.

    For each pair, only the most distinctive matches of each descriptor count, as many as the descriptor with the fewest
    matches has. Pairs on which a descriptor has no matches are excluded.

    Args:
        results: result of each descriptor.

    Returns:
        For each descriptor the means "v", "i", "avg" (average of v and i) and "all", NaN without such pairs; empty if
        fewer than two results contain the order of their matches.

    Raises:
        HndescError: the matches of a result cannot be read.
    """
    ordered = {name: pairs for name, result in results.items() if (pairs := _pairs(result)) is not None}
    if len(ordered) < 2:
        return {}
    shared = [key for key in next(iter(ordered.values())) if all(key in pairs for pairs in ordered.values())]
    fewest = {key: min(len(pairs[key][1]) for pairs in ordered.values()) for key in shared}
    return {
        name: _means(pairs, {key: count for key, count in fewest.items() if count}) for name, pairs in ordered.items()
    }


def equal_yields(paths: Sequence[Path]) -> dict[Path, dict[str, float]]:
    """Return the MMA@3 px at equal yield by file, compared among results of one benchmark and detector."""
    groups: dict[tuple[str, str], dict[str, Result]] = {}
    for path in paths:
        result = Result(path)
        detector = result.get("features", "detector") if result.has("features", "detector") else None
        groups.setdefault((str(result.get("benchmark")), str(detector)), {})[str(path)] = result
    known = [equal_yield(results) for results in groups.values()]
    return {Path(path): means for one in known for path, means in one.items()}


def _pairs(result: Result) -> _Pairs | None:
    """Return class and ordered matches of each pair, by sequence and images; None for results of older versions."""
    if not result.has("figures", "average_precision") or not result.has("per_sequence"):
        return None
    pairs: _Pairs = {}
    sequences = result.get("per_sequence")
    if not isinstance(sequences, Mapping):
        raise HndescError(f"{result.path}: 'per_sequence' is not a mapping of sequences; repeat the evaluation")
    for name in sequences:
        fields = [result.get("per_sequence", name, key) for key in ("pairs", "matches", "correct_in_order")]
        try:
            for (first, second), count, text in zip(*fields, strict=True):
                pairs[name, first, second] = sequences[name]["class"], unpack(text, count)
        except (ValueError, TypeError, KeyError) as error:
            raise HndescError(
                f"{result.path}: matches of '{name}' cannot be read ({error}); repeat the evaluation"
            ) from None
    return pairs


def _means(pairs: _Pairs, counts: Mapping[tuple[str, str, str], int]) -> dict[str, float]:
    values = [(pairs[key][0], accuracy_at_yield(pairs[key][1], count)) for key, count in counts.items()]
    means = {kind: _mean([value for own, value in values if own == kind]) for kind in "vi"}
    return means | {"avg": (means["v"] + means["i"]) / 2, "all": _mean([value for _, value in values])}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
