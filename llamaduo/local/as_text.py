"""A prompt as text, for a server that makes tokens of it by itself."""

from collections.abc import Sequence

from llamaduo.errors import ModelError
from llamaduo.local.load import Template
from llamaduo.records import Message


def as_text(template: Template, messages: Sequence[Message]) -> str:
    """Return the text of which a server makes the very tokens that `template` makes.

    A server that is sent plain text (TGI's `/generate`) puts in front what the tokenizer begins
    every text with. A template that writes it out would have it twice, so it is left out here.

    Raises:
        ModelError: if there is no such text: a tokenizer that adds to a text what the template
            leaves out.
    """
    tokenizer, wanted = template.tokenizer, template.prompt(messages)
    chat = [m.model_dump() for m in messages]
    whole = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    for text in (whole, whole.removeprefix(tokenizer.bos_token or "")):
        if list(tokenizer(text)["input_ids"]) == wanted:
            return str(text)
    begun = tokenizer.decode(tokenizer("")["input_ids"])
    raise ModelError(
        f"a server that is sent text puts {begun!r} round it, and the chat template does not: it "
        "would answer another prompt than the one tuned on. Choose engine=openai_endpoint, with "
        "the template given to the server"
    )
