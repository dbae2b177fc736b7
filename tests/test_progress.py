"""What a run says while it works: lines in a log, a bar on a terminal."""

import io
from types import SimpleNamespace

import pytest

from llamaduo import progress as progress_module
from llamaduo.progress import EVERY, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that goes on only when a test says so."""
    time = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: time.now))
    return time


def test_what_is_said_is_a_line_that_tells_who_says_it() -> None:
    log = io.StringIO()
    Progress(log).say("round 0")
    assert log.getvalue() == "llamaduo: round 0\n"


def test_it_is_said_on_standard_error_where_no_result_stands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Progress().say("round 0")
    assert capsys.readouterr() == ("", "llamaduo: round 0\n")


def test_a_log_gets_a_first_and_a_last_line_and_one_now_and_then(clock: SimpleNamespace) -> None:
    log = io.StringIO()
    with Progress(log).stage("judge", 40, "answers") as meter:
        for _ in range(4):
            clock.now += EVERY / 2
            meter.step(10, note="$0.01")
    assert log.getvalue().splitlines() == [
        "llamaduo: judge: 40 answers",
        "llamaduo: judge: 20/40 answers, 1.3/s, 15 s, $0.01",
        "llamaduo: judge: 40/40 answers, 1.3/s, 30 s, $0.01",
        "llamaduo: judge: 40/40 answers, 1.3/s, 30 s, $0.01",
    ]


def test_what_was_there_already_is_said_and_left_out_of_the_rate(clock: SimpleNamespace) -> None:
    log = io.StringIO()
    with Progress(log).stage("answer", 100, "prompts", done=90) as meter:
        clock.now += 5
        meter.step(10)
    assert log.getvalue().splitlines() == [
        "llamaduo: answer: 100 prompts, 90 there already",
        "llamaduo: answer: 100/100 prompts, 2.0/s, 5 s",
    ]


def test_a_note_stands_until_there_is_another(clock: SimpleNamespace) -> None:
    log = io.StringIO()
    with Progress(log).stage("tune", 3, "steps") as meter:
        meter.step(note="loss 2.0")
        meter.step()
    assert log.getvalue().endswith("2/3 steps, 0.0/s, 0 s, loss 2.0\n")


@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_a_stage_that_fails_says_nothing_of_an_end(out: type[io.StringIO]) -> None:
    log = out()
    with pytest.raises(ValueError, match="broken"), Progress(log).stage("tune", 3, "steps"):
        raise ValueError("broken")
    assert "3/3" not in log.getvalue()


def test_a_terminal_gets_a_bar_with_units_and_note() -> None:
    screen = Terminal()
    with Progress(screen).stage("synthesize", 20, "calls", done=5) as meter:
        meter.step(10)
        meter.step(5, note="$0.12 of $1.00")
    last = screen.getvalue().rpartition("\r")[2]
    assert last.startswith("synthesize: 100%")
    assert "20/20" in last
    assert "calls/s" in last
    assert "$0.12 of $1.00" in last
