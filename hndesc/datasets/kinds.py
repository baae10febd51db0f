"""The kinds of benchmarks, one entry each; docs/benchmarks.md says how to add one.

All that an entry names is text, "module:attribute", which the steps that need it import, and no others. So the entries
lie below all of these modules, and no step's fingerprint covers another kind.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class BenchmarkKind:
    """A kind of benchmark.

    Attributes:
        section: place of the model of its entries in the configuration; its defaults of images are those of the
            protocol.
        images: place of a function (root, **settings) that lists the images of a dataset
            (`hndesc.datasets.image_set.ImageEntry`).
        verify: place of a function (root, **numbers) that checks a fetched dataset and returns what is there as text.
        score: place of the function that scores features; its module is the fingerprint of scoring.
        main_figures: place of a function (result) that returns the columns of the tables.
        headline: parts of the name of the main column of the tables, the best first; without any, the first column.
        drawings: what the report shows, below results/figures; {benchmark} stands for its name.
    """

    section: str
    images: str
    verify: str
    score: str
    main_figures: str
    drawings: tuple[str, ...] = ()
    headline: tuple[str, ...] = ()


KINDS = {
    "hpatches": BenchmarkKind(
        section="hndesc.workflow.sections.benchmarks:HpatchesBenchmark",
        images="hndesc.datasets.homography.sequences:sequence_images",
        verify="hndesc.datasets.fetch.verify:verify_sequences",
        score="hndesc.evaluation.hpatches.evaluate:score_hpatches",
        main_figures="hndesc.visualization.comparison:hpatches_figures",
        headline=("MMA@3 px avg", "MMA@3 px all"),
        drawings=("{benchmark}_mma.png", "{benchmark}_matches"),
    ),
    "localization": BenchmarkKind(
        section="hndesc.workflow.sections.benchmarks:LocalizationBenchmark",
        images="hndesc.datasets.localization.images:posed_images",
        verify="hndesc.datasets.fetch.verify:verify_scene",
        score="hndesc.evaluation.localization.evaluate:localize_queries",
        main_figures="hndesc.visualization.comparison:localization_figures",
        headline=("localized (%)",),
        drawings=("{benchmark}_localization",),
    ),
    "reconstruction": BenchmarkKind(
        section="hndesc.workflow.sections.benchmarks:ReconstructionBenchmark",
        images="hndesc.datasets.photo_sets:photo_images",
        verify="hndesc.datasets.fetch.verify:verify_photo_set",
        score="hndesc.evaluation.reconstruction.evaluate:score_reconstruction",
        main_figures="hndesc.visualization.comparison:reconstruction_figures",
        headline=("median position error", "registered (%)"),
        drawings=("{benchmark}_reconstruction",),
    ),
    "retrieval": BenchmarkKind(
        section="hndesc.workflow.sections.benchmarks:RetrievalBenchmark",
        images="hndesc.datasets.revisited:dataset_images",
        verify="hndesc.datasets.fetch.verify:verify_retrieval",
        score="hndesc.evaluation.retrieval.revisited:score_retrieval",
        main_figures="hndesc.visualization.comparison:retrieval_figures",
        headline=("mAP re-ranked (%) Medium",),
    ),
    "tokyo247": BenchmarkKind(
        section="hndesc.workflow.sections.benchmarks:Tokyo247Benchmark",
        images="hndesc.datasets.tokyo247:view_images",
        verify="hndesc.datasets.fetch.verify:verify_tokyo247",
        score="hndesc.evaluation.retrieval.tokyo247:score_tokyo247",
        main_figures="hndesc.visualization.comparison:recall_figures",
        headline=("recall re-ranked (%) @1",),
    ),
}
