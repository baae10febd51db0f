"""The kinds of benchmarks, one entry each; docs/benchmarks.md says how to add one."""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Field

from hndesc.runtime.plugins import load_place
from hndesc.workflow.sections.benchmarks import (
    BenchmarkSettings,
    HpatchesBenchmark,
    LocalizationBenchmark,
    RetrievalBenchmark,
    Tokyo247Benchmark,
)


@dataclass(frozen=True)
class BenchmarkKind:
    """A kind of benchmark. Places, "module:function", are imported by the steps that need them, and by no other.

    Attributes:
        section: the model of its entries in the configuration; its defaults of images are those of the protocol.
        images: place of a function (root, **settings) that lists the images of a dataset
            (`hndesc.datasets.image_set.ImageEntry`).
        verify: place of a function (root, **numbers) that checks a fetched dataset and returns what is there as text.
        score: place of the function that scores features; its module is the fingerprint of scoring.
        main_figures: place of a function (result) that returns the columns of the tables.
        drawings: what the report shows, below results/figures; {benchmark} stands for its name.
    """

    section: type[BenchmarkSettings]
    images: str
    verify: str
    score: str
    main_figures: str
    drawings: tuple[str, ...] = ()


KINDS = {
    "hpatches": BenchmarkKind(
        section=HpatchesBenchmark,
        images="hndesc.datasets.homography.sequences:sequence_images",
        verify="hndesc.datasets.fetch.verify:verify_sequences",
        score="hndesc.evaluation.hpatches.evaluate:score_hpatches",
        main_figures="hndesc.visualization.comparison:hpatches_figures",
        drawings=("{benchmark}_mma.png", "{benchmark}_matches"),
    ),
    "localization": BenchmarkKind(
        section=LocalizationBenchmark,
        images="hndesc.datasets.localization.images:posed_images",
        verify="hndesc.datasets.fetch.verify:verify_scene",
        score="hndesc.evaluation.localization.evaluate:localize_queries",
        main_figures="hndesc.visualization.comparison:localization_figures",
        drawings=("{benchmark}_localization",),
    ),
    "retrieval": BenchmarkKind(
        section=RetrievalBenchmark,
        images="hndesc.datasets.revisited:dataset_images",
        verify="hndesc.datasets.fetch.verify:verify_retrieval",
        score="hndesc.evaluation.retrieval.revisited:score_retrieval",
        main_figures="hndesc.visualization.comparison:retrieval_figures",
    ),
    "tokyo247": BenchmarkKind(
        section=Tokyo247Benchmark,
        images="hndesc.datasets.tokyo247:view_images",
        verify="hndesc.datasets.fetch.verify:verify_tokyo247",
        score="hndesc.evaluation.retrieval.tokyo247:score_tokyo247",
        main_figures="hndesc.visualization.comparison:recall_figures",
    ),
}

# An entry of any kind.
Benchmark = Annotated[reduce(or_, [kind.section for kind in KINDS.values()]), Field(discriminator="kind")]


def functions(what: str) -> dict[str, Any]:
    """Return a function of every kind, imported: functions("verify")["hpatches"]."""
    return {name: load_place(getattr(kind, what)) for name, kind in KINDS.items()}
