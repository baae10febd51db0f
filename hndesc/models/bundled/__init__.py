"""The models that come in the box: `<name>.safetensors` and its card `<name>.json`, beside this file."""

from pathlib import Path

FOLDER = Path(__file__).parent
DEFAULT = "hndesc-lite"


def shipped_models() -> dict[str, Path]:
    """Return the checkpoint files of the models in the box, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.safetensors"), key=lambda path: path.stem)}
