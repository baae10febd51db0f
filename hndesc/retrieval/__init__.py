"""Image retrieval: global descriptors, shortlists, re-ranking, hard negatives."""
