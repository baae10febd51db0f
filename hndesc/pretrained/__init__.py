"""Pretrained weights of baselines."""
