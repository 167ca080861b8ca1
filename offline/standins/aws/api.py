"""A resource type made of API operations, declared in a few lines."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from offline.standins.aws.cloud import AwsError, Cloud
from offline.standins.aws.mapper import Renames, arguments, member, shape_at, to_api, told
from offline.standins.aws.tagging import SERVICES, listed, read_tags, write_tags
from offline.standins.kind import URN_TAG, Call, ConflictError, Kind, Properties, wait_until

NOT_PARAMETERS = ("tags", "region")


def search(path: str, value: Any) -> Any:
    """Returns what the JMESPath finds, times as text."""
    jmespath = importlib.import_module("jmespath")  # comes with botocore: loaded at the first real call

    found = jmespath.search(path, value)
    return found.isoformat() if hasattr(found, "isoformat") else found


@dataclass(frozen=True, kw_only=True)
class Api:
    """How a type is made of operations; `kind()` is its row in the table.

    `by` is the parameter that names the object; `id` finds the id in create's answer (else it is the value of
    the input `name`); `at` finds the object in describe's answer, `{id}` standing for the id; `outputs`,
    `ready` and `gone` are read from the object. Paths are JMESPath. `rename` gives the API names whose letters
    differ (alternatives apart by a space), `aside` the inputs that no operation takes by itself, `forgets` those
    that the emulator takes and doesn't keep, so that nobody watches them. `on_create`, `on_update` and `on_delete`
    add parameters, `after` does what the operations leave undone, `compute` finds the outputs without a path,
    `observe` the inputs that describe doesn't tell. `ec2` is the resource type in EC2's tags and, where the type
    has one, the ARN; `tagging` is the row of tag operations if it isn't the service's, `tags_later` for create
    operations whose tags the emulator drops. Without `delete` the object outlives the resource.
    """

    type: str
    service: str
    by: str
    create: str
    describe: str
    at: str
    delete: str = ""
    update: str = ""
    id: str = ""
    name: str = ""
    ec2: str = ""
    arn: bool = True
    rename: Renames = field(default_factory=dict)
    outputs: Renames = field(default_factory=dict)
    replace: str = ""
    hidden: str = ""
    changing: str = ""
    aside: str = ""
    forgets: str = ""
    ready: str = ""
    gone: str = ""
    tags: bool = True
    tagging: str = ""
    tags_later: bool = False
    defaults: Properties = field(default_factory=dict)
    describe_also: Properties = field(default_factory=dict)
    on_create: Callable[[Call], Properties] = lambda _: {}
    on_update: Callable[[Call], Properties] = lambda _: {}
    on_delete: Callable[[Call], Properties] = lambda _: {}
    after: Callable[[Call], object] = lambda _: None
    compute: Callable[[Call, Any], Properties] = lambda _call, _found: {}
    observe: Callable[[Call, Any], Properties] = lambda _call, _found: {}

    def kind(self) -> Kind:
        """Returns the row of the package's table."""
        computed = [*self.outputs, *(["arn"] if self.ec2 and self.arn else []), *(["tagsAll"] if self.tags else [])]
        return Kind(
            type=self.type,
            outputs=tuple(computed),
            name=self.name,
            replace=(*self.replace.split(), *([self.name] if self.name else [])),
            hidden=tuple(self.hidden.split()),
            changing=tuple(self.changing.split()),
            tags=self.tags,
            create=self.do_create,
            read=self.do_read,
            update=self.do_update,
            delete=self.do_delete,
        )

    def parameters(self, cloud: Cloud, operation: str, inputs: Properties) -> Properties:
        """Returns those inputs that the operation takes, as it takes them."""
        shape, _ = cloud.shape(self.service, operation)
        return arguments(shape, self.without(inputs, self.aside), self.rename)

    def without(self, inputs: Properties, names: str) -> Properties:
        """Returns the inputs that may have a parameter of their own, less those named."""
        left_out = (*NOT_PARAMETERS, *names.split())
        return {key: value for key, value in inputs.items() if key not in left_out}

    def named(self, cloud: Cloud, operation: str, identity: str) -> Properties:
        """Returns the parameter that names the object, if the operation has it."""
        shape, _ = cloud.shape(self.service, operation)
        name = member(shape, "by", {"by": self.by})
        return {} if name is None else {name: to_api(shape.members[name], identity, {})}

    def find(self, cloud: Cloud, identity: str) -> Any:
        """Returns the object as the API describes it, or None."""
        named = self.named(cloud, self.describe, identity)
        answer = cloud.find(self.service, self.describe, **named, **self.describe_also)
        found = None if answer is None else search(self.at.format(id=identity), answer)
        return None if not found or (self.gone and search(self.gone, found)) else found

    def seen(self, call: Call, found: Any) -> Properties:
        """Returns the object's computed properties."""
        outputs = {name: search(path, found) for name, path in self.outputs.items() if path}
        outputs |= self.compute(call, found)
        if self.ec2 and self.arn:
            outputs["arn"] = f"arn:aws:ec2:{call.cloud.region}:{call.cloud.account}:{self.ec2}/{call.id}"
        return {**outputs, "tagsAll": call.inputs.get("tags", {})} if self.tags else outputs

    def told(self, call: Call, found: Any) -> Properties:
        """Returns those inputs that describe tells, as it tells them."""
        _, answer = call.cloud.shape(self.service, self.describe)
        inputs = self.without(call.inputs, f"{self.aside} {self.forgets}")
        return told(shape_at(answer, self.at), found, inputs, self.rename)

    def tag_name(self, call: Call, found: Any) -> str:
        """Returns what the service's tag operations call the object."""
        return str(self.seen(call, found)["arn"]) if SERVICES[self.tagged].arn else call.id

    @property
    def tagged(self) -> str:
        """The row of tag operations."""
        return self.tagging or self.service

    def do_create(self, call: Call) -> tuple[str, Properties]:
        cloud: Cloud = call.cloud
        call.id = str(call.inputs.get(self.name, ""))
        parameters = {
            **self.defaults,
            **self.parameters(cloud, self.create, call.inputs),
            **self.on_create(call),
        }
        tags = {**call.inputs.get("tags", {}), URN_TAG: call.urn}
        shape, _ = cloud.shape(self.service, self.create)
        in_create = member(shape, "tags") if self.tags and not self.tags_later else None
        if in_create:
            parameters[in_create] = listed(shape.members[in_create], tags)
        elif self.ec2 and not self.tags_later:
            member_shape = shape.members["TagSpecifications"].member.members["Tags"]
            parameters["TagSpecifications"] = [{"ResourceType": self.ec2, "Tags": listed(member_shape, tags)}]
        marked = self.marked(call) if self.ec2 else None
        if marked:
            call.id = marked
        else:
            try:
                answer = cloud.call(self.service, self.create, **parameters)
                call.id = str(search(self.id, answer)) if self.id else call.id
            except AwsError as error:
                if not error.taken:
                    raise
                self.adopt(call)
        if self.tags and not in_create and (self.tags_later or not self.ec2):
            write_tags(cloud, self.tagged, self.tag_name(call, self.find(cloud, call.id)), tags, [])
        return call.id, self.finish(call)

    def adopt(self, call: Call) -> None:
        """Takes over the object of that name if a killed create left it.

        It did if the object carries this resource's URN or, where it can carry nothing, is just what is asked.
        """
        found = self.find(call.cloud, call.id)
        if found and not self.tags and all(call.inputs[key] == value for key, value in self.told(call, found).items()):
            return
        owner = None
        if found and self.tags:
            owner = read_tags(call.cloud, self.tagged, self.tag_name(call, found)).get(URN_TAG)
        if owner != call.urn:
            raise ConflictError(self.type.split(":")[-1], call.id, owner)
        if self.update:
            self.apply(call)

    def marked(self, call: Call) -> str | None:
        """Returns the id of the EC2 object with this URN: EC2 names nothing, so a create never conflicts.

        The object that this one replaces carries the URN too and is left alone.
        """
        if call.replaces == "":
            return None
        filters = [{"Name": "key", "Values": [URN_TAG]}, {"Name": "value", "Values": [call.urn]}]
        for tag in call.cloud.call("ec2", "DescribeTags", Filters=filters)["Tags"]:
            if tag["ResourceId"] != call.replaces and self.find(call.cloud, tag["ResourceId"]):
                return str(tag["ResourceId"])
        return None

    def finish(self, call: Call) -> Properties:
        """Waits until the object is ready, completes it and returns its computed properties."""
        if self.ready:
            what = f"{self.type.split(':')[-1]} {call.id!r}"
            wait_until(lambda: search(self.ready, self.find(call.cloud, call.id)), what, seconds=300)
        self.after(call)
        return self.seen(call, self.find(call.cloud, call.id))

    def apply(self, call: Call) -> None:
        """Sends the changed inputs to the update operation: all of them where that is the create operation."""
        whole = self.update == self.create
        inputs = {key: value for key, value in call.inputs.items() if whole or call.changed(key)}
        parameters = self.parameters(call.cloud, self.update, inputs) | self.on_update(call)
        if parameters:
            named = self.named(call.cloud, self.update, call.id)
            call.cloud.call(self.service, self.update, **{**parameters, **named})

    def do_read(self, call: Call) -> Properties | None:
        found = self.find(call.cloud, call.id)
        if found is None:
            return None
        result = self.seen(call, found) | self.told(call, found)
        if self.tags:
            tags = read_tags(call.cloud, self.tagged, self.tag_name(call, found))
            result["tags"] = result["tagsAll"] = {key: value for key, value in tags.items() if key != URN_TAG}
        return result | self.observe(call, found)

    def do_update(self, call: Call) -> Properties:
        if self.update:
            self.apply(call)
        if self.tags and call.changed("tags"):
            tags = call.inputs.get("tags", {})
            surplus = [key for key in call.old.get("tags", {}) if key not in tags]
            name = self.tag_name(call, self.find(call.cloud, call.id))
            write_tags(call.cloud, self.tagged, name, {**tags, URN_TAG: call.urn}, surplus)
        return self.finish(call)

    def do_delete(self, call: Call) -> None:
        if not self.delete:
            return
        named = self.named(call.cloud, self.delete, call.id)
        call.cloud.find(self.service, self.delete, **{**named, **self.on_delete(call)})
        if self.ready:
            what = f"{self.type.split(':')[-1]} {call.id!r} to go"
            wait_until(lambda: self.find(call.cloud, call.id) is None, what, seconds=300)
