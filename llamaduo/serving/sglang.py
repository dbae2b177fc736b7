"""SGLang: settings by its command line.

By `docs/advanced_features/server_arguments.md` and `docker/compose.yaml`, read in November 2026;
it was not run.
"""

from typing import ClassVar, Literal

from pydantic import Field

from llamaduo.serving import Container, Form, Given
from llamaduo.serving.capability import Engine
from llamaduo.serving.contained import (
    GETS,
    LOADS,
    TEMPLATE,
    Contained,
    folder,
    healthy,
    hub_token,
    secret,
    weights,
)
from llamaduo.serving.limits import limits

PORT = 30000


class SglangServing(Contained):
    """SGLang on one GPU; the adapter as `BASE:NAME`, the base as `BASE`."""

    engine: ClassVar[Engine] = "sglang"
    operational: ClassVar[frozenset[str]] = Contained.operational | {"memory", "prefix_caching"}

    quantize: Literal["fp8", "awq", "gptq", "marlin"] | None = None
    """How weights are made smaller when they are loaded. None: not."""
    dtype: Literal["bfloat16", "float16", "float32"] | None = None
    """What is computed in. None: what it was promoted with."""
    memory: float = Field(0.9, gt=0, le=1)
    """Share of the GPU for weights and key-value cache."""
    prefix_caching: bool = True
    """Whether prompts that begin alike share what was computed of their beginning."""

    def names(self, name: str, form: Form) -> tuple[str, str | None]:
        """Return `BASE:NAME`, and `BASE`."""
        model, base = super().names(name, form)
        return model if base is None else f"{base}:{model}", base

    def container(self, given: Given) -> Container:
        """Return what runs it; its files stand below /models/NAME there."""
        adapter = given.form == "adapter"
        name, base = super().names(given.name, given.form)
        place, dtype = folder(given), self.dtype or given.dtype
        command = ["python3", "-m", "sglang.launch_server"]
        command += ["--model-path", given.base if adapter else place]
        if adapter:
            command += ["--revision", given.revision, "--enable-lora"]
            command += ["--lora-paths", f"{name}={place}"]
            command += ["--max-loras-per-batch", "2"]  # this one, and the base alone
            command += ["--sampling-defaults", "openai"]  # the base's own may hold penalties
        command += ["--served-model-name", base or name]
        command += ["--chat-template", f"{place}/{TEMPLATE}"]
        command += ["--host", "0.0.0.0", "--port", str(PORT), "--dtype", dtype]
        command += ["--mem-fraction-static", str(self.memory)]
        command += ["--max-running-requests", str(self.requests), "--enable-metrics"]
        if given.lengths is not None:
            command += ["--context-length", str(limits(given.lengths)[1])]
        if self.quantize is not None:
            command += ["--quantization", self.quantize]
        if not self.prefix_caching:
            command += ["--disable-radix-cache"]
        if self.key_env is not None:
            command += ["--api-key", secret(self.key_env)]  # it knows no variable for it
        return Container(
            image=self.image,
            command=tuple(command),
            environment=hub_token(given),
            port=PORT,
            health=healthy(PORT),
            start_period=GETS if adapter else LOADS,
            metrics="/metrics",
            gpus=1,
            shm="32g",
            cache="/root/.cache/huggingface",
            files=(*weights(given), TEMPLATE),
            notes=self.notes(given, dtype),
        )
