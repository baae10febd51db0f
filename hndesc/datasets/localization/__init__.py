"""Readers of localization datasets."""
