"""Which reader a localisation dataset takes, by the files in its folder."""

from pathlib import Path

from hndesc.benchmarks.localization.aachen import read_aachen
from hndesc.benchmarks.localization.posed import CAMERAS, read_posed
from hndesc.benchmarks.localization.scene import Scene
from hndesc.errors import HndescError


def read_scene(root: Path, pairs: Path | None = None) -> Scene:
    """Read a localisation dataset.

    Args:
        root: folder of the dataset.
        pairs: another list of image pairs than the dataset's own.
    """
    root = Path(root)
    if (root / "3D-models").is_dir():
        return read_aachen(root, pairs)
    if (root / CAMERAS).is_file():
        return read_posed(root, pairs)
    raise HndescError(
        f"{root}: not a localisation dataset; expected a folder 3D-models (Aachen v1.1) or a file {CAMERAS} in it"
    )
