"""Rollout: traffic moved from the service to the promoted model, phase by phase, and back."""

from typing import Literal

Phase = Literal["capture", "shadow", "canary", "cutover", "rollback"]

PHASES: dict[Phase, str] = {
    "capture": "the service answers, and every call is written down",
    "shadow": "the service answers; a share of calls is copied to the local model",
    "canary": "the local model answers a share of calls, the service the rest",
    "cutover": "the local model answers; the service where it fails",
    "rollback": "the service answers everything again",
}
"""In the order they come; the last may come at any time."""

BEFORE: dict[Phase, Phase] = {"canary": "shadow", "cutover": "canary"}
"""What has to have been checked, with the verdict `advance`, before a phase."""

LOCAL, ESCALATED, FALLBACK = "local", "escalated", "fallback"
"""What follows the model's name in the name of a group that no client asks for."""


def group(name: str, part: str) -> str:
    """Return the name of a group beside the one that clients ask for."""
    return f"{name}-{part}"
