"""Snakemake adapter: train the detector."""

from hndesc.runtime.logs import step
from hndesc.training.detector.train import train_detector

with step(snakemake.log[0], snakemake.threads, yields=False):
    train_detector(snakemake.input.photos, snakemake.output.detector, **snakemake.params.settings)
