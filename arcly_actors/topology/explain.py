"""pydantic's errors in an operator's words, with the nearest valid word taken from the JSON Schema."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from arcly_actors.errors import ConfigurationError
from arcly_actors.topology.document import Path

SectionT = TypeVar("SectionT", bound=BaseModel)

_KEY_STEP: Final = "[key]"  # pydantic's last step when a mapping's key is what is wrong
_WORDINGS: Final = {
    "missing": "is missing",
    "model_type": "has to be a mapping of keys",
    "dict_type": "has to be a mapping of keys",
    "tuple_type": "has to be a list",
    "list_type": "has to be a list",
    "bool_type": "has to be true or false",
    "int_type": "has to be a whole number",
    "float_type": "has to be a number",
    "string_type": "has to be text",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """One error: where (`of_key`: the key itself is wrong, not its value), what, and what would be right."""

    path: Path
    of_key: bool
    message: str
    hint: str


def explain(error: ErrorDetails, schema: Mapping[str, Any]) -> Explained:
    """`error` said for people; `schema` is the JSON Schema of the model that raised it."""
    path, context = error["loc"], error.get("ctx", {})
    if path and path[-1] == _KEY_STEP:
        return Explained(
            path[:-1], True, context.get("problem", f"{_shown(path[-2])} cannot be a key"), context.get("hint", "")
        )
    match error["type"]:
        case "extra_forbidden":
            known = tuple(schema_at(schema, path[:-1]).get("properties", ()))
            return Explained(path, True, "unknown key", nearest(str(path[-1]), known))
        case "literal_error" | "enum":
            words = tuple(map(str, _choices(schema_at(schema, path))))
            message = f"not {' or '.join(words)} but {_shown(error['input'])}"
            return Explained(path, False, message, _nearest_choice(error["input"], words))
        case kind if kind in _WORDINGS:
            found = "" if kind == "missing" else f", not {_shown(error['input'])}"
            return Explained(path, False, _WORDINGS[kind] + found, _type_hint(kind, error["input"]))
    at = context.get("at")  # a check across several keys names the one to mend
    deeper = (*path, *(int(step) if step.isdigit() else step for step in at.split("."))) if at else path
    message = error["msg"].removeprefix("Input ").replace("should be", "has to be")
    return Explained(deeper, False, message, context.get("hint", ""))


def checked(section: type[SectionT], **values: Any) -> SectionT:
    """The section with these values; ConfigurationError, which repeats no secret, says all that is wrong with them."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        schema = section.model_json_schema()
        told = [explain(each, schema) for each in error.errors()]
    lines = [f"{'.'.join(map(str, each.path))}: {each.message}{f' ({each.hint})' if each.hint else ''}" for each in told]
    raise ConfigurationError("; ".join(lines))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint: the word of `known` most like `word`, or all of them when none is."""
    words = tuple(known)
    lower = {each.lower(): each for each in words}
    close = difflib.get_close_matches(word.lower()[:100], lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean {lower[close[0]]!r}?"
    return f"valid here: {', '.join(words)}" if words else ""


def schema_at(schema: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The part of `schema` that describes what stands at `path`; empty where the schema knows no such place."""
    here = _resolved(schema, schema)
    for step in path:
        properties = here.get("properties", {})
        others = (*here.get("patternProperties", {}).values(), here.get("additionalProperties"), here.get("items"))
        inner = properties.get(step, next((each for each in others if each), None))
        if not isinstance(inner, Mapping):
            return {}
        here = _resolved(inner, schema)
    return here


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    options = [option for option in part.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        part = options[0]
    reference = part.get("$ref")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else part


def _choices(part: Mapping[str, Any]) -> tuple[Any, ...]:
    return (part["const"],) if "const" in part else tuple(part.get("enum", ()))


def _nearest_choice(found: object, words: tuple[str, ...]) -> str:
    hint = nearest(found, words) if isinstance(found, str) else ""
    return "" if hint.startswith("valid here") else hint  # the message has them all


def _type_hint(kind: str, found: object) -> str:
    if found is None and kind != "missing":
        return "give it a value or remove the key"
    if kind == "bool_type" and isinstance(found, str) and found.lower() in {"yes", "no", "on", "off"}:
        return "write true" if found.lower() in {"yes", "on"} else "write false"
    if isinstance(found, str) and kind in {"int_type", "float_type"}:
        return "without quotes" if found.strip().lstrip("-").isdigit() else ""
    return ""


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
