"""By what name a version is asked for: the same in all files that are written."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from test_render import version_of

from llamaduo.config import from_overrides
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.verbs import rollout, serve, versioned
from llamaduo.verbs.versioned import Versioned


@pytest.mark.parametrize("option", ["serving=sglang", "serving=tgi_l4", "serving=vllm_l4"])
@pytest.mark.parametrize("delivery", ["auto", "adapter", "merged"])
def test_the_gateway_asks_for_the_name_that_the_rendered_engine_goes_by(
    option: str, delivery: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = version_of("mistral_7b", tmp_path / "version")
    words = [option, f"serving.delivery={delivery}"]

    def find(asked: Any, verb: str) -> Versioned:
        exp = from_overrides([word for word in asked if "=" in word])
        return Versioned(exp, tmp_path, MlflowTracker(), held)

    monkeypatch.setattr(versioned, "find", find)
    rollout.main(["shadow", "service=gpt", *words, f"--into={tmp_path / 'gateway'}"])
    serve.main([*words, f"--render={tmp_path / 'engine'}", "--no-weights"])

    def asked(path: Path, name: str) -> set[str]:
        models = yaml.safe_load(path.read_text())["model_list"]
        return {one["litellm_params"]["model"] for one in models if one["model_name"] == name}

    name = held.version.name
    ours = asked(tmp_path / "gateway/litellm.shadow.yaml", f"{name}-local")
    assert ours == asked(tmp_path / "engine/litellm.yaml", name) and len(ours) == 1
    at_sglang = option == "serving=sglang" and delivery != "merged"
    assert (ours == {f"openai/{name}-base:{name}"}) == at_sglang
