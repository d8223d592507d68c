"""What `user-2.npz` was made of, a snapshot of format 2, and what came after it."""

from tests.builders import DAY, HOUR, MINUTE, NOON, click, interaction, paid, refund

BEFORE = (
    click(ts=NOON - 3 * DAY, kol_id="k1"),
    paid("frozen", ts=NOON - 3 * DAY + HOUR, brand_id="b"),
    click(ts=NOON - HOUR, kol_id="k2"),
    interaction("save", ts=NOON - 2 * MINUTE, kol_id="k3"),
    paid("open", ts=NOON, brand_id="b", event_id="p1"),
    refund("open", 500, ts=NOON + MINUTE, event_id="r1"),
    refund("not yet", 100, ts=NOON + MINUTE, event_id="r2"),
)
AFTER = (
    click(ts=NOON - MINUTE, kol_id="k2"),  # late: another touch of k2, in another half hour
    paid("open", ts=NOON, event_id="p1"),  # a duplicate
    paid("not yet", 900, ts=NOON + 2 * MINUTE),
    refund("frozen", 300, ts=NOON + 3 * MINUTE),
    click(ts=NOON + 4 * MINUTE, kol_id="k1", share_id="s"),
    paid("new", ts=NOON + 5 * MINUTE, user_id="u1"),
)
