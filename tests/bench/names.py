"""What a keyed name costs: AES as we use it beside what else could have been used, on one core.

    python -m tests.bench.names [--names 50 500 2000 20000] [--turns 7] [--least 50000]

Nanoseconds of CPU a name, the least of the turns, as one line of JSON for each number of names
that a call is given. All start from the digests, 16 bytes each.

    aes       AES-128 of the library `cryptography`, contexts kept from call to call: ours
    aes_new   the same with a new context for each call
    siphash   SipHash-2-4 with 128 bits, vectorised by numpy
    hmac      HMAC-SHA256, one by one

Aumasson, Bernstein, SipHash: a fast short-input PRF (2012).
"""

import argparse
import hmac
import json
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from numpy.typing import NDArray

from schemas.columns import Keys
from schemas.identity import keys_of
from schemas.keyed_names import SIZE, KeyedNames, What

KEY: Final = bytes(range(SIZE))
IV: Final = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)

Words = NDArray[np.uint64]


def siphash(key: bytes, words: Words) -> Keys:
    """SipHash-2-4 of 128 bits of each row's words, `(n, m)`; `(n, 2)`, the low word first."""
    k0, k1 = np.frombuffer(key, "<u8")
    v = [np.full(len(words), k ^ np.uint64(iv)) for k, iv in zip((k0, k1) * 2, IV, strict=True)]
    v[1] ^= np.uint64(0xEE)
    length = np.uint64((words.shape[1] * 8 % 256) << 56)
    for word in (*words.T, length):
        v[3] ^= word
        _rounds(v, 2)
        v[0] ^= word
    v[2] ^= np.uint64(0xEE)
    _rounds(v, 4)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= np.uint64(0xDD)
    _rounds(v, 4)
    return np.stack([low, v[0] ^ v[1] ^ v[2] ^ v[3]], axis=1)


def _rounds(v: list[Words], count: int) -> None:
    for _ in range(count):
        v[0] += v[1]
        v[2] += v[3]
        v[1] = _rotated(v[1], 13) ^ v[0]
        v[3] = _rotated(v[3], 16) ^ v[2]
        v[0] = _rotated(v[0], 32)
        v[2] += v[1]
        v[0] += v[3]
        v[1] = _rotated(v[1], 17) ^ v[2]
        v[3] = _rotated(v[3], 21) ^ v[0]
        v[2] = _rotated(v[2], 32)


def _rotated(word: Words, by: int) -> Words:
    return word << np.uint64(by) | word >> np.uint64(64 - by)


def ways() -> dict[str, Callable[[bytes], Keys]]:
    """Each way to make names of digests."""
    names = KeyedNames(KEY)
    cipher = Cipher(AES(KEY), ECB())  # noqa: S305  # as `keyed_names` says
    return {
        "aes": lambda digests: names.of_hashes(What.USER, digests),
        "aes_new": lambda digests: keys_of(cipher.encryptor().update(digests)),
        "siphash": lambda digests: siphash(KEY, np.frombuffer(digests, "<u8").reshape(-1, 2)),
        "hmac": lambda digests: keys_of(
            b"".join(
                hmac.digest(KEY, digests[at : at + SIZE], "sha256")[:SIZE]
                for at in range(0, len(digests), SIZE)
            )
        ),
    }


def measured(count: int, turns: int, least: int) -> dict[str, float]:
    """Nanoseconds a name of each way, where a call is given so many."""
    digests = np.random.default_rng(7).bytes(count * SIZE)
    calls = max(1, least // count)
    found = dict.fromkeys(ways(), np.inf)
    for _ in range(turns):
        for name, way in ways().items():
            began = time.process_time()
            for _ in range(calls):
                way(digests)
            spent = (time.process_time() - began) / calls / count * 1e9
            found[name] = min(found[name], spent)
    return {name: round(float(spent), 1) for name, spent in found.items()}


def main(words: Sequence[str] | None = None) -> None:
    """Print one line of JSON for each number of names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = [50, 500, 2_000, 20_000]
    parser.add_argument("--names", type=int, nargs="+", default=sizes, help="of a call")
    parser.add_argument("--turns", type=int, default=7, help="of each, by turns")
    parser.add_argument("--least", type=int, default=50_000, help="names of a turn, in many calls")
    given = parser.parse_args(words)
    for count in given.names:
        found = measured(count, given.turns, given.least)
        print(json.dumps({"names": count, **found}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
