"""A tracking server, asked once whether it will take what is shown: in seconds, not minutes."""

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llamaduo.secrets import without_secrets

QUICK = 5.0
"""Seconds that it is waited for."""
_BY_NAME = "/api/2.0/mlflow/experiments/get-by-name"
_TAG = "/api/2.0/mlflow/experiments/set-experiment-tag"
USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"


def unusable(uri: str, experiment: str) -> str:
    """Say why the runs of `experiment` cannot be shown at `uri`, and what to do; "" if they can.

    An experiment that is there gets a tag, which only those may write who may write runs.
    """
    from mlflow.exceptions import MlflowException

    try:
        found = _ask(uri, _BY_NAME, "GET", params={"experiment_name": experiment})
        if found.status_code == 200:
            known = found.json()["experiment"]
            if known.get("lifecycle_stage") == "deleted":
                return (
                    f"the experiment {experiment} was deleted there; have it restored, on the "
                    f"server by `mlflow experiments restore -x {known['experiment_id']}`"
                )
            tag = {"experiment_id": known["experiment_id"], "key": "llamaduo", "value": "runs"}
            found = _ask(uri, _TAG, "POST", json=tag)
            if found.status_code == 200:
                return unwritable(known["artifact_location"], uri)
    except (MlflowException, OSError, ValueError, KeyError) as error:
        return (
            f"it does not answer like a tracking server within {QUICK:g} s "
            f"({_cause(error)}); look whether it runs and tracker.uri is right"
        )
    return _refusal(found, experiment)


def unstored(uri: str, experiment: str) -> str:
    """Say why artifacts of `experiment` cannot be kept, in a database with a store beside it."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        known = MlflowClient(tracking_uri=uri).get_experiment_by_name(experiment)
    except MlflowException as error:
        return f"it cannot be used: {_cause(error)}"
    if known is None or urlsplit(known.artifact_location).scheme in ("", "file"):
        return ""
    return unwritable(known.artifact_location, uri)


def unwritable(place: str, uri: str) -> str:
    """Say why artifacts cannot be put at `place`, and what to do; "" if they can.

    One small file of always the same name is written there.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "llamaduo.txt"
            file.write_text("Written to see whether artifacts can be.\n", encoding="utf-8")
            get_artifact_repository(f"{place}/llamaduo", uri).log_artifact(str(file))
    except Exception as error:  # each kind of store has a library of its own, or lacks it
        shown = without_secrets(place)
        return (
            f"artifacts cannot be written to {shown} ({_cause(error)}); look at the server's "
            "store, your rights and keys for it, and whether its library is installed (boto3 for "
            "s3://)"
        )
    return ""


def _ask(uri: str, path: str, method: str, **more: Any) -> Any:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    return http_request(
        get_default_host_creds(uri),
        path,
        method,
        timeout=QUICK,
        max_retries=0,
        raise_on_status=False,
        **more,
    )


def _refusal(answer: Any, experiment: str) -> str:
    status, said = answer.status_code, without_secrets(" ".join(answer.text.split())[:200])
    if status == 200 or (status == 404 and "RESOURCE_DOES_NOT_EXIST" in said):
        return ""
    if status == 401:
        if os.environ.get(USER) or os.environ.get("MLFLOW_TRACKING_TOKEN"):
            return f"it does not know this user with this password: look at {USER} and {PASSWORD}"
        return f"it wants a user and a password: set {USER} and {PASSWORD}"
    if status == 403 and "ermission" in said:
        who = os.environ.get(USER, "this user")
        return (
            f"{who} may not write to the experiment {experiment}: have someone who manages it "
            "give the permission EDIT, or show the runs elsewhere (tracker.uri=, tracker=none)"
        )
    return f"it answers {status}: {said}"


def _cause(error: BaseException) -> str:
    """Return what lies under an error, which says it shortest."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return without_secrets(" ".join(str(error).split()))[:200] or type(error).__name__
