"""The bundled models: `<name>.safetensors` and its card `<name>.json`, in this folder."""

from pathlib import Path

FOLDER = Path(__file__).parent
DEFAULT = "hndesc-fast"
# The weights of the detector `hndesc`, which is no model of descriptors.
DETECTOR = FOLDER / "detector" / "hndesc.safetensors"


def bundled_models() -> dict[str, Path]:
    """Return the checkpoint files of the bundled models, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"), key=lambda path: path.stem)}
