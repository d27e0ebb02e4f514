"""What is asked for: the keys of `prompts` and `combine`, their ranges and defaults."""

from typing import Annotated, Literal, Self, cast

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from .values import MOST_NAMED, Count, Item, Keys, Name, Text, Value, Variable, Weight, Whole, given, kind_of


class Prompt(Keys):
    """One prompt with variables of its own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]  # pyright: ignore[reportIncompatibleVariableOverride]

    prompt: Text = Field(description="what is asked of the generator; every other key of the row is a variable")


def _prompt(value: object) -> object:
    if not isinstance(value, (str, dict)):
        raise ValueError("must be text, or a mapping with `prompt`")
    return {"prompt": value} if isinstance(value, str) else cast(object, value)


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
        default=None, description="draw so many of the combinations; the draw depends on `train.seed`"
    )


class FilePrompts(Keys):
    """Prompts from a file: .txt (one a line), .csv or .jsonl, whose columns are variables."""

    file: Text = Field(description=".txt, one prompt a line, .csv or .jsonl; relative to the recipe")


class HeldBack(Keys):
    """Prompts held back from training, drawn by the training's seed."""

    sample: Whole = Field(ge=1, description="how many of `train` are held back; the draw depends on `train.seed`")


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
