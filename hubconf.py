"""Entry points for torch.hub: the bundled models."""

dependencies = ["torch", "numpy", "safetensors"]


def hndesc(name: str = "hndesc-fast"):
    """Return a model as a torch network in evaluation mode; for input and output see `hndesc.models.backbone.Backbone`.

    Use `torch.hub.load(<this repository>, "hndesc")`, or `import hndesc; hndesc.load(name)` if the package is
    installed.
    """
    from hndesc.extraction.model import find_model
    from hndesc.models.checkpoint import load_checkpoint

    return load_checkpoint(find_model(name))[0]


def hndesc_describer(name: str = "hndesc-fast", **settings):
    """Return a model like `hndesc.load`, from images to numpy arrays."""
    from hndesc.extraction.model import load

    return load(name, **settings)
