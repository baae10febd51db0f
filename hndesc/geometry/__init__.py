"""Homographies, camera poses, robust estimation and color spaces, as pure functions."""
