"""What a server of OpenAI's files and batches shows, as far as it is read."""

import json
from typing import Any

from pydantic import BaseModel, Field

from llamaduo.batch.provider import Came

UNREAD = "its line cannot be read"


class Made(BaseModel):
    """What was made: a file, a batch."""

    id: str = Field(min_length=1)


class Counts(BaseModel):
    """Of the requests in a batch."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class Why(BaseModel):
    """An error."""

    code: str | None = None
    message: str | None = None


class Errors(BaseModel):
    """Those of a file that was not taken."""

    data: list[Why] | None = None


class Note(Made):
    """A batch of the list."""

    metadata: dict[str, Any] | None = None


class Shown(Made):
    """A batch."""

    status: str = Field(min_length=1)
    request_counts: Counts | None = None
    errors: Errors | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None


class Listed(BaseModel):
    """A page of batches."""

    data: list[Note]
    has_more: bool = False


class Answer(BaseModel):
    """What a request in a batch was answered."""

    status_code: int = Field(ge=100, le=599)
    body: Any = None
    request_id: str | None = None


class Row(BaseModel):
    """A line of the file of replies, or of that of errors."""

    custom_id: str = Field(min_length=1)
    response: Answer | None = None
    error: Why | None = None


def came(line: str) -> Came:
    """Read a line of the file of replies, or of that of errors, as far as it can be read."""
    try:
        row = Row.model_validate(json.loads(line))  # which takes half a surrogate pair as well
    except (ValueError, RecursionError):
        return Came(id=_id_of(line), status=0, raw=line, error=UNREAD, garbled=True)
    if row.response is None:
        why = row.error or Why()
        said = ": ".join(one for one in (why.code, why.message) if one)
        return Came(id=row.custom_id, status=0, error=said or "no response and no error")
    return Came(
        id=row.custom_id,
        status=row.response.status_code,
        raw=json.dumps(row.response.body, ensure_ascii=False),
        request_id=row.response.request_id or "",
    )


def _id_of(line: str) -> str:
    """Return whose line it is; empty where that cannot be read either."""
    try:
        return Made.model_validate({"id": json.loads(line)["custom_id"]}).id
    except (ValueError, TypeError, LookupError, RecursionError):
        return ""
