"""Text Generation Inference: settings by its environment.

By TGI 3.3.5's own source and `docs/source/reference/launcher.md`; it was not run on a GPU.
"""

from typing import ClassVar, Literal

from pydantic import Field

from llamaduo.serving import Container, Form, Given
from llamaduo.serving.capability import Engine
from llamaduo.serving.contained import (
    GETS,
    LOADS,
    Contained,
    folder,
    healthy,
    hub_token,
    weights,
)
from llamaduo.serving.limits import limits, prefill

PORT = 80
"""Where its image listens."""
CONFIG = "tokenizer_config.json"
"""It takes the chat template from this file's `chat_template`, and reads no .jinja."""


class TgiServing(Contained):
    """TGI on one GPU; the adapter by its name, the base as `tgi`."""

    engine: ClassVar[Engine] = "tgi"
    operational: ClassVar[frozenset[str]] = Contained.operational | {"memory"}

    quantize: (
        Literal["eetq", "bitsandbytes", "bitsandbytes-nf4", "bitsandbytes-fp4", "fp8"]
        | Literal["awq", "gptq", "marlin", "exl2"]
        | None
    ) = None
    """How weights are made smaller when they are loaded. None: not."""
    dtype: Literal["bfloat16", "float16"] = "bfloat16"
    """What is computed in; TGI has no float32."""
    memory: float = Field(1.0, gt=0, le=1)
    """Share of the GPU that it may take."""
    requests: int = Field(128, ge=1)
    """Requests that it takes in at once; the next is refused with 429."""

    def names(self, name: str, form: Form) -> tuple[str, str | None]:
        """Return the adapter's name, and `tgi` for the base."""
        return self.called or name, "tgi" if form == "adapter" else None

    def container(self, given: Given) -> Container:
        """Return what runs it; its files stand below /models/NAME there."""
        adapter = given.form == "adapter"
        name, _ = self.names(given.name, given.form)
        place = folder(given)
        environment = {"MODEL_ID": given.base if adapter else place}
        if adapter:
            environment |= {
                "REVISION": given.revision,
                "LORA_ADAPTERS": f"{name}={place}",  # a bare path is taken for an id of the hub
                "CUDA_GRAPHS": "0",  # captured graphs leave the adapter out
                "TOKENIZER_CONFIG_PATH": f"{place}/{CONFIG}",  # the base's template is another
            }
        if given.lengths is not None:
            longest, total = limits(given.lengths)
            environment |= {
                "MAX_INPUT_TOKENS": str(longest),
                "MAX_TOTAL_TOKENS": str(total),
                "MAX_BATCH_PREFILL_TOKENS": str(prefill(given.lengths)),
            }
        if self.quantize is not None:
            environment["QUANTIZE"] = self.quantize
        if self.quantize is None or self.quantize.startswith("bitsandbytes"):
            environment["DTYPE"] = self.dtype  # with others TGI refuses it
        environment |= {
            "MAX_CONCURRENT_REQUESTS": str(self.requests),
            "CUDA_MEMORY_FRACTION": str(self.memory),
            "USAGE_STATS": "off",
            "JSON_OUTPUT": "true",
            **self.keyed("API_KEY"),
            **hub_token(given),
        }
        return Container(
            image=self.image,
            environment=environment,
            port=PORT,
            health=healthy(PORT),
            start_period=GETS if adapter else LOADS,
            metrics="/metrics",
            gpus=1,
            shm="1g",
            cache="/data",
            files=tuple(dict.fromkeys((*weights(given), CONFIG))),
            notes=(
                *self.notes(given, self.dtype),
                f"TGI reads the chat template from {place}/{CONFIG}: it has to hold it as "
                "`chat_template`",
            ),
        )
