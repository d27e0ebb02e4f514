"""What a Sana-Sprint folder costs, from its configurations alone, without torch: as Sana, in one branch."""

from __future__ import annotations

from .. import plan
from . import reading, sana_sizes

TEXT_TOKENS, around, grain = sana_sizes.TEXT_TOKENS, sana_sizes.around, sana_sizes.grain
NEGATIVES = False
LOWERED = True


def before() -> str | None:
    """The instruction behind which a prompt is read."""
    return reading.stock_text("sana.pipeline_sana_sprint", "complex_human_instruction")


def sizes(chosen: plan.Generator) -> sana_sizes.SanaSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    return sana_sizes.sizes(chosen, branches=1)
