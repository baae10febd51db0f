"""The kinds of benchmarks, one entry each; docs/benchmarks.md says how to add one.

All that an entry names is text, "module:attribute", which the steps that need it import, and no others. So the entries
lie below all of these modules, and no step's fingerprint covers another kind.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Drawing(NamedTuple):
    """A figure, or a folder of figures.

    Attributes:
        path: below results/figures; {benchmark} stands for the name of the benchmark.
        caption: what it shows, in one line.
    """

    path: str
    caption: str


@dataclass(frozen=True)
class BenchmarkKind:
    """A kind of benchmark.

    Attributes:
        title: heading of its sections on the page of results.
        section: place of the model of its entries in the configuration; its defaults of images are those of the
            protocol.
        images: place of a function (root, **settings) that lists the images of a dataset
            (`hndesc.datasets.image_set.ImageEntry`).
        verify: place of a function (root, **numbers) that checks a fetched dataset and returns what is there as text.
        score: place of the function that scores features; its module is the fingerprint of scoring.
        main_figures: place of a function (result) that returns the columns of the tables.
        headline: regular expressions of the names of the main columns of the tables, the best first.
        drawings: figures of the page and of the report.
    """

    title: str
    section: str
    images: str
    verify: str
    score: str
    main_figures: str
    drawings: tuple[Drawing, ...] = ()
    headline: tuple[str, ...] = ()

    def main_columns(self, names: Sequence[str]) -> list[int]:
        """Return the places of the main columns in `names` (group and name of each), the best first; else the first."""
        found = [place for form in self.headline for place, name in enumerate(names) if re.fullmatch(form, name)]
        return list(dict.fromkeys(found)) or [*range(len(names))][:1]


TOP_FIVE = Drawing(
    "{benchmark}_retrieval.jpg",
    "The query that re-ranking helps most and the one that it helps least, with their first five images before and "
    "after: correct ones framed green, wrong ones red",
)

KINDS = {
    "hpatches": BenchmarkKind(
        title="Image matching",
        section="hndesc.workflow.sections.benchmarks:HpatchesBenchmark",
        images="hndesc.datasets.homography.sequences:sequence_images",
        verify="hndesc.datasets.fetch.verify:verify_sequences",
        score="hndesc.evaluation.hpatches.evaluate:score_hpatches",
        main_figures="hndesc.visualization.comparison:hpatches_figures",
        headline=(
            "MMA@3 px avg",
            r"MMA@3 px [vi]",
            "MMA@3 px all",
            r"AUC@5 px \([^)]*\) all",
        ),
        drawings=(
            Drawing("{benchmark}_mma.png", "Matching accuracy, precision over recall, and AUC of the homography error"),
            Drawing(
                "{benchmark}_matches", "Matches of image pairs by each descriptor, correct ones green, false ones red"
            ),
        ),
    ),
    "localization": BenchmarkKind(
        title="Visual localization",
        section="hndesc.workflow.sections.benchmarks:LocalizationBenchmark",
        images="hndesc.datasets.localization.images:posed_images",
        verify="hndesc.datasets.fetch.verify:verify_scene",
        score="hndesc.evaluation.localization.evaluate:localize_queries",
        main_figures="hndesc.visualization.comparison:localization_figures",
        headline=(
            r".* queries localized \(%\)",
            r".* queries 0\.25 m, 2° \(%\)",
            r".* queries median \(m\)",
        ),
        drawings=(
            Drawing(
                "{benchmark}_localization",
                "The map from above, recall over the pose error, and matches of queries with database images",
            ),
        ),
    ),
    "reconstruction": BenchmarkKind(
        title="Reconstruction",
        section="hndesc.workflow.sections.benchmarks:ReconstructionBenchmark",
        images="hndesc.datasets.photo_sets:photo_images",
        verify="hndesc.datasets.fetch.verify:verify_photo_set",
        score="hndesc.evaluation.reconstruction.evaluate:score_reconstruction",
        main_figures="hndesc.visualization.comparison:reconstruction_figures",
        headline=(
            "reconstruction median position error .*",
            r"reconstruction registered \(%\)",
            "reconstruction points",
        ),
        drawings=(Drawing("{benchmark}_reconstruction", "Points and cameras of each model from above"),),
    ),
    "retrieval": BenchmarkKind(
        title="Image retrieval",
        section="hndesc.workflow.sections.benchmarks:RetrievalBenchmark",
        images="hndesc.datasets.revisited:dataset_images",
        verify="hndesc.datasets.fetch.verify:verify_retrieval",
        score="hndesc.evaluation.retrieval.revisited:score_retrieval",
        main_figures="hndesc.visualization.comparison:retrieval_figures",
        headline=(r"mAP re-ranked \(%\) (Medium|Hard)", r"mAP of the shortlist \(%\) Medium"),
        drawings=(TOP_FIVE,),
    ),
    "tokyo247": BenchmarkKind(
        title="Place recognition",
        section="hndesc.workflow.sections.benchmarks:Tokyo247Benchmark",
        images="hndesc.datasets.tokyo247:view_images",
        verify="hndesc.datasets.fetch.verify:verify_tokyo247",
        score="hndesc.evaluation.retrieval.tokyo247:score_tokyo247",
        main_figures="hndesc.visualization.comparison:recall_figures",
        headline=(r"recall re-ranked \(%\) @[15]", r"recall of the shortlist \(%\) @1"),
        drawings=(TOP_FIVE,),
    ),
}
