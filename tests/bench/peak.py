"""One step of the engine in a process of its own: what it holds at rest and at most, in bytes, as JSON on stdout.

python tests/bench/peak.py FOLDER full|quick QUESTIONS CHECKPOINTING(0|1)
"""

from __future__ import annotations

import gc
import json
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # what tests share

import sized
from control_recipes.engine import step as steps
from control_recipes.engine import training

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def held(line: str) -> int:
    """VmRSS or VmHWM; where there is no /proc, the most that was ever held."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith(f"{line}:"))


def main(folder: str, size: str, checkpointing: str, *counts: str) -> None:
    """Take a step with each number of questions; at rest is before the first of them."""
    chosen = {"full": sized.FULL, "quick": sized.QUICK}[size]
    desk = steps.prepare(sized.planned(Path(folder), chosen, checkpointing=checkpointing == "1"))
    state = training._state(desk)
    gc.collect()
    rest, found = held("VmRSS"), list[dict[str, int]]()
    for number, count in enumerate(counts, 1):
        if CLEAR.exists():
            CLEAR.write_text("5", encoding="ascii")  # sets the high-water mark back to what is held now
        steps.take(sized.asked(desk, int(count)), state, number)
        found.append({"questions": int(count), "rest": rest, "peak": held("VmHWM")})
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
