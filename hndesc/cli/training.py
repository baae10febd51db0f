"""The commands of `hndesc` for training: train a model on photos, make stylized copies of them."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hndesc.cli.options import (
    DETECTOR,
    add_detection,
    add_seed,
    add_settings,
    add_threads,
    parallel,
    positive,
    usual_workers,
)
from hndesc.errors import HndescError, counted, printable


def train(
    photos: Path,
    output: Path,
    config: list[Path],
    changes: list[str],
    keypoints: list[Path] | None,
    stylized: Path | None,
    seed: int,
    threads: int,
    processes: int | None,
    detector: str | None,
    detector_weights: Path | None,
    max_keypoints: int | None,
    resize_max: int | None,
) -> None:
    """Train a model on photos, draw its curves and print how well it does."""
    from hndesc.models.checkpoint import read_card
    from hndesc.runtime.devices import count_gpus
    from hndesc.runtime.logs import limit_threads
    from hndesc.training import from_photos
    from hndesc.visualization.curves import plot_training
    from hndesc.visualization.style import check_figure

    figure, model = output / "training.png", output / from_photos.MODEL
    check_figure(figure)
    limit_threads(threads)
    chosen = detector or DETECTOR
    detection = {"max_keypoints": max_keypoints, "resize_max": resize_max}
    weights = {} if detector_weights is None else {"weights": str(detector_weights)}
    from_photos.train_on_photos(
        photos,
        output,
        {**read_section(config, changes, "training"), "seed": seed},
        keypoints=keypoints or (),
        detector=chosen,
        detection=detection | weights,
        stylized=stylized,
        workers=usual_workers(chosen),
        processes=processes or max(1, count_gpus()),
        threads=threads,
    )
    plot_training(output / from_photos.HISTORY, figure)
    metrics = read_card(model)["metrics"]
    print(
        f"{printable(model)}: step {metrics['step']:,}, validation loss {metrics['validation_loss']:.4f}, accuracy "
        f"{metrics['accuracy']:.3f}"
    )
    print(f"{printable(figure)}: training curves")


def stylize(
    photos: Path,
    output: Path,
    styles: Path | None,
    config: list[Path],
    changes: list[str],
    method: str | None,
    copies: int | None,
    seed: int,
    workers: int,
) -> None:
    """Write stylized copies of photos."""
    from hndesc.stylization.stylize import stylize_photos
    from hndesc.stylization.tables import TABLE
    from hndesc.workflow.sections.stylization import read_stylization

    given: dict[str, Any] = {"method": method, "copies": copies}
    settings: dict[str, Any] = {"method": "relighting" if styles is None else "monge_kantorovich"}
    settings |= read_section(config, changes, "stylization")
    settings |= {name: value for name, value in given.items() if value is not None}
    stylize_photos(photos, styles, output, seed=seed, threads=workers, **read_stylization(settings))
    count = len((output / TABLE).read_text(encoding="utf-8").splitlines()) - 1
    print(f"{printable(output)}: {counted(count, 'copy')}")


def train_detector(photos: Path, output: Path, config: list[Path], changes: list[str], seed: int, threads: int) -> None:
    """Train the detector on photos and print how well it does."""
    from hndesc.models.keypoint_network import check_weights
    from hndesc.runtime.logs import limit_threads
    from hndesc.training.detector import train

    check_weights(output)
    if output.exists():
        raise HndescError(f"{printable(output)}: has been trained; choose another name, or move it away to train again")
    limit_threads(threads)
    settings = read_section(config, changes, "detector_training")
    found = train.train_detector(photos, output, **{**settings, "seed": seed})
    print(
        f"{printable(output)}: repeatability {found['repeatability']:.3f} within {train.THRESHOLD:g} px, "
        f"localization error {found['error']:.2f} px, on pairs of held-out photos"
    )


def read_section(files: Sequence[Path], changes: Sequence[str], section: str) -> dict[str, Any]:
    """Return the settings of a section of configuration files, with changes `key=value` laid over them.

    Raises:
        HndescError: a file without this section, or a change that is none.
    """
    from hndesc.io.yaml_files import parse_yaml
    from hndesc.workflow.config import read_files
    from hndesc.workflow.training_runs import overlaid

    found: dict[str, Any] = {}
    for path, values in zip(files, read_files(files), strict=True):
        if not isinstance(values.get(section), dict):
            raise HndescError(f"{printable(path)}: has no section '{section}'")
        found = overlaid(found, values[section])
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not all(key.split(".")):
            raise HndescError(f"--set {printable(change)}: write KEY=VALUE, such as steps=20000 or loss.kind=triplet")
        value = parse_yaml(text, f"--set {printable(change)}")
        for part in reversed(key.split(".")):
            value = {part: value}
        found = overlaid(found, value)
    return found


def add_training_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for training to the parser."""
    _add_train(commands.add_parser("train", help="train a model on a folder of photos"))
    _add_train_detector(commands.add_parser("train-detector", help="train the detector hndesc on a folder of photos"))
    _add_stylize(commands.add_parser("stylize", help="make copies of photos in another light, for training"))


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train a model on the photos in PHOTOS; no poses, pairs or labels are needed. OUT gets model.safetensors, its "
        "card, the history and a figure of it, and the detected keypoints. An interrupted run resumes. Example: hndesc "
        "train photos model --config config/config.yaml --set steps=20000"
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos, with all below it")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write")
    add_settings(parser, "training")
    parser.add_argument(
        "--stylized",
        metavar="FOLDER",
        type=Path,
        help="copies in another light, output of hndesc stylize (default: second crops are cut from the photos)",
    )
    parser.add_argument(
        "--keypoints",
        metavar="K.h5",
        type=Path,
        action="append",
        help="keypoints of the photos, one file for each of the setting detectors (default: detected)",
    )
    add_seed(parser)
    add_threads(parser)
    parser.add_argument(
        "--processes", metavar="N", type=parallel, help="processes that share each batch (default: one per GPU)"
    )
    add_detection(parser)
    parser.set_defaults(command=train)


def _add_train_detector(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Train the keypoint detector on the photos in PHOTOS; no keypoints, poses or labels are needed. The history is "
        "written beside OUT as .csv. An interrupted run resumes. Use the detector with --detector hndesc "
        "--detector-weights OUT. Example: hndesc train-detector photos detector.safetensors --config "
        "config/hndesc-detector.yaml"
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos, with all below it")
    parser.add_argument("output", metavar="OUT.safetensors", type=Path)
    add_settings(parser, "detector_training")
    add_seed(parser)
    add_threads(parser)
    parser.set_defaults(command=train_detector)


def _add_stylize(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write copies of the photos in PHOTOS in another light, with all edges where they are: second crops for hndesc "
        "train --stylized. An interrupted run resumes. Example: hndesc stylize photos stylized --set strength=0.8"
    )
    parser.add_argument("photos", metavar="PHOTOS", type=Path, help="folder of photos, with all below it")
    parser.add_argument("output", metavar="OUT", type=Path, help="folder to write")
    parser.add_argument(
        "--styles", metavar="FOLDER", type=Path, help="style photos, which all methods but relighting need"
    )
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="relighting, monge_kantorovich, local, wct2 or mixed (default: relighting, with --styles "
        "monge_kantorovich)",
    )
    parser.add_argument("--copies", metavar="N", type=positive, help="copies of each photo (default: 1)")
    add_settings(parser, "stylization")
    add_seed(parser, "the drawn styles")
    parser.add_argument(
        "--workers", metavar="N", type=parallel, default=1, help="photos at a time (default: %(default)s)"
    )
    parser.set_defaults(command=stylize)
