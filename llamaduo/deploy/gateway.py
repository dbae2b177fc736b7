"""litellm's file: whom the gateway asks for the task.

Clients ask for the task's name and nothing else, so that who answers can change and they need
not. Here it is the local model alone; the phases before and beside that are the rollout's.
"""

from typing import Any

import yaml

from llamaduo.deploy.compose import MASTER_KEY
from llamaduo.deploy.stack import Stack

FILE = "litellm.yaml"
NO_KEY = "none"
"""What is sent to an engine that wants no key; litellm wants something to send."""
HEAD = """\
# litellm's proxy: clients ask for {task}, and the local model answers, alone.
# The keys are read from the environment; none is in this file.
"""


def alone(stack: Stack) -> dict[str, Any]:
    """Return the configuration in which the local model answers all of the task's traffic."""
    return {
        "model_list": [local(stack)],
        "router_settings": {"num_retries": 2, "timeout": stack.engines[0].endpoint.timeout},
        "litellm_settings": {
            "callbacks": ["prometheus"],
            "turn_off_message_logging": True,
        },
        "general_settings": {"master_key": f"os.environ/{MASTER_KEY}"},
    }


def local(stack: Stack) -> dict[str, Any]:
    """Return the local model as a deployment of the task.

    `presence_penalty` is not passed on to TGI, which would make a repetition penalty of it
    that is 2 higher (its `router/src/lib.rs`, 3.3.7).
    """
    endpoint = stack.engines[0].endpoint
    key = f"os.environ/{endpoint.key_env}" if endpoint.key_env else NO_KEY
    tgi = any(engine.endpoint.engine == "tgi" for engine in stack.engines)
    return {
        "model_name": stack.task,
        "litellm_params": {
            "model": f"openai/{endpoint.model}",
            "api_base": stack.address,
            "api_key": key,
            "input_cost_per_token": 0,
            "output_cost_per_token": 0,
            **({"additional_drop_params": ["presence_penalty"]} if tgi else {}),
        },
        "model_info": {"id": "local"},
    }


def written(stack: Stack) -> str:
    """Return the file."""
    said = yaml.safe_dump(alone(stack), sort_keys=False, allow_unicode=True)
    return HEAD.format(task=stack.task) + said
