"""What the engines that run in a container have in common."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from llamaduo.serving import MODELS, Form, Given, Lengths
from llamaduo.serving.capability import Asked
from llamaduo.serving.preset import Preset

ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
TEMPLATE, SAMPLING = "chat_template.jinja", "generation_config.json"
MERGED = ("config.json", "model*.safetensors", "tokenizer.json", "tokenizer_config.json", SAMPLING)
KEY = "SERVING_API_KEY"
"""Variable for the server's key, unless the YAML names another."""
GETS, LOADS = "30m", "10m"
"""How long it may get a base from the hub, and how long it may load what is here."""


class Contained(Preset):
    """An engine in a container of its own, on this machine's GPU."""

    operational: ClassVar[frozenset[str]] = Preset.operational | {"requests"}
    told: ClassVar[bool] = False
    """Whether it is told where an answer ends, whatever the base's own files say."""

    key_env: str | None = Field(KEY, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the server's key. None: it wants none."""
    image: str = Field(pattern=r"^[\w./:-]+(:[\w.-]+|@sha256:[0-9a-f]{64})$")
    """With its tag or digest: without one it is another engine tomorrow."""
    quantize: str | None = None
    """How weights are made smaller when they are loaded. None: not."""
    requests: int = Field(64, ge=1)
    """Requests that it works on at once."""

    def asked(self) -> Asked:
        """Return what of its settings decides whether it takes an adapter."""
        return Asked(quantize=self.quantize, called=self.called)

    def names(self, name: str, form: Form) -> tuple[str, str | None]:
        """Return the model's name, and one for the base that cannot be the same."""
        called = self.called or name
        return called, f"{called}-base" if form == "adapter" else None

    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str] | None:
        """Return None: it takes a container."""
        return None

    def keyed(self, variable: str) -> dict[str, str]:
        """Return the server's own variable for its key, taken from .env."""
        return {} if self.key_env is None else {variable: secret(self.key_env)}

    def notes(self, given: Given, dtype: str) -> tuple[str, ...]:
        """Return what should be known before it starts.

        Args:
            dtype: what the weights are computed in there.
        """
        found = []
        if given.lengths is None:
            found.append(
                f"version {given.number} does not say how long its prompts are, so the engine "
                "sets its own limits, from the model and the memory"
            )
        if self.quantize is not None:
            found.append(
                f"quantize={self.quantize} is another model than the one that was judged: hold "
                "its answers against the references"
            )
        elif dtype != given.dtype:
            found.append(
                f"it was judged in {given.dtype} and is computed in {dtype}: near ties may turn"
            )
        if given.form == "adapter" and given.ends is not True and not self.told:
            found.append(
                f"{given.base} has to end its answers at the task's end of turn, by its own "
                "generation_config.json: look that answers end"
            )
        return tuple(found)


def folder(given: Given) -> str:
    """Return where the version's files stand in the container."""
    return f"{MODELS}/{given.name}"


def secret(variable: str) -> str:
    """Return how a compose file takes a secret from .env, refusing to start without it."""
    return f"${{{variable}:?set {variable} in .env}}"


def hub_token(given: Given) -> dict[str, str]:
    """Return the hub's token, where the base is got from there and asks for one."""
    gets = given.form == "adapter" and given.gated
    return {"HF_TOKEN": secret("HF_TOKEN")} if gets else {}


def weights(given: Given) -> tuple[str, ...]:
    """Return the files of the weights, as they are delivered."""
    return ADAPTER if given.form == "adapter" else MERGED


def healthy(port: int) -> tuple[str, ...]:
    """Return a health check by curl, which the image has."""
    return ("CMD", "curl", "-fsS", "-o", "/dev/null", f"http://127.0.0.1:{port}/health")
