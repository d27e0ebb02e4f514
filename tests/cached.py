"""A hub's cache made of facts: configurations of published models as `tests/facts/hub` has them, and no weights.

Tokenizers are stand-ins: each letter is a token, special ones have the numbers of the published model. What is counted
with them is at least what a published tokenizer would say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers

FACTS = Path(__file__).parent / "facts" / "hub"
COMMIT = "0" * 40  # of every model


def facts() -> dict[str, dict[str, Any]]:
    """What is known of each model, by its name on the hub."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FACTS.glob("*.json"))]
    return {one["model"]: one for one in found}


def cache(home: Path) -> Path:
    """Writes every model into a cache below `home`, laid out as `huggingface_hub` does; the cache's folder."""
    hub = home / "hub"
    for name, one in facts().items():
        folder = hub / f"models--{name.replace('/', '--')}"
        snapshot = folder / "snapshots" / COMMIT
        for file, data in one["files"].items():
            _write(snapshot / file, json.dumps(data))
        if "special" in one:
            _tokenizer(one["special"]).save(str(snapshot / "tokenizer.json"))
            _write(snapshot / "chat_template.jinja", one["template"])
        _write(folder / "refs" / "main", COMMIT)
    return hub


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _tokenizer(special: dict[str, int]) -> Tokenizer:
    taken = set(special.values())
    free = (number for number in range(1000) if number not in taken)
    letters = dict(zip(sorted(pre_tokenizers.ByteLevel.alphabet()), free, strict=False))
    made = Tokenizer(models.BPE(vocab={**letters, **special}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.add_special_tokens(list(special))
    return made
