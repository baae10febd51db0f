"""The command that measures the speed of detectors, descriptors and matching."""

import argparse
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hndesc.cli.options import parallel, positive, positive_number
from hndesc.errors import counted, printable

if TYPE_CHECKING:
    import numpy as np


def bench(
    photo: Path | None,
    size: tuple[int, int],
    threads: int,
    detectors: list[str] | None,
    models: list[str] | None,
    keypoints: int,
    seconds: float,
    output: Path | None,
) -> None:
    """Print a table of times on this machine, and write it."""
    from hndesc.evaluation.speed import measure_speed
    from hndesc.io.files import check_json_file, write_json
    from hndesc.io.lists import aligned
    from hndesc.runtime.devices import choose_device
    from hndesc.runtime.logs import limit_threads
    from hndesc.runtime.provenance import versions

    if output is not None:
        check_json_file(output, [] if photo is None else [photo])
    image = _image(photo, size)
    limit_threads(threads)
    rows = measure_speed(image, detectors, models, keypoints=keypoints, seconds=seconds)
    height, width = image.shape[:2]
    device = choose_device().type
    print(f"{width} x {height} pixels, {counted(threads, 'thread')}, networks on {device}; {_processor()}")
    cells = [(row.step, row.name, f"{row.processor:.1f}", f"{row.wall:.1f}", row.result) for row in rows]
    print("\n".join(aligned([("step", "name", "processor ms", "ms", "result"), *cells], left=2)))
    if output is not None:
        record = {"size": [width, height], "threads": threads, "device": device, "processor": _processor()}
        write_json(output, record | {"versions": versions(), "milliseconds": [asdict(row) for row in rows]})
        print(printable(output))


def _image(photo: Path | None, size: tuple[int, int]) -> "np.ndarray":
    if photo is None:
        from hndesc.evaluation.speed import made_image

        return made_image(*size)
    from hndesc.io.images import read_image

    return read_image(photo)


def _processor() -> str:
    """Return the name of the processor."""
    if os.path.isfile("/proc/cpuinfo"):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    try:
        return positive(width), positive(height)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 640x480") from None


def add_bench_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("bench", help="measure the speed of detectors, descriptors and matching")
    parser.description = (
        "Print the least processor time and wall-clock time of each step on this machine: detection, description at "
        "random keypoints, matching of two images. What lacks its weights or packages is left out by name. "
        "Example: hndesc bench photo.jpg --models hndesc-lite sift --output speed.json"
    )
    parser.add_argument("photo", metavar="PHOTO", type=Path, nargs="?", help="an image (default: one is generated)")
    parser.add_argument(
        "--size",
        metavar="WxH",
        type=_size,
        default=(640, 480),
        help="size of the generated image in pixels (default: 640x480)",
    )
    parser.add_argument(
        "--detectors", metavar="NAME", nargs="*", help="detectors (default: all whose weights are available)"
    )
    parser.add_argument(
        "--models",
        metavar="NAME_OR_FILE",
        nargs="*",
        help="bundled models, checkpoints or descriptors (default: all whose weights are available)",
    )
    parser.add_argument(
        "--keypoints", metavar="N", type=positive, default=2048, help="keypoints of an image (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=positive_number,
        default=1.0,
        help="for the repetitions of each step (default: %(default)g)",
    )
    parser.add_argument("--threads", metavar="N", type=parallel, default=1, help="(default: %(default)s)")
    parser.add_argument("--output", metavar="OUT.json", type=Path, help="the table with versions of libraries")
    parser.set_defaults(command=bench)
