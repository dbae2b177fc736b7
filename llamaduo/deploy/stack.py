"""The containers that are started together: engines, the gateway before them, who measures."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from llamaduo.errors import UsageError
from llamaduo.serving import Container, Form
from llamaduo.serving.endpoint import Endpoint

READY = "copy .env.example to .env"
SECRET = "set it in .env"
PORT = 8080
"""Of this machine, where an address is another machine's, or says none."""
LAST_PORT = 65535


@dataclass(frozen=True)
class Engine:
    """One service that answers."""

    service: str
    """What it is called among the containers, and reached by."""
    container: Container
    endpoint: Endpoint
    """What the model is called there; its address is another one, for clients outside."""
    form: Form
    profile: str = ""
    """Of compose, that starts it; "": it is always started."""

    @property
    def fetches(self) -> bool:
        """Whether it gets the base from the hub at its first start."""
        return bool(self.container.cache) and self.form == "adapter"

    @property
    def guarded(self) -> bool:
        """Whether it gives its figures only to who has its key: llama.cpp's server alone does."""
        return self.endpoint.engine == "llamacpp" and self.endpoint.key_env is not None

    @property
    def listen(self) -> str:
        """Where the engine itself is reached while it is published, from this machine alone."""
        return f"127.0.0.1:{port_here(self.endpoint.url)}"

    @property
    def secret(self) -> str:
        """What compose calls its key, where it is handed over as a file."""
        return f"{self.service}_key"

    @property
    def inside(self) -> str:
        """Where the other containers reach it."""
        return f"http://{self.service}:{self.container.port}/v1"

    @property
    def image(self) -> str:
        """Name of the variable that pins its image."""
        return f"{self.service.upper()}_IMAGE"


@dataclass(frozen=True)
class Stack:
    """All containers of one model."""

    project: str
    """What compose calls them together."""
    task: str
    """What clients ask the gateway for; the same, whoever answers."""
    engines: tuple[Engine, ...]
    """More than one: they stand for each other, and one of them is started."""
    gateway_profile: str = ""

    @property
    def address(self) -> str:
        """Where the gateway asks, as its file has it."""
        return self.engines[0].inside if len(self.engines) == 1 else "os.environ/ENGINE_URL"


def wanted(name: str, otherwise: str = READY) -> str:
    """Return how compose asks for a variable and says what to do without it."""
    return f"${{{name}:?{otherwise}}}"


def port_here(address: str) -> int:
    """Return the port of the address that clients are told, where that is this machine's.

    Raises:
        UsageError: if it is none that there can be.
    """
    url = urlsplit(address)
    try:
        told = url.port
    except ValueError:
        raise UsageError(
            f"serving.url={address}: its port is a number from 1 to {LAST_PORT}"
        ) from None
    return told or PORT if url.hostname in ("127.0.0.1", "localhost") else PORT
