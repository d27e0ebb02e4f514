"""Compositions: what composing came to, as the one JSON object of `recipe compose --json`, and in words. Torch-free."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .counting import counted
from .interference import Interference
from .notes import percent
from .plan import Parent


@dataclass(frozen=True, slots=True)
class Reduction:
    """What a lower rank cost."""

    lost: float  # share of the energy of all matrices together
    enough: int  # one rank for all that would keep 99 % of it
    matrices: tuple[tuple[str, float, int], ...]  # module, share lost, rank that would keep 99 % of it

    def text(self) -> str:
        """What it cost, in words."""
        worst = max(self.matrices, key=lambda one: one[1])
        lost = f"{percent(self.lost)} of the energy lost, {percent(worst[1])} in {worst[0]}"
        return f"{lost}; rank {self.enough} would keep 99 %"


@dataclass(frozen=True, slots=True)
class Composition:
    """An adapter that was composed."""

    name: str
    digest: str
    adapter: Path
    tensors_sha256: str
    lock: Path
    report: Path
    parents: tuple[Parent, ...]
    rank: int  # the largest of its matrices
    reduction: Reduction | None  # None where factors lie side by side, exactly
    steps: int  # of polishing; 0: none
    measures: tuple[tuple[str, float, float], ...]  # name, bare, composed
    together: Interference  # what the adapters do to each other
    seconds: float

    def json(self) -> str:
        """One line of JSON; paths are absolute."""
        low = self.reduction
        told = {
            **{
                key: str(getattr(self, key))
                for key in ("name", "digest", "adapter", "tensors_sha256", "lock", "report")
            },
            "parents": [asdict(one) for one in self.parents],
            "rank": self.rank,
            "reduction": low
            and {
                "lost": low.lost,
                "enough": low.enough,
                "matrices": {module: {"lost": lost, "enough": enough} for module, lost, enough in low.matrices},
            },
            "steps": self.steps,
            "measures": {name: {"before": before, "after": after} for name, before, after in self.measures},
            **self.together.data(),
            "seconds": self.seconds,
        }
        return json.dumps(told, ensure_ascii=False, allow_nan=False)

    def _matrix(self) -> list[str]:
        """Each control alone and together, a line each."""
        return [
            f"  {control.measure:<24} " + ", ".join(f"{label} {percent(cell.share)}" for label, cell in row.items())
            for control, row in self.together.rows(True)
        ]

    def text(self) -> str:
        """For people, a few aligned lines."""
        made_of = " + ".join(f"{one.weight:g} × {one.name}" for one in self.parents)
        lines = [f"{self.name}: {made_of}, rank {self.rank}, {self.seconds:.0f} s"]
        lines += [f"  {self.reduction.text()}"] if self.reduction is not None else []
        lines += [f"  polished: {counted(self.steps, 'step')}"] if self.steps else []
        lines += self._matrix()
        lines += [f"  {name:<24} {percent(was):>7} → {percent(now):>7}" for name, was, now in self.measures]
        return "\n".join([*lines, f"  report: {self.report}", f"  lock: {self.lock}"])
