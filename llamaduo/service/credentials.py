"""A service's keys and credentials: which there are, and what is missing before any call."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

OPEN = ("_REGION", "_REGION_NAME", "_PROJECT", "_LOCATION", "_API_BASE", "_API_VERSION")
"""Ends of the names of variables that say where, and hold no secret."""

BY_CLOUD = {
    "bedrock": (
        ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN"),
        "~/.aws/credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws configure`",
    ),
    "vertex_ai": (
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        "~/.config/gcloud/application_default_credentials.json",
        "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS",
    ),
}
"""Where a cloud's own client finds credentials, by litellm's prefix: variables, a file, the fix.
It finds them in the machine's role too, which only asking the cloud would show."""

RENEWED = {
    "bedrock": "renew them (`aws sso login`, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
    "AWS_SESSION_TOKEN anew)",
    "vertex_ai": "run `gcloud auth application-default login`, or check "
    "GOOGLE_APPLICATION_CREDENTIALS",
}
"""How a cloud's credentials are renewed, by litellm's prefix."""

NEEDS = {"bedrock": ("boto3", "boto3"), "vertex_ai": ("google.auth", "google-auth")}
"""Package that the cloud's credentials need, and what to install for it."""


def names(key_env: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the variables that have to be set."""
    if key_env is None:
        return ()
    return (key_env,) if isinstance(key_env, str) else tuple(key_env)


def secret(key_env: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return those of them whose values are shown nowhere."""
    return tuple(name for name in names(key_env) if not name.endswith(OPEN))


def missing(name: str, key_env: str | Sequence[str] | None) -> list[str]:
    """Return a fault for each variable that is not set, or whose value no header can carry."""
    found = []
    for one in names(key_env):
        if not os.environ.get(one):
            what = "no API key; " if one in secret(key_env) else ""
            found.append(f"{name}: {what}set {one} in the environment")
        elif why := malformed(one):
            found.append(f"{name}: {one} {why}")
    return found


def malformed(variable: str) -> str:
    """Say what keeps the value of a variable from being sent, without showing it; "" if nothing."""
    value = os.environ.get(variable, "")
    if value != value.strip():
        return (
            "has white space before or after its value, such as the end of the line in a file "
            "that it was read from: set it without"
        )
    if not (value.isascii() and value.isprintable()):
        return "holds what no key is made of (not printable ASCII): copy it anew"
    return ""


def renewal(model: str, keys: str) -> str:
    """Return how credentials are renewed.

    Args:
        keys: how they are called where no cloud gives them.
    """
    return RENEWED.get(model.partition("/")[0], f"set {keys} anew")


def cloud_faults(name: str, model: str) -> list[str]:
    """Return what keeps a cloud's own credentials from being read, as far as it shows here."""
    cloud = model.partition("/")[0]
    if cloud not in NEEDS:
        return []
    package, install = NEEDS[cloud]
    found = []
    if not _installed(package):
        found.append(f"{name}: {model} needs {install}; `pip install {install}`")
    file = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if cloud == "vertex_ai" and file and not Path(file).is_file():
        found.append(f"{name}: GOOGLE_APPLICATION_CREDENTIALS names {file}, which is no file")
    return found


def cloud_warnings(name: str, model: str) -> list[str]:
    """Return where only the machine's own role is left to answer for a cloud's credentials."""
    cloud = model.partition("/")[0]
    if cloud not in BY_CLOUD:
        return []
    variables, file, fix = BY_CLOUD[cloud]
    if any(os.environ.get(one) for one in variables) or Path(file).expanduser().is_file():
        return []
    return [
        f"{name}: no credentials in the environment or in {file}, so only a role of this machine "
        f"can answer for it, and whether it does shows with the first call; else {fix}"
    ]


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the parent of a package inside another
        return False
