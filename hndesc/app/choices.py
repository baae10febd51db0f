"""What can be chosen on the page, and the settings of one request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hndesc.descriptors import DESCRIPTORS
from hndesc.detectors import DETECTORS
from hndesc.errors import HndescError
from hndesc.geometry.two_view import GEOMETRIES
from hndesc.matching.ratios import MATCH_RATIO
from hndesc.models.bundled import DEFAULT, bundled_models
from hndesc.pretrained.baselines import WEIGHTS
from hndesc.pretrained.weights import fetched_weights

AUTOMATIC = "automatic"
# (least, most, default, step) of the sliders.
KEYPOINTS = (256, 8192, 2048, 256)
LONGEST_SIDE = (480, 4000, 1024, 32)
RATIO = (0.5, 1.0, MATCH_RATIO, 0.01)


@dataclass(frozen=True)
class Settings:
    """How two photos are matched.

    Attributes:
        model, detector: names as of `hndesc match`.
        max_keypoints: maximum number of keypoints per photo.
        resize_max: longest side to which photos are downsized, pixels.
        ratio: threshold of the ratio test; None for none.
        geometry: one of `GEOMETRIES`; None to choose a fundamental matrix or a homography by the matches.
        views: whether photos are also described rotated and at half size.
    """

    model: str
    detector: str
    max_keypoints: int
    resize_max: int
    ratio: float | None
    geometry: str | None
    views: bool


def list_models(own: Sequence[str] = ()) -> list[str]:
    """Return the available descriptors, those of the user first, then the default model."""
    bundled = sorted(bundled_models(), key=lambda name: (name != DEFAULT, name))
    return [*own, *bundled, *filter(_is_available, sorted(DESCRIPTORS.places))]


def list_detectors() -> list[str]:
    """Return the available detectors, SIFT first."""
    return sorted(filter(_is_available, DETECTORS.places), key=lambda name: (name != "sift", name))


def read_settings(form: Mapping[str, str], models: Sequence[str]) -> Settings:
    """Return the settings of a form; what the page does not offer is a HndescError."""
    geometry = _chosen(form, "geometry", [AUTOMATIC, *GEOMETRIES])
    ratio = _number(form, "ratio", RATIO)
    return Settings(
        model=_chosen(form, "model", models),
        detector=_chosen(form, "detector", list_detectors()),
        max_keypoints=int(_number(form, "max_keypoints", KEYPOINTS)),
        resize_max=int(_number(form, "resize_max", LONGEST_SIDE)),
        ratio=ratio if ratio < 1 else None,
        geometry=None if geometry == AUTOMATIC else geometry,
        views=form.get("views") == "on",
    )


def _is_available(name: str) -> bool:
    return name not in WEIGHTS or fetched_weights(name) is not None


def _chosen(form: Mapping[str, str], key: str, names: Sequence[str]) -> str:
    value = form.get(key, names[0])
    if value not in names:
        raise HndescError(f"{key} is '{value:.60}'; choose one of: {', '.join(names)}")
    return value


def _number(form: Mapping[str, str], key: str, bounds: tuple[float, float, float, float]) -> float:
    least, most, default, _ = bounds
    text = form.get(key, str(default))
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise HndescError(f"{key} is '{text:.60}'; expected a number from {least} to {most}")
    return value
