"""Release of a trained model: weights, a card with scores, and a page generated from the card."""

import logging
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hndesc.errors import HndescError, counted, printable
from hndesc.io.files import check_output_file, read_json, write_text
from hndesc.io.lists import text_lines
from hndesc.models.checkpoint import check_checkpoint, load_checkpoint, read_card, save_checkpoint
from hndesc.models.keypoint_network import read_detector_card
from hndesc.runtime.provenance import file_hash

logger = logging.getLogger(__name__)

# Facts that a person must supply; keys of the file `about`.
ABOUT = ("summary", "data", "license", "hardware", "hours")
# Entries that a release adds to a card; they are valid for the released file only.
_ADDED = ("name", "about", "trained_file", "parameters", "scores")
# Of `about`, what is valid for models that are made from a released one, too.
_INHERITED = ("data", "license")
_THRESHOLD = "3"  # pixels
_AREA = "5"  # pixels, of the area under homography accuracy
# Further figures in the rows of a card: heading, key, class, digits.
_FURTHER = (
    ("MMA@3 at equal yield", "equal_yield", "avg", 3),
    ("correct matches", "correct_matches", "all", 0),
    ("near misses", "near_misses", "all", 3),
    ("average precision", "average_precision", "all", 3),
    ("AUC@5 PoseLib v", "auc_poselib", "v", 3),
    ("AUC@5 PoseLib i", "auc_poselib", "i", 3),
    ("AUC@5 PoseLib all", "auc_poselib", "all", 3),
    ("AUC@5 RANSAC, orders", "auc_mean", "all", 3),
)


def inherited_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the card of a model says about another with the same weights: license and data, but no scores."""
    inherited = {key: value for key, value in card.items() if key not in _ADDED}
    if about := card.get("about"):
        inherited["about"] = {key: about[key] for key in _INHERITED if key in about}
    return inherited


def release_model(
    checkpoint: str | Path,
    name: str,
    about: str | Path,
    scores: Sequence[str | Path],
    folder: str | Path,
    pages: str | Path,
    equal_yield: Mapping[Path, Mapping[str, float]] | None = None,
) -> None:
    """Write a checkpoint with a full card, `<name>.safetensors` and `<name>.json`, and its page, `<name>.md`.

    Args:
        checkpoint: checkpoint written by training.
        name: name of the model.
        about: YAML file with the keys of `ABOUT`: a sentence; a list of {photos, number, license}; license of the
            weights; hardware and hours of the training.
        scores: JSON results of HPatches-like benchmarks, of this checkpoint and of baselines.
        folder: folder of the released model, `hndesc.models.bundled.FOLDER` by default.
        pages: folder of the page.
        equal_yield: MMA@3 at equal yield of results, by file (`hndesc.visualization.equal_yield.equal_yields`).

    Raises:
        HndescError: the name is not a file name, `about` is incomplete, a result is of another kind, or none is of
            this checkpoint.
    """
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise HndescError(f"'{printable(name)}': a name of a model has letters, digits, - and _ only")
    inputs = [checkpoint, about, *scores]
    check_checkpoint(Path(folder) / f"{name}.safetensors", inputs)
    check_output_file(Path(pages) / f"{name}.md", inputs)
    model, card = load_checkpoint(checkpoint)
    card |= {"name": name, "about": _read_about(Path(about)), "trained_file": file_hash(checkpoint)}
    card["parameters"] = sum(values.numel() for values in model.parameters())
    card["scores"] = _compare([_score(Path(path), card, equal_yield or {}) for path in scores])
    missing = {row["benchmark"] for row in card["scores"]} - {r["benchmark"] for r in card["scores"] if r["this"]}
    if missing or not card["scores"]:
        raise HndescError(
            f"{checkpoint}: no result of this file on {', '.join(missing) or 'any benchmark'}; evaluate it"
        )
    path = Path(folder) / f"{name}.safetensors"
    save_checkpoint(path, model, card, card.get("settings", {}).get("half_weights", False))
    logger.info("%s: %.1f MB", path, path.stat().st_size / 1e6)
    write_text(Path(pages) / f"{name}.md", page(path))


def _read_about(path: Path) -> dict[str, Any]:
    from hndesc.io.yaml_files import parse_yaml  # needs PyYAML

    about = parse_yaml("\n".join(line for _, line in text_lines(path)), path)
    if not isinstance(about, dict) or set(about) != set(ABOUT):
        raise HndescError(f"{path}: it must have exactly the keys {', '.join(ABOUT)}")
    if not isinstance(about["data"], list):
        raise HndescError(f"{path}: data must be a list of entries with the keys photos, number and license")
    for row in about["data"]:
        if not isinstance(row, dict) or set(row) != {"photos", "number", "license"}:
            raise HndescError(f"{path}: each entry of data must have the keys photos, number and license")
    return about


def _score(path: Path, card: Mapping[str, Any], equal_yield: Mapping[Path, Mapping[str, float]]) -> dict[str, Any]:
    """Return the main scores of a result."""
    result = read_json(path)
    try:
        features, figures = result["features"], result["figures"]
        described, detected = features.get("descriptor", {}), features.get("detector") or {}
        return {
            "benchmark": result["benchmark"],
            "sequences": result["sequences"],
            "protocol": result["protocol"],
            "this": described.get("sha256") == card["trained_file"],
            "descriptor": described.get("name", path.stem),
            "keypoints": detected,
            "mma": _entries(figures["mma"][_THRESHOLD], ("v", "i", "avg")),
            "homography_accuracy": _entries(figures["homography_accuracy"][_THRESHOLD], ("all",)),
            **_further(figures),
            **({"equal_yield": equal_yield[path]} if path in equal_yield else {}),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise HndescError(f"{path}: not a result of an HPatches-like benchmark (missing: {error})") from None


def _further(figures: Mapping[str, Any]) -> dict[str, Mapping[str, float | None]]:
    """Return the further figures that a result has: those of matches, and areas under homography accuracy."""
    keys = ("correct_matches", "near_misses", "average_precision", "recall")
    found = {key: _entries(figures[key], ("all",)) for key in keys if key in figures}
    for estimator, own in figures.get("estimators", {}).items():
        found[f"auc_{estimator}"] = _entries(own["homography_auc"][_AREA], ("all",))
    for name in ("mean", "deviation"):
        if f"homography_auc_{name}" in figures:
            found[f"auc_{name}"] = _entries(figures[f"homography_auc_{name}"][_AREA], ("all",))
    return found


def _entries(figures: Mapping[str, float | None], kinds: Sequence[str]) -> Mapping[str, float | None]:
    """Return scores after checking those of some kinds of sequences: numbers, or None without such sequences."""
    for kind in kinds:
        if not isinstance(figures[kind], int | float | None):
            raise TypeError(f"'{kind}' is not a number")
    return figures


def _compare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort rows by benchmark and accuracy, and check that the rows of a benchmark are comparable."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        other = first.setdefault(row["benchmark"], row)
        for key in ("protocol", "sequences"):
            if row[key] != other[key]:
                raise HndescError(
                    f"results of {row['benchmark']} differ in '{key}' ({row['descriptor']}, {other['descriptor']}); "
                    "evaluate all with the same settings"
                )
    order = list(first)
    return sorted(rows, key=lambda row: (order.index(row["benchmark"]), row["mma"]["avg"] or 0.0))


def summary(checkpoint: str | Path) -> str:
    """Return a short description of a bundled model: architecture, size, licenses, photographs, accuracy per benchmark.

    Raises:
        HndescError: the file is not a checkpoint, or its card was not written by a release.
    """
    path = Path(checkpoint)
    card = read_card(path)
    with _released(path):
        return _summary(path, card)


def _summary(path: Path, card: Mapping[str, Any]) -> str:
    size, about = f"{path.stat().st_size / 1e6:.2f} MB", card["about"]
    lines = [f"{path.stem}: {card['architecture']}, {card['dim']}-D, {size}; license: {about['license']}"]
    lines.append(_photographs(about["data"]))
    for row in card["scores"]:
        if row["this"]:
            mma = "/".join("-" if row["mma"][kind] is None else f"{row['mma'][kind]:.3f}" for kind in ("v", "i", "avg"))
            lines.append(f"  {row['benchmark']}: MMA@3 v/i/avg {mma} (keypoints: {_keypoints(row['keypoints'])})")
    return "\n".join(lines)


def detector_summary(weights: str | Path) -> str:
    """Return a short description of the bundled detector: architecture, size, licenses, photographs.

    Raises:
        HndescError: the file has no weights of a detector, or its card does not state license and photographs.
    """
    path = Path(weights)
    card = read_detector_card(path)
    with _released(path):
        size = f"{path.stat().st_size / 1e6:.2f} MB"
        head = f"detector {path.stem}: {card['architecture']}, {size}; license: {card['license']}"
        return f"{head}\n{_photographs(card['data'])}"


def _photographs(data: Sequence[Mapping[str, Any]]) -> str:
    """Return lines that name the photographs of a training: source, number and licenses."""
    sources = "; ".join(f"{row['photos']}: {row['number']} ({row['license']})" for row in data)
    return textwrap.fill(f"trained on {sources}", 120, initial_indent="  ", subsequent_indent="    ")


def page(checkpoint: str | Path) -> str:
    """Return the Markdown page of a model, generated from the card in its file."""
    path = Path(checkpoint)
    card = read_card(path)
    with _released(path):
        return _page(path, card)


def _page(path: Path, card: Mapping[str, Any]) -> str:
    about = card["about"]
    facts = {
        "Architecture": f"`{card['architecture']}`, {card['dim']}-D, stride {card['stride']}",
        "Size": f"{card['parameters']:,} parameters, {path.stat().st_size / 1e6:.2f} MB",
        "License": about["license"],
        "Training": f"{card['metrics'].get('step', '?')} steps, {about['hours']} h on {about['hardware']}",
        "Seed": card["seed"],
        "Made by": f"hndesc {card['version']}, torch {card.get('versions', {}).get('torch', '?')}",
        "SHA-256": f"`{file_hash(path)}`",
    }
    data = [(row["photos"], row["number"], row["license"]) for row in about["data"]]
    sections = [
        f"# {card['name']}\n\n{about['summary']}",
        _table(("", ""), facts.items()),
        "## Data\n\n" + _table(("photos", "number", "license"), data),
        "## Scores\n\n" + "\n\n".join(_scores(card["scores"], card["name"])),
        "## Settings\n\n```yaml\n" + _yaml(card["settings"]) + "\n```",
        "This page is generated from the card in the model file by `hndesc release`. Do not edit it.",
    ]
    return "\n\n".join(sections) + "\n"


def _yaml(settings: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(settings, sort_keys=False).strip()


@contextmanager
def _released(path: Path) -> Iterator[None]:
    """Turn what a card without the entries of a release leads to into an error that names its file."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise HndescError(
            f"{path}: its card is not that of a released model ({what}); write it with "
            "'hndesc release', or move it away"
        ) from None


def _scores(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return a paragraph and a table for each benchmark."""
    parts = []
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        of = [row for row in rows if row["benchmark"] == benchmark]
        counts = of[0]["sequences"]
        parts.append(
            f"**{benchmark}**: {counted(counts['v'], 'sequence')} with viewpoint changes (v), "
            f"{counts['i']} with illumination changes (i). {of[0]['protocol']}"
        )
        further = [one for one in _FURTHER if any(one[1] in row for row in of)]
        header = ("descriptor", "keypoints", "MMA@3 v", "MMA@3 i", "MMA@3 avg", "homography @3")
        parts.append(_table((*header, *(one[0] for one in further)), [_row(row, name, further) for row in of]))
    return parts


def _row(row: Mapping[str, Any], name: str, further: Sequence[tuple[str, str, str, int]]) -> tuple[str, ...]:
    figures = [(row["mma"][kind], 3) for kind in ("v", "i", "avg")] + [(row["homography_accuracy"]["all"], 3)]
    figures += [(row.get(key, {}).get(kind), digits) for _, key, kind, digits in further]
    shown = [f"{value:.{digits}f}" if value is not None else "-" for value, digits in figures]
    if (deviation := row.get("auc_deviation", {}).get("all")) is not None:
        shown[-1] += f" ± {deviation:.3f}"
    if row["this"]:
        return (f"**{name}**", _keypoints(row["keypoints"]), *(f"**{value}**" for value in shown))
    return (row["descriptor"], _keypoints(row["keypoints"]), *shown)


def _keypoints(detector: Mapping[str, Any]) -> str:
    return ", ".join([detector.get("name", "?"), *([f"at most {n}"] if (n := detector.get("max_keypoints")) else [])])


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
