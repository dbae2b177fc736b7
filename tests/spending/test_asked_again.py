"""`run --retry`: what went wrong is asked again, alone, and no kill on the way loses anything."""

import io
import json
import shutil
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kept_world import Run, bytes_under, go
from small_world import PRICE, Diary, Scripted, altered, experiment

from llamaduo import running
from llamaduo.database.postgresql import Postgresql
from llamaduo.errors import LlamaDuoError, OverBudget, UsageError
from llamaduo.experiment import Experiment
from llamaduo.keeping import units
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.records import Outcome, Reply, Request
from llamaduo.service import Heard
from llamaduo.spending import again
from llamaduo.spending.rounds import Notes
from llamaduo.verbs import retrying, run

UNREADABLE = (Outcome.UNREADABLE,)


class Moods(Diary):
    """What was done, and whom a bad mood met."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[tuple[str, int]] = []
        """What was asked, with which seed; once more for each time it was asked again."""


class Moody(Scripted):
    """Says nothing of use to some requests, as long as they come with the seed they came with."""

    diary: Moods
    moods: tuple[str, ...] = ("mark",)
    """Kinds of requests of which some come out badly."""
    says: str = "I would rather not."
    """Empty: an error, which is not tried again."""

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        heard = await super().attempt(request, seed, once)
        said = request.messages[-1].content
        if said.partition("|")[0] not in self.moods or zlib.crc32(said.encode()) % 3:
            return heard
        self.diary.wrong.append((said, seed))
        if not once.endswith("-0"):
            return heard
        if self.says:
            reply = heard.reply.model_copy(update={"text": self.says})
            return Heard(reply)
        return Heard(Reply(outcome=Outcome.FAILED, cause="BadRequestError: no"))

    def key(self) -> dict[str, Any]:
        return {"is": "scripted"}


def moody(home: Path, diary: Moods, **service: Any) -> Experiment:
    exp = experiment(home, diary, rounds=2)
    asked = Moody(diary=diary, **service)
    judge = altered(exp.judge, service=asked)
    return exp.model_copy(update={"service": asked, "judge": judge})


def asking(exp: Experiment, wanted: Sequence[Outcome] = UNREADABLE) -> str:
    """Do what goes before a run with `--retry`; returns what it says."""
    out = io.StringIO()
    act = retrying.before(exp, wanted, Progress(out))
    if act is not None:
        act()
    return out.getvalue()


def ends(ran: Run, stage: str = "judgements") -> dict[str, int]:
    [found] = [tally.outcomes for tally in ran.result.tallies if tally.stage == stage]
    return found


def figures(ran: Run) -> dict[str, Any]:
    """All that a run came to, but for what it cost on the way."""
    said = ran.result.model_dump(mode="json", exclude={"tallies"})
    for round_ in said["rounds"]:
        del round_["usd"]
    return said


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the run comes to where no reply is of no use."""
    home = tmp_path_factory.mktemp("calm") / "home"
    return figures(go(moody(home, Moods(), moods=())))


def test_only_what_went_wrong_is_asked_again_and_the_run_is_as_if_it_had_not(
    tmp_path: Path, calm: dict[str, Any]
) -> None:
    diary = Moods()
    exp = moody(tmp_path / "home", diary)
    first = go(exp)
    wrong = ends(first)["unreadable"]
    assert 0 < wrong == len(diary.wrong)
    assert figures(first) != calm
    before = len(diary.asked)
    said = asking(exp)
    assert f"retry: {wrong} calls are asked again, {wrong} of `judgements`" in said
    assert f"${wrong * PRICE:.4f} at most" in said
    second = go(exp)
    assert len(diary.asked) - before == wrong == second.calls
    were, are = dict(diary.wrong[:wrong]), dict(diary.wrong[wrong:])
    assert were.keys() == are.keys(), "they are the same prompts"
    assert all(were[said] != are[said] for said in were), "with the seed, so would be the reply"
    assert "unreadable" not in ends(second)
    assert figures(second) == calm
    assert set(second.made) == {"judgements"}
    [paid] = [one.usage.usd for one in second.result.tallies if one.stage == "judgements"]
    assert paid == pytest.approx((ends(second)["ok"] + wrong) * PRICE), "both were paid"


def test_a_call_that_failed_is_asked_again_too(tmp_path: Path, calm: dict[str, Any]) -> None:
    diary = Moods()
    exp = moody(tmp_path / "home", diary, says="")
    assert ends(go(exp))["failed"]
    assert not retrying_needed(exp, UNREADABLE)
    asking(exp, (Outcome.FAILED, Outcome.UNREADABLE))
    assert figures(go(exp)) == calm
    assert len(set(diary.wrong)) == len(diary.wrong) // 2, "nothing was paid, so the seed may stay"


def retrying_needed(exp: Experiment, wanted: Sequence[Outcome]) -> bool:
    try:
        asking(exp, wanted)
    except retrying.NothingToRetryError:
        return False
    return True


def test_with_nothing_to_ask_again_nothing_is_touched(tmp_path: Path) -> None:
    exp = moody(tmp_path / "home", Moods(), moods=())
    go(exp)
    before = bytes_under(tmp_path / "home")
    assert not retrying_needed(exp, tuple(retrying.WRONG.values()))
    after = bytes_under(tmp_path / "home")
    assert {k: v for k, v in after.items() if k != ".llamaduo/running"} == before


def test_looks_at_the_test_are_those_there_were(tmp_path: Path) -> None:
    exp = moody(tmp_path / "home", Moods())
    first = go(exp)
    asking(exp)
    record = tmp_path / "home/.llamaduo/openings/openings.jsonl"
    seen = record.read_bytes()
    assert go(exp).result.openings == first.result.openings
    assert record.read_bytes() == seen


def test_new_rows_are_said_to_change_what_follows(tmp_path: Path) -> None:
    diary = Moods()
    exp = moody(tmp_path / "home", diary, moods=("write",))
    first = go(exp)
    assert ends(first, "synthetic")["unreadable"] == len(diary.wrong) > 0
    assert retrying.NEW_ROWS in asking(exp)
    second = go(exp)
    assert {"synthetic", "train", "adapter", "answers"} <= set(second.made)
    assert len(second.result.openings) == 2, "another model has been shown the test"


class Killed(Exception):
    """What stands for a kill."""


@pytest.mark.parametrize("wanted", [UNREADABLE, ()], ids=["the same retry", "a plain run"])
@pytest.mark.parametrize("step", ["first result", "last result", "calls", "note"])
def test_a_kill_on_the_way_is_finished_by_the_next_command(
    step: str,
    wanted: Sequence[Outcome],
    begun: tuple[Path, Experiment],
    calm: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home, exp = moved(begun, tmp_path)
    with monkeypatch.context() as patch:
        kill_at(step, patch)
        with pytest.raises(Killed):
            asking(exp)
    said = asking(exp, wanted)
    assert "was broken off, and goes on" in said
    assert again.left(home / ".llamaduo/runs" / exp.fingerprint()) is None
    assert figures(go(exp)) == calm
    assert not retrying_needed(exp, UNREADABLE)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Experiment]:
    home = tmp_path_factory.mktemp("moody") / "home"
    exp = moody(home, Moods())
    go(exp)
    return home, exp


def moved(begun: tuple[Path, Experiment], to: Path) -> tuple[Path, Experiment]:
    home, exp = begun
    shutil.copytree(home, to / "home")
    return to / "home", exp.model_copy(update={"home": to / "home"})


def kill_at(step: str, patch: pytest.MonkeyPatch) -> None:
    count = [0]

    def away(unit: units.Unit, private: Path) -> bool:
        count[0] += 1
        if step == "first result" or count[0] == 3:
            raise Killed
        return units.put_away(unit, private)

    def killed(*given: Any) -> None:
        raise Killed

    if step.endswith("result"):
        patch.setattr("llamaduo.spending.again.put_away", away)
    elif step == "calls":
        patch.setattr(Ledger, "reopen", killed)
    else:
        patch.setattr(Path, "unlink", killed)


def test_what_may_not_fit_in_the_budget_is_refused_before_anything_is_changed(
    begun: tuple[Path, Experiment], tmp_path: Path
) -> None:
    home, exp = moved(begun, tmp_path)
    with closing(Ledger(home / ".llamaduo/ledger.sqlite")) as ledger:
        spent = ledger.spent(exp.fingerprint())
    before = bytes_under(home / ".llamaduo/store")
    poor = exp.model_copy(update={"budget_usd": spent + PRICE})
    with pytest.raises(OverBudget, match=r"17 calls can cost \$0.1700 at most, and \$0.0100 of"):
        asking(poor)
    assert bytes_under(home / ".llamaduo/store") == before
    asking(exp.model_copy(update={"budget_usd": spent + 17 * PRICE}))


def test_results_that_only_a_trial_of_a_search_rests_on_are_done_with() -> None:
    notes = Notes()
    for what, recipe in [("trial, dev", "a"), ("trial, dev", "b"), ("round 0, dev", "b")]:
        with notes.of(what):
            notes.take(recipe)
    assert notes.names == {"a": "trial, dev", "b": "trial, dev"}
    assert notes.loop == {"b": "round 0, dev"}


def test_what_is_left_of_a_kill_asks_for_no_call_that_was_answered_since(
    begun: tuple[Path, Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, exp = moved(begun, tmp_path)
    with monkeypatch.context() as patch:
        kill_at("note", patch)
        with pytest.raises(Killed):
            asking(exp)
    asked = go(exp).calls
    asking(exp, ())
    assert asked > 0
    assert go(exp).calls == 0


def test_another_run_that_rests_on_the_same_calls_follows_when_it_is_asked_to(
    tmp_path: Path,
) -> None:
    diary = Moods()
    mine = moody(tmp_path / "home", diary)
    theirs = mine.model_copy(update={"goal": altered(mine.goal, similarity=80)})
    before = [go(mine), go(theirs)][1]
    asking(mine)
    go(mine)
    assert go(theirs).made == [], "nobody has asked for it"
    count = len(diary.asked)
    said = asking(theirs)
    assert "results are older than replies that they rest on" in said
    assert "calls are asked again" not in said
    after = go(theirs)
    assert len(diary.asked) == count
    assert figures(after) != figures(before)


def test_while_something_goes_on_there_nothing_is_touched(
    begun: tuple[Path, Experiment], tmp_path: Path
) -> None:
    home, exp = moved(begun, tmp_path)
    before = {k: v for k, v in bytes_under(home).items() if not k.endswith("running")}
    refused = pytest.raises(LlamaDuoError, match=r"run --retry: this goes on under .*\n  a run of")
    with running.beside(home / ".llamaduo", "a run of mine"), refused:
        asking(exp)
    assert before == {k: v for k, v in bytes_under(home).items() if not k.endswith("running")}


def test_one_run_at_a_time_and_only_for_ends_that_there_are() -> None:
    with pytest.raises(UsageError, match="--retry asks again the calls of one run, and -m makes"):
        run.main(["--retry", "failed", "-m", "seed=1,2"])
    with pytest.raises(UsageError, match=r"--retry faild: .* did you mean `failed`"):
        run.main(["--retry", "faild", "seed=1"])
    with pytest.raises(UsageError, match="--retry ok: calls go wrong by being unreadable"):
        run.main(["--retry=ok"])


def test_the_note_names_calls_by_their_last_try(
    begun: tuple[Path, Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, exp = moved(begun, tmp_path)
    with monkeypatch.context() as patch:
        kill_at("first result", patch)
        with pytest.raises(Killed):
            asking(exp)
    said = json.loads((home / ".llamaduo/runs" / exp.fingerprint() / again.FILE).read_text())
    assert set(said["calls"].values()) == {0}
    assert all(name.startswith("judgements/") for name in said["recipes"])


def test_where_several_hosts_share_a_home_results_go_under_the_servers_locks(
    begun: tuple[Path, Experiment], tmp_path: Path, ledger_url: str
) -> None:
    home, exp = moved(begun, tmp_path)
    private = home / ".llamaduo"
    with closing(Ledger(private / "ledger.sqlite")) as file:
        there = sorted(unit.recipe for unit in units.units(private / "store"))
        gone = again.plan(exp, private, file, UNREADABLE).again
    place = private / "runs" / exp.fingerprint()
    with closing(Ledger(Postgresql(private))) as server:
        again.begin(place, gone, server, shared=True)
    left = sorted(unit.recipe for unit in units.units(private / "store"))
    assert left == sorted(set(there) - set(gone.recipes)) and gone.recipes
    assert again.left(place) is None
