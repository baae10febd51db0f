"""Mutual nearest neighbors and geometric verification."""
