"""vLLM: settings by its command line.

By `docs/features/lora.md`, `vllm/config/lora.py` and `vllm/entrypoints/openai/cli_args.py`, read
in November 2026; it was not run.
"""

from typing import ClassVar, Literal

from pydantic import Field

from llamaduo.serving import Container, Given
from llamaduo.serving.capability import Engine, max_lora_rank
from llamaduo.serving.contained import (
    GETS,
    LOADS,
    SAMPLING,
    TEMPLATE,
    Contained,
    folder,
    hub_token,
    weights,
)
from llamaduo.serving.limits import limits

PORT = 8000
HEALTH = f"import urllib.request as u; u.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)"
"""By Python, which its image has for sure."""


class VllmServing(Contained):
    """vLLM on one GPU; adapter and base by names that `/v1/models` lists."""

    engine: ClassVar[Engine] = "vllm"
    operational: ClassVar[frozenset[str]] = Contained.operational | {"memory", "prefix_caching"}
    told: ClassVar[bool] = True

    quantize: Literal["fp8", "bitsandbytes", "awq", "gptq"] | None = None
    """How weights are made smaller when they are loaded. None: not."""
    dtype: Literal["bfloat16", "float16", "float32"] | None = None
    """What is computed in. None: what it was promoted with."""
    memory: float = Field(0.9, gt=0, le=1)
    """Share of the GPU that it takes."""
    prefix_caching: bool = True
    """Whether prompts that begin alike share what was computed of their beginning."""

    def container(self, given: Given) -> Container:
        """Return what runs it; its files stand below /models/NAME there."""
        adapter = given.form == "adapter"
        name, base = self.names(given.name, given.form)
        place, dtype = folder(given), self.dtype or given.dtype
        command = [given.base if adapter else place]
        if adapter:
            command += ["--revision", given.revision, "--tokenizer-revision", given.revision]
            command += ["--enable-lora", "--lora-modules", f"{name}={place}"]
            command += ["--max-lora-rank", str(max_lora_rank(given.r))]
        command += ["--served-model-name", base or name]
        command += ["--chat-template", f"{place}/{TEMPLATE}"]
        command += ["--generation-config", place]  # where answers end, and how they are drawn
        command += ["--host", "0.0.0.0", "--port", str(PORT), "--dtype", dtype]
        command += ["--gpu-memory-utilization", str(self.memory)]
        command += ["--max-num-seqs", str(self.requests)]
        if given.lengths is not None:
            command += ["--max-model-len", str(limits(given.lengths)[1])]
        if self.quantize is not None:
            command += ["--quantization", self.quantize]
        if not self.prefix_caching:
            command += ["--no-enable-prefix-caching"]
        return Container(
            image=self.image,
            command=tuple(command),
            environment={
                "VLLM_NO_USAGE_STATS": "1",
                **self.keyed("VLLM_API_KEY"),
                **hub_token(given),
            },
            port=PORT,
            health=("CMD", "python3", "-c", HEALTH),
            start_period=GETS if adapter else LOADS,
            metrics="/metrics",
            gpus=1,
            shm="1g",
            cache="/root/.cache/huggingface",
            files=tuple(dict.fromkeys((*weights(given), TEMPLATE, SAMPLING))),
            notes=self.notes(given, dtype),
        )
