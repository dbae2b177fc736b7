"""Stage results: made once, whole or absent, resumed after any death, found by their content."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaduo import store as store_module
from llamaduo.errors import LlamaDuoError
from llamaduo.home import refuse_network_home
from llamaduo.records import Record
from llamaduo.store import Rows, Store, Work

FILES = ["ledger: a file: set ledger=postgresql"]
"""What stands in the way of a home that is not local."""


class Row(Record):
    n: int
    text: str = ""


class Killed(BaseException):
    """Stands for the end of the process: nothing may catch it."""


def count_to(end: int, *, die_at: int | None = None) -> Any:
    """Make rows 0..end; with `die_at`, die in place of that row."""

    def make(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        assert [row.n for row in done] == list(range(len(done)))
        for n in range(len(done), end):
            if n == die_at:
                raise Killed
            yield Row(n=n, text=f"row {n}")

    return make


def never(work: Work, done: tuple[Row, ...] = ()) -> Iterator[Row]:
    raise AssertionError("made again")


def numbers(store: Store, make: Any = None, *inputs: Any) -> Rows[Row]:
    return store.rows("count", inputs, Row, make or count_to(5))


def die_midway(root: Path) -> Path:
    """Begin five rows, die in place of the fourth. Returns the file of the draft."""
    with pytest.raises(Killed):
        numbers(Store(root), count_to(5, die_at=3))
    [draft] = root.glob("count/*/draft/rows.jsonl")
    return draft


def test_what_is_stored_is_not_made_again(tmp_path: Path) -> None:
    first = Store(tmp_path)
    made = numbers(first)
    second = Store(tmp_path)
    assert numbers(first, never) == numbers(second, never) == made
    assert [row.n for row in made] == [0, 1, 2, 3, 4]
    assert (first.made, second.made) == ([made.recipe], [])


def test_other_inputs_or_another_stage_are_another_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    numbers(store, count_to(2), "a", 1)
    numbers(store, count_to(2), "a", 2)
    store.rows("again", ["a", 1], Row, count_to(2))
    assert len(set(store.made)) == 3


def test_a_result_may_have_no_rows(tmp_path: Path) -> None:
    assert len(numbers(Store(tmp_path), count_to(0))) == 0
    assert list(numbers(Store(tmp_path), never)) == []


def test_a_row_is_on_disk_before_the_next_is_asked_for(tmp_path: Path) -> None:
    def make(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        for n in range(3):
            assert (work.out / "rows.jsonl").read_bytes().count(b"\n") == n
            yield Row(n=n)

    assert len(numbers(Store(tmp_path), make)) == 3


def test_a_stage_that_died_goes_on_from_its_rows(tmp_path: Path) -> None:
    whole = numbers(Store(tmp_path / "whole"))
    die_midway(tmp_path)
    asked_with: list[int] = []

    def go_on(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        asked_with.append(len(done))
        return iter(count_to(5)(work, done))

    resumed = numbers(Store(tmp_path), go_on)
    assert asked_with == [3]
    assert (resumed.items, resumed.content) == (whole.items, whole.content)


def test_half_a_last_line_is_cut_off_and_made_again(tmp_path: Path) -> None:
    whole = numbers(Store(tmp_path / "whole"))
    draft = die_midway(tmp_path)
    with draft.open("ab") as file:
        file.write('{"n":3,"text":"ro\u2028w'.encode()[:-2])
    resumed = numbers(Store(tmp_path))
    assert resumed.content == whole.content


def test_a_process_killed_in_a_stage_lets_go_of_it_and_its_rows_are_kept(tmp_path: Path) -> None:
    child = second_process("die", tmp_path)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    [draft] = tmp_path.glob("count/*/draft/rows.jsonl")
    assert draft.read_bytes().count(b"\n") == 3
    assert numbers(Store(tmp_path)).content == numbers(Store(tmp_path / "whole")).content


def test_the_scratch_folder_outlives_a_death_and_goes_with_the_result(tmp_path: Path) -> None:
    def train(work: Work) -> None:
        checkpoint = work.scratch / "checkpoint"
        if not checkpoint.exists():
            checkpoint.write_text("step 7")
            raise Killed
        (work.out / "adapter").write_text(f"from {checkpoint.read_text()}")

    with pytest.raises(Killed):
        Store(tmp_path).folder("adapter", [], train)
    folder = Store(tmp_path).folder("adapter", [], train)
    assert (folder.path / "adapter").read_text() == "from step 7"
    left = {path.name for path in folder.path.parent.iterdir()}
    assert left == {"out", "manifest.json", "lock"}


def change(out: Path) -> None:
    path = out / "rows.jsonl"
    path.write_bytes(path.read_bytes().replace(b"row 4", b"row 5"))


def remove(out: Path) -> None:
    (out / "rows.jsonl").unlink()


def add(out: Path) -> None:
    (out / "rows.bak").write_text("mine")


@pytest.mark.parametrize("tamper", [change, remove, add])
def test_a_result_that_was_tampered_with_is_set_aside_and_made_anew(
    tamper: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = numbers(Store(tmp_path))
    tamper(made.path.parent)
    tampered = {path.name: path.read_bytes() for path in made.path.parent.iterdir()}
    store = Store(tmp_path)
    assert numbers(store) == made
    assert store.made == [made.recipe]
    [aside] = made.path.parents[1].glob("damaged-*")
    assert {path.name: path.read_bytes() for path in (aside / "out").iterdir()} == tampered
    assert (aside / "manifest.json").is_file()
    assert f"kept as {aside.name}, made anew" in capsys.readouterr().err


def test_a_kill_while_setting_aside_does_not_let_the_damage_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = numbers(Store(tmp_path))
    change(made.path.parent)
    rename = Path.rename

    def die_after(path: Path, target: Path) -> Path:
        rename(path, target)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die_after)
        with pytest.raises(Killed):
            numbers(Store(tmp_path))
    assert numbers(Store(tmp_path)) == made


@pytest.mark.parametrize("manifest", ["", '{"schema": 1, "fil', '{"schema": 0}'])
def test_a_manifest_that_cannot_be_relied_on_is_no_result(manifest: str, tmp_path: Path) -> None:
    made = numbers(Store(tmp_path))
    (made.path.parents[1] / "manifest.json").write_text(manifest)
    assert numbers(Store(tmp_path)) == made
    [aside] = made.path.parents[1].glob("damaged-*")
    assert (aside / "manifest.json").read_text() == manifest


def test_a_kill_between_the_two_renames_costs_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(path: Path, text: str) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(store_module, "_write_last", die)
        numbers(Store(tmp_path))
    [out] = tmp_path.glob("count/*/out")

    def nothing_left(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        assert len(done) == 5
        return iter(())

    assert numbers(Store(tmp_path), nothing_left).items == numbers(Store(tmp_path / "b")).items
    assert (out.parent / "manifest.json").is_file()


def test_a_kill_before_the_seal_leaves_a_folder_to_its_maker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(path: Path, text: str) -> None:
        raise Killed

    def train(work: Work) -> None:
        seen.append(sorted(path.name for path in work.out.iterdir()))
        (work.out / "adapter").write_text("weights")

    seen: list[list[str]] = []
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(store_module, "_write_last", die)
        Store(tmp_path).folder("adapter", [], train)
    Store(tmp_path).folder("adapter", [], train)
    assert seen == [[], ["adapter"]]


awkward = st.text(st.characters(codec="utf-8") | st.sampled_from("\u2028\u2029\x85\x0b\x1c\r\n"))


@settings(max_examples=25, deadline=None)
@given(st.lists(awkward, max_size=5), st.integers(0, 5))
def test_any_text_comes_back_as_it_was_also_from_a_draft(texts: list[str], die_at: int) -> None:
    def make(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        assert [row.text for row in done] == texts[: len(done)]
        for n in range(len(done), len(texts)):
            if n == die_at and not done:
                raise Killed
            yield Row(n=n, text=texts[n])

    with tempfile.TemporaryDirectory() as folder:
        if 0 < die_at < len(texts):
            with pytest.raises(Killed):
                numbers(Store(Path(folder)), make)
        elif die_at == 0:
            die_at = -1
        assert [row.text for row in numbers(Store(Path(folder)), make)] == texts
        assert [row.text for row in numbers(Store(Path(folder)), never)] == texts


def test_line_separators_that_json_leaves_unescaped_cut_no_row(tmp_path: Path) -> None:
    text = "one\u2028two\u0085three\u2029four\x0bfive\r\nsix"
    rows = numbers(Store(tmp_path), lambda work, done: [Row(n=0, text=text), Row(n=1)])
    assert [row.text for row in rows] == [text, ""]
    assert "\u2028" in rows.path.read_text(encoding="utf-8")


def test_four_processes_that_ask_at_once_make_it_once(tmp_path: Path) -> None:
    children = [second_process("make", tmp_path) for _ in range(4)]
    while len(list(tmp_path.glob("ready-*"))) < 4:
        assert all(child.poll() is None for child in children)
        time.sleep(0.02)
    (tmp_path / "go").touch()
    said = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0] * 4
    assert len((tmp_path / "made").read_text().split()) == 1
    assert len({out for out, _ in said}) == 1
    assert any("waiting for another process to make" in err for _, err in said)


def test_content_names_the_bytes_wherever_and_whenever_they_were_made(tmp_path: Path) -> None:
    def one(work: Work) -> None:
        (work.out / "b").write_text("2")
        (work.out / "deep").mkdir()
        (work.out / "deep" / "a").write_text("1")

    def other(work: Work) -> None:
        (work.out / "deep").mkdir()
        (work.out / "deep" / "a").write_text("1")
        (work.out / "b").write_text("2")
        os.utime(work.out / "b", (0, 0))

    def renamed(work: Work) -> None:
        one(work)
        (work.out / "b").rename(work.out / "c")

    here = Store(tmp_path / "here").folder("stage", ["x"], one)
    there = Store(tmp_path / "somewhere" / "else").folder("other stage", ["y"], other)
    assert here.content == there.content
    assert here.content != Store(tmp_path / "here").folder("stage", ["z"], renamed).content


def test_rows_have_the_content_of_their_text_not_of_their_recipe(tmp_path: Path) -> None:
    store = Store(tmp_path)
    a, b = numbers(store, count_to(3), "a"), numbers(store, count_to(3), "b")
    assert (a.content, a.recipe != b.recipe) == (b.content, True)
    assert numbers(store, count_to(4), "c").content != a.content


def mounts(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let the system say that these are its mounts, after a local root."""
    read = Path.read_text

    def read_text(path: Path, *args: Any, **given: Any) -> str:
        if path == Path("/proc/mounts"):
            return "\n".join(
                ["/dev/vda / ext4 rw 0 0", *(f"it {line} rw 0 0" for line in lines), ""]
            )
        return read(path, *args, **given)

    monkeypatch.setattr(Path, "read_text", read_text)


@pytest.mark.parametrize(
    ("lines", "home", "kind"),
    [
        (["/team nfs4"], "/team/me/project", "nfs4"),
        (["/team nfs4"], "/team", "nfs4"),
        (["/scratch lustre"], "/scratch/x", "lustre"),
        (["/mnt/box fuse.sshfs"], "/mnt/box/x", "fuse.sshfs"),
        ([r"/my\040share cifs"], "/my share/x", "cifs"),
        (["/mnt ext4", "/mnt nfs"], "/mnt/x", "nfs"),
    ],
)
def test_a_home_on_a_network_file_system_is_refused(
    lines: list[str], home: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts(monkeypatch, *lines)
    with pytest.raises(LlamaDuoError, match=rf"home {home} is on {kind}.*set home=DIR"):
        refuse_network_home(Path(home), FILES)


@pytest.mark.parametrize(
    ("lines", "home"),
    [
        ([], "/home/me"),
        (["/data nfs4"], "/database/x"),
        (["/team nfs4", "/team/fast xfs"], "/team/fast/x"),
    ],
)
def test_a_home_on_a_local_disk_is_taken(
    lines: list[str], home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts(monkeypatch, *lines)
    refuse_network_home(Path(home), FILES)


def test_a_link_to_a_network_file_system_is_seen_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "share")
    mounts(monkeypatch, f"{tmp_path}/share nfs4")
    with pytest.raises(LlamaDuoError, match="nfs4"):
        refuse_network_home(tmp_path / "home" / "project", FILES)


def test_where_the_system_lists_no_mounts_any_home_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: Path, *args: Any, **given: Any) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", refuse)
    refuse_network_home(Path("/anywhere"), FILES)


def second_process(task: str, root: Path) -> "subprocess.Popen[str]":
    """Do `task` (below) in a process of its own."""
    command = [sys.executable, __file__, task, str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _die(root: Path) -> None:
    def make(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        yield from count_to(3)(work, done)
        os.kill(os.getpid(), signal.SIGKILL)

    numbers(Store(root), make)


def _make(root: Path) -> None:
    def make(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        with (root / "made").open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.3)
        yield from count_to(5)(work, done)

    (root / f"ready-{os.getpid()}").touch()
    late = time.monotonic() + 60
    while not (root / "go").exists() and time.monotonic() < late:
        time.sleep(0.001)
    rows = numbers(Store(root), make)
    print(json.dumps([rows.content, [row.n for row in rows]]))


if __name__ == "__main__":
    {"die": _die, "make": _make}[sys.argv[1]](Path(sys.argv[2]))
