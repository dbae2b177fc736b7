"""GPUs are shared out by real locks between real processes; only `nvidia-smi` is a stand-in."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llamaduo import cards
from llamaduo.errors import UsageError

CARDS = ["GPU-stand-in-0", "GPU-stand-in-1", "GPU-stand-in-2"]
HOLD = """
import sys, time
from pathlib import Path
from llamaduo import cards
with cards.taken(int(sys.argv[1]), lambda line: print(line, flush=True)) as mine:
    import os
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ",".join(mine)
    for card in mine:
        Path(card).mkdir()          # fails where another holds it
    print("has", *mine, flush=True)
    time.sleep(float(sys.argv[2]))
    for card in mine:
        Path(card).rmdir()
"""


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which a stand-in for nvidia-smi lists three GPUs."""
    stand_in(tmp_path, monkeypatch, CARDS)
    return tmp_path


def stand_in(under: Path, monkeypatch: pytest.MonkeyPatch, listed: list[str]) -> None:
    lines = "".join(f"echo '{number}, {card}'\n" for number, card in enumerate(listed))
    script = under / "bin" / "nvidia-smi"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\n# a stand-in, for a machine without a GPU\n{lines}")
    script.chmod(0o755)
    runtime = under / "runtime"
    runtime.mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.delenv(cards.VISIBLE, raising=False)


def holder(count: int, seconds: float) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(count), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until_it_has(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("has "):
            return line.split()[1:]
    raise AssertionError(process.communicate()[1])


@pytest.mark.parametrize(
    ("visible", "wanted"),
    [
        (None, CARDS),
        ("2,0", [CARDS[2], CARDS[0]]),
        ("GPU-stand-in-1", [CARDS[1]]),
        ("0,MIG-a", [CARDS[0], "MIG-a"]),
        ("1,7,0", [CARDS[1]]),
        ("", []),
        ("-1", []),
    ],
)
def test_the_gpus_are_those_that_are_visible(
    visible: str | None, wanted: list[str], three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv(cards.VISIBLE, visible)
    assert cards.listed() == wanted


def test_no_gpu_is_held_twice_and_every_job_gets_its_own(three: Path) -> None:
    jobs = [holder(count, 0.3) for count in (1, 2, 1, 3, 1, 2)]
    said = [process.communicate(timeout=60) for process in jobs]
    assert [error for _, error in said] == [""] * len(jobs)
    held = [line.split()[1:] for out, _ in said for line in out.splitlines() if "has" in line]
    assert [len(of) for of in held] == [1, 2, 1, 3, 1, 2]
    assert any("waiting for" in out for out, _ in said)


def test_a_killed_holder_frees_its_gpus(three: Path) -> None:
    first = holder(3, 600)
    until_it_has(first)
    second = holder(1, 0)
    assert second.stdout is not None
    assert second.stdout.readline() == "waiting for 1 of 3 GPUs: other jobs hold them\n"
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    for card in CARDS:
        (three / card).rmdir()  # what the killed one left
    began = time.monotonic()
    assert until_it_has(second) == [CARDS[0]]
    assert time.monotonic() - began < 10
    second.communicate()


def test_more_than_there_are_is_refused(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cards.VISIBLE, "0,1")
    with (
        pytest.raises(UsageError, match=r"takes 4 GPUs at once, and there are 2 \(of CUDA.*=0,1\)"),
        cards.taken(4, print),
    ):
        pass


def test_the_variable_is_as_before_when_a_job_is_over(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cards.taken(1, print) as mine:
        assert os.environ[cards.VISIBLE] == mine[0] == CARDS[0]
    assert cards.VISIBLE not in os.environ
    monkeypatch.setenv(cards.VISIBLE, "2")
    with cards.taken(1, print) as mine:
        assert mine == [CARDS[2]]
    assert os.environ[cards.VISIBLE] == "2"


@pytest.mark.parametrize("count", [0, 1])
def test_where_there_is_no_gpu_or_none_is_wanted_nothing_happens(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, [] if count else CARDS)
    with cards.taken(count, print) as mine:
        assert mine == []
        assert cards.VISIBLE not in os.environ


def test_an_nvidia_smi_that_fails_lists_nothing(three: Path) -> None:
    script = three / "bin" / "nvidia-smi"
    script.write_text("#!/bin/sh\n# a stand-in\necho 'Driver/library version mismatch'\nexit 18\n")
    assert cards.listed() == []


def test_a_folder_of_another_user_is_not_used(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = three / "theirs"
    theirs.mkdir()
    (three / "runtime" / f"llamaduo-gpus-{os.getuid()}").symlink_to(theirs)
    with pytest.raises(UsageError, match="is another user's"), cards.taken(1, print):
        pass
