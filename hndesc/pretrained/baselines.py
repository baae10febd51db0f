"""Baselines with their own detector and descriptor, and the files of their pretrained weights."""

# Detector and descriptor -> entry of the dataset registry.
WEIGHTS = {
    "aliked": "aliked-n16.pth",
    "disk": "disk-depth-save.pth",
    "r2d2": "r2d2_WASF_N16.pt",
    "superpoint": "superpoint_v1.pth",
    "xfeat": "xfeat.pt",
}
# Detector and descriptor -> name in tables and figures.
TITLES = {
    "aliked": "ALIKED",
    "disk": "DISK",
    "r2d2": "R2D2",
    "rootsift": "RootSIFT",
    "sift": "SIFT",
    "superpoint": "SuperPoint",
    "xfeat": "XFeat",
}
# Descriptor -> detector of the same method.
OWN_DETECTORS = {name: name for name in WEIGHTS} | {"sift": "sift", "rootsift": "sift"}
