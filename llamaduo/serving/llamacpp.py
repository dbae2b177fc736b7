"""llama.cpp's server: GGUF files, on a GPU or a CPU.

By `tools/server/README.md`, `docs/docker.md` and `convert_lora_to_gguf.py`, read in November 2026.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llamaduo.errors import UsageError
from llamaduo.serving import Container, Form, Given, Lengths
from llamaduo.serving.capability import Engine
from llamaduo.serving.contained import LOADS, TEMPLATE, Contained, folder, healthy
from llamaduo.serving.limits import limits

PORT = 8080
MODEL, BASE, LORA = "model.gguf", "base.gguf", "adapter.gguf"
OUTTYPES = {"float32": "f32", "bfloat16": "bf16"}
"""What its converters call a type of number."""
DRAWN = ("--top-k", "0", "--top-p", "1", "--min-p", "0")
"""Turns off what it leaves out of a drawing unless told."""


class LlamaCppServing(Contained):
    """llama.cpp's server; an adapter is on for all requests, so the base cannot be asked."""

    engine: ClassVar[Engine] = "llamacpp"
    operational: ClassVar[frozenset[str]] = Contained.operational | {"gpus", "converter"}

    quantize: Literal["q8_0"] | None = None
    """How the weights are made smaller when they are converted. None: not."""
    requests: int = Field(8, ge=1)
    """Requests that it works on at once; each has its own part of the context."""
    gpus: int = Field(1, ge=0, le=1)
    """0: on the CPU, with an image for it."""
    converter: str = Field(pattern=r"^[\w./:-]+(:[\w.-]+|@sha256:[0-9a-f]{64})$")
    """Image that makes the GGUF files; of the same build as `image`."""

    def names(self, name: str, form: Form) -> tuple[str, str | None]:
        """Return its name; with an adapter there is none for the base alone."""
        return self.called or name, None

    def container(self, given: Given) -> Container:
        """Return what runs it; its files stand below /models/NAME there."""
        adapter = given.form == "adapter"
        name, _ = self.names(given.name, given.form)
        place = folder(given)
        command = ["-m", f"{place}/{BASE if adapter else MODEL}"]
        if adapter:
            command += ["--lora", f"{place}/{LORA}"]
        command += ["--alias", name, "--host", "0.0.0.0", "--port", str(PORT)]
        command += ["--jinja", "--chat-template-file", f"{place}/{TEMPLATE}", *DRAWN]
        command += ["--parallel", str(self.requests), "--metrics"]
        command += self._context(given.lengths)
        return Container(
            image=self.image,
            command=tuple(command),
            environment=self.keyed("LLAMA_API_KEY"),
            port=PORT,
            health=healthy(PORT),
            start_period=LOADS,
            metrics="/metrics",
            gpus=self.gpus,
            files=(*((BASE, LORA) if adapter else (MODEL,)), TEMPLATE),
            before=self._conversions(given),
            notes=(*self.notes(given, given.dtype), *self._guarded()),
        )

    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str]:
        """Return the command of an installed `llama-server`, for a folder that has a GGUF.

        Raises:
            UsageError: without the program or the file, with how to get it.
        """
        if shutil.which("llama-server") is None:
            raise UsageError(
                "serving=llamacpp: there is no `llama-server` on PATH; install llama.cpp, or let "
                "`llamaduo serve --render` write a compose file for its container"
            )
        model = Path(weights) / MODEL
        if not model.is_file():
            raise UsageError(
                f"serving=llamacpp: {model} is not there; llama.cpp makes it:\n"
                f"    python convert_hf_to_gguf.py {weights} --outfile {model}"
            )
        called, _ = self.names(name, "merged")
        return [
            *("llama-server", "-m", str(model), "--alias", called),
            *("--host", "127.0.0.1", "--port", str(port), "--jinja"),
            *("--chat-template-file", str(Path(weights) / TEMPLATE), *DRAWN),
            *("--parallel", str(self.requests), "--metrics"),
            *self._context(lengths),
        ]

    def _context(self, lengths: Lengths | None) -> list[str]:
        """Return how it is told what all requests may hold together; each has its part."""
        return [] if lengths is None else ["-c", str(limits(lengths)[1] * self.requests)]

    def _guarded(self) -> tuple[str, ...]:
        if self.key_env is None:
            return ()
        return (f"its /metrics asks for the key too: Prometheus has to send {self.key_env}",)

    def _conversions(self, given: Given) -> tuple[str, ...]:
        """Return what makes the GGUF files, by the converters that stand in `converter`."""
        place = folder(given)
        run = f"docker run --rm -v ./models:/models --entrypoint python3 {self.converter} /app/"
        kind = self.quantize or OUTTYPES[given.dtype]
        if given.form == "merged":
            return (
                f"{run}convert_hf_to_gguf.py {place} --outfile {place}/{MODEL} --outtype {kind}",
            )
        here = f"models/{given.name}/base"
        return (
            f"hf download {given.base} --revision {given.revision} --local-dir {here}",
            f"{run}convert_hf_to_gguf.py /{here} --outfile {place}/{BASE} --outtype {kind}",
            f"{run}convert_lora_to_gguf.py --base /{here} --outfile {place}/{LORA} {place}",
        )
