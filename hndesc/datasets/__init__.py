"""Datasets: the demo data, and reading of published ground truth."""
