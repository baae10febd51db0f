"""One entry says all that the workflow knows of a kind of benchmark; a toy kind is added by one."""

from pathlib import Path
from typing import Literal

import pytest

from hndesc.datasets.kinds import KINDS
from hndesc.runtime.plugins import load_place

from .conftest import ROOT, Checkout, make_checkout

TOY = '''"""A toy kind: it counts the keypoints of the images."""

import json
from pathlib import Path
from typing import Literal

from pydantic import Field

from hndesc.io.features import FeatureReader
from hndesc.datasets.image_set import ImageEntry
from hndesc.visualization.comparison import Figure
from hndesc.runtime.settings import Count, Settings
from hndesc.workflow.sections.benchmarks import BenchmarkSettings


class ToyScoring(Settings):
    """How keypoints are counted."""

    least: Count = Field(1, description="keypoints of an image that counts")


class ToyBenchmark(BenchmarkSettings):
    """Images with enough keypoints."""

    kind: Literal["toy"] = Field(description="kind of the benchmark")
    max_keypoints: Count | None = Field(7, description="the strongest keypoints an image; null: all")
    settings: ToyScoring = Field(ToyScoring(), description="of scoring")


def toy_photos(root: Path) -> list[ImageEntry]:
    return [ImageEntry(path.name, path) for path in sorted(root.glob("*.png"))]


def verify_toy(root: Path, images: int | None = None) -> str:
    return f"{len(toy_photos(root))} images"


def score_toy(features: Path, text: Path, json_output: Path, name: str, least: int = 1) -> None:
    with FeatureReader(features) as reader:
        counts = {one: len(reader.read(one).keypoints) for one in reader.names()}
        made = reader.settings
    share = sum(count >= least for count in counts.values()) / len(counts)
    Path(text).write_text(f"{share}\\n")
    record = {"benchmark": name, "kind": "toy", "protocol": "toy", "features": made}
    record["figures"] = {"share": share, "counts": counts}
    Path(json_output).write_text(json.dumps(record | {"failures": []}))


def toy_figures(result) -> list[Figure]:
    return [Figure("toys", "share", ("figures", "share"))]
'''
ENTRY = """    "toy": BenchmarkKind(
        title="Toys",
        section="hndesc.toy:ToyBenchmark",
        images="hndesc.toy:toy_photos",
        verify="hndesc.toy:verify_toy",
        score="hndesc.toy:score_toy",
        main_figures="hndesc.toy:toy_figures",
    ),
    "tokyo247": BenchmarkKind("""
RULE = """rule score_toy:
    input:
        images=images_folder,
        features="results/features/{benchmark}/{descriptor}.h5",
    output:
        text="results/scores/{benchmark}/{descriptor}.txt",
        json="results/scores/{benchmark}/{descriptor}.json",
    wildcard_constraints:
        benchmark=pattern(PLAN.images.of_kind("toy")),
    params:
        settings=lambda wildcards: PLAN.images.scoring(wildcards.benchmark),
        code=lambda wildcards: PLAN.scoring_code(wildcards.benchmark),
    run:
        from hndesc.toy import score_toy

        score_toy(input.features, output.text, output.json, wildcards.benchmark, **params.settings)
"""


def add_toy(checkout: Checkout) -> None:
    """What docs/benchmarks.md says: a module, an entry and a rule file."""
    checkout.path("hndesc/toy.py").write_text(TOY)
    checkout.edit("hndesc/datasets/kinds.py", '    "tokyo247": BenchmarkKind(', ENTRY)
    checkout.path("rules/toy.smk").write_text(RULE)
    checkout.edit(
        "workflow/Snakefile",
        'include: "../rules/report.smk"\n',
        'include: "../rules/report.smk"\ninclude: "../rules/toy.smk"\n',
    )


@pytest.mark.slow
@pytest.mark.workflow
def test_a_toy_kind_is_added_by_an_entry_and_a_rule(tmp_path: Path) -> None:
    import numpy as np

    from hndesc.io.images import write_image

    checkout = make_checkout(tmp_path / "hndesc")
    add_toy(checkout)
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    write_image(checkout.path("toys/a.png"), np.kron(noise, np.ones((10, 10, 1), np.uint8)))
    overlay = tmp_path / "toy.yaml"
    entry = "{name: toys, kind: toy, dataset: toys, settings: {least: 5}}"
    overlay.write_text(f"descriptors: [sift]\nbenchmarks: [{entry}]\n")
    checkout.run("results/toys.json", "results/summary.txt", configfile=overlay)
    assert '"share": 1.0, "counts": {"a.png": 7}' in checkout.path("results/toys.json").read_text()
    assert "share" in checkout.path("results/summary.txt").read_text()
    overlay.write_text(f"descriptors: [sift]\nbenchmarks: [{entry.replace('least', 'lest')}]\n")
    done = checkout.run("results/toys.json", configfile=overlay, check=False)
    assert "config key 'benchmarks[0].settings.lest' is unknown; did you mean 'least'?" in done.stdout


@pytest.mark.parametrize("name", KINDS)
def test_every_place_of_an_entry_can_be_loaded(name: str) -> None:
    kind = KINDS[name]
    assert load_place(kind.section).model_fields["kind"].annotation == Literal[name]
    for place in (kind.images, kind.verify, kind.score, kind.main_figures):
        assert callable(load_place(place)), place


def test_the_page_says_how_to_add_a_kind() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "hndesc/datasets/kinds.py" in page and "rules/" in page
