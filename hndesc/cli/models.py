"""The commands of `hndesc` for models: list, export, reduce, steer and release."""

import argparse
import logging
from pathlib import Path

from hndesc.cli.options import list_photos
from hndesc.errors import HndescError

logger = logging.getLogger(__name__)

SIGNATURES, PRECISIONS = ("colmap", "pixels"), ("float32", "float16")


def list_models(pages: Path | None) -> None:
    """Print the bundled models with licenses and main scores, then the detector; write pages if a folder is given."""
    from hndesc.io.files import write_text
    from hndesc.models import release
    from hndesc.models.bundled import DETECTOR, bundled_models

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
    print(release.detector_summary(DETECTOR))


def export_onnx(
    model: str,
    output: Path,
    detector: str | None,
    detector_weights: Path | None,
    signature: str | None,
    precision: str,
) -> None:
    """Export a model to ONNX, from image and keypoints to descriptors, or with a detector from image to both."""
    from hndesc.extraction.model import find_model

    if detector is None:
        from hndesc.models.onnx_export import export_onnx

        for option, value in {"--detector-weights": detector_weights, "--signature": signature}.items():
            if value is not None:
                raise HndescError(f"{option} needs --detector hndesc")
        export_onnx(find_model(model), output, precision)
    else:
        from hndesc.extraction.pair_export import export_pair_onnx

        export_pair_onnx(find_model(model), output, detector, detector_weights, signature or "colmap", precision)
    print(output)


def export_torchscript(model: str, output: Path, detector_weights: Path | None, signature: str) -> None:
    """Export a model with the detector hndesc to TorchScript, from image to keypoints and descriptors."""
    from hndesc.extraction.model import find_model
    from hndesc.extraction.pair_export import export_pair_torchscript

    export_pair_torchscript(find_model(model), output, detector_weights=detector_weights, signature=signature)
    print(output)


def reduce_dimensions(model: str, features: Path, output: Path, dimensions: int) -> None:
    """Write a model with shorter descriptors."""
    from hndesc.extraction.model import find_model
    from hndesc.models import reduction

    kept = reduction.reduce_dimensions(find_model(model), features, output, dimensions)
    print(f"{output}: {dimensions} dimensions, which keep {kept:.1%} of the squared length of descriptors")


def fit_steerer(model: str, photos: list[Path], output: Path) -> None:
    """Write a model with a steerer."""
    from hndesc.extraction import steerer
    from hndesc.extraction.model import find_model

    before, after = steerer.fit_steerer(find_model(model), list_photos(photos), output)
    print(f"{output}: mean cosine after a quarter turn {before:.3f}, with the steerer {after:.3f}")


def release(checkpoint: Path, name: str, about: Path, scores: list[Path], pages: Path) -> None:
    """Add a trained model to the bundled models."""
    from hndesc.models import release
    from hndesc.models.bundled import FOLDER
    from hndesc.visualization.equal_yield import equal_yields

    release.release_model(checkpoint, name, about, scores, FOLDER, pages, equal_yields(scores))
    print(release.summary(FOLDER / f"{name}.safetensors"))


def add_model_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for models to the parser."""
    models = commands.add_parser("models", help="list the bundled models: licenses, training photographs, scores")
    models.add_argument("--pages", metavar="FOLDER", type=Path, help="write the page of each model as <name>.md")
    models.set_defaults(command=list_models)
    _add_export(commands.add_parser("export-onnx", help="export a model to ONNX"))
    _add_torchscript(
        commands.add_parser("export-torchscript", help="export a model with the detector hndesc to TorchScript")
    )
    _add_reduction(commands.add_parser("reduce-dimensions", help="reduce the dimensions of the descriptors of a model"))
    _add_steerer(commands.add_parser("fit-steerer", help="fit the linear map of a model for rotated images"))
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
    parser.add_argument(
        "--signature",
        choices=SIGNATURES,
        help="with a detector: keypoints from -1 to 1, as COLMAP takes them, or in pixels (default: colmap)",
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float32", help="of convolutions (default: %(default)s)"
    )
    parser.set_defaults(command=export_onnx)


def _add_torchscript(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Inputs: image, 1 x 3 x H x W float32, RGB, 0 to 1; max_keypoints, int64 scalar; min_score, float32 scalar. "
        "Outputs: keypoints, 1 x K x 2; descriptors, 1 x K x D, L2-normalized; scores, 1 x K, descending."
    )
    parser.add_argument("model", metavar="NAME_OR_FILE", help="bundled model or checkpoint")
    parser.add_argument("output", metavar="OUT.pt", type=Path)
    parser.add_argument("--detector-weights", metavar="FILE", type=Path, help="weights of the detector")
    parser.add_argument(
        "--signature",
        choices=SIGNATURES,
        default="pixels",
        help="keypoints from -1 to 1, as COLMAP takes them, or in pixels (default: %(default)s)",
    )
    parser.set_defaults(command=export_torchscript)


def _add_reduction(parser: argparse.ArgumentParser) -> None:
    parser.description = "Project descriptors of a model onto their principal components on a set of images."
    parser.add_argument("model", metavar="NAME_OR_FILE", help="bundled model or checkpoint")
    parser.add_argument("features", metavar="F.h5", type=Path, help="features of this model (hndesc extract)")
    parser.add_argument("output", metavar="OUT.safetensors", type=Path)
    parser.add_argument("--dimensions", metavar="N", type=int, default=64, help="default: %(default)s")
    parser.set_defaults(command=reduce_dimensions)


def _add_steerer(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Fit a steerer, the matrix that maps descriptors of an image to those of the image rotated by 90 degrees, to "
        "photos. With it, describing an image in all views takes 1.4 times as long as in one instead of 4.5."
    )
    parser.add_argument("model", metavar="NAME_OR_FILE", help="bundled model or checkpoint")
    parser.add_argument(
        "photos",
        metavar="PHOTOS",
        type=Path,
        nargs="+",
        help="folder, or photos and folders: about a hundred, not held out",
    )
    parser.add_argument("output", metavar="OUT.safetensors", type=Path)
    parser.set_defaults(command=fit_steerer)


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
