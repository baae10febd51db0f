"""The commands of `hndesc` that are about models: listing, exporting and shipping them."""

import argparse
import logging
from pathlib import Path

from hndesc.errors import HndescError

logger = logging.getLogger(__name__)


def list_models(pages: Path | None) -> None:
    """Print the bundled models with their main figures; write their pages, if a folder is given."""
    from hndesc.io.files import write_text
    from hndesc.models import release
    from hndesc.models.bundled import bundled_models

    for name, path in bundled_models().items():
        try:
            summary, page = release.summary(path), release.page(path)
        except HndescError as error:
            logger.warning("left out: %s", error)
            continue
        print(summary)
        if pages is not None:
            write_text(pages / f"{name}.md", page)
    if not bundled_models():
        print("there is no bundled model; train one and give its file")


def export_onnx(model: str, output: Path) -> None:
    """Write a model as ONNX: photo and keypoints in, descriptors out."""
    from hndesc.extraction.model import find_model
    from hndesc.models.onnx_export import export_onnx

    export_onnx(find_model(model), output)
    print(output)


def reduce_dimensions(model: str, features: Path, output: Path, dimensions: int) -> None:
    """Write a model with shorter descriptors."""
    from hndesc.extraction.model import find_model
    from hndesc.models import reduction

    kept = reduction.reduce_dimensions(find_model(model), features, output, dimensions)
    print(f"{output}: {dimensions} dimensions, which keep {kept:.1%} of the descriptors' squared length")


def release(checkpoint: Path, name: str, about: Path, scores: list[Path], pages: Path) -> None:
    """Put a trained model among the bundled ones."""
    from hndesc.models import release
    from hndesc.models.bundled import FOLDER

    release.release_model(checkpoint, name, about, scores, FOLDER, pages)
    print(release.summary(FOLDER / f"{name}.safetensors"))


def add_model_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `models`, `export-onnx` and `release` to the sub-commands of the parser."""
    models = commands.add_parser("models", help="list the bundled models, with their main figures")
    models.add_argument("--pages", metavar="FOLDER", type=Path, help="write each model's page there, as <name>.md")
    models.set_defaults(command=list_models)
    _add_export(commands.add_parser("export-onnx", help="write a model as ONNX: photo and keypoints to descriptors"))
    _add_reduction(commands.add_parser("reduce-dimensions", help="make a model's descriptors shorter"))
    _add_release(
        commands.add_parser("release", help="put a trained model among the bundled ones, with a card of its scores")
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Inputs: image, 1 x 3 x H x W float32, RGB, 0 to 1; keypoints, 1 x N x 2 float32, pixels, the center of the "
        "top-left one at (0, 0). Output: descriptors, 1 x N x D float32, of length 1."
    )
    parser.add_argument("model", metavar="NAME_OR_FILE", help="a model of `hndesc models`, or a checkpoint")
    parser.add_argument("output", metavar="OUT.onnx", type=Path)
    parser.set_defaults(command=export_onnx)


def _add_reduction(parser: argparse.ArgumentParser) -> None:
    parser.description = "Project a model's descriptors to the directions that those of some photos vary in most."
    parser.add_argument("model", metavar="NAME_OR_FILE", help="a model of `hndesc models`, or a checkpoint")
    parser.add_argument("features", metavar="F.h5", type=Path, help="photos described by this model (hndesc extract)")
    parser.add_argument("output", metavar="OUT.safetensors", type=Path)
    parser.add_argument("--dimensions", metavar="N", type=int, default=64, help="default: %(default)s")
    parser.set_defaults(command=reduce_dimensions)


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="MODEL.safetensors", type=Path, help="what training wrote")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--about", metavar="FILE.yaml", type=Path, required=True, help="data, licenses, hours")
    parser.add_argument(
        "--scores", metavar="S.json", type=Path, nargs="+", required=True, help="results, of this model and others"
    )
    parser.add_argument(
        "--pages", metavar="FOLDER", type=Path, default=Path("docs/models"), help="of its page (default: %(default)s)"
    )
    parser.set_defaults(command=release)
