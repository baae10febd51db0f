"""Image matching on homography sequences: protocols, metrics and the evaluation step."""
