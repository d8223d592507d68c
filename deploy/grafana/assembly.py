"""Dashboards put together: uid, variables, panels one after another, links to the others."""

import json
from collections.abc import Iterable, Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as shapes

from deploy.grafana.panels import AnyPanel, link
from deploy.grafana.texts import Say, Text
from deploy.grafana.variables import ZONE, shop, zone

TITLES: Final = {  # of every dashboard, in the order of the links
    "overview": Text("KOL overview", "KOL 总览"),
    "kol": Text("One KOL", "单个 KOL"),
    "attribution": Text("Attribution and channels", "归因与渠道"),
    "quality": Text("Data quality", "数据质量"),
    "pipeline": Text("Pipeline and SLOs", "管道与 SLO"),
}
TAG: Final = Text("kol", "kol-zh")

Variable = Builder[shapes.VariableModel]


def uid(name: str, say: Say) -> str:
    """The identity of a dashboard in a language.

    >>> from deploy.grafana.texts import in_language
    >>> uid("overview", in_language("zh"))
    'kol-overview-zh'
    """
    return say(Text(f"kol-{name}", f"kol-{name}-zh"))


def to_kol(say: Say, *also: str) -> tuple[str, str]:
    """Title and address of the dashboard of the KOL of a row, which has a column `kol_id`.

    The period and what is chosen here is chosen there; `also`: further variables of both.
    """
    chosen = ("brand", "channel", "platform", "model", "currency", *also)
    kept = "&".join(["${__url_time_range}", *(f"${{{name}:queryparam}}" for name in chosen)])
    address = f"/d/{uid('kol', say)}?var-kol=${{__data.fields.kol_id:percentencode}}&{kept}"
    return say(Text("The KOL", "查看该 KOL")), address


def assembled(
    name: str,
    say: Say,
    about: Text,
    variables: Iterable[Variable],
    panels: Sequence[AnyPanel],
    since: str = "now-24h",
) -> shapes.Dashboard:
    """A dashboard of these panels, laid out from left to right in rows of 24 columns.

    Args:
        name: of `TITLES`.
        say: gives the words of a language.
        about: what the dashboard answers.
        variables: above it, the first at the left; zone and currency of the shop come with each.
        panels: in the order of reading; their numbers are their places.
        since: begin of the period that is shown at first.

    """
    board = (
        build.Dashboard(say(TITLES[name]))
        .uid(uid(name, say))
        .description(say(about))
        .tags([say(TAG)])
        .timezone(ZONE)
        .time(since, "now")
        .refresh("1m")
        .week_start("monday")
        .tooltip(shapes.DashboardCursorSync.CROSSHAIR)
        .editable()
        .variables([*variables, zone(), shop()])
        .links([link(say(title), uid(to, say)) for to, title in TITLES.items() if to != name])
    )
    for number, panel in enumerate(panels, 1):
        board.with_panel(panel.id(number))
    return board.build()


def as_json(board: shapes.Dashboard) -> str:
    """The file of a dashboard, as Grafana's provisioning reads it."""
    text = json.dumps(board, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
    return text + "\n"
