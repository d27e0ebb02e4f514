"""How an adapter is trained and tried: the keys of `adapter`, `train`, `evaluate` and `expect`."""

from difflib import get_close_matches
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from .values import (
    LARGEST_SCALE,
    LARGEST_SEED,
    MOST_BLOCKS,
    MOST_PICTURES,
    Keys,
    Name,
    PartName,
    Probability,
    Text,
    Whole,
    given,
)


class Adapter(Keys):
    rank: Whole = Field(
        default=16,
        ge=1,
        le=4096,
        description="size of the adapter: columns of each of its factors; a larger one learns more, and disturbs more",
    )
    alpha: float | None = Field(
        default=None, gt=0, description="how strongly the adapter acts: by alpha / rank; left out, 5 × rank"
    )
    targets: Literal["attention", "all"] = Field(
        default="attention",
        description="which linear layers of the generator are adapted: those of `attention`, or `all`",
    )
    blocks: Annotated[list[Text], Field(min_length=1, max_length=MOST_BLOCKS)] | None = Field(
        default=None,
        description="the parts of the generator that they are taken of, by their names in its weights, such as "
        "`transformer_blocks.0`; left out, every part",
    )
    start: Text | None = Field(
        default=None, description="the adapter to go on from, a file or peft's folder, relative to the recipe"
    )

    @property
    def alpha_in_effect(self) -> float:
        """As written, or five times the rank, as the authors of arXiv 2506.01955 advise."""
        return 5.0 * self.rank if self.alpha is None else self.alpha


class Augment(Keys):
    """What may happen to a picture before a critic sees it."""

    blur: float = Field(default=0.0, ge=0, le=64, description="blur by at most this standard deviation, in pixels")
    noise: float = Field(
        default=0.0, ge=0, le=1, description="add noise of this standard deviation; pixels go from 0 to 1"
    )
    shift: Whole = Field(
        default=0,
        ge=0,
        le=1024,
        description="move the picture by at most so many pixels, up or down and to either side",
    )
    flip: bool = Field(default=False, description="mirror half of the pictures whose questions all have `flips: true`")


class Stop(Keys):
    """When to stop before `steps`: all thresholds met on the validation prompts."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["p"], "properties": {"p": {"minProperties": 1}}},
                {
                    "required": ["judge"],
                    "properties": {"judge": {"not": {"additionalProperties": {"maxProperties": 0}}}},
                },
            ]
        }
    )

    p: dict[PartName, Probability] = Field(
        default={},
        description="{question: p}: the mean p over validation prompts that even its least convinced critic must reach",
    )
    judge: dict[Name, dict[PartName, Probability]] = Field(
        default={}, description="{judge: {question: p}}: the mean p over validation prompts that a judge must reach"
    )
    patience: Whole = Field(
        default=1, ge=1, le=10_000_000, description="how many looks in a row must meet all thresholds"
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.p and not any(self.judge.values()):
            raise ValueError("needs `p` or `judge` with a threshold")
        return self


_Level = Annotated[float, Field(gt=0, le=1)]


class Replay(Keys):
    """Training from finished pictures, made noisy again, instead of from noise."""

    buffer: Whole = Field(
        default=32, ge=1, le=65536, description="how many finished pictures are kept, as latents; at least `batch`"
    )
    refresh: Whole = Field(default=8, ge=1, description="steps after which the oldest batch of them is painted anew")
    sigma: Annotated[list[_Level], Field(min_length=2, max_length=2)] = Field(
        default=[0.2, 0.9], description="lowest and highest noise level: 0 a finished picture, 1 noise"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma[0] > self.sigma[1]:
            raise ValueError("`sigma` must go from a smaller to a larger number")
        return self


class Replayed(Keys):
    model_config = ConfigDict(json_schema_extra={"required": ["replay"]})

    replay: Replay | None = Field(default=None, description="start from finished pictures, made noisy again")


_WORDS = Literal["random_step", "replay"]


def _backprop(value: object) -> object:
    if isinstance(value, str):
        known = {"random_step": Replayed(), "replay": Replayed(replay=Replay())}
        if value not in known:
            close = get_close_matches(value, known, 1)
            raise ValueError(f"must be 'random_step' or 'replay'; {f'did you mean `{close[0]}`?' if close else ''}")
        return known[value]
    if not isinstance(value, (dict, Replayed)):
        raise ValueError("must be 'random_step', 'replay' or a mapping")
    if value == {}:
        raise ValueError("needs `replay`")
    return value


def _backprop_words(value: Replayed) -> object:
    return "random_step" if value.replay is None else {"replay": value.replay.model_dump()}


Backprop = Annotated[
    Replayed, BeforeValidator(_backprop, json_schema_input_type=_WORDS | Replayed), PlainSerializer(_backprop_words)
]


class Conflict(Keys):
    """How often the gradients of the questions are held against each other."""

    every: Whole = Field(ge=1, description="steps between looks at how the gradients of the questions agree")


# learning rates where a recipe says none: of weights, as in the code of arXiv 2506.01955; of noise, deviation 1
_RATES = {"adapter": 5e-5, "latents": 0.05}


class Train(Keys):
    steps: Whole = Field(
        default=100, ge=1, le=10_000_000, description="steps of training, at most: `stop` may end it before"
    )
    batch: Whole = Field(default=4, ge=1, le=MOST_PICTURES, description="pictures that are made and looked at together")
    accumulate: Whole = Field(
        default=1,
        ge=1,
        le=MOST_PICTURES,
        description="batches whose gradients make one step: pictures of a step are batch × accumulate",
    )
    lr: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="learning rate, at its highest; small worlds bear 1e-3, full-size models want less; left out, "
        "5e-5, or 0.05 where `optimize: latents` moves noise instead of weights",
    )
    warmup: Whole = Field(default=0, ge=0, le=10_000_000, description="steps over which the rate rises to `lr`")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        default="constant", description="how the rate goes on from `lr`: as it is, or down to zero at `steps`"
    )
    optimizer: Literal["adamw"] = Field(
        default="adamw", description="what turns gradients into steps: AdamW, without weight decay"
    )
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient; a larger one is scaled down")
    seed: Whole = Field(
        default=100,
        ge=0,
        le=LARGEST_SEED,
        description="seed of everything random: prompts, noise, and how the adapter begins",
    )
    estimate: Literal["clean", "noisy"] = Field(
        default="clean", description="what the critics see: x̂0, or (with replay alone) latents one step less noisy"
    )
    backprop: Backprop = Field(
        default_factory=Replayed,
        description="which step learns: a random one of the sampler, or one from finished pictures",
    )
    augment: Augment = Field(
        default_factory=Augment,
        description="what may happen to a picture before the critics see it: harder to please by single pixels",
    )
    weights: Literal["fixed", "balanced"] = Field(
        default="fixed",
        description="weights of the questions: as they are written, or balanced against each other on the way by "
        "GradNorm (arXiv 1711.02257), so that a question that lags or pulls weakly gets more; holds stay as written",
    )
    conflict: Conflict | None = Field(
        default=None,
        description="look at how the gradients of the questions agree: a backward pass through a critic each",
    )
    optimize: Literal["adapter", "latents"] = Field(
        default="adapter",
        description="what is trained: an adapter; or, without one, the noise of a single picture: that of the first "
        "training prompt, from seed `train.seed`",
    )
    stop: Stop | None = Field(default=None, description="when to stop before `steps`; left out, all of them are taken")
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="decay of a moving average of the weights, which is then the adapter; left out, none",
    )
    save_every: Whole = Field(
        default=25, ge=1, le=10_000_000, description="steps between checkpoints, from which a stopped run goes on"
    )

    @property
    def lr_in_effect(self) -> float:
        """As written, or what is usual for what is trained."""
        return self.lr or _RATES[self.optimize]


class Evaluate(Keys):
    seeds: Whole = Field(
        default=16, ge=1, le=100_000, description="pictures of every test prompt, each from noise of its own"
    )
    scales: Annotated[list[Annotated[float, Field(ge=0, le=LARGEST_SCALE)]], Field(min_length=1, max_length=64)] = (
        Field(
            default=[0.0, 0.5, 1.0],
            description="scales of the adapter to make pictures at: 0 is the bare generator, 1 as trained",
        )
    )
    every: Whole = Field(default=25, ge=1, le=10_000_000, description="steps between looks at the validation prompts")


class Expected(Keys):
    """A recipe's own test: of a measure, or of a question put to a judge."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [given("at_least"), given("at_most"), given("gain")]})

    at_least: float | None = Field(
        default=None, ge=0, le=1, description="smallest fraction of held-out pictures that must be right"
    )
    at_most: float | None = Field(
        default=None, ge=0, le=1, description="largest fraction of held-out pictures that may be right"
    )
    gain: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="how much larger that fraction must be than the bare generator's, at least",
    )
    judge: Name | None = Field(default=None, description="the judge that answers; for a question, never for a measure")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(bound is not None for bound in (self.at_least, self.at_most, self.gain)) != 1:
            raise ValueError("needs one of `at_least`, `at_most` and `gain`")
        return self

    @property
    def bound(self) -> tuple[str, float]:
        """Which of them is written, and its value."""
        bounds = {"at_least": self.at_least, "at_most": self.at_most, "gain": self.gain}
        return next((name, value) for name, value in bounds.items() if value is not None)
