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
from control_recipes.engine import loss, training
from control_recipes.engine import step as steps

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def held(line: str) -> int:
    """VmRSS or VmHWM; where there is no /proc, the most that was ever held."""
    if not STATUS.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith(f"{line}:"))


def main(folder: str, size: str, questions: str, checkpointing: str) -> None:
    from dataclasses import replace

    chosen = {"full": sized.FULL, "quick": sized.QUICK}[size]
    desk = steps.prepare(sized.planned(Path(folder), chosen, checkpointing=checkpointing == "1"))
    row = replace(desk.plan.train_rows[0], asks=desk.plan.train_rows[0].asks[: int(questions)])
    plan = replace(desk.plan, train_rows=(row,))
    desk = replace(desk, plan=plan, weighing={0: loss.weights(row, plan)})
    state = training._state(desk)
    gc.collect()
    if CLEAR.exists():
        CLEAR.write_text("5", encoding="ascii")  # sets the high-water mark back to what is held now
    rest = held("VmRSS")
    steps.take(desk, state, 1)
    print(json.dumps({"rest": rest, "peak": held("VmHWM")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
