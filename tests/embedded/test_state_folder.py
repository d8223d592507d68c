import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.embedded.state_folder import BusyError, StateFolder
from tests.embedded.waiting import until

OWNER = """
import sys, time
from deploy.embedded.state_folder import StateFolder
StateFolder(sys.argv[1]).acquire()
print("acquired", flush=True)
time.sleep(60)
"""

ASKER = """
import sys
from deploy.embedded.state_folder import StateFolder
home = StateFolder(sys.argv[1])
while True:
    home.owner()
    (home.path / "queried").touch()
"""


def owned_by_another(home: StateFolder) -> "subprocess.Popen[str]":
    """A process that owns the home, and says so."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home.path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == "acquired\n"
    return owner


def killed(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_secrets_are_made_once_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    home = StateFolder(tmp_path / "new")

    first, second = home.secrets(), StateFolder(home.path).secrets()

    assert first == second
    assert len({first.hmac_key, first.admin_password, first.reader_password}) == 3
    assert {file.stat().st_mode & 0o777 for file in home.secrets_folder.iterdir()} == {0o600}
    assert home.secrets_folder.stat().st_mode & 0o777 == 0o700


def test_who_makes_secrets_up_at_the_same_time_gets_the_same_ones(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: StateFolder(tmp_path).secrets(), range(8)))

    assert made == made[:1] * 8
    assert len(list((tmp_path / "secrets").iterdir())) == 4


def test_secrets_are_not_shown_by_accident(tmp_path: Path) -> None:
    made = StateFolder(tmp_path).secrets()

    assert repr(made) == "Secrets()"


def test_a_cluster_id_is_sixteen_bytes_and_no_option(tmp_path: Path) -> None:
    made = [StateFolder(tmp_path / str(n)).secrets().cluster_id for n in range(100)]

    assert {len(cluster_id) for cluster_id in made} == {22}
    assert not [cluster_id for cluster_id in made if cluster_id.startswith("-")]


def test_a_home_has_one_owner(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    other = owned_by_another(home)

    with pytest.raises(BusyError, match=f"already run by process {other.pid}"):
        home.acquire()
    assert home.owner() == other.pid
    killed(other)


def test_an_owner_that_was_killed_leaves_the_home_free(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    killed(owned_by_another(home))

    assert home.owner() is None
    home.acquire()
    assert home.owner() == os.getpid()
    home.release()


def test_a_number_left_in_the_file_is_not_believed(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.create()
    home.pid_file.write_text(str(os.getpid()))

    assert home.owner() is None


def test_taking_twice_is_taking_once(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.acquire()
    home.acquire()
    home.release()

    assert home.owner() is None


def test_fresh_forgets_events_and_rows_but_neither_secrets_nor_logs(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    made = home.secrets()
    for file in (home.kafka / "a", home.clickhouse / "b", home.run / "status.json", home.log("c")):
        file.write_text("old")

    home.clear()

    assert [file.name for file in home.data.rglob("*") if file.is_file()] == []
    assert [file.name for file in home.run.iterdir()] == ["supervisor.pid"]
    assert home.kafka.is_dir()
    assert home.log("c").read_text() == "old"
    assert home.secrets() == made
    assert home.owner() is None


def test_fresh_leaves_a_living_home_alone(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    other = owned_by_another(home)
    (home.kafka / "a").write_text("precious")

    with pytest.raises(BusyError):
        home.clear()
    assert (home.kafka / "a").read_text() == "precious"
    killed(other)


def test_fresh_keeps_the_home_of_an_owner(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.acquire()

    home.clear()

    assert StateFolder(tmp_path).owner() == os.getpid()
    home.release()


def test_a_status_counts_only_while_its_teller_lives(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.acquire()
    home.write_status({"supervisor": os.getpid(), "state": "ready"})

    assert StateFolder(tmp_path).status() == {"supervisor": os.getpid(), "state": "ready"}
    home.release()
    assert home.status_file.exists()
    assert StateFolder(tmp_path).status() is None


def test_a_status_may_not_be_there_yet(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.acquire()

    assert home.status() is None
    home.release()


def test_only_the_owner_reads_a_status_for_passwords_are_in_it(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.create()
    home.write_status({})

    assert home.status_file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in home.run.iterdir()] == ["status.json"]


def test_asking_for_the_owner_does_not_keep_one_out(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.acquire()
    home.release()
    curious = subprocess.Popen([sys.executable, "-c", ASKER, str(tmp_path)])
    until((tmp_path / "queried").exists)

    for _ in range(200):
        home.acquire()
        home.release()

    curious.kill()
    curious.wait()


def test_a_fresh_home_forgets_folders_that_a_process_left_in_run(tmp_path: Path) -> None:
    home = StateFolder(tmp_path)
    home.create()
    (home.run / "worker-0" / "v1").mkdir(parents=True)

    home.clear()

    assert not (home.run / "worker-0").exists()
