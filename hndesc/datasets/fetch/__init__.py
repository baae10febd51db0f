"""Registered datasets and weights: download, verification, unpacking."""
