"""The table at the end of a sweep, and dollars that several jobs share."""

from pathlib import Path

from kept import answer, claim

from llamaduo.experiment import Experiment
from llamaduo.ledger import Ledger
from llamaduo.metrics import share
from llamaduo.records import Outcome, Reply, Usage
from llamaduo.sweep.closing import in_a_line, notes, paid, table
from llamaduo.sweep.ends import End


def bought(home: Path, **uses: list[str]) -> None:
    """Have each recipe rest on calls by key, a quarter of a dollar each."""
    ledger = Ledger(home / ".llamaduo" / "ledger.sqlite")
    for key in sorted({key for keys in uses.values() for key in keys}):
        claim(ledger, key)
        reply = Reply(outcome=Outcome.OK, text="!", usage=Usage(usd=0.25))
        answer(ledger, key, reply)
    for recipe, keys in uses.items():
        ledger.use(recipe, keys)
    ledger.close()


def end(job: int, **changed: object) -> End:
    return End(job=job, code=0, said="switch").model_copy(update=changed)


def test_a_call_that_jobs_share_is_counted_once(tmp_path: Path, tiny: Experiment) -> None:
    bought(tmp_path, one=["a", "b"], two=["b", "c"], three=["c"])
    home = str(tmp_path)
    first = end(0, home=home, recipes=("one", "two"), spent_now=0.75)
    second = end(1, home=home, recipes=("one", "three"))
    assert paid([first, second], tiny) == (3, 0.75)
    assert paid([second], tiny) == (3, 0.75)
    assert paid([end(2)], tiny) == (0, 0.0)
    *_, last = notes([first, second], paid([first, second], tiny))
    assert last == "the sweep rests on 3 calls for $0.7500; $0.7500 of it spent now"


def test_each_job_has_a_line_with_what_differs_and_how_it_ended() -> None:
    found = {
        "fingerprint": "ab12cd34" * 2,
        "part": "test",
        "coverage": share("coverage %", 60, 64),
        "spent_now": 0.5,
        "made_now": 7,
        "differs": ("seed=1", "tuner.r=4"),
    }
    head, first, second = table([end(0, **found), End(job=1, code=1, said="a: bad:\n  b\n  c")])
    assert head.split("  ")[0] == "job"
    assert first.split() == [
        *("0", "seed=1", "tuner.r=4", "switch", "93.8", "(85.0", "to", "97.5)", "test,", "n=64"),
        *("ab12cd34", "$0.5000", "7"),
    ]
    assert second.split() == ["1", "-", "b", "(and", "1", "more)", "-", "-", "-", "$0.0000", "0"]


def test_an_error_is_cut_to_a_line() -> None:
    assert in_a_line("the config cannot be built:\n  seed: bad") == "seed: bad"
    assert in_a_line("x" * 200) == "x" * 69 + "..."
    assert in_a_line("tuning diverged\nhelp") == "tuning diverged"


def test_jobs_that_are_the_same_run_are_said_and_so_are_failures() -> None:
    same = [end(number, home="/h", fingerprint="ab" * 8) for number in (0, 1, 3)]
    said = list(notes([*same, end(2, code=3)], (0, 0.0)))
    assert said[0].startswith("jobs 0, 1 and 3 are the same run, abababab: ")
    assert said[1] == "4 jobs, 1 not done; the same command tries them again, and only them"
