"""From images to features: detection and description as steps and from Python."""
