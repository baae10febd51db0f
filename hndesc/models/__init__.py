"""Networks: backbones, checkpoints, sampling of dense maps, export, bundled models."""
