"""litellm put on our wire: every provider's reply is taken down before litellm parses it.

litellm asks providers through httpx, in clients that it makes and keeps itself: OpenAI's and
Azure's own, and one of litellm's for the others (Anthropic, Gemini, Vertex, Bedrock). All get
their transport from one place, which is set to ours. A transport of ours also sends no request
twice: litellm's client sends again, unasked, whatever ended in `ConnectError` or
`RemoteProtocolError`, and a request that may have been paid for is not to be sent unasked.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import httpx

from llamaduo.service.wire import Exchange, Patience, Tls, send

ON: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
"""Where the request that this task makes is taken down."""

OURS = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding"})
"""Headers of a request that the wire sets itself."""
DONE = frozenset({"connection", "content-encoding", "content-length", "transfer-encoding"})
"""Headers of a reply that no longer hold once its body is read and unpacked."""


class Unanswered(httpx.TransportError):
    """No whole reply came."""


class Recording(httpx.AsyncBaseTransport):
    """Sends what httpx is given. It holds no connection: each event loop has its own."""

    def __init__(self, tls: Tls = True) -> None:
        self.tls = tls

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and hand on the whole reply."""
        exchange = ON.get() or Exchange(Patience(total=600, connect=10, first_byte=600))
        headers = [pair for pair in request.headers.items() if pair[0].lower() not in OURS]
        body = await request.aread()
        await send(exchange, request.method, str(request.url), headers, body, self.tls)
        if exchange.fault:
            raise Unanswered(exchange.fault, request=request)
        if 300 <= exchange.status < 400:  # it is not followed: the key is for this address alone
            raise Unanswered(f"HTTP {exchange.status}", request=request)
        return httpx.Response(
            exchange.status,
            headers=[pair for pair in exchange.came.items() if pair[0] not in DONE],
            content=exchange.body,
            request=request,
        )


@lru_cache(maxsize=1)
def litellm() -> Any:
    """Return litellm, silent and on our wire. Importing it takes seconds."""
    import logging
    import os

    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    litellm.suppress_debug_info = True  # else every failed call prints where to get help
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
    # litellm works out a price of every reply, which with its log of it is a quarter of its time
    # for a call. What a reply costs is counted here by the service's dated price: nobody reads it.
    litellm.utils.update_response_metadata = _nothing

    def create_async_transport(
        ssl_context: object = None, ssl_verify: bool | None = None, shared_session: object = None
    ) -> Recording:
        return Recording(ssl_context or ssl_verify is not False)  # type: ignore[arg-type]

    AsyncHTTPHandler.create_async_transport = staticmethod(create_async_transport)
    return litellm


def tls() -> Any:
    """Return whom litellm trusts: the certificates that the environment names, or the usual."""
    litellm()
    from litellm.llms.custom_httpx.http_handler import get_ssl_configuration

    return get_ssl_configuration()


def azure_client(account: Mapping[str, Any]) -> Any:
    """Return OpenAI's client of an Azure account, by its key or as Azure's own variables say."""
    litellm()
    from litellm.llms.azure.common_utils import BaseAzureLLM, get_azure_credentials

    given = {name: account.get(name) for name in ("api_base", "api_key", "api_version")}
    found = get_azure_credentials(**given)
    return BaseAzureLLM().get_azure_openai_client(
        api_key=found.api_key, api_base=found.api_base, api_version=found.api_version
    )


def unlogged() -> None:
    """Have litellm keep no log of the calls of this task."""
    known = getattr(litellm(), "_internal_context", None)  # only quicker: it may go away
    internal: ContextVar[bool] | None = getattr(known, "is_internal_call", None)
    if internal is not None:
        internal.set(True)


def _nothing(**_: object) -> None:
    """Do nothing."""
