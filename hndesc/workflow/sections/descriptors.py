"""Settings of the descriptors that are evaluated: what each is, and which keypoints it describes."""

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from hndesc.descriptors import DESCRIPTORS, is_class
from hndesc.models.bundled import bundled_models
from hndesc.pretrained.baselines import WEIGHTS
from hndesc.runtime.settings import Count, InputFile, Name, PathOf, Settings, Text, one_of, quoted, wrong_key
from hndesc.runtime.spelling import suggest
from hndesc.workflow.sections.keypoints import Keypoints

# A model of this run's training, after and before it.
TRAINED, UNTRAINED = "trained", "untrained"


def names_of_descriptors() -> list[str]:
    """Return what a descriptor may be called without saying more: models of this run, methods, bundled models."""
    return [TRAINED, UNTRAINED, *sorted(DESCRIPTORS.places), *bundled_models()]


def _named(name: str) -> str:
    known = names_of_descriptors()
    if name not in known:
        context = {"name": quoted(name), "meant": suggest(name, known), "known": ", ".join(known)}
        raise PydanticCustomError("descriptor", "is '{name}'{meant}; choose one of: {known}", context)
    return name


def _described_by(kind: str) -> str:
    if not (kind.endswith(".safetensors") or is_class(kind)):
        _named(kind)
    return kind


_NAMES = {"enum": [TRAINED, UNTRAINED, *sorted(DESCRIPTORS.places)]}
_BUNDLED = {"pattern": "^hndesc-[a-z0-9-]+$"}
DescriptorName = Annotated[str, AfterValidator(_named), WithJsonSchema({"type": "string", "anyOf": [_NAMES, _BUNDLED]})]
DescribedBy = Annotated[
    str,
    AfterValidator(_described_by),
    PathOf("file", suffix=".safetensors"),
    WithJsonSchema({"type": "string", "anyOf": [_NAMES, _BUNDLED, {"pattern": r"\.safetensors$"}, {"pattern": ":"}]}),
]


class DescriptorSettings(Settings):
    """A descriptor, and the keypoints that it describes; or a file of features."""

    name: Name = Field(description="in tables and file names")
    descriptor: DescribedBy | None = Field(
        None,
        description="a name that may stand alone, a checkpoint (.safetensors), or module:Class; null: the entry's name",
    )
    weights: InputFile | None = Field(
        None, description="file of the descriptor's weights; null: published ones are fetched to data/weights"
    )
    settings: dict[str, Any] = Field({}, description="further arguments of the descriptor's class")
    keypoints: Annotated[str, *one_of("shared", "own")] | Keypoints = Field(
        "shared",
        description="shared (those of the section keypoints), own (the descriptor's own detector), or a section like "
        "keypoints",
    )
    max_keypoints: Count | None = Field(None, description="instead of the benchmark's; null: all")
    views: bool = Field(
        False,
        description="also describe keypoints in the image rotated by multiples of 90 degrees and at half size; "
        "matching selects the views for each pair of images",
    )
    features: Annotated[Text, PathOf("file", for_each=True)] | None = Field(
        None,
        description="existing feature file in hloc's layout, instead of all the others; {benchmark} in it is replaced",
    )

    @property
    def kind(self) -> str:
        """What it describes with."""
        return self.descriptor or self.name

    @property
    def published(self) -> str | None:
        """The published file that is fetched where none is named."""
        return WEIGHTS.get(self.kind)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.features is not None:
            if others := sorted(self.model_fields_set - {"name", "features"}):
                raise wrong_key(others[0], "has no effect together with features; remove it")
        elif self.descriptor is None and self.name not in names_of_descriptors():
            names = ", ".join(names_of_descriptors())
            raise wrong_key(
                "name",
                f"is '{self.name}', which is no descriptor{suggest(self.name, names_of_descriptors())}; give the entry "
                f"a key descriptor ({names}, a .safetensors file or module:Class) or features",
            )
        return self
