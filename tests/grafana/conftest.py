"""An engine with the account that `kol grants` makes for Grafana, for all who ask as it."""

from collections.abc import Iterator

import pytest

from sinks.grants import grants
from tests.grafana.sql import GRAFANA
from tests.sinks.accounts import OWNER, Accounts, engine


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    statements = grants("grafana", "kol", user=GRAFANA, definer=OWNER)
    with engine(tmp_path_factory.mktemp("accounts"), {GRAFANA: statements}) as started:
        yield started
