import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import Mask
from streams.core.arrays.coded import CodedPart, CodedTable, ExpiringPart, ExpiringTable, Half
from streams.core.arrays.index import packed

rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, max_size=20)
orders = st.permutations(range(6))


def by_user_and_name() -> CodedTable:
    return CodedTable(user=Half.LOW, name=Half.HIGH, n=np.int64)


def added(table: CodedTable, pairs: list[tuple[int, int]]) -> CodedTable:
    user, name = np.array(pairs, np.int64).reshape(-1, 2).T
    row, _ = table.add(packed(user, name), np.zeros(len(pairs), np.uint64))
    table["n"][row] = 10 * user + name
    return table


def pairs_of(part: CodedTable | CodedPart) -> list[tuple[int, int]]:
    return list(zip(part.users().tolist(), part.names().tolist(), strict=True))


@given(rows, orders, orders)
def test_rows_are_found_by_the_new_codes_of_their_users_and_names(
    pairs: list[tuple[int, int]], users: list[int], names: list[int]
) -> None:
    table = added(by_user_and_name(), pairs)
    table.renumber_users(np.array(users))
    table.renumber_names(np.array(names))
    expected = [(users[user], names[name]) for user, name in pairs]
    user, name = np.array(expected, np.int64).reshape(-1, 2).T
    row = table.find(packed(user, name), np.zeros(len(pairs), np.uint64))

    assert pairs_of(table) == expected
    assert table["n"][row].tolist() == [10 * user + name for user, name in pairs]


@given(rows, st.sets(st.integers(0, 5)))
def test_all_rows_of_dropped_users_go(pairs: list[tuple[int, int]], dropped: set[int]) -> None:
    table = added(by_user_and_name(), pairs)
    table.drop_users(np.isin(np.arange(6), list(dropped)))

    assert pairs_of(table) == [pair for pair in pairs if pair[0] not in dropped]


def test_a_name_may_stand_in_the_low_half_without_a_user() -> None:
    table = CodedTable(name=Half.LOW)
    table.add(packed(np.array([3, 4]), np.array([7, 8])), np.zeros(2, np.uint64))
    table.renumber_names(np.array([-1, -1, -1, 1, 0]))
    table.renumber_users(np.zeros(0, np.int64))

    assert table.names().tolist() == [1, 0]
    assert table.users().tolist() == []
    assert table["lo"].tolist() == packed(np.array([1, 0]), np.array([7, 8])).tolist()


def test_a_part_treats_all_of_its_tables_alike() -> None:
    def part() -> CodedPart:
        return CodedPart({".one": by_user_and_name(), ".other": by_user_and_name()})

    one, again = part(), part()
    for table, pair in zip(one._tables.values(), [(0, 1), (2, 3)], strict=True):
        added(table, [pair, (5, 5)])
    is_fifth = np.arange(6) == 5
    one.drop_users(is_fifth)
    one.renumber_users(np.arange(6) + 1)
    one.renumber_names(np.arange(6) + 2)
    again.restore("x", one.arrays("x"))

    assert pairs_of(one) == pairs_of(again) == [(1, 3), (3, 5)]
    assert len(one) == 2
    assert {name.rsplit(".", 1)[0] for name in one.arrays("x")} == {"x.one", "x.other"}


def is_small(table: ExpiringTable, watermark: int) -> Mask:
    small: Mask = table["n"] < watermark
    return small


def test_rows_expire_by_the_rule_of_their_table_when_there_are_many() -> None:
    few, many = ExpiringTable(9, is_small, n=np.int64), ExpiringTable(0, is_small, n=np.int64)
    part = ExpiringPart({".few": few, ".many": many})
    for table in (few, many):
        added(table, [(0, 1), (0, 2)])
    part.prune(2)

    assert few["n"].tolist() == [1, 2]
    assert many["n"].tolist() == [2]
