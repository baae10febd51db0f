"""What the retrieval benchmarks share: re-rank a shortlist, score the rankings before and after, write the result."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hndesc.evaluation.result import write_result
from hndesc.io.files import check_output_files
from hndesc.retrieval.reranking import Reranked, rerank_shortlist

_SHOWN = 5  # of each ranking, listed in the result


def score_reranked(
    features: str | os.PathLike,
    shortlist: str | os.PathLike,
    output: str | os.PathLike,
    json_output: str | os.PathLike | None,
    *,
    benchmark: Mapping[str, str],
    images: tuple[Sequence[str], Sequence[str]],
    score: Callable[[np.ndarray, np.ndarray], dict],
    label: Callable[[int, int], str],
    text: Callable[[dict], str],
    settings: Mapping[str, Any],
) -> dict:
    """Re-rank the shortlist of a benchmark, and write its scores before and after.

    Args:
        features: local features of at least the shortlisted images.
        shortlist: initial rankings (`hndesc.retrieval.shortlist`).
        output: text file to write.
        json_output: JSON file to write, or None.
        benchmark: name, kind and protocol (`hndesc.evaluation.result.describe`).
        images: names of the database images and of the queries.
        score: returns the scores of two rankings (queries x database each), before and after re-ranking.
        label: returns "correct", "wrong" or "ignored" for the numbers of a query and of a database image, those of
            distractors included.
        text: returns the content of `output` for that of the JSON file.
        settings: settings of `hndesc.retrieval.reranking.rerank_shortlist`.

    Returns:
        The content of the JSON file.

    Raises:
        HndescError: an output cannot be written, or a file is broken or belongs to another dataset.
    """
    check_output_files([output, json_output], [features, shortlist])
    reranked = rerank_shortlist(features, shortlist, *images, **settings)
    record = {**benchmark, **score(reranked.before, reranked.after), **reranked.record}
    record["top"] = _first(reranked, images[1], label)
    write_result(output, json_output, text(record), record)
    return record


def _first(reranked: Reranked, queries: Sequence[str], label: Callable[[int, int], str]) -> dict[str, dict]:
    """Return names and labels of the first images for each query, before and after re-ranking."""
    return {
        query: {
            key: [[reranked.database[index], label(row, index)] for index in ranks[row, :_SHOWN].tolist() if index >= 0]
            for key, ranks in (("before", reranked.before), ("after", reranked.after))
        }
        for row, query in enumerate(queries)
    }
