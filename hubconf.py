"""Entry for torch.hub: the bundled models, as networks of torch."""

dependencies = ["torch", "numpy", "safetensors"]


def hndesc(name: str = "hndesc-lite"):
    """Return a model as a network, in evaluation mode: `hndesc.models.backbone.Backbone` tells what it takes and gives.

    `torch.hub.load(<this repository>, "hndesc")` from anywhere; `import hndesc; hndesc.load(name)` is more convenient
    where the package is installed.
    """
    from hndesc.extraction.model import find_model
    from hndesc.models.checkpoint import load_checkpoint

    return load_checkpoint(find_model(name))[0]


def hndesc_describer(name: str = "hndesc-lite", **settings):
    """Return a model as `hndesc.load` does: photos in, numpy arrays out."""
    from hndesc.extraction.model import load

    return load(name, **settings)
