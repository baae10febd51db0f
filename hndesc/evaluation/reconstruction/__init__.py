"""Reconstructions against measured cameras."""
