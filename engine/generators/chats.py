"""Text encoders that read a prompt as a person's turn in a chat: what of their tokens is the chat's own. Torch-free."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from ...critics import sandbox
from ...critics.chat import PROBE, read_json, read_template, refuse


def own_tokens(folder: Path, *, thinking: bool) -> int:
    """Tokens that the chat template of `folder`, a tokenizer's, writes around a prompt; 0 where it has no one file.

    `thinking` is what the stock pipeline tells the template. Raises `InputError` where it cannot be read or rendered.
    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        return 0
    template = read_template(folder, read_json(folder / "tokenizer_config.json"))
    messages = [{"role": "user", "content": PROBE}]
    try:
        tokenizer = Tokenizer.from_file(str(file))
        text = sandbox.rendered(
            sandbox.compiled(template), messages=messages, add_generation_prompt=True, enable_thinking=thinking
        )
    except sandbox.FAILS as error:
        raise refuse(folder, f"the chat template cannot be used: {error}") from error
    except Exception as error:  # tokenizers raises nothing more particular
        raise refuse(file, f"cannot be read as a tokenizer: {error}") from error
    return len(tokenizer.encode(text).ids) - len(tokenizer.encode(PROBE).ids)
