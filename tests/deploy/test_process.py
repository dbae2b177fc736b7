"""The embedded server: what it is started with, and what is said where it does not come up."""

import io
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow_server import free_port
from recording import Recording
from shelved import MODEL, held

from llamaduo.deploy.callers import python, said
from llamaduo.deploy.merged import SERVED
from llamaduo.deploy.process import prompt_of, serving
from llamaduo.errors import LlamaDuoError, ModelError, UsageError
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.records import Message
from llamaduo.serving import Lengths
from llamaduo.serving.endpoint import Endpoint
from llamaduo.serving.transformers import TransformersServing


class Dying(TransformersServing):
    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str]:
        return [sys.executable, "-c", "print('no memory left'); raise SystemExit(1)"]


class Missing(TransformersServing):
    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str]:
        return ["no-such-server", weights]


class Contained(TransformersServing):
    def process(  # type: ignore[override]
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> None:
        return None


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Held:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        return held(tmp_path_factory.mktemp("version"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".llamaduo").mkdir()
    return tmp_path


def log_of(home: Path, port: int) -> Path:
    return home / ".llamaduo" / SERVED / f"serve-{port}.log"


@pytest.mark.parametrize("called", [None, "triage-2"])
def test_it_is_called_as_requests_name_it_is_warm_and_has_no_key_and_no_hub(
    called: str | None, version: Held, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-not-for-the-server")
    port, name = free_port(), called or MODEL
    how = Recording(called=called)
    with serving(version, how, home, port, Progress(io.StringIO())) as (endpoint, server):
        assert server.poll() is None
        assert (endpoint.url, endpoint.model) == (f"http://127.0.0.1:{port}", name)
    [line] = [one for one in log_of(home, port).read_text().splitlines() if "asked" in one]
    said = json.loads(line)
    assert said["asked"] == {
        "model": name,
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0,
        "max_tokens": version.served.max_new_tokens,
    }
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja"} <= set(said["held"])
    assert f"models--{name}/refs/main" in said["listed"]
    assert [path for path in said["listed"] if path.endswith("config.json")]
    environment = said["environment"]
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert "sk-not-for-the-server" not in environment.values()
    assert environment["PATH"]


def test_one_that_dies_is_quoted(version: Held, home: Path) -> None:
    with (
        pytest.raises(
            LlamaDuoError, match=r"did not come up \(.*serve-\d+\.log\):\nno memory left"
        ),
        serving(version, Dying(), home, free_port(), Progress(io.StringIO())),
    ):
        raise AssertionError("it never serves")


def test_one_that_is_up_and_cannot_answer_is_quoted(version: Held, home: Path) -> None:
    with (
        pytest.raises(ModelError, match=r'cannot answer: 500 \{"error": "out of memory"\}'),
        serving(version, Recording(status=500), home, free_port(), Progress(io.StringIO())),
    ):
        raise AssertionError("it never serves")


def test_an_engine_that_is_not_here_or_takes_a_container_is_said(version: Held, home: Path) -> None:
    quiet = Progress(io.StringIO())
    with (
        pytest.raises(UsageError, match="no-such-server is not installed here, or not on PATH"),
        serving(version, Missing(), home, free_port(), quiet),
    ):
        raise AssertionError("it never serves")
    there = sorted((home / ".llamaduo" / SERVED).iterdir())
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,  # that it is taken says less
        pytest.raises(UsageError, match=r"--render DIR writes the containers"),
        serving(version, Contained(), home, taken.getsockname()[1], quiet),
    ):
        raise AssertionError("it never serves")
    assert sorted((home / ".llamaduo" / SERVED).iterdir()) == there


def test_an_adapter_that_cannot_be_put_on_is_refused_before_anything_is_merged(
    version: Held, home: Path
) -> None:
    with (
        pytest.raises((UsageError, ValueError), match="merge"),
        serving(
            version,
            TransformersServing(delivery="adapter"),
            home,
            free_port(),
            Progress(io.StringIO()),
        ),
    ):
        raise AssertionError("it never serves")
    assert not (home / ".llamaduo" / SERVED).exists()


class Measured(Recording):
    """Says how long its prompts are, in the log."""

    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str]:
        print(f"lengths of {weights or 'nothing'}: {lengths}")
        return super().process(weights, name, port)


def test_the_engine_is_told_how_long_the_prompts_are(
    version: Held, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = Lengths(n=300, median=12, p99=19, p999=20, longest=20, max_new_tokens=32)
    known = replace(version, lengths=lengths)
    with serving(known, Measured(), home, free_port(), Progress(io.StringIO())):
        assert f"{MODEL}: {lengths}" in capsys.readouterr().out


def test_the_program_that_is_printed_reads_as_people_write_it(version: Held) -> None:
    plain = Endpoint(engine="transformers", url="http://a:1", model="m", base=None)
    assert (
        python(version, plain)
        == """\
from openai import OpenAI

client = OpenAI(base_url='http://a:1/v1', api_key="none")
reply = client.chat.completions.create(
    model='m',
    messages=[{'role': 'user', 'content': 'Hi'}],
    temperature=0,
    max_tokens=16,
)
print(reply.choices[0].message.content)
"""
    )


def test_who_is_told_to_probe_a_server_without_a_key_is_told_to_send_none(version: Held) -> None:
    guarded = Endpoint(engine="llamacpp", url="http://a:1", model="m", base=None, key_env="K_KEY")
    probe = said(version, guarded, "serving=llamacpp").splitlines()[-1]
    assert probe.endswith(f"{MODEL}/3 serving=llamacpp serving.key_env=null")
    for endpoint, words in (
        (guarded.model_copy(update={"key_env": None}), "serving=llamacpp"),
        (guarded, "serving.key_env=OTHER"),
    ):
        assert said(version, endpoint, words).splitlines()[-1].endswith(words)


def test_the_shortest_prompt_is_the_one_that_is_shown(version: Held) -> None:
    [one] = version.references
    long = one.model_copy(update={"messages": (Message(role="user", content="Hi " * 50),)})
    assert prompt_of(replace(version, references=(long, one))) == [
        {"role": "user", "content": "Hi"}
    ]
    assert prompt_of(replace(version, references=())) == []
