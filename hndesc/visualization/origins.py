"""Descriptions of the rows of a table: descriptor, keypoints, weights and license."""

from collections.abc import Hashable, Mapping, Sequence

from hndesc.pretrained.baselines import OWN_DETECTORS, TITLES
from hndesc.visualization.style import line_styles


def origin(features: object) -> str:
    """Return a one-line description of features from the settings in their file; empty without settings."""
    if not isinstance(features, Mapping):
        return ""
    descriptor, detector = _part(features, "descriptor"), _part(features, "detector")
    pieces = []
    if "imported" in features:
        pieces.append(f"features of {features['imported']['file']}")
    if descriptor:
        pieces.append(f"{_title(descriptor)}{_weights(descriptor)}")
    if detector:
        pieces.append(_keypoints(descriptor, detector))
    return " at ".join(pieces) + (", in several views" if features.get("views") else "")


def descriptor_key(features: object) -> tuple[str, ...]:
    """Return a key that identifies a descriptor regardless of its keypoints: name and weights; empty if unknown."""
    part = _part(features, "descriptor") if isinstance(features, Mapping) else {}
    return tuple(str(part[key]) for key in ("name", "weights", "sha256", "source") if key in part)


def descriptor_styles(
    labels: Sequence[str], features: Sequence[object], order: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Return the style of each descriptor's line (`hndesc.visualization.style.line_styles`), by its place in `order`.

    Args:
        labels: names of the descriptors.
        features: settings of the feature file of each.
        order: names of all descriptors of a run, so that each has the same color in all figures.
    """
    names: Sequence[Hashable] = labels if len(set(labels)) == len(labels) else range(len(labels))
    keys = dict(zip(names, map(descriptor_key, features), strict=True))
    known = list(dict.fromkeys([*order, *names]))
    styles = dict(zip(known, line_styles([keys.get(name) or name for name in known]), strict=True))
    return [styles[name] for name in names]


def _part(features: Mapping, name: str) -> Mapping:
    part = features.get(name)
    return part if isinstance(part, Mapping) and "name" in part else {}


def _keypoints(descriptor: Mapping, detector: Mapping) -> str:
    most = detector.get("max_keypoints")
    limit = f", at most {most} per image" if most else ""
    if OWN_DETECTORS.get(descriptor.get("name", "")) == detector["name"]:
        return f"its own keypoints{limit}"
    return f"{_title(detector)} keypoints{_weights(detector)}{limit}"


def _title(part: Mapping) -> str:
    return TITLES.get(part["name"], str(part["name"]))


def _weights(part: Mapping) -> str:
    if "weights_file" not in part:
        return ""
    rebuilt = "rebuilt, not the published file; " if part.get("rebuilt") else ""
    return f" ({part['weights_file']}: {rebuilt}{part['license']})"
