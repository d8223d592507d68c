"""Values as their column stores them: exact, or refused before anything is sent.

The server is lenient without a word: it narrows integers that do not fit, takes text that is not
UTF-8, and stores codes that its enumeration does not have. So all of that is refused here.
Numbers become little-endian arrays, texts become UTF-8.
"""

from array import array
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.values import NULL, Coded, Lists, Values, compact, plain

UINT64: Final = "<u8"


def integers(values: Values, dtype: str) -> NDArray[Any]:
    """Integers of a type such as `<u4`.

    Raises:
        TypeError: not integers.
        OverflowError: not within the type's limits.

    """
    if not isinstance(values, np.ndarray):
        return np.frombuffer(array(np.dtype(dtype).char, plain(values)), dtype)
    wanted, least, greatest = _limits(dtype)
    if values.dtype != wanted:
        if values.dtype.kind not in "iub":
            raise TypeError(f"integers wanted, not {values.dtype}")
        if values.size and (int(values.min()) < least or int(values.max()) > greatest):
            raise OverflowError(f"not within {least} and {greatest}")
    return np.ascontiguousarray(values, wanted)  # a column of a matrix is copied


@cache
def _limits(dtype: str) -> tuple[np.dtype[Any], int, int]:
    limits = np.iinfo(dtype)
    return np.dtype(dtype), int(limits.min), int(limits.max)


def floats(values: Values) -> NDArray[np.float64]:
    """Numbers, integers among them.

    Raises:
        TypeError: not numbers.

    """
    if not isinstance(values, np.ndarray):
        return np.frombuffer(array("d", plain(values)), "<f8")
    if values.dtype.kind not in "iuf":
        raise TypeError(f"numbers wanted, not {values.dtype}")
    return np.ascontiguousarray(values, "<f8")


def floats_or_null(values: Values) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers, and which of them are NULL: None and NaN."""
    if isinstance(values, np.ndarray):
        numbers = floats(values)
    else:
        numbers = floats([np.nan if value is None else value for value in plain(values)])
    return numbers, np.isnan(numbers)


def integers_or_null(values: Values) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Integers of 64 bits, and which of them are NULL: None and `schemas.values.NULL`."""
    if not isinstance(values, np.ndarray):
        values = [NULL if value is None else value for value in plain(values)]
    whole = integers(values, "<i8")
    return whole, whole == NULL


def members(values: Values, known: Sequence[int]) -> NDArray[Any]:
    """Codes of an enumeration.

    Raises:
        ValueError: one that it does not have.

    """
    codes = integers(values, "<i1")
    if not np.isin(codes, known).all():
        raise ValueError(f"not a code of the enumeration: {sorted(set(codes.tolist()) - {*known})}")
    return codes


def lists(values: Values) -> tuple[Values, NDArray[Any]]:
    """The elements of all lists in one run, and where each list ends.

    Raises:
        TypeError: not lists; a text is none.
        ValueError: the ends are not those of the elements.

    """
    if isinstance(values, Lists):
        if (len(values) and int(values.ends[-1]) != len(values.flat)) or (values.sizes < 0).any():
            raise ValueError("lists that do not end where their elements do")
        return values.flat, integers(values.ends, UINT64)
    given = plain(values)
    if not all(isinstance(one, list | tuple | np.ndarray) for one in given):
        raise TypeError("lists wanted")
    ends = np.cumsum(np.fromiter(map(len, given), np.int64, len(given)))
    return list(chain.from_iterable(map(plain, given))), integers(ends, UINT64)


def utf8(texts: Sequence[Any]) -> list[bytes]:
    r"""Texts as UTF-8.

    Raises:
        TypeError: not texts.
        UnicodeEncodeError: half a character: a lone surrogate.

    >>> utf8(["é"])
    [b'\xc3\xa9']
    """
    return list(map(str.encode, texts))  # raises TypeError for what is no text


def ascii_texts(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Texts of one width as bytes, shape (n, width), filled up with zeros.

    Raises:
        ValueError: not ASCII.

    """
    digits = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.itemsize)
    if digits.max(initial=0) > 127:  # noqa: PLR2004  # ASCII ends there
        raise ValueError("ASCII texts wanted")
    return digits


def distinct(values: Values) -> tuple[list[bytes], NDArray[Any]]:
    """The texts that occur as UTF-8, and which of them every value is.

    A name that is twice in a list of names may be there twice: the server makes one of them.
    """
    if isinstance(values, Coded):
        if len(values) and (values.code == values.code[0]).all():  # such as one that is absent
            return utf8(values[:1].tolist()), np.zeros(len(values), np.uint8)
        used, which = compact(values.code)
        return utf8(Coded(used, values.names).tolist()), which
    place: dict[str, int] = {}
    codes = [place.setdefault(text, len(place)) for text in plain(values)]
    return utf8(list(place)), np.array(codes, np.int64)
