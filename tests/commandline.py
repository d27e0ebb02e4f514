"""`recipe WORDS` for tests: in this process, or in one of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from control_recipes.cli import main

CODE = "import control_recipes.cli as c; c.main()"


def recipe(*words: str) -> int:
    """The exit status of `recipe WORDS`, run in this process."""
    before, sys.argv = sys.argv, ["recipe", *words]
    try:
        main()
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0
    finally:
        sys.argv = before
    return 0


def start(*words: str, **more: Any) -> subprocess.Popen[str]:
    """`recipe WORDS` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )
