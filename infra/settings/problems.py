"""What is wrong with a stack's settings, in a line for each problem: the value seen, the rule, the way out."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

LONGEST = 200
"""Characters of a value that a line shows."""
_CREDENTIALS = re.compile(r'//(?:[^"\\]|\\.)*@')


class SettingsError(Exception):
    """The stack's settings break one or more rules; the message has a line for each."""

    @classmethod
    def of(cls, lines: list[str]) -> SettingsError:
        """The refusal of all these problems at once."""
        return cls("\n".join([f"{len(lines)} problem(s) in this stack's settings:", *sorted(lines)]))


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Turns pydantic's errors into lines. `sections` are the models of keys that are objects; `moved` are keys that
    have another path now; `masked` names the keys whose values are secret."""

    namespace: str
    model: type[BaseModel]
    sections: Mapping[str, type[BaseModel]]
    moved: Mapping[str, str]
    values: Mapping[str, object]
    masked: frozenset[str]

    def lines(self, error: ValidationError) -> Iterator[str]:
        """A line for each problem."""
        for problem in error.errors(include_url=False):
            yield self._line([str(part) for part in problem["loc"]], problem["type"], str(problem["msg"]))

    def rule(self, clause: str) -> str:
        """The line of a broken rule between settings, secret values masked."""
        for name in self.masked & self.values.keys():
            clause = clause.replace(str(self.values[name]), "[secret]")
        return f"  {self.namespace}: {clause}"

    def _line(self, path: list[str], kind: str, message: str) -> str:
        key = _printable(f"{self.namespace}:{'.'.join(path)}")
        placed = re.sub(r"\.(\d+)", r"[\1]", key)
        if kind == "extra_forbidden" and path[0] in self.moved:
            return f"  {key} is now {self.moved[path[0]]}: move it there"
        if kind == "extra_forbidden" and path[0].partition(".")[0] in self.sections and len(path) == 1:
            return f"  {key}: written without --path; pulumi config rm {key}, then pulumi config set --path {key} VALUE"
        if kind == "extra_forbidden":
            known = _keys(self._model(path))
            close = difflib.get_close_matches(path[-1], known, n=1)
            advice = f"did you mean '{close[0]}'?" if close else f"valid keys: {', '.join(known)}"
            return f"  {placed}: unknown key; {advice}"
        if kind == "missing":
            option = "--path " if len(path) > 1 else ""
            quoted = key if placed == key else f"'{placed}'"
            return f"  {placed}: required, not set; pulumi config set {option}{quoted} VALUE"
        value = "[secret]" if path[0] in self.masked else _CREDENTIALS.sub("//[secret]@", json.dumps(self._at(path)))
        value = value if len(value) <= LONGEST else f"{value[:LONGEST]}… of {len(value)} characters"
        if stated := self._stated_rule(path):
            message = f"it must be {stated}"
        return f"  {placed} = {value}: {message[0].lower()}{message[1:]}"

    def _model(self, path: list[str]) -> type[BaseModel]:
        """The model whose key the path's last part is, or is said to be."""
        model = self.model
        for part in path[:-1]:
            inner = [found for field in model.model_fields.values() if field.alias == part for found in models(field)]
            model = inner[0] if inner else model
        return model

    def _at(self, path: list[str]) -> object:
        found: object = self.values
        for part in path:
            match found:
                case list():
                    found = found[int(part)]
                case Mapping():
                    found = found.get(part)
                case _:
                    return None
        return found

    def _stated_rule(self, path: list[str]) -> str | None:
        path = [part for part in path if not part.isdecimal()]
        for field in self._model(path).model_fields.values():
            if field.alias == path[-1]:
                extras = [
                    one.json_schema_extra for one in (field, *field.metadata) if hasattr(one, "json_schema_extra")
                ]
                stated = next((str(extra["rule"]) for extra in extras if isinstance(extra, dict)), None)
                return stated or self._object(path) or _range(field)
        return None

    def _object(self, path: list[str]) -> str | None:
        if len(path) > 1 or path[0] not in self.sections:
            return None
        return f"an object, its keys are {', '.join(_keys(self.sections[path[0]]))}"


def _printable(key: str) -> str:
    """The key in one line: a break, or what a terminal would obey, as JSON writes it."""
    return key if key.isprintable() else json.dumps(key)[1:-1]


def models(field: FieldInfo) -> list[type[BaseModel]]:
    """The models that a key's value may be of, or have for its elements."""
    kinds = [field.annotation]
    for kind in kinds:
        kinds += get_args(kind)
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _keys(model: type[BaseModel]) -> list[str]:
    return sorted(str(field.alias) for field in model.model_fields.values())


def _range(field: FieldInfo) -> str | None:
    bounds = {name: getattr(part, name) for part in field.metadata for name in ("ge", "le") if hasattr(part, name)}
    match bounds:
        case {"ge": low, "le": high}:
            return f"a whole number from {low} to {high}"
        case {"ge": low}:
            return f"a whole number, {low} or more"
        case {"le": high}:
            return f"a whole number, {high} or less"
    return None
