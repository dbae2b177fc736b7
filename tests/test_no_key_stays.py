"""A key of the environment is nowhere after runs that ended, failed and were killed."""

import base64
import gzip
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow
import pyarrow.parquet
import pytest
from fault_server import FaultServer, fault_server
from faults import Seen
from sought import places

import llamaduo

KEY = "sk-Sentinel/0f+7=q~9Zx-of-nobody_at_all"
PATIENCE = 120.0
"""Seconds."""


def packed(data: bytes) -> bytes:
    """A .zip with a file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.txt", data)
    return made.getvalue()


def table(path: Path, data: bytes) -> None:
    pyarrow.parquet.write_table(
        pyarrow.table({"said": [data.decode(), ""]}), path, compression="zstd"
    )


def database(path: Path, data: bytes) -> None:
    """A SQLite file whose row is longer than a page, and so in pieces."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("create table said (what text)")
        db.execute("insert into said values (?)", [f"{'x' * 4000}{data.decode()}{'y' * 9000}"])


def logged(path: Path, data: bytes) -> None:
    """A SQLite file whose row is in its log alone, as a kill leaves it."""
    command = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        "db.execute('pragma journal_mode = wal'); db.execute('create table said (what text)');"
        "db.execute('insert into said values (?)', [sys.argv[2]]); db.commit(); os._exit(0)"
    )
    said = f"{'x' * 4000}{data.decode()}{'y' * 9000}"
    subprocess.run([sys.executable, "-c", command, str(path), said], check=True)


PLANTED: dict[str, Callable[[Path, bytes], object]] = {
    "plain": lambda path, data: path.write_bytes(b"before " + data + b" behind"),
    "gz": lambda path, data: path.write_bytes(gzip.compress(data)),
    "zip": lambda path, data: path.write_bytes(packed(data)),
    "gz in zip": lambda path, data: path.write_bytes(packed(gzip.compress(data))),
    "Parquet": table,
    "SQLite": database,
    "log of SQLite": logged,
}
WRITTEN: dict[str, Callable[[str], bytes]] = {
    "as it is": lambda key: key.encode(),
    "URL-encoded": lambda key: quote(key, safe="").encode(),
    "URL-encoded, in small letters": lambda key: re.sub(
        "%..", lambda byte: byte[0].lower(), quote(key, safe="")
    ).encode(),
    "base64": lambda key: base64.b64encode(key.encode()),
    "base64, one behind": lambda key: base64.b64encode(f"x{key} and more".encode()),
    "base64, two behind": lambda key: base64.b64encode(f"me:{key}".encode()[1:]),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(f"user:{key}".encode()),
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_key_is_found_and_no_other(kind: str, way: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    PLANTED[kind](tmp_path / "deep" / "file", WRITTEN[way](KEY))
    assert places(KEY, tmp_path)
    assert not places(f"{KEY[:-9]}-somebody", tmp_path)


def test_a_key_in_what_was_printed_and_in_a_name_is_found(tmp_path: Path) -> None:
    assert places(KEY, terminal=f"wrong key: {KEY}".encode()) == ["terminal: as it is"]
    (tmp_path / quote(KEY, safe="")).touch()
    assert len(places(KEY, tmp_path)) >= 1


@dataclass(frozen=True)
class Left:
    """What a sweep left of three runs: one that failed, one that ended, one that was killed."""

    home: Path
    temporary: Path
    terminal: bytes
    server: FaultServer


def marks(seen: Seen) -> str:
    """What a judge says, with the tag it was asked to repeat."""
    tags = re.findall(r"tag (\w+)", str(seen.body))
    said = {"reason": "", "score": 80}
    return json.dumps({"tag": "".join(tags[:1]), "similarity": said, "precision": said})


def is_judged(seen: Seen) -> bool:
    return "grading" in str(seen.body)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """Have three runs by a process that the kernel kills in the third."""
    folder = tmp_path_factory.mktemp("no-key")
    home, temporary = folder / "home", folder / "tmp"
    home.mkdir()
    temporary.mkdir()
    judged: list[Seen] = []

    def script(seen: Seen) -> str:
        if not is_judged(seen):
            return ""
        judged.append(seen)
        faults = {1: "401", 2: "500 with the key"}
        done = (home / ".llamaduo/runs").is_dir() and list(
            (home / ".llamaduo/runs").glob("*/report.md")
        )
        return "hang" if done else faults.get(len(judged), "")

    with fault_server(script=script, text=marks) as server:
        with (folder / "terminal").open("wb") as terminal:
            run = subprocess.Popen(
                [sys.executable, "-m", "llamaduo", "-m", *words(server, home)],
                env=environment(folder, temporary),
                cwd=folder,
                stdout=terminal,
                stderr=subprocess.STDOUT,
            )
            late = time.monotonic() + PATIENCE
            while not any(seen.fault == "hang" for seen in server.seen):
                assert run.poll() is None and time.monotonic() < late, (
                    folder / "terminal"
                ).read_text()
                time.sleep(0.01)
            run.send_signal(signal.SIGKILL)
            run.wait()
        yield Left(home, temporary, (folder / "terminal").read_bytes(), server)


def words(server: FaultServer, home: Path) -> list[str]:
    """A sweep of three runs that ask nobody but `server`, and a simulated teacher."""
    price = ("price.input=2.5", "price.output=10", "price.as_of=2026-01-02", "price.source=x")
    asked = (
        *("name=mine", "model=openai/mine", f"api_base={server.url}/v1", "backoff=0.01"),
        *price,
    )
    services = [f"{who}.service.{what}" for who in ("judge", "engine") for what in asked]
    return [
        *("experiments=demo_tiny", "tuner=none", "engine=openai_endpoint", "seed=1,2,3"),
        *("service@judge.service=openai_compatible", "allow_simulated=true", *services),
        *("rounds=1", "samples=1", "task.rows.limit=16", "judge.repeats=1", "judge.audit=0"),
        *("baselines=[]", f"home={home}"),
    ]


def environment(folder: Path, temporary: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(llamaduo.__file__).parents[1]),
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "OPENAI_API_KEY": KEY,
        "HF_TOKEN": KEY,
    }


def test_no_key_stays_of_runs_that_end_fail_or_are_killed(left: Left) -> None:
    assert places(KEY, left.home, left.temporary, terminal=left.terminal) == []


def test_the_runs_had_the_key_and_did_fail_end_and_hang(left: Left) -> None:
    sent = {seen.headers["authorization"] for seen in left.server.seen}
    assert sent == {f"Bearer {KEY}"}
    assert b"Incorrect API key provided: [" in left.terminal
    assert [seen.fault for seen in left.server.seen if seen.fault][:3] == [
        "401",
        "500 with the key",
        "hang",
    ]
    assert len(list((left.home / ".llamaduo/runs").glob("*/report.md"))) == 1
    assert (left.home / "mlruns/mlflow.db").exists()
    assert (left.home / ".llamaduo/ledger.sqlite-wal").exists()
