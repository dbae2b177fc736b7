"""Serving: how a promoted model is put behind an address, and what it is called there."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from llamaduo.records import Record
from llamaduo.serving.endpoint import Endpoint

Form = Literal["adapter", "merged"]
"""What is served: an adapter on a base that is found elsewhere, or all of the weights."""


class Lengths(Record):
    """How long the task's prompts are, in tokens of the local model, its template counted."""

    n: int
    """Prompts that were counted: those of all coverage rows."""
    median: int
    p99: int
    p999: int
    """999 of 1000 prompts are no longer; of fewer prompts, the longest."""
    longest: int
    max_new_tokens: int
    """Tokens that an answer may have."""


class Given(Record):
    """What of a promoted version matters to who serves it."""

    name: str
    """Of the registered model; what a request names unless `called` says otherwise."""
    number: str
    form: Form
    """As it is delivered, not as it was registered: an adapter may be merged for an engine."""
    family: str
    """`model_type` of the base; "" where it is not known."""
    base: str
    """The base's hub id."""
    revision: str
    dtype: str
    """What it was promoted with: `float32` or `bfloat16`."""
    r: int = 0
    """Rank of the adapter; 0 where all weights are served."""
    targets: tuple[str, ...] = ()
    every_layer: bool = True
    lengths: Lengths | None = None
    """None: a version of before they were counted; the engine's own limits hold."""
    gated: bool = False
    """Whether the hub asks for HF_TOKEN before it gives the base."""


class Container(Record):
    """One service of a compose file."""

    image: str
    """With its tag."""
    command: tuple[str, ...] = ()
    environment: dict[str, str]
    """A secret stands as `${NAME:?...}`: its value comes from .env."""
    port: int
    """Where it listens inside."""
    health: tuple[str, ...]
    """The health check's test."""
    start_period: str
    """How long it may load before a failed check counts."""
    metrics: str
    """Path that Prometheus reads; "" where there is none."""
    gpus: int
    shm: str = ""


@runtime_checkable
class Serving(Protocol):
    """An engine, how it is started, and how the model is asked for there."""

    @property
    def engine(self) -> str:
        """`tgi`, `vllm`, `sglang`, `llamacpp` or `transformers`."""
        ...

    @property
    def url(self) -> str:
        """Where clients reach it, without `/v1`."""
        ...

    def delivered(self, given: Given) -> tuple[Form, str]:
        """Return the form that is served, and in words why, where it is not the one given.

        Raises:
            UsageError: if the form that was asked for cannot be served.
        """
        ...

    def endpoint(self, name: str, form: Form, url: str | None = None) -> Endpoint:
        """Return how the registered model `name` is asked for, at `url` or where it is meant."""
        ...

    def container(self, given: Given) -> Container:
        """Return what runs it; its files stand below /models/NAME there."""
        ...

    def process(self, weights: str, name: str, port: int) -> Sequence[str] | None:
        """Return the command that serves a folder of merged weights on this machine.

        None: it takes a container.
        """
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its answers."""
        ...
