"""Training of the keypoint detector `hndesc` on pairs of crops of single photos."""
