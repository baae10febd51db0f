"""Datasets: readers, downloads, splits, synthetic sequences and the demo data."""
