"""Moments and lengths of time, as all rules count them: whole milliseconds and minutes, UTC."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Minutes = NDArray[np.int64]  # since the epoch, UTC

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000

HORIZON_MS: Final = 7_200_000  # 2 h: how far below its topic's greatest time an event may be
GRACE_MS: Final = 30_000  # after a minute's end: then its scores are first stated

NEVER: Final = -(2**62)  # before every time, with room to subtract
