from collections.abc import Sequence

from schemas.scanning import Field, Scanned

version: str

class Layout: ...

def layout(fields: Sequence[Field], roles: tuple[str, str, str], most_bytes: int, /) -> Layout: ...
def scan(
    messages: list[bytes | None], layout: Layout, topic: str, letters: bytes, /
) -> Scanned: ...
