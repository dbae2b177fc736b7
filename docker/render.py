"""Write what is beside this: the containers of `llamaduo serve --render`, for an example.

    python docker/render.py

The parts are those of `llamaduo/deploy`; a test holds the files here to them.
"""

from pathlib import Path

from llamaduo.config import from_overrides
from llamaduo.deploy.render import files, write
from llamaduo.deploy.stack import Engine, Stack
from llamaduo.local.hub import HubModel
from llamaduo.serving import Given

HERE = Path(__file__).parent
NAME = "my_task"
PROFILES = {"tgi": ("serve", "tgi_l4"), "vllm": ("vllm", "vllm_l4")}
"""Profile and serving option by the service's name."""
HEAD = [
    "An adapter for Mistral 7B on one GPU, as an example: `llamaduo serve --render` writes the",
    "same for a model of yours. Made by render.py; docs/docker.md says how to start it.",
    "Profiles: serve (TGI) or vllm, which stands in for it, gateway, metrics.",
]


def given() -> Given:
    """Return the example: an adapter of all layers, of prompts that nobody counted."""
    local = from_overrides(["local=mistral_7b"]).local
    assert isinstance(local, HubModel)
    return Given(
        name=NAME,
        number="1",
        form="adapter",
        family="mistral",
        base=local.repo,
        revision=local.revision,
        dtype="bfloat16",
        r=16,
        targets=("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"),
        ends=True,
        gated=local.gated,
    )


def stack() -> Stack:
    """Return TGI and, to be started instead, vLLM, with all that stands round them."""
    engines = []
    for service, (profile, option) in PROFILES.items():
        serving = from_overrides([f"serving={option}"]).serving
        form, why = serving.delivered(given())
        assert form == "adapter", why
        container, endpoint = serving.container(given()), serving.endpoint(NAME, form)
        engines.append(Engine(service, container, endpoint, form, profile))
    return Stack("llamaduo", NAME, tuple(engines), gateway_profile="gateway")


def texts() -> dict[str, str]:
    """Return every file by its path."""
    return files(stack(), HEAD, given().base)


if __name__ == "__main__":
    write(texts(), HERE)
