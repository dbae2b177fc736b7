"""What in the environment would send a service's calls and key elsewhere than its YAML says."""

import os
from urllib.parse import urlsplit

from llamaduo.secrets import without_secrets
from llamaduo.service.wire import proxy_fault, proxy_for

MOVED = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    "gemini": ("GEMINI_API_BASE",),
    "vertex_ai": ("VERTEXAI_API_BASE",),
    "bedrock": ("AWS_BEDROCK_RUNTIME_ENDPOINT",),
}
"""Variables by which litellm 1.106.2 asks another address than the provider's own, by its prefix.
Azure's is not among them: it has no address but one's own."""

HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "gemini": "generativelanguage.googleapis.com",
    "vertex_ai": "aiplatform.googleapis.com",
    "bedrock": "bedrock-runtime.amazonaws.com",
}
"""Where they are asked, as far as an exception to a proxy has to name it."""


def moved(name: str, model: str) -> list[str]:
    """Return a fault for each variable that would move a provider's calls, and its key."""
    return [
        f"{name}: {one} in the environment would send its calls and key to "
        f"{without_secrets(os.environ[one])}; unset it, or say so with service.api_base=..."
        for one in MOVED.get(model.partition("/")[0], ())
        if os.environ.get(one)
    ]


def proxied(name: str, model: str, api_base: str | None) -> list[str]:
    """Return a fault where a proxy stands before an address that is of no kind we can speak to."""
    own = HOSTS.get(model.partition("/")[0], "a.provider")
    at = urlsplit(api_base or f"https://{own}")
    why = proxy_fault(proxy_for(at.scheme, at.netloc))
    return [f"{name}: {why}"] if why else []
