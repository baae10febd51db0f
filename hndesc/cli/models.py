"""The commands of `hndesc` for models: list, export, reduce and release."""

import argparse
import logging
from pathlib import Path

from hndesc.errors import HndescError

logger = logging.getLogger(__name__)


def list_models(pages: Path | None) -> None:
    """Print the bundled models with their main scores; write their pages if a folder is given."""
    from hndesc.io.files import write_text
    from hndesc.models import release
    from hndesc.models.bundled import bundled_models

    for name, path in bundled_models().items():
        try:
            summary = release.summary(path)
            page = None if pages is None else release.page(path)
        except HndescError as error:
            logger.warning("left out: %s", error)
            continue
        if pages and page:
            write_text(pages / f"{name}.md", page)
        print(summary)
    if not bundled_models():
        print("there are no bundled models; train a model and give its file")


def export_onnx(model: str, output: Path, detector: str | None, detector_weights: Path | None) -> None:
    """Export a model to ONNX, from image and keypoints to descriptors, or with a detector from image to both."""
    from hndesc.extraction.model import find_model

    if detector is None:
        from hndesc.models.onnx_export import export_onnx

        if detector_weights is not None:
            raise HndescError("--detector-weights needs --detector hndesc")
        export_onnx(find_model(model), output)
    else:
        from hndesc.extraction.onnx_extractor import export_extractor

        export_extractor(find_model(model), output, detector, detector_weights)
    print(output)


def reduce_dimensions(model: str, features: Path, output: Path, dimensions: int) -> None:
    """Write a model with shorter descriptors."""
    from hndesc.extraction.model import find_model
    from hndesc.models import reduction

    kept = reduction.reduce_dimensions(find_model(model), features, output, dimensions)
    print(f"{output}: {dimensions} dimensions, which keep {kept:.1%} of the squared length of descriptors")


def release(checkpoint: Path, name: str, about: Path, scores: list[Path], pages: Path) -> None:
    """Add a trained model to the bundled models."""
    from hndesc.models import release
    from hndesc.models.bundled import FOLDER
    from hndesc.visualization.equal_yield import equal_yields

    release.release_model(checkpoint, name, about, scores, FOLDER, pages, equal_yields(scores))
    print(release.summary(FOLDER / f"{name}.safetensors"))


def add_model_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for models to the parser."""
    models = commands.add_parser("models", help="list the bundled models with their main scores")
    models.add_argument("--pages", metavar="FOLDER", type=Path, help="write the page of each model as <name>.md")
    models.set_defaults(command=list_models)
    _add_export(commands.add_parser("export-onnx", help="export a model to ONNX"))
    _add_reduction(commands.add_parser("reduce-dimensions", help="reduce the dimensions of the descriptors of a model"))
    _add_release(
        commands.add_parser("release", help="add a trained model to the bundled models, with a card of its scores")
    )


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Inputs: image, 1 x 3 x H x W float32, RGB, 0 to 1; keypoints, 1 x N x 2 float32, in pixels with the center of "
        "the top-left pixel at (0, 0). Output: descriptors, 1 x N x D float32, L2-normalized. With --detector hndesc, "
        "inputs and outputs are those of COLMAP's ALIKED extractor: image, max_keypoints, min_score; keypoints, "
        "descriptors, scores."
    )
    parser.add_argument("model", metavar="NAME_OR_FILE", help="bundled model or checkpoint")
    parser.add_argument("output", metavar="OUT.onnx", type=Path)
    parser.add_argument(
        "--detector", metavar="NAME", help="hndesc: find the keypoints, too (default: keypoints are given)"
    )
    parser.add_argument("--detector-weights", metavar="FILE", type=Path, help="weights of the detector")
    parser.set_defaults(command=export_onnx)


def _add_reduction(parser: argparse.ArgumentParser) -> None:
    parser.description = "Project descriptors of a model onto their principal components on a set of images."
    parser.add_argument("model", metavar="NAME_OR_FILE", help="bundled model or checkpoint")
    parser.add_argument("features", metavar="F.h5", type=Path, help="features of this model (hndesc extract)")
    parser.add_argument("output", metavar="OUT.safetensors", type=Path)
    parser.add_argument("--dimensions", metavar="N", type=int, default=64, help="default: %(default)s")
    parser.set_defaults(command=reduce_dimensions)


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", metavar="MODEL.safetensors", type=Path, help="checkpoint written by training")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--about", metavar="FILE.yaml", type=Path, required=True, help="data, licenses, hours")
    parser.add_argument(
        "--scores", metavar="S.json", type=Path, nargs="+", required=True, help="results of this model and of baselines"
    )
    parser.add_argument(
        "--pages",
        metavar="FOLDER",
        type=Path,
        default=Path("docs/models"),
        help="folder of its page (default: %(default)s)",
    )
    parser.set_defaults(command=release)
