"""Evaluation of visual localization."""
