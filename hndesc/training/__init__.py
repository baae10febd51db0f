"""Training of descriptors on single photos: pairs, negatives, losses and the trainer."""
