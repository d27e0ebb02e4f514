"""Pages of which a part is written by a program: between a mark `<!-- NAME -->` and `<!-- end -->`.

A name is a word, two, or two and `: ` with a third: `keys train`, `keys visuals: line`. What stands around the marks is
written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_MARK = re.compile(r"(<!-- ([a-z]+(?: [a-z]+(?:: [a-z_]+)?)?) -->\n).*?(<!-- end -->)", re.DOTALL)


def renewed(text: str, made: Mapping[str, str]) -> str:
    """A page with everything between marks as it is `made` now, by name."""
    return _MARK.sub(lambda found: f"{found[1]}{made.get(found[2], '')}{found[3]}", text)


def wrong(page: str, text: str, made: Mapping[str, str], said: str) -> list[str]:
    """What is wrong with a page: a mark that is missing or unknown, or text that is not what was `said`."""
    there = [found[1] for found in _MARK.findall(text)]
    lines = [f"{page}: the mark <!-- {mark} --> is missing" for mark in made if mark not in there]
    lines += [f"{page}: <!-- {mark} --> is no mark" for mark in there if mark not in made]
    stale = not lines and renewed(text, made) != text
    return [*lines, *([f"{page}: is not what {said}; `make format` writes it anew"] if stale else [])]
