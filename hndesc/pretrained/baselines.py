"""Published methods with a detector and a descriptor of their own, and the weights that they are published with."""

# By the name of its detector and descriptor; the file is an entry of the registry of datasets.
WEIGHTS = {
    "aliked": "aliked-n16.pth",
    "disk": "disk-depth-save.pth",
    "r2d2": "r2d2_WASF_N16.pt",
    "superpoint": "superpoint_v1.pth",
    "xfeat": "xfeat.pt",
}
# Methods of both kinds whose detector has the descriptor's name, or another.
OWN_DETECTORS = {name: name for name in WEIGHTS} | {"sift": "sift", "rootsift": "sift"}
