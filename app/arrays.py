"""Names for the arrays that several packages hand on."""

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Selection = slice | Integers | Mask
"""Which rows of a table."""
