"""The two halves of the work: each partition has one of either."""

from enum import Enum


class Side(Enum):
    """Which half of the work something belongs to."""

    USER = "user"  # events of users to orders and cells
    KOL = "kol"  # cells to scores
