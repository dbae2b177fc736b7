"""Move a task off a paid service LLM onto a small model of your own, and know whether to."""

from importlib.metadata import version

__version__ = version("llamaduo")
