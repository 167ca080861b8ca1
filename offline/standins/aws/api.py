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

    The object is known by `id_parameter`; `id_path` finds its id in create's answer (else the id is the value of
    the input `name_input`), and `object_path` finds the object in describe's answer, `{id}` standing for the id.
    `outputs`, `ready_when` and `gone_when` are read from the object. Paths are JMESPath. `api_names` has the API's
    names whose letters differ (alternatives apart by a space), `unmapped_inputs` the inputs that no operation takes
    by itself, `forgotten_inputs` those that the emulator takes and doesn't keep, so that nobody watches them.
    `create_parameters`, `update_parameters` and `delete_parameters` add to what is sent, `after_write` does what
    the operations leave undone, `computed_outputs` finds the outputs without a path, `observed_inputs` the inputs
    that describe doesn't tell. `ec2_type` is the type in EC2's tags and, with `ec2_arn`, in the ARN;
    `tag_operations` is the row of tag operations if it isn't the service's. Tags that the emulator drops from
    create's call are written by themselves with `tag_after_create`. Without `delete` the object outlives the resource.
    """

    type: str
    service: str
    id_parameter: str
    create: str
    describe: str
    object_path: str
    delete: str = ""
    update: str = ""
    id_path: str = ""
    name_input: str = ""
    ec2_type: str = ""
    ec2_arn: bool = True
    api_names: Renames = field(default_factory=dict)
    outputs: Renames = field(default_factory=dict)
    replace_on_change: str = ""
    masked_inputs: str = ""
    changing_outputs: str = ""
    unmapped_inputs: str = ""
    forgotten_inputs: str = ""
    ready_when: str = ""
    gone_when: str = ""
    has_tags: bool = True
    tag_operations: str = ""
    tag_after_create: bool = False
    create_defaults: Properties = field(default_factory=dict)
    describe_parameters: Properties = field(default_factory=dict)
    create_parameters: Callable[[Call], Properties] = lambda _: {}
    update_parameters: Callable[[Call], Properties] = lambda _: {}
    delete_parameters: Callable[[Call], Properties] = lambda _: {}
    after_write: Callable[[Call], object] = lambda _: None
    computed_outputs: Callable[[Call, Any], Properties] = lambda _call, _found: {}
    observed_inputs: Callable[[Call, Any], Properties] = lambda _call, _found: {}

    def kind(self) -> Kind:
        """Returns the row of the package's table."""
        arn, tags = ["arn"] if self.ec2_type and self.ec2_arn else [], ["tagsAll"] if self.has_tags else []
        return Kind(
            type=self.type,
            outputs=(*self.outputs, *arn, *tags),
            name=self.name_input,
            replace=(*self.replace_on_change.split(), *([self.name_input] if self.name_input else [])),
            hidden=tuple(self.masked_inputs.split()),
            changing=tuple(self.changing_outputs.split()),
            tags=self.has_tags,
            create=self.do_create,
            read=self.do_read,
            update=self.do_update,
            delete=self.do_delete,
        )

    def parameters(self, cloud: Cloud, operation: str, inputs: Properties) -> Properties:
        """Returns those inputs that the operation takes, as it takes them."""
        shape, _ = cloud.shape(self.service, operation)
        return arguments(shape, self.without(inputs, self.unmapped_inputs), self.api_names)

    def without(self, inputs: Properties, names: str) -> Properties:
        """Returns the inputs that may have a parameter of their own, less those named."""
        left_out = (*NOT_PARAMETERS, *names.split())
        return {key: value for key, value in inputs.items() if key not in left_out}

    def named(self, cloud: Cloud, operation: str, identity: str) -> Properties:
        """Returns the parameter that names the object, if the operation has it."""
        shape, _ = cloud.shape(self.service, operation)
        name = member(shape, "by", {"by": self.id_parameter})
        return {} if name is None else {name: to_api(shape.members[name], identity, {})}

    def find(self, cloud: Cloud, identity: str) -> Any:
        """Returns the object as the API describes it, or None."""
        named = self.named(cloud, self.describe, identity)
        answer = cloud.find(self.service, self.describe, **named, **self.describe_parameters)
        found = None if answer is None else search(self.object_path.format(id=identity), answer)
        return None if not found or (self.gone_when and search(self.gone_when, found)) else found

    def seen(self, call: Call, found: Any) -> Properties:
        """Returns the object's computed properties."""
        outputs = {name: search(path, found) for name, path in self.outputs.items() if path}
        outputs |= self.computed_outputs(call, found)
        if self.ec2_type and self.ec2_arn:
            outputs["arn"] = f"arn:aws:ec2:{call.cloud.region}:{call.cloud.account}:{self.ec2_type}/{call.id}"
        return {**outputs, "tagsAll": call.inputs.get("tags", {})} if self.has_tags else outputs

    def told(self, call: Call, found: Any) -> Properties:
        """Returns those inputs that describe tells, as it tells them."""
        _, answer = call.cloud.shape(self.service, self.describe)
        inputs = self.without(call.inputs, f"{self.unmapped_inputs} {self.forgotten_inputs}")
        return told(shape_at(answer, self.object_path), found, inputs, self.api_names)

    def tag_name(self, call: Call, found: Any) -> str:
        """Returns what the service's tag operations call the object."""
        return str(self.seen(call, found)["arn"]) if SERVICES[self.tag_row].arn else call.id

    @property
    def tag_row(self) -> str:
        """The row of tag operations."""
        return self.tag_operations or self.service

    def do_create(self, call: Call) -> tuple[str, Properties]:
        cloud: Cloud = call.cloud
        call.id = str(call.inputs.get(self.name_input, ""))
        parameters = {
            **self.create_defaults,
            **self.parameters(cloud, self.create, call.inputs),
            **self.create_parameters(call),
        }
        tags = {**call.inputs.get("tags", {}), URN_TAG: call.urn}
        shape, _ = cloud.shape(self.service, self.create)
        in_create = member(shape, "tags") if self.has_tags and not self.tag_after_create else None
        if in_create:
            parameters[in_create] = listed(shape.members[in_create], tags)
        elif self.ec2_type and not self.tag_after_create:
            member_shape = shape.members["TagSpecifications"].member.members["Tags"]
            parameters["TagSpecifications"] = [{"ResourceType": self.ec2_type, "Tags": listed(member_shape, tags)}]
        marked = self.marked(call) if self.ec2_type else None
        if marked:
            call.id = marked
        else:
            try:
                answer = cloud.call(self.service, self.create, **parameters)
                call.id = str(search(self.id_path, answer)) if self.id_path else call.id
            except AwsError as error:
                if not error.taken:
                    raise
                self.adopt(call)
        if self.has_tags and not in_create and (self.tag_after_create or not self.ec2_type):
            write_tags(cloud, self.tag_row, self.tag_name(call, self.find(cloud, call.id)), tags, [])
        return call.id, self.finish(call)

    def adopt(self, call: Call) -> None:
        """Takes over the object of that name if a killed create left it.

        It did if the object carries this resource's URN or, where it can carry nothing, is just what is asked.
        """
        found = self.find(call.cloud, call.id)
        if (
            found
            and not self.has_tags
            and all(call.inputs[key] == value for key, value in self.told(call, found).items())
        ):
            return
        owner = None
        if found and self.has_tags:
            owner = read_tags(call.cloud, self.tag_row, self.tag_name(call, found)).get(URN_TAG)
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
        if self.ready_when:
            what = f"{self.type.split(':')[-1]} {call.id!r}"
            wait_until(lambda: search(self.ready_when, self.find(call.cloud, call.id)), what, seconds=300)
        self.after_write(call)
        return self.seen(call, self.find(call.cloud, call.id))

    def apply(self, call: Call) -> None:
        """Sends the changed inputs to the update operation: all of them where that is the create operation."""
        whole = self.update == self.create
        inputs = {key: value for key, value in call.inputs.items() if whole or call.changed(key)}
        parameters = self.parameters(call.cloud, self.update, inputs) | self.update_parameters(call)
        if parameters:
            named = self.named(call.cloud, self.update, call.id)
            call.cloud.call(self.service, self.update, **{**parameters, **named})

    def do_read(self, call: Call) -> Properties | None:
        found = self.find(call.cloud, call.id)
        if found is None:
            return None
        result = self.seen(call, found) | self.told(call, found)
        if self.has_tags:
            tags = read_tags(call.cloud, self.tag_row, self.tag_name(call, found))
            result["tags"] = result["tagsAll"] = {key: value for key, value in tags.items() if key != URN_TAG}
        return result | self.observed_inputs(call, found)

    def do_update(self, call: Call) -> Properties:
        if self.update:
            self.apply(call)
        if self.has_tags and call.changed("tags"):
            tags = call.inputs.get("tags", {})
            surplus = [key for key in call.old.get("tags", {}) if key not in tags]
            name = self.tag_name(call, self.find(call.cloud, call.id))
            write_tags(call.cloud, self.tag_row, name, {**tags, URN_TAG: call.urn}, surplus)
        return self.finish(call)

    def do_delete(self, call: Call) -> None:
        if not self.delete:
            return
        named = self.named(call.cloud, self.delete, call.id)
        call.cloud.find(self.service, self.delete, **{**named, **self.delete_parameters(call)})
        if self.ready_when:
            what = f"{self.type.split(':')[-1]} {call.id!r} to go"
            wait_until(lambda: self.find(call.cloud, call.id) is None, what, seconds=300)
