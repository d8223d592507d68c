"""CityHash128 as ClickHouse's clients compute it."""

import pytest

from deploy.embedded.gateway.cityhash import cityhash128

# Printed by github.com/go-faster/city v1.0.1 (CH128), which clickhouse-go checks blocks with:
# of n bytes, byte i being i * i % 251. The lengths lie on both sides of every branch.
RECORDED = [
    (0, "2b9ac064fc9df03d291ee592c340b53c"),
    (1, "2264de61ab714ba07039e237496868f7"),
    (3, "b1cb332a58c59d73bd8bb0d752416dd3"),
    (4, "a4ab154a35e014a32a2c26ab9cd2bea7"),
    (7, "a0c6f3d67cc6b7a8ae0e7936174ca8a2"),
    (8, "c8c4ad42fd72a123bb5394ad44f1d62d"),
    (9, "55b18982353bb9e3c031db423aeb3387"),
    (15, "701af8bb2a7b4321ece0907375e70ecc"),
    (16, "caf252648ff3c85384b51ac54068af73"),
    (17, "9d7e8f09e11ec7d8e139304442f63425"),
    (24, "6fae8f7d72f06728acf5b89697adb609"),
    (31, "9ee9477063b32f99763ea6ad60b9465b"),
    (32, "74f2a23aa8567fef9fd74e633cce2607"),
    (33, "981a047e41786ba82e0482287164c803"),
    (47, "0e5a27eff2bd0e0a7dfbc95c190071d8"),
    (48, "e36e8bc25381c53b0b4b8be5d22725c0"),
    (49, "d59e667e7385e96da49ca436fa3ca4a2"),
    (64, "a8b280a384e2dc2153a0cbbb7b31e5b3"),
    (100, "baf60d7036c3b955688d52a0bc57dda0"),
    (127, "82620616f9ddff8cac237ec9526fe7e3"),
    (128, "4c061d77df5096c21330af9a796f451e"),
    (143, "35fba2b746e5691d380dc7bf03b4b1fe"),
    (144, "ff2aa714684e9f8aa7ec734277ac41a1"),
    (145, "f28354fd70b771ec3890f07ba31ecce1"),
    (160, "ca39c54e942ff9616615880296679937"),
    (176, "b9664035d96e73ac588e76e74a3272cd"),
    (200, "8b864ef3dfc2c3967915fb1b0fae3443"),
    (239, "f3f7d2425a5177f47d38098988f1016d"),
    (255, "1a363c91efd8936dc9961eac15983cdd"),
    (256, "33bdc3a31438ed0ddb09da501a3e96cf"),
    (271, "2722237f56f8b465ec048189be263aa5"),
    (272, "5968b5810f20e14deee913c2b615de1a"),
    (273, "5f47cf9db3355f9bf7bca77ba4a0f393"),
    (300, "bae8e076c11ec1759375f840fdc81471"),
    (400, "5ef86a981e2ed71f0e7c84aabf91afe7"),
    (1000, "793b002d855f8344f801590879973266"),
    (5000, "4ca44ff07c5ce894240c04efa5b18b63"),
]


@pytest.mark.parametrize(("size", "expected"), RECORDED)
def test_a_checksum_is_the_one_that_clients_compute(size: int, expected: str) -> None:
    assert cityhash128(bytes(i * i % 251 for i in range(size))).hex() == expected
