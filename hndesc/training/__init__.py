"""Learning descriptors from single photos: pairs, negatives, losses and the trainer."""
