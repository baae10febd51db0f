"""Extraction of features from images, as steps and as a Python interface."""
