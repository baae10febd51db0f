"""Evaluation of retrieval on rOxford5k, rParis6k and sets of the same layout: mAP and mP@k, with re-ranking."""

import os
from collections.abc import Mapping
from typing import Any

from hndesc.datasets.revisited import Query, read_ground_truth
from hndesc.evaluation.result import describe
from hndesc.evaluation.retrieval.average_precision import CUTS, SETUPS, score_rankings
from hndesc.evaluation.retrieval.reranked import score_reranked
from hndesc.retrieval import reranking

PROTOCOL = f"revisited protocol, medium and hard; {reranking.PROTOCOL}"


def score_retrieval(
    root: str | os.PathLike,
    features: str | os.PathLike,
    shortlist: str | os.PathLike,
    output: str | os.PathLike,
    json_output: str | os.PathLike | None,
    *,
    name: str | None = None,
    **settings: Any,
) -> dict:
    """Evaluate local features by re-ranking a shortlist.

    Args:
        root: retrieval set (`gnd_*.pkl`).
        features: local features of at least the shortlisted images of `root`, in pixels of the original images.
        shortlist: initial rankings (`hndesc.retrieval.shortlist`).
        output: text file to write in the published format, with the scores after re-ranking.
        json_output: JSON file to write, or None, with all scores before and after re-ranking.
        name: name of the benchmark; by default that of the folder.
        settings: settings of `hndesc.retrieval.reranking.rerank_shortlist`.

    Returns:
        The content of the JSON file.

    Raises:
        HndescError: a file is broken or belongs to another dataset.
    """
    truth = read_ground_truth(root)
    return score_reranked(
        features,
        shortlist,
        output,
        json_output,
        benchmark=describe(root, name, "retrieval", PROTOCOL),
        images=(truth.database, [query.name for query in truth.queries]),
        score=lambda *ranks: _compare(*(score_rankings(each, truth) for each in ranks)),
        label=lambda row, index: label(truth.queries[row], index),
        text=lambda record: format_result(record["figures"]),
        settings=settings,
    )


def label(query: Query, index: int) -> str:
    """Return whether a database image is "correct" for a query in the medium setup, "ignored" or "wrong"."""
    positive, junk = SETUPS["medium"]
    if any(index in getattr(query, name) for name in positive):
        return "correct"
    return "ignored" if any(index in getattr(query, name) for name in junk) else "wrong"


def _compare(before: Mapping, after: Mapping) -> dict:
    return {
        "figures": _figures(after),
        "figures_before": _figures(before),
        "per_query": {
            name: {"before": before["per_query"][name], "after": scores} for name, scores in after["per_query"].items()
        },
    }


def format_result(scores: Mapping) -> str:
    """Return the text of a result file in the published format, in percent with two decimals."""
    names = {setup: setup[0].upper() for setup in SETUPS}
    lines = ["mAP benchmark:"]
    lines.append(", ".join(f"{letter}: {100 * scores['mAP'][setup]:.2f}" for setup, letter in names.items()))
    lines.append(f"mP@k {list(CUTS)} benchmark:")
    for setup, letter in names.items():
        lines.append(f"{letter}: [{', '.join(f'{100 * value:.2f}' for value in scores['mP@k'][setup])}]")
    return "\n".join(lines) + "\n"


def _figures(scores: Mapping) -> dict:
    return {key: scores[key] for key in ("mAP", "mP@k", "queries")}
