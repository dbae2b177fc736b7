"""`transformers serve`: the embedded server, of the merged model, on a CPU too."""

import sys
from collections.abc import Sequence
from typing import ClassVar

from llamaduo.errors import UsageError
from llamaduo.serving import Container, Given, Lengths
from llamaduo.serving.capability import Engine
from llamaduo.serving.preset import Preset


class TransformersServing(Preset):
    """Serves merged weights in a process of this machine: to try, not to carry traffic."""

    engine: ClassVar[Engine] = "transformers"

    def container(self, given: Given) -> Container:
        """Refuse: it is what runs without one."""
        raise UsageError(
            "serving=transformers runs on this machine: `llamaduo serve`; for a container choose "
            "serving=tgi_l4, vllm_l4, sglang or llamacpp"
        )

    def process(
        self, weights: str, name: str, port: int, lengths: Lengths | None = None
    ) -> Sequence[str]:
        """Return the command; the model is called as its folder is, seen from the one above.

        Memory is taken as it is needed, so that how long prompts are changes nothing.
        """
        return [
            *(sys.executable, "-m", "transformers.cli.transformers", "serve", name),
            *("--host", "127.0.0.1", "--port", str(port)),
        ]
