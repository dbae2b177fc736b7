"""Whether a server answers, and as what: before a prompt is sent."""

import json
import os
from typing import Any

from llamaduo.errors import LlamaDuoError
from llamaduo.records import Record
from llamaduo.secrets import without_secrets
from llamaduo.serving.endpoint import Endpoint

SECONDS = 10.0
"""Until a look is given up."""


class Unreachable(LlamaDuoError):
    """Nobody can be asked there, so that nothing is known of any model."""


class Alive(Record):
    """What a server says of itself."""

    health: int
    """Status of `/health`; some engines have none."""
    models: tuple[str, ...] | None
    """Names that `/v1/models` lists. None: it is broken (`transformers serve` without a hub's
    cache)."""
    model_id: str
    """What TGI's `/info` calls the model; "" elsewhere."""
    name: str
    """What requests name."""

    @property
    def words(self) -> str:
        """What was found, for people."""
        if self.models is None:
            lists = "/v1/models is broken, which hinders nobody"
        elif self.name in self.models:
            lists = f"/v1/models lists {self.name}"
        elif self.model_id:
            lists = f"TGI serves {self.model_id}, and lists no adapter"
        else:
            some = ", ".join(self.models[:3]) or "nothing"
            lists = f"/v1/models lists {some} and not {self.name}, which proves nothing"
        return f"{self.health} from /health; {lists}"


def look(endpoint: Endpoint) -> Alive:
    """Ask a server how it is and what it serves.

    Raises:
        Unreachable: if nobody answers, or not as an OpenAI-compatible server does.
    """
    health, _ = _get(endpoint, "/health")
    status, said = _get(endpoint, "/v1/models")
    url = endpoint.url
    if 401 in (health, status) or 403 in (health, status):
        has = f"{endpoint.key_env} is not the key it wants" if endpoint.key_env else "none is sent"
        raise Unreachable(
            f"{url}: {status} from /v1/models: it wants a key, and {has}; "
            "serving.key_env=NAME names the variable that holds it"
        )
    if health >= 500 or (status >= 500 and health != 200):
        raise Unreachable(
            f"{url}: {health} from /health and {status} from /v1/models: it is there, and not "
            "well; its own log says why"
        )
    if status >= 500:
        return Alive(health=health, models=None, model_id="", name=endpoint.model)
    if status == 404:
        raise Unreachable(
            f"{url}: 404 from /v1/models: no OpenAI-compatible server there; give the address "
            "that has /v1 below it, with or without /v1"
        )
    listed = said.get("data") if isinstance(said, dict) else None
    if status != 200 or not isinstance(listed, list):
        raise Unreachable(
            f"{url}: {status} from /v1/models, and what came is no list of models: that is no "
            "OpenAI-compatible server"
        )
    models = tuple(str(one.get("id")) for one in listed if isinstance(one, dict))
    info = _get(endpoint, "/info")[1] if endpoint.engine == "tgi" else None
    model_id = str(info.get("model_id", "")) if isinstance(info, dict) else ""
    return Alive(health=health, models=models, model_id=model_id, name=endpoint.model)


def _get(endpoint: Endpoint, path: str) -> tuple[int, Any]:
    """Return the status and, where it is JSON, the body.

    Raises:
        Unreachable: if no answer comes at all.
    """
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    headers = {}
    if endpoint.key_env:
        key = os.environ.get(endpoint.key_env)
        if not key:
            raise Unreachable(f"{endpoint.url}: no key; set {endpoint.key_env} in the environment")
        headers["Authorization"] = f"Bearer {key}"
    try:
        with urlopen(Request(f"{endpoint.url}{path}", headers=headers), timeout=SECONDS) as came:
            status, body = int(came.status), came.read()
    except HTTPError as error:
        with error:
            status, body = error.code, error.read()
    except TimeoutError:
        raise Unreachable(
            f"{endpoint.url}{path}: no answer in {SECONDS:g} s; a model that is loading may not "
            "answer yet"
        ) from None
    except URLError as error:
        raise Unreachable(
            f"{endpoint.url}: nobody listens there ({_words(error)}); `llamaduo serve` starts "
            "one, and takes some time to load"
        ) from None
    except (HTTPException, OSError, ValueError) as error:
        raise Unreachable(
            f"{endpoint.url}{path}: no web server answers as one ({_words(error)})"
        ) from None
    try:
        return status, json.loads(body)
    except ValueError:
        return status, None


def _words(error: Exception) -> str:
    return without_secrets(" ".join(str(error).split()))[:200] or type(error).__name__
