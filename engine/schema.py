"""The words of the recipe language: what may stand in a recipe, its ranges and its defaults.

Models are strict: a text is no number, an unknown key is an error. Where a template may stand for a number or a colour,
the text of the template is let through, and the same model checks what it renders to (`resolve`).
"""

from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, PlainSerializer, Tag, model_validator

from .kinds import MEASURES, OF_THE_WORLD, VISUALS, Measure, Visual
from .template import LONGEST
from .values import (
    ADDRESS,
    LARGEST_SEED,
    MOST_NAMED,
    MOST_VARIABLES,
    NAME,
    PART,
    RENDERED,
    VARIABLE,
    Address,
    Count,
    Device,
    Dtype,
    Files,
    Includes,
    Item,
    Keys,
    Name,
    PartName,
    PartNames,
    Probability,
    Quantize,
    Scope,
    SomeNames,
    Text,
    Texts,
    Value,
    Variable,
    Weight,
    Whole,
    given,
    kind_of,
)

__all__ = [
    "ADDRESS",
    "MEASURES",
    "NAME",
    "OF_THE_WORLD",
    "PART",
    "RENDERED",
    "VARIABLE",
    "VISUALS",
    "Keys",
    "Schema",
    "json_schema",
]


# --- generator, critics ---------------------------------------------------------------------------------------------


class PictureSize(Keys):
    width: Whole = Field(
        ge=8, le=8192, description="from left to right, in pixels: a multiple of what the model can do, often 8 or 16"
    )
    height: Whole = Field(
        ge=8, le=8192, description="from top to bottom, in pixels: a multiple of what the model can do, often 8 or 16"
    )


class _Checkpointed(Keys):
    """What is computed again in the backward pass instead of kept."""

    backbone: bool = Field(default=False, description="the network that makes the picture, which the adapter changes")
    decoder: bool = Field(default=False, description="the decoder, from latents to pixels")


def _checkpointing(value: object) -> object:
    return {"backbone": value, "decoder": value} if isinstance(value, bool) else value


Checkpointing = Annotated[_Checkpointed, BeforeValidator(_checkpointing, json_schema_input_type=bool | _Checkpointed)]


class Generator(Keys):
    """The image generator that the adapter is for."""

    model: Address
    steps: Whole = Field(
        default=1,
        ge=1,
        le=1000,
        description="steps of the sampler that one picture takes; the gradient goes through one of them",
    )
    size: PictureSize | None = Field(
        default=None, description="width and height of a picture; left out, what the model was made for"
    )
    guidance: float = Field(default=0.0, ge=0, description="guidance scale, as the family of the model understands it")
    negative: str = Field(
        default="",
        max_length=LONGEST,
        description="negative prompt: what should not be seen, for families that have one",
    )
    dtype: Dtype = "float32"
    device: Device = "auto"
    companions: Files = Field(default=[], alias="with", description="fixed companion adapters, relative to the recipe")
    offload: bool = Field(default=False, description="parts wait in main memory until they are needed")
    slicing: bool = Field(default=False, description="decode one picture at a time: less memory")
    tiling: bool = Field(default=False, description="decode a picture piece by piece: less memory, not exact")
    checkpointing: Checkpointing = Field(
        default_factory=_Checkpointed, description="compute again in the backward pass instead of keeping: less memory"
    )


class Critic(Keys):
    """A frozen vision-language model whose gradient teaches the adapter."""

    model: Address
    weight: Weight = Field(default=1.0, description="how much its answers count beside those of the other critics")
    dtype: Dtype = "float32"
    device: Device = "auto"
    checkpointing: bool = Field(
        default=False, description="compute again in the backward pass instead of keeping: less memory"
    )
    quantize: Quantize = None


class Judge(Keys):
    """A vision-language model that is asked, and never in a loss."""

    model: Address
    dtype: Dtype = "float32"
    device: Device = "auto"
    quantize: Quantize = None


# --- prompts --------------------------------------------------------------------------------------------------------


class Prompt(Keys):
    """One prompt with variables of its own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]  # pyright: ignore[reportIncompatibleVariableOverride]

    prompt: Text = Field(description="what is asked of the generator; every other key of the row is a variable")


def _prompt(value: object) -> object:
    return {"prompt": value} if isinstance(value, str) else value


Prompts = Annotated[
    list[Annotated[Prompt, BeforeValidator(_prompt, json_schema_input_type=Text | Prompt)]], Field(min_length=1)
]


class TemplatePrompts(Keys):
    """Prompts from a template, over the product of the lists in `for`."""

    template: Text = Field(description="the prompt, with variables in braces: those of `for` and of `vars`")
    over: dict[Variable, Annotated[list[Item], Field(min_length=1)]] = Field(
        alias="for",
        min_length=1,
        max_length=MOST_NAMED,
        description="variable: list of its values; every combination is a prompt",
    )
    sample: Count | None = Field(
        default=None, description="draw so many of the combinations; the draw hangs on `train.seed`"
    )


class FilePrompts(Keys):
    """Prompts from a file: .txt (one a line), .csv or .jsonl, whose columns are variables."""

    file: Text = Field(description=".txt, one prompt a line, .csv or .jsonl; relative to the recipe")


class HeldBack(Keys):
    """Prompts held back from training, drawn by the training's seed."""

    sample: Whole = Field(ge=1, description="how many prompts of `train` are held back; the draw hangs on `train.seed`")


SOURCES: dict[str, type[Keys]] = {"template": TemplatePrompts, "file": FilePrompts}


def _source_of(value: object) -> str | None:
    if isinstance(value, list):
        return "<list>"
    if isinstance(value, dict) and set(value) == {"sample"}:
        return "<sample>"
    return kind_of(value, SOURCES)


_LIST = Annotated[Prompts, Tag("<list>")]
_TEMPLATE = Annotated[TemplatePrompts, Tag("<template>")]
_FILE = Annotated[FilePrompts, Tag("<file>")]
Source = Annotated[_LIST | _TEMPLATE | _FILE, Discriminator(_source_of)]
Validation = Annotated[_LIST | _TEMPLATE | _FILE | Annotated[HeldBack, Tag("<sample>")], Discriminator(_source_of)]


class PromptSets(Keys):
    """What is asked of the generator: to train on, to look at on the way, and to test on."""

    train: Source = Field(description="prompts to train on: a list, a template with `for`, or a file")
    test: Source | None = Field(
        default=None, description="held-out prompts: tested on, never trained on; left out, those of `validate`"
    )
    validation: Validation | None = Field(
        default=None,
        alias="validate",
        description="prompts to look at on the way, for `train.stop`; left out, 10 % of `train`, held back",
    )


class Together(Keys):
    """The prompts of several recipes. What stands beside them is asked instead of theirs."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [given("union"), given("cross")]})

    union: dict[Name, PromptSets] | None = Field(
        default=None, min_length=1, description="{recipe: its prompts}: those of all recipes are asked"
    )
    cross: dict[Name, PromptSets] | None = Field(
        default=None,
        min_length=1,
        description="{recipe: its prompts}: each is joined with each of the others that agrees with it",
    )
    train: Source | None = Field(default=None, description="prompts to train on, instead of the recipes' own")
    test: Source | None = Field(default=None, description="held-out prompts, instead of the recipes' own")
    validation: Validation | None = Field(
        default=None, alias="validate", description="prompts to look at on the way, instead of the recipes' own"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.union is None) == (self.cross is None):
            raise ValueError("needs one of `union` and `cross`")
        return self


def _prompts_of(value: object) -> str:
    return "<together>" if isinstance(value, dict) and ("union" in value or "cross" in value) else "<sets>"


AnyPrompts = Annotated[
    Annotated[PromptSets, Tag("<sets>")] | Annotated[Together, Tag("<together>")], Discriminator(_prompts_of)
]


def _recipes(value: object) -> object:
    if not isinstance(value, list):
        return value
    names = [str(name) for name in cast(list[object], value)]
    if again := next((name for at, name in enumerate(names) if name in names[:at]), None):
        raise ValueError(f"names `{again}` twice")
    return {"recipes": dict.fromkeys(names, 1.0)}


class Combining(Keys):
    """Several recipes whose questions one adapter is trained on."""

    recipes: dict[Text, Weight] = Field(
        min_length=1, description="recipe file: what the weights of its questions are multiplied by"
    )
    prompts: Literal["union", "cross"] = Field(
        default="union",
        description="`union`: the prompts of all; `cross`: each joined with those of the next that agree with it",
    )


Combine = Annotated[
    Combining,
    BeforeValidator(_recipes, json_schema_input_type=Combining | Annotated[list[Text], Field(min_length=1)]),
]


# --- questions --------------------------------------------------------------------------------------------


class Question(Keys):
    """What the critics are asked of a picture, and what they should answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "required": ["hold", "watch"],
                "properties": {"hold": {"type": "number"}, "watch": {"const": True}},
            }
        }
    )

    ask: Texts = Field(
        description="the question; of several wordings one is drawn each step, the first is asked in tests"
    )
    suffix: str = Field(
        default="",
        max_length=LONGEST,
        description="what is appended to every wording, such as `Answer with Yes or No.`",
    )
    see: PartNames = Field(default=[], description="the visuals that critics are shown with the picture, in this order")
    answer: Texts = Field(description="the answer that is wanted, or several that are accepted")
    against: Texts | None = Field(
        default=None,
        description="the opposite: answer and opposite compete; without it, the answer itself is made likely",
    )
    weight: Weight = Field(
        default=1.0, description="how much it counts beside the other questions; for a `hold`, as it stands"
    )
    hold: Probability | None = Field(
        default=None, description="pushes only while p (with `against`: p against the opposite) is below this"
    )
    watch: bool = Field(default=False, description="asked and reported, never in the loss")
    critics: SomeNames | None = Field(default=None, description="the critics that are asked; left out, all of them")
    flips: bool = Field(
        default=False, description="its answer stays right when the picture is mirrored, see `train.augment.flip`"
    )

    @model_validator(mode="after")
    def _hold_or_watch(self) -> Self:
        if self.watch and self.hold is not None:
            raise ValueError("`hold` and `watch: true` exclude each other: what is watched is never in the loss")
        return self


class Goal(Keys):
    """What the recipe is for: truth and belief, set side by side in the report."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [given("measure"), given("question")]})

    measure: PartName | None = Field(default=None, description="the measure that says whether it happened: the truth")
    question: PartName | None = Field(
        default=None, description="the question about the same thing: what critics believe"
    )

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.measure is None and self.question is None:
            raise ValueError("needs `measure`, `question` or both")
        return self


class Stay(Keys):
    weight: Weight = Field(
        description="how strongly: multiplies the mean squared difference of latents from the bare generator's"
    )


# --- training, evaluation -------------------------------------------------------------------------------------------


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
    start: Text | None = Field(default=None, description="the adapter file to begin with, relative to the recipe")


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


class Train(Keys):
    steps: Whole = Field(
        default=100, ge=1, le=10_000_000, description="steps of training, at most: `stop` may end it before"
    )
    batch: Whole = Field(default=4, ge=1, le=65536, description="pictures that are made and looked at together")
    accumulate: Whole = Field(
        default=1,
        ge=1,
        le=65536,
        description="batches whose gradients make one step: pictures of a step are batch × accumulate",
    )
    lr: float = Field(
        default=5e-5,
        gt=0,
        description="learning rate, at its highest; small worlds bear 1e-3, full-size models want less",
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
        description="weights of the questions: as they are written, or balanced against each other on the way",
    )
    conflict: Conflict | None = Field(default=None, description="look at how the gradients of the questions agree")
    optimize: Literal["adapter", "latents"] = Field(
        default="adapter", description="what is trained: an adapter, or one picture's noise"
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


class Evaluate(Keys):
    seeds: Whole = Field(
        default=16, ge=1, le=100_000, description="pictures of every test prompt, each from noise of its own"
    )
    scales: Annotated[list[Annotated[float, Field(ge=0, le=100)]], Field(min_length=1, max_length=64)] = Field(
        default=[0.0, 0.5, 1.0],
        description="scales of the adapter to make pictures at: 0 is the bare generator, 1 as trained",
    )
    every: Whole = Field(default=25, ge=1, le=10_000_000, description="steps between looks at the validation prompts")


class Expected(Keys):
    """A recipe's own test: of a measure, or of a question put to a judge."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [given("at_least"), given("at_most")]})

    at_least: float | None = Field(
        default=None, ge=0, le=1, description="smallest fraction of held-out pictures that must be right"
    )
    at_most: float | None = Field(
        default=None, ge=0, le=1, description="largest fraction of held-out pictures that may be right"
    )
    judge: Name | None = Field(default=None, description="the judge that answers; for a question, never for a measure")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("needs one of `at_least` and `at_most`")
        return self


class Schema(Keys):
    """A recipe: how pictures should change, as questions about them."""

    recipe: Literal[1] = Field(description="version of the recipe language that the file is written in")
    name: Name = Field(
        description="what the recipe and its adapter are called: a run writes runs/NAME/NAME.safetensors"
    )
    include: Includes | None = Field(
        default=None, description="recipe files that this one is laid over, key by key: what it says itself wins"
    )
    combine: Combine | None = Field(default=None, description="recipes whose questions one adapter is trained on")
    vars: dict[Variable, Scope] = Field(
        default={},
        max_length=MOST_VARIABLES,
        description="variables for every template; a mapping holds those of a combined recipe",
    )
    generator: Generator = Field(description="the image generator that is taught: a model, and how it makes pictures")
    critics: dict[Name, Critic] = Field(
        min_length=1,
        max_length=MOST_NAMED,
        description="vision-language models that teach the adapter by their answers; frozen",
    )
    judges: dict[Name, Judge] = Field(
        default={},
        max_length=MOST_NAMED,
        description="vision-language models that are asked too, never in the loss: a second opinion",
    )
    visuals: dict[PartName, Visual] = Field(
        default={},
        max_length=MOST_NAMED,
        description="pictures that critics are shown over, or beside, the generated one",
    )
    prompts: AnyPrompts = Field(
        description="what is asked of the generator: to train on, to look at on the way, to test on"
    )
    questions: dict[PartName, Question] = Field(
        min_length=1, max_length=MOST_NAMED, description="what is asked of every picture, and what should be answered"
    )
    measures: dict[PartName, Measure] = Field(
        default={}, max_length=MOST_NAMED, description="what pixels say, without any model: the truth"
    )
    goal: Goal | None = Field(
        default=None,
        description="what the recipe is for: a measure and a question of the same thing, side by side in the report",
    )
    stay: Stay | None = Field(
        default=None, description="keep pictures close to those of the bare generator, so that little else changes"
    )
    adapter: Adapter = Field(
        default_factory=Adapter,
        description="the LoRA that is trained: its size, and which layers of the generator it changes",
    )
    train: Train = Field(
        default_factory=Train, description="how the adapter is trained: how long, how fast, and when to stop"
    )
    evaluate: Evaluate = Field(
        default_factory=Evaluate,
        description="how many pictures are made to see what was learned, on the way and at the end",
    )
    expect: dict[PartName, Expected] = Field(
        default={}, description="the recipe's own tests: `recipe run` and `recipe eval` exit 1 where one is not met"
    )


def json_schema(hovers: bool = True) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the language, for completion and checking in editors.

    With `hovers`, descriptions also tell the range and the default of a value, which editors do not show by themselves.
    """
    from .hovers import with_values
    from .partial import with_reuse

    schema = Schema.model_json_schema(mode="validation")
    schema = with_reuse(with_values(schema) if hovers else schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Control recipe", **schema}
