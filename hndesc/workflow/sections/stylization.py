"""Settings of stylized copies: those of all methods, of each, and of a mixture of several."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from hndesc.runtime.settings import (
    Count,
    Distinct,
    InputFolder,
    LongestSide,
    NotNegative,
    Settings,
    Shards,
    Share,
    Text,
    one_of,
    read_settings,
    wrong_key,
)

Bounds = Annotated[list[NotNegative], Field(min_length=2, max_length=2)]


class _Weighted(Settings):
    weight: NotNegative = Field(1.0, description="share of a mixture's copies, relative to the other methods' weights")


class _StrengthAndNoise(Settings):
    strength: Share = Field(1.0, description="0 leaves a photo as it is, 1 is the full change of light")
    noise: NotNegative = Field(1.0, description="factor of the noise that is added")


class _Transfer(_StrengthAndNoise):
    detail_gain: Bounds = Field([0.7, 1.0], description="least and most that fine structure is amplified")


class _Local(_Transfer):
    gain: Bounds = Field([0.5, 1.5], description="least and most that contrast is amplified")
    place: NotNegative = Field(0.5, description="weight of the position relative to the color in the transport")
    rounds: Count = Field(20, description="rounds of the transport")


class _MongeKantorovich(_Transfer):
    gain: Bounds = Field([0.35, 2.5], description="least and most that contrast is amplified")


class _Wct2(Settings):
    strength: Share = Field(1.0, description="0 leaves a photo as it is, 1 is the full change of light")
    weights: InputFolder = Field(description="folder of the published weights")
    at: Annotated[list[Annotated[str, *one_of("encoder", "skip", "decoder")]], *Distinct] = Field(
        ["encoder", "skip", "decoder"], description="where features are transferred"
    )
    device: Annotated[str, *one_of("auto", "cpu", "cuda")] = Field(
        "auto", description="auto (the GPU where there is one), cpu or cuda"
    )


class MixedLocal(_Weighted, _Local):
    """The method `local` in a mixture."""


class MixedMongeKantorovich(_Weighted, _MongeKantorovich):
    """The method `monge_kantorovich` in a mixture."""


class MixedRelighting(_Weighted, _StrengthAndNoise):
    """The method `relighting` in a mixture."""


class MixedWct2(_Weighted, _Wct2):
    """The method `wct2` in a mixture."""


class StylizationMethods(Settings):
    """The methods of a mixture; null takes a method with its defaults."""

    local: MixedLocal | None = Field(None, description="local color transfer")
    monge_kantorovich: MixedMongeKantorovich | None = Field(None, description="global color transfer")
    relighting: MixedRelighting | None = Field(None, description="light and exposure by a camera's physics")
    wct2: MixedWct2 | None = Field(None, description="wavelet transfer by a published network")


class StylizationSettings(Settings):
    """How copies of the training photos in another light are made."""

    method: str
    classes: Annotated[list[Text], Field(min_length=1)] | None = Field(
        None, description="classes of styles to draw from; null: all"
    )
    copies: Count = Field(1, description="stylized copies of each photo")
    shards: Shards = Field(1, description="jobs among which the photos are divided")
    resize_max: LongestSide = Field(None, description="longest side of the copies, pixels; null leaves it")
    quality: Annotated[int, Field(ge=1, le=100)] = Field(95, description="JPEG quality of the copies")


class LocalStylization(StylizationSettings, _Local):
    """Local color transfer from a style photograph."""

    method: Literal["local"] = Field(description="name of the method")


class MongeKantorovichStylization(StylizationSettings, _MongeKantorovich):
    """Global color transfer from a style photograph."""

    method: Literal["monge_kantorovich"] = Field(description="name of the method")


class RelightingStylization(StylizationSettings, _StrengthAndNoise):
    """Light and exposure by a camera's physics; needs no style photographs."""

    method: Literal["relighting"] = Field(description="name of the method")


class Wct2Stylization(StylizationSettings, _Wct2):
    """Wavelet transfer by a published network."""

    method: Literal["wct2"] = Field(description="name of the method")


class MixedStylization(StylizationSettings):
    """One of several methods for each copy."""

    method: Literal["mixed"] = Field(description="name of the method")
    methods: StylizationMethods = Field(description="those that are mixed, by name")

    @model_validator(mode="after")
    def _some_methods(self) -> Self:
        if not self.methods.model_fields_set:
            raise wrong_key("methods", "must name at least one method")
        return self


Stylization = Annotated[
    LocalStylization | MixedStylization | MongeKantorovichStylization | RelightingStylization | Wct2Stylization,
    Field(discriminator="method"),
]


class _Section(Settings):
    stylization: Stylization


def read_stylization(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of `hndesc.stylization.stylize.stylize_photos` from those of the section, without defaults.

    Raises:
        HndescError: one line that names the key that is wrong, and what is known there.
    """
    section = read_settings(_Section, {"stylization": values}).stylization
    return section.model_dump(exclude_unset=True, exclude={"shards"})
