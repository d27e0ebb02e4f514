"""What a Sana-Sprint folder costs, from its configurations alone, without torch: as Sana, in one branch."""

from __future__ import annotations

from .. import plan
from . import sana_sizes

TEXT_TOKENS, grain = sana_sizes.TEXT_TOKENS, sana_sizes.grain
NEGATIVES = False


def sizes(chosen: plan.Generator) -> sana_sizes.SanaSizes:
    """Raises `InputError` where a configuration does not say what is needed."""
    return sana_sizes.sizes(chosen, branches=1)
