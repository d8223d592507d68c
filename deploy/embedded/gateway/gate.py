r"""What a restricted user may say.

The engine has no users, and its `readonly` leaks: with readonly=1 `INTO OUTFILE`, `file(...)`,
`DESCRIBE` of any table function (which goes out and looks) and `KILL` still work. So all of this
must hold:

* the engine's parser says READ_ONLY, one statement;
* no function that reaches beyond the tables is named, and no table function but a few harmless
  ones. This is judged on the parser's own rewriting, because the engine reads `f\x69le`, “file”
  and `APPLY file` as `file`, and takes a function's name as an argument or from a parameter;
* settings come from a list, and the three limits are forced;
* `SET readonly = 1` after all of them.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import pairwise

from deploy.embedded.gateway.access import Secrets
from deploy.embedded.gateway.engine import Handle, Verdict
from deploy.embedded.gateway.errors import Code, Refusal, refusal
from deploy.embedded.gateway.tokens import Token, tokens

# Named anywhere, these are refused: they read files, ask a language model, stop all threads.
FORBIDDEN = frozenset(
    {"file", "stack_trace"}
    | {
        f"ai{deed}"
        for deed in (
            "classify", "embed", "extract", "filter", "generate", "redact", "similarity",
            "translate",
        )
    }
)  # fmt: skip
# Table functions that reach no file, no network and no process; a new one is refused.
TABLE_FUNCTIONS = frozenset(
    {
        "format", "generaterandom", "generate_series", "generateseries", "merge", "null",
        "numbers", "numbers_mt", "primes", "values", "view", "zeros", "zeros_mt",
    }
)  # fmt: skip
SETTINGS = frozenset(
    {
        "cast_string_to_dynamic_use_inference", "date_time_input_format",
        "date_time_output_format", "do_not_merge_across_partitions_select_final", "extremes",
        "final", "join_use_nulls", "limit", "log_comment", "max_block_size", "max_bytes_to_read",
        "max_execution_time", "max_memory_usage", "max_result_bytes", "max_result_rows",
        "max_rows_to_read", "max_threads", "offset", "read_overflow_mode", "result_overflow_mode",
        "session_timezone", "timeout_overflow_mode", "use_client_time_zone",
    }
)  # fmt: skip
FREE_PREFIX = "output_format_"  # how an answer is spelled


def check(
    verdict: Verdict, rewritten: str, params: Mapping[str, str], functions: Collection[str]
) -> None:
    """Let a statement pass, given the engine's table functions in lower case.

    Raises:
        Refusal: it does more than read the engine's own tables.

    """
    if verdict.statements != 1 or not verdict.reads_only:
        raise _readonly("Cannot execute query in readonly mode")
    said = list(tokens(rewritten))
    forbidden = next((name for name in _names(said, params) if name in FORBIDDEN), None)
    if forbidden is not None:
        raise _readonly(f"the name {forbidden} may not be used by this user")
    outside = (name for name in _called(said) if name in functions and name not in TABLE_FUNCTIONS)
    called = next(outside, None)
    if called is not None:
        raise _readonly(f"the table function {called} may not be used by this user")


def settings(asked: Mapping[str, str], limits: Secrets) -> dict[str, str]:
    """The settings of a restricted user's request: what may be asked for, and the limits.

    Raises:
        Refusal: a setting that is not on the list.

    """
    for name in asked:
        if name not in SETTINGS and not name.startswith(FREE_PREFIX):
            raise _readonly(f"Cannot modify '{name}' setting in readonly mode")
    forced = {
        "max_execution_time": limits.reader_max_execution_time,
        "max_result_rows": limits.reader_max_result_rows,
        "max_memory_usage": limits.reader_max_memory_usage,
    }
    return {
        **asked,
        **{name: _at_most(asked.get(name, ""), most) for name, most in forced.items()},
    }


def _at_most(asked: str, most: int) -> str:
    """What was asked for, if it is stricter than the limit; 0 means no limit and is not."""
    stricter = asked.isascii() and asked.isdigit() and 0 < int(asked) < most
    return asked if stricter else str(most)


def _names(said: list[Token], params: Mapping[str, str]) -> Iterator[str]:
    """Every name in a statement, in lower case, and those that come from its parameters."""
    yield from (token.name.lower() for token in said if token.is_name)
    for brace, name, colon, kind in zip(said, said[1:], said[2:], said[3:], strict=False):
        if brace.says("{") and colon.says(":") and kind.says("IDENTIFIER"):
            value = params.get(name.name, "").lower()
            yield from value.split(".")
            if "\\" in value:
                raise _readonly("an identifier may not be written with escapes")


def _called(said: list[Token]) -> Iterator[str]:
    """Every name with a bracket behind it, in lower case."""
    for name, bracket in pairwise(said):
        if name.is_name and bracket.says("("):
            yield name.name.lower()


def _readonly(why: str) -> Refusal:
    return refusal(Code.READONLY, why)


def ready(handle: Handle) -> None:
    """Close a handle's settings; nothing can be SET on it any more."""
    handle.set({"readonly": "1"})
