"""`llamaduo load` on a registered version: guidellm sends, a server of ours answers."""

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from conftest import Finished
from mlflow.tracking import MlflowClient
from streaming import TOKENS, Streaming, streaming

from llamaduo.engine.transformers import TransformersEngine
from llamaduo.errors import ServiceError, UsageError
from llamaduo.load import tool
from llamaduo.load.measure import Measuring
from llamaduo.load.plan import ALONE, Plan
from llamaduo.loads import Load, read
from llamaduo.progress import Progress
from llamaduo.promotion.references import Reference
from llamaduo.promotion.served import FILE, WEIGHTS, Served, fields_of
from llamaduo.promotion.version import REFERENCES
from llamaduo.records import Message
from llamaduo.serving.endpoint import Endpoint
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.registry import ADAPTER, CHALLENGER, opened
from llamaduo.verbs import cost, load

KEY = "swordfish-of-the-server"
MODEL = "ticket_triage"
SLOW = ("--rates", "4,60", "--seconds", "1.5")


@dataclass(frozen=True)
class Done:
    """A load test that was made."""

    home: Path
    said: str
    load: Load
    server: Streaming

    def tags(self) -> dict[str, str]:
        uri = f"sqlite:///{self.home}/mlruns/mlflow.db"
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return dict(client.get_model_version(MODEL, "1").tags)


def registered(finished: Finished, home: Path) -> Path:
    """Return a home with a version in its registry, of a run of its own.

    Its files are those that a load test reads: to promote one, a model would answer first.
    """
    shutil.copytree(finished.home / "mlruns", home / "mlruns")
    exp, folder = finished.exp, home / "version"
    split = [row.example for row in exp.task.place() if row.part == "test"]
    local = exp.local
    assert isinstance(exp.engine, TransformersEngine)
    served = Served(
        form="adapter",
        base=type(local).__name__,
        local=fields_of(local),
        engine=exp.engine.model_dump(mode="json"),
        max_new_tokens=16,
    )
    said = [Reference(id=r.id, messages=r.messages, text="", finish="stop") for r in split]
    weights = folder / "artifacts" / WEIGHTS
    weights.mkdir(parents=True)
    (weights / "adapter_config.json").write_text('{"r": 4, "target_modules": ["q_proj"]}')
    (folder / "artifacts" / FILE).write_text(served.model_dump_json())
    (folder / REFERENCES).write_text("".join(one.model_dump_json() + "\n" for one in said))
    assert isinstance(exp.tracker, MlflowTracker)
    with opened(exp.tracker, home) as registry:
        [experiment, *_] = registry.client.search_experiments()
        run = registry.client.create_run(experiment.experiment_id).info.run_id
        tags = {ADAPTER: finished.result.rounds[-1].adapter}
        version = registry.add(MODEL, exp.task.name, folder, run, tags, "a card")
        registry.call(version, CHALLENGER)
    return home


@pytest.fixture(scope="module")
def done(
    finished: Finished, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Done]:
    said = StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        streaming(slots=2, seconds=0.02, key=KEY) as server,
        redirect_stdout(said),
    ):
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("OUR_KEY", KEY)
        patch.setenv("OPENAI_API_KEY", "of-somebody-else-entirely")
        home = registered(finished, tmp_path_factory.mktemp("loaded") / "home")
        words = [f"{MODEL}@challenger", f"home={home}", "serving.key_env=OUR_KEY"]
        assert load.main([server.url, *words, *SLOW]) == 0
        [file] = (home / ".llamaduo" / "loads").glob("*.json")
        yield Done(home, said.getvalue(), read(file), server)


def test_the_tasks_prompts_are_sent_as_chats_with_its_length_as_a_stream(done: Done) -> None:
    known = references(done.home)
    streamed = [body for body in done.server.bodies if body.get("stream")]
    assert {json.dumps(body["messages"]) for body in streamed} <= known
    for body in streamed:
        assert body["model"] == MODEL
        assert body["max_tokens"] == done.load.max_new_tokens
        assert body["temperature"] == done.load.temperature
        assert body["stream_options"] == {"include_usage": True}


def references(home: Path) -> set[str]:
    lines = (home / "version" / REFERENCES).read_text().split("\n")
    return {json.dumps(json.loads(line)["messages"]) for line in lines if line}


def test_requests_come_whether_or_not_the_ones_before_are_answered(done: Done) -> None:
    calm, busy = done.load.rates
    assert calm.failed == busy.failed == {}
    assert calm.sent == calm.answered > 0
    # 60 a second, each of 0.08 s and two at once: 25 a second are answered, and the others wait.
    assert busy.in_flight > 4
    assert calm.whole is not None and busy.whole is not None
    assert busy.whole.p95 > 3 * calm.whole.p95
    assert busy.output_tokens == TOKENS * busy.answered
    assert 0 < busy.output_tokens_per_s < 110


def test_the_knee_is_the_rate_that_is_kept_up_with(done: Done) -> None:
    assert done.load.knee == done.load.rates[0]
    assert done.load.beyond
    assert "knee: 4 requests/s (p95 within " in done.said
    assert "not kept up with" in done.said


def test_the_version_says_what_was_measured_and_by_whom(done: Done) -> None:
    tags = done.tags()
    whole = done.load.rates[0].whole
    assert whole is not None
    assert tags["llamaduo.load_rate"] == tags["llamaduo.load_knee"] == "4"
    assert tags["llamaduo.load_n"] == str(whole.n)
    assert tags["llamaduo.load_url"] == done.server.url
    assert done.load.adapter == tags["llamaduo.adapter"]
    assert done.load.tool.startswith("guidellm 0.8.")
    [picture] = done.home.glob("mlruns/**/loads/*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_servers_key_is_used_and_written_nowhere(done: Done) -> None:
    assert done.server.refused == 0
    for file in (done.home / ".llamaduo" / "loads").iterdir():
        assert KEY.encode() not in file.read_bytes()
    assert KEY not in done.said


def test_what_is_printed_costs_by_the_measurement(
    done: Done, capsys: pytest.CaptureFixture[str]
) -> None:
    [line] = [line for line in done.said.splitlines() if line.startswith("cost: ")]
    words = shlex.split(line.removeprefix("cost: llamaduo cost "))
    assert cost.main(words) == 0
    said = capsys.readouterr().out
    assert "load test of ticket_triage version 1" in said
    assert "a million tokens written" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["http://here", "--rates", "4,2"], "--rates 4,2: rising numbers above 0"),
        (["http://here", "--rates", "a"], "--rates a: rising numbers above 0"),
        (["http://here", "--seconds", "0"], "--seconds 0: a number above 0"),
        (["http://here", "--rates", "1", "--sweep"], "not allowed with"),
        (["http://here", "--rate", "1"], "no such flag"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_opened(
    words: list[str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        load.main(words)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://me:secret@gpu:8000", "there is a password in it"),
        ("https://gpu:8000?api_key=secret@", "there is a secret in its query"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        load.main([url])
    assert "secret@" not in str(error.value)


def test_a_server_that_is_not_there_says_so_at_once_wherever_it_is_named(done: Done) -> None:
    words = [f"{MODEL}@challenger", f"home={done.home}", "serving.attempts=1"]
    for where in (
        ["http://127.0.0.1:9", *words],
        [*words, "http://127.0.0.1:9"],
        [*words, "serving.url=http://127.0.0.1:9"],
    ):
        with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9 gave no answer"):
            load.main(where)


def test_without_guidellm_the_line_that_installs_it_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tool, "PROGRAM", "guidellm-that-nobody-has")
    with pytest.raises(UsageError, match=r"pip install 'llamaduo\[load\]'"):
        load.main(["http://127.0.0.1:9"])


def test_a_sweep_first_sees_what_a_request_takes_alone() -> None:
    with streaming(slots=1, seconds=0.02) as server:
        endpoint = Endpoint(engine="vllm", url=server.url, model="triage", base=None, timeout=9)
        plan = Plan(
            endpoint=endpoint,
            chats=((Message(role="user", content="Where is it?"),),),
            max_new_tokens=16,
            temperature=0,
            seconds=1,
            arrivals="poisson",
            seed=1,
        )
        alone = Measuring(plan, Progress(StringIO())).one_alone()
    assert TOKENS * 0.02 < alone < 5
    assert len(server.bodies) == ALONE
