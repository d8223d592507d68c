"""The figures of decision 0031 are measured by a command, which runs here once, small."""

import json

import numpy as np
import pytest

from tests.bench.names import KEY, main, siphash


def test_the_hash_that_is_compared_is_siphash() -> None:
    nothing = np.empty((1, 0), np.uint64)

    hashed = siphash(KEY, nothing).astype("<u8").tobytes()

    # the first of the vectors that its authors publish (vectors_sip128)
    assert hashed.hex() == "a3817f04ba25a8e66df67214c7550293"


def test_every_way_to_make_names_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--names", "3", "50", "--turns", "1", "--least", "1000"])

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one.pop("names") for one in found] == [3, 50]
    for one in found:
        assert one.keys() == {"aes", "aes_new", "siphash", "hmac"}
        assert min(one.values()) > 0
