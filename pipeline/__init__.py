"""Direction datasets of diffusion models.

Threads of OpenMP that wait spin, unless they are told not to before torch is loaded: on a machine that does other work, a pass of a
small U-Net by two threads then takes ten times as long as by one. So they are told, here, unless somebody has said otherwise.
"""

import os
import sys

if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
