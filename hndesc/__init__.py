"""hndesc: local image descriptors learned from single photographs.

After "Digging Into Self-Supervised Learning of Feature Descriptors" (Melekhov et al., 3DV 2021).
"""

import os

# Threads of OpenMP that wait for each other sleep instead of spinning: where cores are shared, with other processes or
# with our own workers, training is several times faster. Read when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
