"""hndesc: local image descriptors learned from single photographs.

After "Digging Into Self-Supervised Learning of Feature Descriptors" (Melekhov et al., 3DV 2021).
"""

__version__ = "0.1.0"
