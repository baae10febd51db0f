"""Image matching on homography sequences: protocols, measures, and the step that scores stored features."""
