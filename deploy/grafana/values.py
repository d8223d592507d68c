"""Values of columns in words: who a KOL is, where was bought, what became of a dead letter.

Tiers and fields are whatever a shop sends; those of `schemas.reference_types` and of the demo have
words, others stand as they are.
"""

from typing import Final

from deploy.grafana.texts import Text

CHANNELS: Final = {
    "shelf": Text("shelf", "传统货架"),
    "social": Text("social content", "社交内容"),
    "live": Text("live", "直播"),
    "private": Text("private domain", "私域"),
}
TIERS: Final = {
    "head": Text("head", "头部"),
    "waist": Text("waist", "腰部"),
    "koc": Text("KOC", "KOC"),
}
FIELDS: Final = {
    "parenting": Text("parenting", "育儿"),
    "formula": Text("formula", "奶粉"),
    "food": Text("food", "辅食"),
    "education": Text("education", "早教"),
    "care": Text("care", "护理"),
    "pregnancy": Text("pregnancy", "孕期"),
    "clothes": Text("clothes", "童装"),
    "nutrition": Text("nutrition", "营养"),
    "sleep": Text("sleep", "睡眠"),
}
TARGETS: Final = {"input": Text("message", "输入消息")}  # else the table that refused a row
LETTERS: Final = {"new": Text("new", "未处理"), "retried": Text("sent again", "已重发")}
SINKS: Final = {
    "ok": Text("ok", "正常"),
    "retrying": Text("retrying", "重试中"),
    "stopped": Text("stopped", "已停止"),
}
