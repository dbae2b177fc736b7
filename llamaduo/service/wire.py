"""One request on the wire: sent once, its reply taken down as it came, whoever reads it after.

Both ways to a provider, through litellm and without it, end here. So what counts for money is
known of each try: whether the request went out, and whether the whole reply came back.
"""

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import ClientConnectorError, ClientSession

MOST_BYTES = 64 * 2**20
"""Of a reply; no model's answer is longer, and a stream that never ends would fill the memory."""

KEPT_OPEN = 4.0
"""Seconds an idle connection is kept: less than servers do (uvicorn: 5), so that no request is
written into one that the server is just closing."""

Tls = ssl.SSLContext | bool
"""As aiohttp takes it: True checks certificates, False does not."""


@dataclass(frozen=True)
class Patience:
    """Seconds until a try is given up."""

    total: float
    connect: float
    """Until the address is looked up, connected to and its certificate checked."""
    first_byte: float
    """Until the reply begins, the connecting counted."""


@dataclass
class Exchange:
    """One request and what became of it; the last one, where a client sends several."""

    patience: Patience
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent beside the client's own."""
    sent: bool = False
    """Whether the request went out, so that it may be answered and billed."""
    status: int = 0
    came: dict[str, str] = field(default_factory=dict)
    """The reply's headers, names in lower case."""
    body: bytes = b""
    """What came of it, even if it is not all."""
    fault: str = ""
    """Why no whole reply came; "" where one did, or where nothing was sent."""

    @property
    def text(self) -> str:
        """The body as text, as a file and a database can hold it."""
        return self.body.decode("utf-8", "replace").replace("\x00", "\ufffd")


async def send(
    exchange: Exchange,
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    tls: Tls = True,
) -> None:
    """Send a request once and take down what comes back. Never raises for what the wire does."""
    import aiohttp
    from yarl import URL

    patience = exchange.patience
    exchange.sent, exchange.status, exchange.came = False, 0, {}
    exchange.body = b""
    parts: list[bytes] = []
    proxy = _proxy(url)
    exchange.fault = proxy_fault(proxy)
    if exchange.fault:
        return
    began = asyncio.timeout(min(patience.first_byte, patience.total))
    try:
        async with asyncio.timeout(patience.total):
            async with began:
                response = await (await _session()).request(
                    method,
                    URL(url, encoded=True),
                    headers=[*headers, *exchange.headers.items()],
                    data=body or None,
                    allow_redirects=False,
                    proxy=proxy,
                    ssl=tls,
                    timeout=aiohttp.ClientTimeout(total=None, connect=patience.connect),
                    trace_request_ctx=exchange,
                )
            async with response:
                exchange.status = response.status
                exchange.came = {name.lower(): said for name, said in response.headers.items()}
                size = 0
                async for part in response.content.iter_chunked(2**16):
                    parts.append(part)
                    size += len(part)
                    if size > MOST_BYTES:
                        exchange.fault = f"a reply of more than {MOST_BYTES >> 20} MB"
                        response.close()
                        break
    except aiohttp.ConnectionTimeoutError:
        exchange.fault = f"no connection within {patience.connect:g} s"
    except TimeoutError:
        exchange.fault = _late(exchange, began.expired())
    except aiohttp.ClientPayloadError as error:
        exchange.fault = f"the reply broke off: {_words(error)}"
    except aiohttp.ClientConnectorError as error:
        exchange.fault = f"no connection to {error.host}:{error.port}: {_why(error)}"
    except (aiohttp.ClientError, OSError) as error:
        what = "the connection broke" if exchange.sent else "no connection"
        exchange.fault = f"{what}: {_words(error)}"
    exchange.body = b"".join(parts)


def _late(exchange: Exchange, began: bool) -> str:
    patience = exchange.patience
    if not exchange.sent:
        return f"no connection within {min(patience.first_byte, patience.total):g} s"
    if began:
        return f"no reply began within {min(patience.first_byte, patience.total):g} s"
    return f"no whole reply within {patience.total:g} s"


def _why(error: "ClientConnectorError") -> str:
    """Return what the system says of a connection that never stood."""
    cause = getattr(error, "certificate_error", None) or error.os_error
    return getattr(cause, "strerror", None) or _words(cause)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


_sessions: "dict[asyncio.AbstractEventLoop, tuple[ClientSession, Any]]" = {}
"""Each running loop's, with what holds it."""


async def _session() -> "ClientSession":
    """Return the running loop's session, made for its first request.

    It is held by an asynchronous generator: `asyncio.run` closes those when its loop ends, and
    with it the session, in the loop that it belongs to.
    """
    loop = asyncio.get_running_loop()
    if loop not in _sessions:
        holder = _held()
        _sessions[loop] = (await anext(holder), holder)
    return _sessions[loop][0]


async def _held() -> "AsyncGenerator[ClientSession]":
    import aiohttp

    async def sent(_: "ClientSession", context: Any, __: Any) -> None:
        context.trace_request_ctx.sent = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(sent)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_OPEN),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[trace],
    ) as session:
        try:
            yield session
        finally:
            del _sessions[asyncio.get_running_loop()]


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for an address; None: there is none."""
    scheme, _, rest = url.partition("://")
    return _proxy_of(scheme, rest.partition("/")[0])


def proxy_for(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment names for a host; None: there is none."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


_proxy_of = lru_cache(maxsize=64)(proxy_for)


def proxy_fault(proxy: str | None) -> str:
    """Say why a proxy cannot be used; "" where it can. Its user and password are not shown."""
    kind, _, rest = (proxy or "http://").partition("://")
    if kind.lower() in ("http", "https"):
        return ""
    return (
        f"a proxy of this kind cannot be used: {kind}://{rest.rpartition('@')[2]}; name one that "
        "speaks HTTP (HTTPS_PROXY=http://...), or except the address (NO_PROXY)"
    )
