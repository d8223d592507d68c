"""What each error code of ClickHouse asks of an insert, as one table.

An insert fails for one of four reasons: the server is away or has no room (wait), the insert is
too large for it (fewer rows), a value cannot be stored (find the row), or a person has to
change something (stop). `RULES` says so for every code of `system.errors`; a test compares.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from types import MappingProxyType
from typing import Final

from sinks.base import Fault


class Verdict(Enum):
    """What an error asks for."""

    RETRY = "retry"
    RETRY_SMALLER = "retry, with fewer rows in the end"
    SPLIT_MONTHS = "split by month"
    HALVE = "halve, down to the row"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Rule:
    """What some codes ask for, and why."""

    verdict: Verdict
    reason: str
    codes: str  # numbers and ranges of numbers
    advice: str = ""  # what a person can do; `{setting}` is the one that the message names
    fault: Fault = Fault.ENCODING  # what about a row is to blame, where it is halved

    def numbers(self) -> Iterator[int]:
        """Every code.

        >>> list(Rule(Verdict.STOP, "", "1-3 7").numbers())
        [1, 2, 3, 7]
        """
        spans = (span.partition("-") for span in self.codes.split())
        return chain.from_iterable(
            range(int(first), int(last or first) + 1) for first, _, last in spans
        )


RULES: Final = (
    # ------------------------------------------------ wait: it passes, or somebody mends it there
    Rule(
        Verdict.RETRY,
        "a connection broke, between us and the server or behind it",
        "3 23-24 32 86 95-96 198 209-210 279 295 297 410 454 519 532 576 1018",
    ),
    Rule(
        Verdict.RETRY,
        "bytes were damaged on their way",
        "39-40 99-102 271 354 594 618 638 561 554",
    ),
    Rule(
        Verdict.RETRY,
        "the server or the account has too much to do",
        "159-160 201-203 252 290 364 439 473 574 587 650 692 700 718 745 749 762-763 776 780 1017"
        " 1019",
    ),
    Rule(
        Verdict.RETRY,
        "the server starts, stops or was asked to stop the insert",
        "216 218 236 341 372-373 384 394 659 667 677 695-696 710 722 733-735 738",
    ),
    Rule(
        Verdict.RETRY,
        "Keeper or replicas are away, or do not agree yet",
        "224-225 234 242 244 251 254-255 265 285-286 289 308 319 369 416 529 568 571 709 904 999",
    ),
    Rule(
        Verdict.RETRY,
        "the disk is full or cannot be written",
        "74-77 87-88 172 204 214 243 272-275 294 362-363 400 458 521 531 566 586 625 641 662 771"
        " 1008 1015-1016",
    ),
    Rule(
        Verdict.RETRY,
        "object storage is away, full or too slow",
        "499-500 660 693 707 737 900-901 903 905 1009",
    ),
    Rule(
        Verdict.RETRY,
        "the server's operating system refuses",
        "109-112 114 239-240 298-299 301-304 411-413 423 425 445 459-461 463 468 502 573 580 590"
        " 615 635 661 678-679",
    ),
    Rule(
        Verdict.RETRY,
        "a library inside the server failed: network, files or memory",
        "1000-1002",
    ),
    # ------------------------------------------------ the insert is too large
    Rule(
        Verdict.RETRY_SMALLER,
        "memory or size limits, which fewer rows may keep",
        "158 173 229 241 307 396 777-778 1020",
    ),
    Rule(Verdict.SPLIT_MONTHS, "rows of too many months", "565"),
    # ------------------------------------------------ a value cannot be stored
    Rule(
        Verdict.HALVE,
        "the server cannot read a value",
        "6 25-27 33 38 41 72 117 130 376 441 467 546 563 632 675-676 760",
        fault=Fault.PARSING,
    ),
    Rule(
        Verdict.HALVE,
        "a column does not take such a value",
        "19 53 70 120 169 190 248 349 469 691",
        fault=Fault.TYPE,
    ),
    Rule(
        Verdict.HALVE,
        "a value is too large or too small for its column",
        "69 128 131 321 407",
        fault=Fault.RANGE,
    ),
    # ------------------------------------------------ stop: a person has to change something
    Rule(
        Verdict.STOP,
        "the tables are of another version",
        "7-10 16 20 36 47 50 60 772",
        "the schema is another one, or a table is missing: run `kol migrate`",
    ),
    Rule(Verdict.STOP, "no database", "81", "the database is missing: run `kol migrate`"),
    Rule(
        Verdict.STOP,
        "the server does not know a setting of the insert",
        "115",
        "the server does not know a setting: ClickHouse 25.8 or newer is needed",
    ),
    Rule(
        Verdict.STOP,
        "the profile of the account forbids a setting of the insert",
        "452 471-472",
        "the account's profile constrains the setting `{setting}`: remove the constraint, or give"
        " KOL_CLICKHOUSE__USERNAME a profile without it; `kol doctor` names the profile",
    ),
    Rule(
        Verdict.STOP,
        "the account may only read",
        "164",
        "the account may only read (`readonly` in its profile): set `readonly = 0` there, or give"
        " another KOL_CLICKHOUSE__USERNAME; `kol doctor` names the profile",
    ),
    Rule(
        Verdict.STOP,
        "no such account, or another password",
        "192-194 516 720 767",
        "wrong user or password: see KOL_CLICKHOUSE__USERNAME and KOL_CLICKHOUSE__PASSWORD",
    ),
    Rule(
        Verdict.STOP,
        "the account may not come from here",
        "195",
        "allow the address of this machine for KOL_CLICKHOUSE__USERNAME (HOST of its user)",
    ),
    Rule(
        Verdict.STOP,
        "the account lacks rights",
        "291 497",
        "the user lacks rights: grant INSERT on the tables",
    ),
    Rule(
        Verdict.STOP,
        "the table was set to read-only",
        "774",
        "the table is read-only for good: remove that setting of it",
    ),
    Rule(
        Verdict.STOP,
        "what is stored is damaged",
        "226-228 230-233 235 246 415 740",
        "parts of the table are damaged: see the server's log and system.detached_parts",
    ),
    Rule(
        Verdict.STOP,
        "the server contradicts itself",
        "49",
        "a fault inside the server: see its log; an upgrade may mend it",
    ),
    Rule(
        Verdict.STOP,
        "the statement or the server's configuration: no insert of ours causes it",
        "0-2 4 11-15 28 34-35 37 42-46 48 51-52 55-59 62-68 71 73 78-80 82-85 89-94 104-108 113"
        " 116 119 121-127 129 133-156 161-162 165-168 170 174-187 191 196 199 206-208 211-213 215"
        " 217 219-223 237-238 253 256-264 266-270 277 280-284 287-288 293 300 305-306 309-318 336"
        " 342-347 352-353 355-361 366 370-371 374-375 377-383 385-393 395 397-399 401-406 408"
        " 417-422 424 427-438 440 442-444 446-451 453 455-457 464-466 474-496 498 501 503-515"
        " 517-518 520 523-528 530 535-545 547-553 555-560 562 564 567 569-570 572 575 577-579"
        " 581-585 588-589 591-593 595-614 616-617 619-624 626-631 634 636-637 639-640 642-649"
        " 651-655 663-665 668-674 690 694 697-699 701-706 708 711-717 719 721 723-731 736 739"
        " 741-744 746-748 750-759 761 764-766 768-770 773 775 779 781-801 902 906 1003-1007"
        " 1010-1014",
    ),
)

OF_CODE: Final[Mapping[int, Rule]] = MappingProxyType(
    {code: rule for rule in RULES for code in rule.numbers()}
)
