"""A real litellm proxy with the configs that `llamaduo rollout` writes, between real sockets.

`make test-gateway` runs these; a plain `pytest` leaves them out, and says so as `deselected`.
"""

import io
import json
import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rollout_world import BRIEF, Chat, chat, label, promoted

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.progress import Progress
from llamaduo.rollout.gateway import NOT_FOR_TGI, config, text
from llamaduo.rollout.rows import bring_in
from llamaduo.rollout.seen import took_ms
from llamaduo.rollout.settings import Settings
from llamaduo.rollout.state import read
from llamaduo.serving.endpoint import Endpoint
from llamaduo.verbs import rollout

pytestmark = pytest.mark.gateway

ROOT = Path(__file__).parents[2]
COMMAND = Path(os.environ.get("LLAMADUO_GATEWAY", ROOT / ".venv-gateway/bin/litellm"))
NAME = "ticket_triage"
KEY, MASTER = "svc-0123456789abcdef", "sk-" + secrets.token_hex(16)
RULES = """\
retries: 0
allowed_fails: 1000
cooldown: 1
escalate:
  - {name: long, prompt_tokens_over: 400}
  - {name: legal, matches: "(?i)lawyer"}
  - {name: by-hand, tag: complaints}
"""


@dataclass
class World:
    """A promoted tiny model, a service and a local server, and the folder of a rollout."""

    home: Path
    folder: Path
    service: Chat
    local: Chat
    words: list[str] = field(default_factory=list)

    def begin(self, phase: str, *more: str) -> None:
        rollout.main([phase, NAME, *self.words, f"--into={self.folder}", *more])

    def check(self, capsys: pytest.CaptureFixture[str], *more: str) -> str:
        capsys.readouterr()
        assert rollout.main(["check", NAME, *self.words, f"--into={self.folder}", *more]) == 0
        return capsys.readouterr().out

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "check.json").read_text())
        return found

    def rows(self, phase: str) -> list[dict[str, Any]]:
        """The captured lines of a phase."""
        files = sorted((self.folder / "logs").glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [one for one in lines if f"-{phase}-" in str(one["model_id"])]


@pytest.fixture(scope="module")
def world(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if not COMMAND.is_file():
        pytest.fail(f"there is no gateway at {COMMAND}: `make test-gateway` installs it")
    home = tmp_path_factory.mktemp("rollout")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.chdir(home)
        promoted(home)
    with chat(Chat()) as service, chat(Chat(breaks=True)) as local:
        words = [
            f"home={home}",
            "service=openai_compatible",
            "service.name=stand-in",
            "service.model=openai/gpt-x",
            f"service.api_base={service.url}/v1",
            "service.price={input: 2, output: 8, as_of: 2026-11-01, source: a test}",
            "service.key_env=STANDIN_API_KEY",
            f"serving.url={local.url}",
        ]
        folder = home / "gateway"
        folder.mkdir()
        (folder / "rollout.yaml").write_text(RULES)
        yield World(home, folder, service, local, words)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Gateway:
    url: str

    def ask(self, text: str, **more: Any) -> tuple[int, str]:
        """Return status and answer, the pieces of a stream put together."""
        turns = [{"role": "system", "content": "Sort it."}, {"role": "user", "content": text}]
        body = {"model": NAME, "messages": turns, "temperature": 0, "max_tokens": 32, **more}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {MASTER}"}
        request = urllib.request.Request(
            f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                said = reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        if not more.get("stream"):
            return 200, str(json.loads(said)["choices"][0]["message"]["content"])
        events = [one[6:] for one in said.split("\n") if one.startswith("data: {")]
        deltas = [json.loads(one)["choices"][0]["delta"] for one in events]
        return 200, "".join(delta.get("content") or "" for delta in deltas)

    def ask_all(self, texts: Sequence[str]) -> list[tuple[int, str]]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self.ask, texts))


@contextmanager
def gateway(folder: Path, phase: str) -> Iterator[Gateway]:
    """Start litellm as the README of the folder says, and stop it."""
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LITELLM_MASTER_KEY": MASTER,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "STANDIN_API_KEY": KEY,
    }
    log = folder / f"{phase}.log"
    command = [str(COMMAND), "--config", f"litellm.{phase}.yaml", "--host", "127.0.0.1"]
    with log.open("ab") as out:
        started = subprocess.Popen(
            [*command, "--port", str(port)], cwd=folder, env=env, stdout=out, stderr=out
        )
    one = Gateway(f"http://127.0.0.1:{port}")
    try:
        for _ in range(600):
            assert started.poll() is None, log.read_text()[-2000:]
            try:
                with urllib.request.urlopen(f"{one.url}/health/liveliness", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        yield one
    finally:
        started.terminate()
        started.wait(30)


def soon(world: World, phase: str, count: int) -> list[dict[str, Any]]:
    """Wait for the lines of a phase; they are written after the callers have their answers."""
    for _ in range(100):
        found = world.rows(phase)
        if len(found) >= count:
            time.sleep(0.3)  # no more than so many
            return world.rows(phase)
        time.sleep(0.1)
    return world.rows(phase)


def tickets(phase: str, count: int) -> list[str]:
    return [f"{phase} ticket {i}: my parcel number {i * 7919} is late" for i in range(count)]


def test_capture_leaves_a_line_for_every_call_and_the_lines_become_a_task(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path, cache: Path
) -> None:
    world.begin("capture")
    asked = tickets("capture", 24)
    with gateway(world.folder, "capture") as one:
        replies = one.ask_all(asked)
        streamed = one.ask("capture streamed slowly: the box was open", stream=True)
        escalated = one.ask("I will call my lawyer")
        found = soon(world, "capture", 26)
    assert replies == [(200, label(text)) for text in asked]
    assert streamed == (200, label("capture streamed slowly: the box was open"))
    [took] = [row for row in found if row["stream"]]
    assert took["response_time"] < 0.6 < 0.9 < took["endTime"] - took["startTime"]
    assert took_ms(took) > 900
    assert escalated[0] == 200
    assert len(found) == 26
    assert world.service.keys == {f"Bearer {KEY}"}
    kept = "".join(file.read_text() for file in (world.folder / "logs").glob("*"))
    assert KEY not in kept and MASTER not in kept and "user_api_key" not in kept
    assert all(row["response_cost"] == pytest.approx(100 * 2e-6 + 10 * 8e-6) for row in found)
    rows = tmp_path / "rows.jsonl"
    done = bring_in([world.folder / "logs"], rows)
    assert (done.kept, done.left_out) == (26, {})
    said = world.check(capsys)
    assert "escalated: 3.8 %" in said and "(legal: 1)" in said
    assert said.rstrip().endswith("verdict: hold")
    limit, more = "task.rows.limit=null", ["tracker=none", f"home={tmp_path}"]
    exp = from_overrides([*BRIEF, f"task.rows.path={rows}", limit, *more])
    result = session.run(exp, Progress(io.StringIO()))
    assert result.rows["test"] > 0 and result.test is not None


def test_shadow_mirrors_its_share_and_costs_no_caller_anything(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.begin("shadow", "--share=0.6")
    asked = tickets("shadow", 160)
    with gateway(world.folder, "shadow") as one:
        replies = one.ask_all(asked)
        streamed = [one.ask(f"shadow streamed {i}", stream=True) for i in range(6)]
        soon(world, "shadow", 166 + 60)
        time.sleep(1)
    assert replies == [(200, label(text)) for text in asked]
    assert [status for status, _ in streamed] == [200] * 6
    assert "allow_simulated=true" in world.check(capsys)
    assert world.report()["verdict"] == "hold"
    said = world.check(capsys, "allow_simulated=true")
    report = world.report()
    assert report["sent"]["low"] <= 60 <= report["sent"]["high"]
    assert report["arrived"]["value"] == 100
    assert report["judged"]["pairs"] == report["sent"]["n"] * report["sent"]["value"] / 100
    assert report["judged"]["simulated"]
    assert "this is no fact about any answer" in said
    assert report["verdict"] == "advance", said
    assert said.rstrip().endswith("verdict: advance")


def test_shadow_goes_on_for_callers_while_nobody_listens_at_the_local_address(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "down"
    where = f"serving.url=http://127.0.0.1:{free_port()}"
    words = [word for word in world.words if not word.startswith("serving.url")]
    down = World(world.home, folder, world.service, world.local, [*words, where])
    down.begin("shadow", "--share=1")
    asked = tickets("down", 12)
    with gateway(folder, "shadow") as one:
        began = time.monotonic()
        assert one.ask_all(asked) == [(200, label(text)) for text in asked]
        took = time.monotonic() - began
        soon(down, "shadow", 24)
    assert took < 5
    said = down.check(capsys)
    assert down.report()["judged"]["silent"] == 12, said
    assert down.report()["verdict"] == "go back"


def test_canary_answers_its_share_here_and_the_rest_at_the_service(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.begin("canary", "--share=0.2", "--force", "no probe here")
    asked = tickets("canary", 200)
    before = len(world.local.sent)
    with gateway(world.folder, "canary") as one:
        assert one.ask_all(asked) == [(200, label(text)) for text in asked]
        soon(world, "canary", 200)
    said = world.check(capsys)
    report = world.report()
    assert report["sent"]["n"] == 200 and report["sent"]["low"] <= 20 <= report["sent"]["high"]
    here = {arm["arm"]: arm["calls"] for arm in report["arms"]}
    assert here["local"] == len(world.local.sent) - before
    dollars = {arm["arm"]: arm["usd"] for arm in report["arms"]}
    assert dollars["local"] == 0 and dollars["service"] == pytest.approx(here["service"] * 28e-5)
    assert report["failed"]["value"] == 0
    assert "verdict" in said


def test_cutover_falls_back_to_the_service_and_says_why(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.begin("cutover", "serving=transformers", "--force", "no probe here")
    asked = tickets("cutover", 30)
    broken = [f"please make{code} of this, {i}" for code in (422, 424, 429) for i in range(2)]
    before = len(world.service.sent)
    with gateway(world.folder, "cutover") as one:
        assert one.ask_all(asked) == [(200, label(text)) for text in asked]
        assert len(world.service.sent) == before
        assert [one.ask(text) for text in broken] == [(200, label(text)) for text in broken]
        assert one.ask("make422 in a stream", stream=True) == (200, label("make422 in a stream"))
        escalated = ["my lawyer will hear of it", "word " * 500]
        assert [one.ask(text)[0] for text in escalated] == [200, 200]
        assert one.ask("a complaint", metadata={"tags": ["complaints"]})[0] == 200
        soon(world, "cutover", 30 + 14 + 3)
    assert len(world.service.sent) == before + 7 + 3
    said = world.check(capsys)
    back = {one["kind"]: one for one in world.report()["back"]}
    assert back["fallback"]["by"] == {
        "422 BadRequestError": 3,
        "424 APIError": 2,
        "429 RateLimitError": 2,
    }
    assert back["escalated"]["by"] == {"long": 1, "legal": 1, "by-hand": 1}
    assert back["escalated"]["usd_per_month"] > 0
    assert world.report()["verdict"] == "go back", said


def test_cutover_answers_from_the_service_while_nobody_listens_here(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "refused"
    where = f"serving.url=http://127.0.0.1:{free_port()}"
    words = [word for word in world.words if not word.startswith("serving.url")]
    down = World(world.home, folder, world.service, world.local, [*words, where])
    down.begin("cutover", "--force", "to see it fall back")
    asked = tickets("refused", 10)
    with gateway(folder, "cutover") as one:
        assert one.ask_all(asked) == [(200, label(text)) for text in asked]
        soon(down, "cutover", 20)
    said = down.check(capsys)
    [back] = down.report()["back"]
    assert set(back["by"]) <= {"no connection", "cooling down"} and back["by"]["no connection"]
    assert sum(back["by"].values()) == 10, said


def test_what_tgi_must_not_get_is_dropped_and_the_call_answered(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "tgi"
    tgi = World(world.home, folder, world.service, world.local, world.words)
    tgi.begin("cutover", "--force", "to see what it sends")
    state = read(folder)
    assert state is not None
    endpoint = Endpoint(engine="tgi", url=world.local.url, model=NAME, base=None)
    values = config(NAME, state.service, endpoint, Settings(), state.current)
    (folder / "litellm.cutover.yaml").write_text(text(values, state.current))
    with gateway(folder, "cutover") as one:
        asked = {"presence_penalty": 0.5, "n": 2, "logit_bias": {"1": 2}, "top_p": 0.5}
        assert one.ask("drop some", **asked) == (200, label("drop some"))
    body = world.local.sent[-1]
    assert not set(NOT_FOR_TGI) & set(body) and body["top_p"] == 0.5


def test_rollback_sends_everything_to_the_service_again(world: World) -> None:
    rollout.main(["rollback", f"home={world.home}", NAME, f"--into={world.folder}"])
    before = len(world.local.sent)
    with gateway(world.folder, "rollback") as one:
        asked = tickets("rollback", 10)
        assert one.ask_all(asked) == [(200, label(text)) for text in asked]
        assert len(soon(world, "rollback", 10)) == 10
    assert len(world.local.sent) == before
