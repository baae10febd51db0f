"""What the server of `guard` imports before it forks: the package's heavy libraries, nothing that starts threads."""

import cv2  # noqa: F401
import h5py  # noqa: F401
import numpy  # noqa: F401
import PIL.Image  # noqa: F401
import torch  # noqa: F401

import hndesc.io.images  # noqa: F401
