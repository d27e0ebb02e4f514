"""What one value of a recipe asks of another, checked on the plain data: no single key shows that the two clash."""

from __future__ import annotations

from collections.abc import Mapping

from .document import Data, Path, plain
from .one_picture import OPTIMIZED
from .problems import Problems
from .schema_training import Replay, Train
from .values import EULER_STEP, whole

_BATCH, _BUFFER = Train.model_fields["batch"].default, Replay.model_fields["buffer"].default


def check_clashes(problems: Problems) -> None:
    """Adds a problem for every value that cannot be had beside another one."""
    data = plain(problems.document.data)
    train = plain(data.get("train"))
    _replay(train, problems)
    if train.get("optimize") == OPTIMIZED:
        _latents(data, train, problems)


def _latents(data: Mapping[str, Data], train: Mapping[str, Data], problems: Problems) -> None:
    """Where the noise of one picture is optimised, no adapter can be begun with, and no noise be made anew."""
    hint = "leave it out, or `optimize: adapter`"
    backprop = train.get("backprop")
    if backprop == "replay" or plain(backprop).get("replay") is not None:
        message = "a replay starts from finished pictures: no gradient comes to the noise that `latents` optimises"
        problems.add(("train", "backprop"), message, hint)
    if train.get("ema") is not None:
        message = "a moving average of noise is smoother than noise is: `optimize: latents` takes none"
        problems.add(("train", "ema"), message, hint)
    if plain(data.get("adapter")).get("start") is not None:
        message = "`train.optimize: latents` trains no adapter, and begins with none"
        problems.add(("adapter", "start"), message, hint)


def _replay(train: Mapping[str, Data], problems: Problems) -> None:
    backprop = train.get("backprop")
    if backprop != "replay" and plain(backprop).get("replay") is None:
        if train.get("estimate") == "noisy":
            hint = (
                "add `backprop: {replay: {}}`: only a picture made noisy again has a less noisy one to be held against"
            )
            problems.add(("train", "estimate"), "`noisy` needs `backprop` to be a replay", hint)
        return
    replay = plain(plain(backprop).get("replay"))
    path: Path = ("train", "backprop", "replay", "buffer") if "buffer" in replay else ("train", "backprop")
    batch, buffer = whole(train.get("batch", _BATCH)), whole(replay.get("buffer", _BUFFER))
    if isinstance(batch, int) and isinstance(buffer, int) and buffer < batch:
        problems.add(path, f"a replay's `buffer` must be at least `batch`, found {buffer} and {batch}")
    sigma = replay.get("sigma")
    lowest = sigma[0] if isinstance(sigma, list) and sigma else None
    if train.get("estimate") == "noisy" and isinstance(lowest, float) and lowest < EULER_STEP:
        message = f"must not be below {EULER_STEP}, the step that `estimate: noisy` takes, found {lowest}"
        problems.add(("train", "backprop", "replay", "sigma", 0), message)
