"""What has to come from the Hugging Face hub, and whether it is here. The hub is not asked."""

from collections.abc import Iterator

from llamaduo.experiment import Experiment
from llamaduo.local.hub import HubModel, hub_folder, offline
from llamaduo.preflight.finding import Finding, look, ok
from llamaduo.preflight.room import loads
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import HubRows


def hub(exp: Experiment) -> Iterator[Finding]:
    """Yield a line for the model and one for the rows, where they are the hub's."""
    local = exp.local
    if isinstance(local, HubModel) and loads(exp):
        if local.here() is not None:
            yield ok(f"{local.name}: in the hub's cache")
        elif not local.faults():
            yield ok(f"{local.name}: {local.repo} will be downloaded when the run starts")
    if isinstance(exp.task, CoverageTask) and isinstance(exp.task.rows, HubRows):
        yield _rows(exp.task.rows)


def _rows(rows: HubRows) -> Finding:
    if hub_folder("dataset", rows.repo, rows.revision).is_dir():
        return ok(f"rows: {rows.repo} is in the hub's cache")
    if offline():
        return look(
            f"rows: {rows.repo} is not in the hub's cache and HF_HUB_OFFLINE is set: unset it "
            "once, or give rows of a file (task.rows.path)"
        )
    return ok(f"rows: {rows.repo} will be downloaded when the run starts")
