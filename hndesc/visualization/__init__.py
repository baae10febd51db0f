"""Figures and tables of results, each a step: files in, a picture or a page out."""
