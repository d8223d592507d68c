"""Every world through the core: how many messages, how fast, and whether they are the card's.

python -m tests.worlds  # the short forms
python -m tests.worlds long trust  # one long one
"""

import sys
import time
from typing import Final

from tests.worlds.core import Passage
from tests.worlds.page import WORLDS
from tests.worlds.world import Card, World

FORMS: Final = ("long", "short")


def report(world: type[World], form: str, card: Card) -> str:
    """A line: CPU of making the messages, and of making them and taking them through the core."""
    begin = time.process_time()
    messages, sha256 = world(card).digest()
    made = time.process_time()
    passage = Passage(world(card))
    rows = sum(len(part) for flush in passage.rows() for part in flush)
    taken = time.process_time() - made
    card_is = "" if (card.messages, card.sha256) == (messages, sha256) else " NOT THE CARD'S"
    return (
        f"{world.name} {form}: {messages} messages, made in {made - begin:.1f} s of CPU, "
        f"made and through the core in {taken:.1f} s ({messages / taken:.0f} a second), "
        f"{rows} rows, {dict(passage.doors())}, {sha256}{card_is}"
    )


def main(arguments: list[str]) -> None:
    """Print a line for each world that is asked for."""
    form = next((one for one in arguments if one in FORMS), "short")
    names = set(arguments) - set(FORMS) or {world.name for world in WORLDS}
    for world, cards in WORLDS.items():
        if world.name in names:
            print(report(world, form, cards[form]), flush=True)  # noqa: T201  # it is asked for


if __name__ == "__main__":
    main(sys.argv[1:])
