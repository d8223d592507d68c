"""Which code path the rules take: the only file that chooses one."""

from typing import Final

CODE_PATH: Final = "python"  # readable rules on arrays; compiled kernels would be named here
