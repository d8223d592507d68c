"""The root of failures that a person can mend: the text says how."""


class ExpectedError(Exception):
    """Shown as one sentence, without a traceback; a command then exits with 1."""
