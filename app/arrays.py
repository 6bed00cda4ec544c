"""Names for the array types that several packages share."""

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Selection = slice | Integers | Mask
"""A choice of rows."""
