"""The kinds of values in a recipe: names, numbers with their ranges, colours, texts, and templates in their place."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.config import JsonDict

from . import colors
from .document import scalar
from .template import LONGEST_TEXT, MOST_ITEMS, is_template

Scalar = str | int | float | bool

NAMED = "must be a name: letters, digits, `_` and `-`, no digit first"
NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
PART = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)?$"  # with the name of the recipe it was combined from
DEEP = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$"  # with all recipes that it was composed from
LABEL = r"^[A-Za-z0-9_-]+$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
ADDRESS = r"^(builtin:[a-z0-9_]+|[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*(@[A-Za-z0-9._/-]+)?|\.{0,2}/.*)$"
# factors of the embedded world's scenes that have words: those that prompts may name, and all
NAMED_FACTORS = (
    "time", "season", "place", "lamp", "thing", "color", "size", "position", "other", "other_color", "depth", "camera",
    "outline", "ink", "grade",
)  # fmt: skip
FACTORS = (*NAMED_FACTORS, "other_position", "arrangement", "split_x", "split_y")
LARGEST_SEED = 2**63 - 1
MOST_PICTURES = 65536  # of a batch, and batches of a step
LARGEST_SCALE = 100  # of an adapter; a command may apply it the other way round too, down to -100
POLISH_STEPS = 50  # of joint training on from what is composed, where nobody says how many
EULER_STEP = 0.05  # of noise level, that `estimate: noisy` takes
MOST_BLOCKS = 256  # parts of a generator
MOST_TEXTS = 64  # wordings of a question, answers of a question
MOST_NAMED = 256  # entries of a mapping that a person names: questions, visuals, points, …
MOST_VARIABLES = 1000
MOST_FILES = 200  # that a recipe is made of besides its own
MOST_MERGED = 100_000  # values that these bring in, those of a file as often as it is laid over another
MOST_BYTES = 8 * 2**20  # of these files


class Keys(BaseModel):
    """A mapping with known keys."""

    # built when first used: building every model for itself, and again inside `Schema`, doubles the time of an import
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, populate_by_name=False, defer_build=True
    )


RENDERED = {"rendered": True}  # the context of validation in which templates have become what they render to


def _number_or_template(value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    if isinstance(value, str) and info.context == RENDERED:
        return handler(scalar(value.strip()))
    return _or_template(value, handler, info)


def _or_template(value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    waits = isinstance(value, str) and is_template(value) and info.context != RENDERED
    return value if waits else handler(value)


def _nothing_rendered(value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    """Let a template render to nothing, where nothing else may be written."""
    return "" if info.context == RENDERED and value == "" else handler(value)


def _listed(value: object) -> object:
    if not isinstance(value, (str, list)):
        raise ValueError("must be text or a list of texts")
    return [value] if isinstance(value, str) else cast(object, value)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text


def _not_zero(weight: float) -> float:
    if weight == 0:
        raise ValueError("must not be 0, which leaves the adapter out; take it out")
    return weight


def _color(text: str) -> str:
    return colors.canonical(text)


def _item(value: object) -> object:
    if not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("must be text, a number, true or false")
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        raise ValueError(f"is longer than {LONGEST_TEXT} characters")
    return value


def _value(value: object) -> object:
    listed = cast(list[object], value) if isinstance(value, list) else [value]
    if len(listed) > MOST_ITEMS:
        raise ValueError(f"must have at most {MOST_ITEMS} entries, found {len(listed)}")
    try:
        return [_item(item) for item in listed] if isinstance(value, list) else _item(value)
    except ValueError as error:
        raise ValueError(f"{error}, or a list of these") from error


def _variable(value: object) -> object:
    if not isinstance(value, dict):
        return _value(value)
    inner = cast(dict[str, object], value)
    if odd := [name for name in inner if not re.match(VARIABLE, name)]:
        raise ValueError(f"`{odd[0]}` is no variable's name")
    try:
        return {name: _value(one) for name, one in inner.items()}
    except ValueError as error:
        raise ValueError(f"its values {error}") from error


def whole(value: object) -> object:
    """A whole number written as 4.0, which YAML and JSON Schema take for one; everything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _once(names: list[str]) -> list[str]:
    again = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if again is not None:
        raise ValueError(f"names `{again}` twice")
    return names


Rendered = Annotated[str, StringConstraints(pattern=r"\{\{|\{%")]  # a text that is to be rendered first
_FRACTION = Annotated[float, Field(ge=0, le=1)]
_SIZE = Annotated[float, Field(gt=0, le=1)]
_FROM_0 = Annotated[float, Field(ge=0)]
Fraction = Annotated[_FRACTION, WrapValidator(_number_or_template, json_schema_input_type=_FRACTION | Rendered)]
Size = Annotated[_SIZE, WrapValidator(_number_or_template, json_schema_input_type=_SIZE | Rendered)]
NotNegative = Annotated[_FROM_0, WrapValidator(_number_or_template, json_schema_input_type=_FROM_0 | Rendered)]
Text = Annotated[str, Field(pattern=r"\S", max_length=LONGEST_TEXT), AfterValidator(_not_blank)]
TextOrNothing = Annotated[Text, WrapValidator(_nothing_rendered, json_schema_input_type=Text)]
_TEXTS = Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
Texts = Annotated[_TEXTS, BeforeValidator(_listed, json_schema_input_type=Text | _TEXTS)]
_INCLUDES = Annotated[list[Text], Field(min_length=1, max_length=MOST_FILES)]
Includes = Annotated[_INCLUDES, BeforeValidator(_listed, json_schema_input_type=Text | _INCLUDES)]
_COLOR = Annotated[str, Field(pattern=r"^([A-Za-z]+|#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?)$")]
Color = Annotated[str, AfterValidator(_color), WrapValidator(_or_template, json_schema_input_type=_COLOR | Rendered)]
_EDGE = Literal["top", "bottom"]
Edge = Annotated[_EDGE, WrapValidator(_or_template, json_schema_input_type=_EDGE | Rendered)]
_FACTOR = Literal[NAMED_FACTORS]
Factor = Annotated[_FACTOR, WrapValidator(_or_template, json_schema_input_type=_FACTOR | Rendered)]  # pyright: ignore[reportInvalidTypeForm]
_BASE = Literal["base"]
Base = Annotated[_BASE, WrapValidator(_or_template, json_schema_input_type=_BASE | Rendered)]
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=64)]
Label = Annotated[str, StringConstraints(pattern=LABEL, max_length=64)]
Variable = Annotated[str, StringConstraints(pattern=VARIABLE, max_length=64)]
PartName = Annotated[str, StringConstraints(pattern=PART, max_length=129)]
_PART_NAMES = Annotated[list[PartName], Field(max_length=MOST_NAMED), AfterValidator(_once)]
PartNames = Annotated[_PART_NAMES, BeforeValidator(_listed, json_schema_input_type=PartName | _PART_NAMES)]
_SOME_NAMES = Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMED), AfterValidator(_once)]
SomeNames = Annotated[_SOME_NAMES, BeforeValidator(_listed, json_schema_input_type=Name | _SOME_NAMES)]
_SCALAR = Annotated[str, Field(max_length=LONGEST_TEXT)] | int | float | bool
_SCALARS = Annotated[list[_SCALAR], Field(max_length=MOST_ITEMS)]
_VALUE = _SCALAR | _SCALARS
Item = Annotated[Scalar, PlainValidator(_item, json_schema_input_type=_SCALAR)]
Value = Annotated[Scalar | list[Scalar], PlainValidator(_value, json_schema_input_type=_SCALAR | _SCALARS)]
Scope = Annotated[
    Scalar | list[Scalar] | dict[str, Scalar | list[Scalar]],
    PlainValidator(_variable, json_schema_input_type=_VALUE | dict[Variable, _VALUE]),
]
Whole = Annotated[int, BeforeValidator(whole)]
Count = Annotated[int, Field(ge=1), BeforeValidator(whole)]  # a bound put on `Whole | None` is lost to JSON Schema
Probability = Annotated[float, Field(gt=0, lt=1)]
Weight = Annotated[float, Field(gt=0)]
Share = Annotated[
    float,
    Field(ge=-LARGEST_SCALE, le=LARGEST_SCALE, json_schema_extra={"not": {"const": 0}}),
    AfterValidator(_not_zero),
]
Dtype = Annotated[
    Literal["float32", "bfloat16", "float64"],
    Field(description="number format of the frozen weights; what is trained is float32 at least"),
]
Quantize = Annotated[
    Literal["8bit", "4bit"] | None,
    Field(description="keep the frozen weights in 8 or 4 bits, which takes less memory and is less exact"),
]
Address = Annotated[
    str,
    Field(
        pattern=ADDRESS,
        description="builtin:NAME of the package, org/name@revision of the hub, ./folder by the recipe, or /folder",
    ),
]
Device = Annotated[
    str,
    Field(
        pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$",
        description="where it runs: `auto` is the first GPU if there is one, and else the CPU",
    ),
]


def given(name: str) -> JsonDict:
    """For the JSON Schema of a mapping: the key is there, and is not null."""
    return {"required": [name], "properties": {name: {"not": {"type": "null"}}}}


def kind_of(value: object, kinds: Mapping[str, type[Keys]]) -> str | None:
    """The one kind whose key a mapping has; None where there is none, or more than one."""
    found = [kind for kind in kinds if isinstance(value, dict) and kind in value]
    return f"<{found[0]}>" if len(found) == 1 else None
