"""What is generated from the models of the configuration is fresh, and says what the steps do."""

import inspect
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml

from hndesc.datasets.splits import split_photos
from hndesc.datasets.synthetic_sequences import make_sequences
from hndesc.detectors import DETECTORS
from hndesc.evaluation.hpatches.evaluate import score_hpatches
from hndesc.evaluation.localization.evaluate import localize_queries
from hndesc.localization.mapping import MapperSettings
from hndesc.localization.pairs import list_pairs
from hndesc.localization.pnp import PnpSettings
from hndesc.retrieval.ranking import find_neighbors
from hndesc.retrieval.reranking import rerank_shortlist
from hndesc.runtime.settings import Settings
from hndesc.stylization import METHODS, MIXED
from hndesc.stylization.stylize import stylize_photos
from hndesc.workflow import schema
from hndesc.workflow.config import NeighborSettings
from hndesc.workflow.sections import benchmarks, data, keypoints, stylization


def alternatives(union: Any, key: str) -> dict[str, type[Settings]]:
    """The sections of a union by what tells them apart."""
    return {one.model_fields[key].annotation.__args__[0]: one for one in union.__origin__.__args__}


DETECTOR_SECTIONS = alternatives(keypoints.Keypoints, "detector")
METHOD_SECTIONS = alternatives(stylization.Stylization, "method")
STEPS: dict[str, tuple[type[Settings], Callable]] = {
    **{name: (section, DETECTORS.load(name)) for name, section in DETECTOR_SECTIONS.items()},
    **{name: (section, METHODS.load(name)) for name, section in METHOD_SECTIONS.items() if name != MIXED},
    "stylization": (stylization.StylizationSettings, stylize_photos),
    "split": (data.SplitSettings, split_photos),
    "sequences": (data.SequenceCounts, make_sequences),
    "neighbors": (NeighborSettings, find_neighbors),
    "hpatches": (benchmarks.HpatchesScoring, score_hpatches),
    "retrieval": (benchmarks.RetrievalScoring, rerank_shortlist),
    "pairs": (benchmarks.ImagePairSettings, list_pairs),
    "localization": (benchmarks.LocalizationScoring, localize_queries),
    "map": (benchmarks.MapperSettings, MapperSettings),
    "pnp": (benchmarks.PnpRegistration, PnpSettings),
}


def test_generated_files_are_fresh() -> None:
    assert schema.SCHEMA.read_text(encoding="utf-8") == schema.schema(), "run python -m hndesc.workflow.schema"
    assert schema.PAGE.read_text(encoding="utf-8") == schema.page(), "run python -m hndesc.workflow.schema"


def plain(value: Any) -> Any:
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(("section", "step"), STEPS.values(), ids=STEPS)
def test_a_default_is_that_of_the_step(section: type[Settings], step: Callable) -> None:
    parameters = inspect.signature(step).parameters
    compared = {
        name: field.default
        for name, field in section.model_fields.items()
        if name in parameters and not (field.is_required() or isinstance(field.default, Settings))
    }
    assert compared
    for name, default in compared.items():
        assert plain(parameters[name].default) == plain(default), name


@pytest.mark.parametrize("name", DETECTORS.places)
def test_every_detector_has_its_settings(name: str) -> None:
    known = set(inspect.signature(DETECTORS.load(name)).parameters) - {"max_keypoints"}
    assert set(DETECTOR_SECTIONS[name].model_fields) == known | {"detector", "weights"}


# Of the step, not of a method; inputs, the seed and what the workflow fills in aside.
COMMON = set(inspect.signature(stylize_photos).parameters) - {
    *("photos", "styles", "output", "seed", "methods", "threads", "part", "settings")
}


@pytest.mark.parametrize("name", METHODS.places)
def test_every_stylization_method_has_its_settings(name: str) -> None:
    known = set(list(inspect.signature(METHODS.load(name)).parameters)[3:])
    assert set(METHOD_SECTIONS[name].model_fields) == known | COMMON | {"shards"}
    mixed = stylization.StylizationMethods.model_fields[name].annotation.__args__[0]
    assert set(mixed.model_fields) == known | {"weight"}


def test_every_setting_has_help() -> None:
    for key, section in schema._sections():
        for name, field in section.model_fields.items():
            assert field.description and "\n" not in field.description, f"{key}.{name}"


def test_the_schema_takes_the_configurations_that_are_there() -> None:
    validator = jsonschema.Draft202012Validator(yaml.safe_load(schema.schema()))
    default = yaml.safe_load((schema.ROOT / "config" / "config.yaml").read_text()) | yaml.safe_load(
        (schema.ROOT / "config" / "ablations.yaml").read_text()
    )
    assert validator.is_valid(default)
    assert not validator.is_valid(default | {"fotos": "x"})
    assert not validator.is_valid(default | {"keypoints": {"detector": "orb"}})
