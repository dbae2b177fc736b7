"""What is said of a server that is ready: where it is, and how it is asked, to paste."""

import json
import shlex

from llamaduo.deploy.process import asked, prompt_of
from llamaduo.promotion.held import Held
from llamaduo.serving.endpoint import Endpoint

PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url={address!r}, api_key="none")
reply = client.chat.completions.create(
{fields}
)
print(reply.choices[0].message.content)
"""


def said(held: Held, endpoint: Endpoint, words: str) -> str:
    """Return the address, a line for curl, the same for OpenAI's client, and what checks it.

    Args:
        words: the key=value that the version was found by, for the command line.
    """
    address = f"{endpoint.url}/v1"
    version = f"{held.version.name}/{held.version.number}"
    keyless = ""  # the server of this machine is started without a key
    if endpoint.key_env is not None and "serving.key_env=" not in words:
        keyless = "serving.key_env=null"
    probe = " ".join(filter(None, ["llamaduo probe", endpoint.url, version, words, keyless]))
    return f"""\
{endpoint.model} (version {held.version.number}) is served at {address}; Ctrl-C ends it

{curl(held, endpoint)}

{python(held, endpoint)}
does it answer as it was promoted?
  {probe}"""


def curl(held: Held, endpoint: Endpoint) -> str:
    """Return a command that a shell takes as it is."""
    body = json.dumps(_body(held, endpoint), ensure_ascii=False)
    return (
        f"curl -s {endpoint.url}/v1/chat/completions -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(body)}"
    )


def python(held: Held, endpoint: Endpoint) -> str:
    """Return a program that OpenAI's client runs."""
    fields = (f"    {name}={value!r}," for name, value in _body(held, endpoint).items())
    return PYTHON.format(address=f"{endpoint.url}/v1", fields="\n".join(fields))


def _body(held: Held, endpoint: Endpoint) -> dict[str, object]:
    chat = prompt_of(held) or [{"role": "user", "content": "Hello"}]
    return asked(endpoint, chat, held.served.max_new_tokens)
