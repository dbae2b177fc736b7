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
    rank_pattern: bool = False
    """Whether some layers have a rank of their own."""
    alpha_pattern: bool = False
    """Whether some layers have an alpha of their own."""
    dora: bool = False
    rslora: bool = False
    """Whether the adapter weighs alpha over the root of r."""
    bias: bool = False
    """Whether biases were tuned too."""
    modules_to_save: tuple[str, ...] = ()
    """Layers that were tuned whole, beside the adapter."""
    hub: bool = True
    """Whether the hub gives the very weights that the adapter was tuned on. Not those of a
    wheel, and not what no hub has."""
    quantized: str = ""
    """How the base's own weights are quantised, as its config says; "": they are not."""
    ends: bool | None = None
    """Whether the base's own config ends an answer at the task's end of turn. None: the base is
    not here, so it is not known."""
    lengths: Lengths | None = None
    """None: a version of before they were counted; the engine's own limits hold."""
    gated: bool = False
    """Whether the hub asks for HF_TOKEN before it gives the base."""


MODELS = "/models"
"""Folder in a container below which the files of a version stand, in one of the model's name."""


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
    cache: str = ""
    """Where it keeps what it gets of the hub: a volume, so that nothing is fetched twice."""
    files: tuple[str, ...] = ()
    """What has to stand below /models/NAME before it starts; `*` stands for the rest of a name."""
    before: tuple[str, ...] = ()
    """Commands that make such files, typed once in the folder that holds `models/`."""
    notes: tuple[str, ...] = ()
    """What whoever starts it should know, each in a sentence."""


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

    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str] | None:
        """Return the command that serves a folder of merged weights on this machine.

        None: it takes a container.

        Args:
            lengths: how long the task's prompts are; None: not known, the engine's limits hold.
        """
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its answers."""
        ...
