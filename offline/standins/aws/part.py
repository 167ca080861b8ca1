"""A part of another object: an entry or a document that has no tags and that its keys name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from offline.standins.aws.api import search
from offline.standins.aws.mapper import Renames, arguments, member, shape_at, told
from offline.standins.kind import Call, ConflictError, Kind, Properties, StandinError


@dataclass(frozen=True, kw_only=True)
class Part:
    """How a part is made of operations; `kind()` is its row in the table.

    `key_inputs` are the inputs that name it and go with every operation. `put` writes it, `get` and the JMESPath
    `object_path` find it ('{key}' stands for a key's value), `delete` removes it. Where `put` can't write it a second
    time, `change` can: what is there already is then taken over if it is just what's asked, else refused.
    `handle_parameters` gives the parameters that name it with what `get` says (parameter: member), `put_parameters`
    what goes with every put. The rest is as in Api; an input that nothing takes is refused.
    """

    type: str
    service: str
    key_inputs: str
    put: str
    get: str
    object_path: str
    delete: str
    change: str = ""
    gone_when: str = ""
    api_names: Renames = field(default_factory=dict)
    outputs: Renames = field(default_factory=dict)
    handle_parameters: Renames = field(default_factory=dict)
    put_parameters: Properties = field(default_factory=dict)
    unmapped_inputs: str = ""
    replace_on_change: str = ""
    delete_parameters: Callable[[Call], Properties] = lambda _: {}
    observed_inputs: Callable[[Call, Any], Properties] = lambda _call, _found: {}

    def kind(self) -> Kind:
        """Returns the row of the package's table."""
        return Kind(
            type=self.type,
            outputs=tuple(self.outputs),
            name="name" if "name" in self.key_inputs.split() else "",
            replace=(*self.key_inputs.split(), *self.replace_on_change.split()),
            create=self.do_create,
            read=self.do_read,
            update=self.do_update,
            delete=self.do_delete,
        )

    def find(self, call: Call) -> Any:
        """Returns the part as the API tells it, or None."""
        quoted = {key: str(value).replace("'", r"\'") for key, value in self.named(call).items()}
        answer = call.cloud.find(self.service, self.get, **self.arguments(call, self.get, self.named(call)))
        found = None if answer is None else search(self.object_path.format(**quoted), answer)
        return None if not found or (self.gone_when and search(self.gone_when, found)) else found

    def named(self, call: Call) -> Properties:
        """Returns the inputs that name the part."""
        return {key: call.inputs[key] for key in self.key_inputs.split()}

    def arguments(self, call: Call, operation: str, inputs: Properties) -> Properties:
        """Returns those inputs that the operation takes, as it takes them."""
        shape, _ = call.cloud.shape(self.service, operation)
        return arguments(shape, inputs, self.api_names)

    def told(self, call: Call, found: Any) -> Properties:
        """Returns those inputs that get tells, as it tells them."""
        _, answer = call.cloud.shape(self.service, self.get)
        return told(shape_at(answer, self.object_path), found, call.inputs, self.api_names) | self.observed_inputs(
            call, found
        )

    def seen(self, found: Any) -> Properties:
        """Returns the part's computed properties."""
        return {name: search(path, found) for name, path in self.outputs.items()}

    def write(self, call: Call, operation: str, found: Any) -> Properties:
        """Puts or changes the whole part and returns its computed properties."""
        given = {
            key: value for key, value in call.inputs.items() if key not in ("region", *self.unmapped_inputs.split())
        }
        shape, _ = call.cloud.shape(self.service, self.put)
        if surplus := [key for key in given if member(shape, key, self.api_names) is None]:
            raise StandinError(
                f"{self.type} sets {', '.join(surplus)}, which the stand-in's {self.put} does not take: "
                "leave it out, or add it to the row in offline/standins/aws"
            )
        handle = {parameter: search(path, found) for parameter, path in self.handle_parameters.items()} if found else {}
        parameters = self.arguments(call, operation, given) | self.put_parameters | handle
        call.cloud.call(self.service, operation, **parameters)
        return self.seen(self.find(call))

    def do_create(self, call: Call) -> tuple[str, Properties]:
        identity = ":".join(str(value) for value in self.named(call).values())
        found = self.find(call) if self.change else None
        if found is None:
            return identity, self.write(call, self.put, None)
        if any(call.inputs.get(key) != value for key, value in self.told(call, found).items()):
            raise ConflictError(self.type.split(":")[-1], identity, None)
        return identity, self.seen(found)

    def do_read(self, call: Call) -> Properties | None:
        found = self.find(call)
        return None if found is None else self.seen(found) | self.told(call, found)

    def do_update(self, call: Call) -> Properties:
        return self.write(call, self.change or self.put, self.find(call) if self.handle_parameters else None)

    def do_delete(self, call: Call) -> None:
        found = self.find(call)
        if found is not None:
            handle = {parameter: search(path, found) for parameter, path in self.handle_parameters.items()}
            parameters = self.arguments(call, self.delete, self.named(call)) | handle | self.delete_parameters(call)
            call.cloud.find(self.service, self.delete, **parameters)
