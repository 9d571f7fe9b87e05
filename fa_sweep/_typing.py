"""Type aliases that every layer shares."""

import numpy as np

Array = np.ndarray
