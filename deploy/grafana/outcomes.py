"""Doors, reasons and counters in words: what became of a message, for who reads the panels."""

from typing import Final

from deploy.grafana.texts import Text

DOORS: Final = {
    "written": Text("written", "已写入"),
    "duplicate": Text("duplicate event", "重复事件"),
    "duplicate_order": Text("order paid again", "同一订单再次付款"),
    "too_late": Text("too late", "迟到"),
}
REASONS: Final = {
    "not_json": Text("not JSON", "不是 JSON"),
    "invalid": Text("field missing or wrong", "字段缺失或有误"),
    "unknown_kind": Text("unknown kind", "未知类型"),
    "reserved_id": Text("reserved KOL id", "保留的 KOL 标识"),
    "too_large": Text("too large", "过大"),
    "bad_time": Text("before the year 2000", "时间早于 2000 年"),
    "from_the_future": Text("from the future", "时间在未来"),
    "null_value": Text("no value", "没有内容"),
    "wrong_partition": Text("wrong partition", "分区错误"),
    "placeholder_id": Text("id that means nobody", "占位标识"),
    "null_key": Text("no key", "没有 key"),
    "wrong_key": Text("wrong key", "key 有误"),
}
COUNTERS: Final = {
    "refund_unmatched": Text("refunds without an order", "找不到订单的退款"),
    "refund_outside": Text("refunds outside the window", "超出期限的退款"),
    "refund_excess_cents": Text("asked back beyond the payment", "超过实付的退款金额"),
    "refund_foreign": Text("refunds in another currency", "币种与订单不同的退款"),
    "reversal_excess_cents": Text("reversed beyond refunds", "超过退款的撤销金额"),
    "foreign_currency": Text("not in the shop's currency", "非店铺币种的订单和退款"),
    "currency_unknown": Text("unknown currency", "未知币种"),
    "closed_minute": Text("facts of a final minute", "已定稿分钟的事实"),
    "touch_limit": Text("touches beyond the limit", "超出上限的触点"),
    "name_limit": Text("KOLs beyond the limit", "超出上限的 KOL"),
    "own_event": Text("of a KOL's own account", "KOL 本人账号的事件"),
    "placeholder_kol": Text("KOL that means nobody", "KOL 为占位标识"),
    "placeholder_user": Text("buyer that means nobody", "买家为占位标识"),
    "duplicate_differs": Text("duplicates that say something else", "内容不同的重复事件"),
    "touch_after_order": Text("touches just after an organic order", "自然订单之后的触点"),
    "paid_differs": Text("second payment, another amount", "再次付款且金额不同"),
    "paid_replaced": Text("earlier payment came later", "更早的付款后到"),
    "paid_after_cancel": Text("payment after a cancel", "取消后的付款"),
    "erasure_unreadable": Text("unreadable erasures", "无法识别的删除请求"),
    "erasure_late": Text("erasures heard of late", "得知过晚的删除请求"),
    "consent_unreadable": Text("unreadable consents", "无法识别的授权"),
    "consent_misplaced": Text("consents on a wrong partition", "分区错误的授权"),
    "consent_late": Text("consents heard of late", "得知过晚的授权"),
    "blocks": Text("blocks of cells read", "已读的单元数据块"),
    "cells": Text("cells taken in", "已合并的单元"),
    "cell_not_newer": Text("cells known already", "已知的单元"),
    "cell_after_final": Text("cells of a final minute", "已定稿分钟的单元"),
}
EVERY: Final = {**DOORS, **REASONS, **COUNTERS}
