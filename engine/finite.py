"""Numbers that stop being finite: whose they are, and what to try, in the recipe's own keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from . import one_picture
from .errors import WorkError, cut
from .plan import Plan


def pictures(found: Tensor, prompts: Sequence[str], plan: Plan, when: str, bare: bool) -> None:
    """Raises `WorkError` for pictures [B, 3, H, W] that are not finite; `bare`: no adapter has changed them."""
    good = found.flatten(1).isfinite().all(1)
    if bool(good.all()):
        return
    first = int(good.logical_not().nonzero()[0])
    whose = "the bare generator's picture" if bare else "the generator's picture"
    raise WorkError(f"{when}: {whose} of “{cut(prompts[first])}” is {_worst(found[first])}", remedy(plan, bare))


def stay(found: Tensor, plan: Plan, when: str) -> None:
    """Raises `WorkError` where the loss that keeps pictures near the bare generator's is not finite."""
    if not bool(found.isfinite()):
        message = f"{when}: `stay` is {float(found.detach())}: the pictures are too far from the bare generator's"
        raise WorkError(message, remedy(plan, bare=False))


def gradient(norm: Tensor, plan: Plan, when: str) -> None:
    """Raises `WorkError` where the gradient of what is trained is not finite, though what came of every critic is."""
    if not bool(norm.isfinite()):
        message = (
            f"{when}: the gradient of {one_picture.learner(plan)} is {float(norm.detach())}; "
            "what the critics gave is finite, so it"
        )
        whose = "comes of `stay`, or of" if plan.train.stay else "comes of"
        raise WorkError(f"{message} {whose} the way back through the generator", remedy(plan, bare=False))


def weights(found: Iterable[Tensor], plan: Plan, when: str) -> None:
    """Raises `WorkError` where an update made a weight of the adapter, or the noise, not finite: it would be saved."""
    for weight in found:
        if not bool(weight.isfinite().all()):
            whose = "the noise" if one_picture.is_meant(plan) else "a weight of the adapter"
            raise WorkError(f"{when}: {whose} became {_worst(weight)}", remedy(plan, bare=False))


def remedy(plan: Plan, bare: bool) -> str:
    """What to try for numbers of the generator's; `bare`: no adapter has changed it."""
    precise = ["generator.dtype: float32"] if plan.generator.dtype == "bfloat16" else []
    if bare:
        tried = " or ".join([*precise, "another generator.model"])
        return f"no adapter has changed it, so it is the model itself, or its files: try {tried}"
    train = plan.train
    tried = [
        *precise,
        f"a lower train.lr (now {train.lr:g})",
        f"a longer train.warmup (now {train.warmup})",
        f"a smaller train.clip (now {train.clip:g})",
    ]
    return f"try {', '.join(tried[:-1])} or {tried[-1]}"


def of_critic(plan: Plan, critic: str) -> str:
    """What to try for numbers of a critic's own, of pictures that are finite."""
    parts = (("critics", plan.critics), ("judges", plan.judges))
    section, member = next((part, one) for part, members in parts for one in members if one.name == critic)
    precise = f"{section}.{critic}.dtype: float32 or " if member.dtype == "bfloat16" else ""
    return f"the picture that it saw is finite, so it is {critic} itself: try {precise}another {section}.{critic}.model"


def _worst(found: Tensor) -> str:
    return str(float(found.detach()[~found.isfinite()][0]))
