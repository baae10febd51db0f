"""Descriptions of the rows of a table: descriptor, keypoints, weights and license."""

from collections.abc import Mapping

from hndesc.pretrained.baselines import OWN_DETECTORS, TITLES


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
    return " at ".join(pieces)


def descriptor_key(features: object) -> tuple[str, ...]:
    """Return a key that identifies a descriptor regardless of its keypoints: name and weights; empty if unknown."""
    part = _part(features, "descriptor") if isinstance(features, Mapping) else {}
    return tuple(str(part[key]) for key in ("name", "weights", "sha256", "source") if key in part)


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
