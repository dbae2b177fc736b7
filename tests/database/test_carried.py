"""Calls carried between a file and a server: none lost, none counted twice, to the same bytes."""

from contextlib import closing
from pathlib import Path

import pytest
from kept import Kept, answer, claim, failed, ok
from machines import WORDS, Machines, go, packed, unpacked

from llamaduo.ledger import Ledger
from llamaduo.parcel import CALLS, LOOKS
from llamaduo.parcel.calls import calls, take


@pytest.fixture
def two(tmp_path: Path, ledger_url: str) -> list[Kept]:
    return [Kept(tmp_path / "file", on_server=False), Kept(tmp_path / "server", on_server=True)]


def fill(ledger: Ledger) -> None:
    for n in range(4):
        claim(ledger, str(n))
        answer(ledger, str(n), failed(), last=False)
        answer(ledger, str(n), ok(text=f"{n}\0\ufdd0", usd=0.25))
    claim(ledger, "under way")
    ledger.use("judge/1", [str(n) for n in range(3)])


@pytest.mark.parametrize("there", [0, 1])
def test_calls_go_from_one_to_the_other_and_back_as_they_were(two: list[Kept], there: int) -> None:
    source, target = two[1 - there], two[there]
    with closing(source.open()) as one, closing(target.open()) as other:
        fill(one)
        carried = list(calls(one, "run", ["judge/1"]))
        assert len(carried) == 4
        assert (take(other, carried).new, take(other, carried).known) == (4, 4)
        assert list(calls(other, "run", ["judge/1"])) == carried
        assert list(calls(other, "another run", ["judge/1"])) == carried[:3]
        assert list(calls(other, "another run", [])) == []
        assert target.accounts() == {"run": (1.0, 0.0)}
        assert (one.tally("judge/1"), one.reply("3")) == (other.tally("judge/1"), other.reply("3"))
        assert take(one, list(calls(other, "run", ["judge/1"]))).new == 0
        assert source.accounts() == {"run": (1.0, 1.0)}, "what is under way is still reserved"


def test_a_run_is_unpacked_onto_a_server_gone_on_with_and_packed_from_there(
    whole: Path, tmp_path: Path, machines: Machines, ledger_url: str
) -> None:
    machines.sit_at("cluster")
    out = unpacked(whole / "parcel", "ledger=postgresql")
    assert out.calls.new > 0
    words = [*WORDS, "ledger=postgresql"]
    result, _ = go(words)
    assert result is not None
    home = tmp_path / "cluster" / ".llamaduo"
    server = Kept(home, on_server=True)
    assert server.look("select count(*) from calls") == [(out.calls.new,)], "nothing is paid anew"
    assert not (home / "ledger.sqlite").exists()
    assert not list(home.glob("store/*/*/lock"))
    packed(tmp_path / "back", words)
    for name in (CALLS, LOOKS):
        assert (tmp_path / "back" / name).read_bytes() == (whole / "parcel" / name).read_bytes()
    assert unpacked(tmp_path / "back", "ledger=file").calls.new == out.calls.new
