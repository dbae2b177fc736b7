"""Locks on the server: one holder among all hosts, and what comes of a lost connection."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crowd import ended, start
from kept import Kept

from llamaduo.database import held as module
from llamaduo.database.held import held
from llamaduo.database.server import Server
from llamaduo.errors import LlamaDuoError


@pytest.fixture
def private(tmp_path: Path, ledger_url: str) -> Path:
    (tmp_path / "store").mkdir()
    return tmp_path


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """All locks that were made, in order."""
    made: list[Any] = []
    init = module._Lock.__init__

    def remembered(self: Any, server: Server, number: int) -> None:
        init(self, server, number)
        made.append(self)

    monkeypatch.setattr(module._Lock, "__init__", remembered)
    yield made
    for lock in made:
        lock.db.close()


def end(lock: Any) -> None:
    """Let the server end the connection of a lock."""
    db = Server().connect()
    with db.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(%s, 5000)", [lock.db.info.backend_pid])
    db.close()


def within(seconds: float, true: Callable[[], bool]) -> None:
    late = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < late, "it never came to it"
        time.sleep(0.01)


def test_three_processes_make_a_key_of_the_store_once(private: Path) -> None:
    said = ended(start("make", Kept(private, on_server=True), many=3))
    assert sorted(said) == [f"{made} [0, 1, 2, 3, 4]" for made in (0, 0, 1)]
    assert not list(private.glob("store/count/*/lock")), "no file is locked"


def test_a_lock_that_another_has_is_waited_for_and_said(
    private: Path, taken: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    path = private / "store" / "lock"
    with held(Server(), private, path):
        second = module._Lock(Server(), taken[0].number)
        assert not second._try()
    second.take("waiting for it")
    assert second.still()
    assert capsys.readouterr().err == ""
    third = module._Lock(Server(), taken[0].number)
    third.server.connect().close()
    second.db.close()
    third.take("waiting for it")
    assert third.still()


def test_homes_on_different_disks_do_not_wait_for_each_other(private: Path) -> None:
    homes = [private / name / ".llamaduo" for name in ("here", "there")]
    for home in homes:
        home.mkdir(parents=True)
    with held(Server(), homes[0], homes[0] / "lock"), held(Server(), homes[1], homes[1] / "lock"):
        pass
    names = {(home / "home" / "name").read_text() for home in homes}
    assert len(names) == 2


def test_a_home_that_hosts_see_at_different_places_is_one(private: Path) -> None:
    (private / "elsewhere").symlink_to(private / "store")
    assert module._name(private / "store") == module._name(private / "elsewhere")
    assert not list(private.glob("store/.home-*")), "no draft is left"


def test_a_lock_is_had_again_when_its_connection_breaks(
    private: Path, taken: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.05)
    with held(Server(), private, private / "store" / "lock"):
        before = taken[0].db
        end(taken[0])
        within(5, lambda: taken[0].db is not before and not taken[0].db.closed)
        second = module._Lock(Server(), taken[0].number)
        within(5, lambda: not second._try())
        second.db.close()


def test_a_process_stops_when_another_has_what_it_was_making(
    private: Path,
    taken: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.3)
    path = private / "store" / "lock"
    with pytest.raises(KeyboardInterrupt), held(Server(), private, path):
        second = module._Lock(Server(), taken[0].number)
        end(taken[0])
        second.take("")
        time.sleep(10)
    assert "another process has it now; this one stops" in capsys.readouterr().err


def test_what_was_lost_at_the_end_is_said(private: Path, taken: list[Any]) -> None:
    path = private / "store" / "lock"
    with (
        pytest.raises(LlamaDuoError, match="lost with the connection to the server"),
        held(Server(), private, path),
    ):
        second = module._Lock(Server(), taken[0].number)
        end(taken[0])
        second.take("")
