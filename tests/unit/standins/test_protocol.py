"""The protocol core against a table of one type, and the process around it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2 as pb

from offline.standins.kind import Call, Kind, Package, Properties, StandinError
from offline.standins.protocol import Provider, version_of
from offline.standins.values import UNKNOWN, to_python, to_struct

ROOT = Path(__file__).resolve().parents[3]
URN = "urn:pulumi:local::web-next::comp$box:index/thing:Thing::first"


class AbortedError(Exception):
    """What a gRPC context does with an error."""


class Context:
    def abort(self, _code: Any, text: str) -> None:
        raise AbortedError(text)


def create(call: Call) -> tuple[str, Properties]:
    if call.inputs["size"] == 13:
        raise ValueError(f"cannot make\n  it with {call.inputs['password']}")
    return "id-1", {"arn": "arn:1", "key": "derived"}


THING = Kind(
    type="box:index/thing:Thing",
    outputs=("arn", "key", "tagsAll"),
    name="name",
    replace=("name", "size"),
    hidden=("password", "key"),
    tags=True,
    create=create,
    read=lambda call: None if call.id == "gone" else {"size": 9, "color": None, "arn": "arn:2", "other": 1},
    update=lambda call: {"arn": "arn:3"},
)
SHAPE_ONLY = Kind(type="box:index/shape:Shape", outputs=("arn",))


@pytest.fixture
def provider() -> Provider:
    def connect(variables: Any) -> Any:
        return SimpleNamespace(default_tags={"project": "web-next"}, variables=variables)

    made = Provider(Package(name="box", kinds={k.type: k for k in (THING, SHAPE_ONLY)}, connect=connect), "1.2.3")
    made.Configure(pb.ConfigureRequest(variables={"box:config:region": "here"}), Context())
    return made


def check(
    provider: Provider, news: Properties, olds: Properties | None = None, seed: bytes = b"\1\2\3\4"
) -> Properties:
    request = pb.CheckRequest(urn=URN, news=to_struct(news), olds=to_struct(olds or {}), randomSeed=seed)
    return to_python(provider.Check(request, Context()).inputs)


def diff(provider: Provider, olds: Properties, news: Properties, **more: Any) -> Any:
    request = pb.DiffRequest(urn=URN, old_inputs=to_struct(olds), news=to_struct(news), **more)
    return provider.Diff(request, Context())


def test_the_configuration_reaches_the_package(provider: Provider) -> None:
    assert provider.cloud.variables == {"region": "here"}  # type: ignore[attr-defined]


def test_a_missing_name_is_made_up_once_and_kept(provider: Provider) -> None:
    first = check(provider, {"size": 1})
    assert first["name"] == "first-0102030"
    again = check(provider, {"size": 2}, first, seed=b"\7\7\7\7")
    assert again["name"] == first["name"]
    assert check(provider, {"size": 2}, {"name": "by hand"})["name"] == "first-0102030", "no longer by hand"
    assert check(provider, {"name": "mine"}, first)["name"] == "mine"


def test_default_tags_are_part_of_the_inputs_and_yield_to_the_resource(provider: Provider) -> None:
    assert check(provider, {"name": "n"})["tags"] == {"project": "web-next"}
    assert check(provider, {"name": "n", "tags": {"project": "other"}})["tags"] == {"project": "other"}


def test_an_unknown_map_of_tags_stays_unknown(provider: Provider) -> None:
    assert check(provider, {"name": "n", "tags": UNKNOWN})["tags"] == UNKNOWN


def test_a_change_is_an_update_or_a_replacement_by_the_table(provider: Provider) -> None:
    update = diff(provider, {"name": "a", "color": "red"}, {"name": "a", "color": "blue"})
    assert (update.changes, list(update.replaces)) == (pb.DiffResponse.DIFF_SOME, [])
    replace = diff(provider, {"name": "a", "size": 1}, {"name": "a", "size": 2})
    assert list(replace.replaces) == ["size"]
    assert replace.detailedDiff["size"].kind == pb.PropertyDiff.UPDATE_REPLACE
    assert replace.deleteBeforeReplace, "the new one needs the name of the old one"
    generated = {"name": "a-1", "__defaults": ["name"]}
    assert not diff(provider, {**generated, "size": 1}, {**generated, "size": 2}).deleteBeforeReplace


def test_no_change_and_ignored_changes_are_no_difference(provider: Provider) -> None:
    assert diff(provider, {"size": 1}, {"size": 1}).changes == pb.DiffResponse.DIFF_NONE
    ignored = diff(provider, {"size": 1}, {"size": 2}, ignoreChanges=["size"])
    assert ignored.changes == pb.DiffResponse.DIFF_NONE


def test_a_preview_makes_nothing_and_computed_outputs_are_unknown(provider: Provider) -> None:
    request = pb.CreateRequest(urn=URN, properties=to_struct({"size": 13}), preview=True)
    properties = to_python(provider.Create(request, Context()).properties)
    assert properties == {"size": 13, "arn": UNKNOWN, "key": UNKNOWN, "tagsAll": UNKNOWN}


def test_a_create_wraps_what_the_table_hides(provider: Provider) -> None:
    request = pb.CreateRequest(urn=URN, properties=to_struct({"size": 1, "password": "hunter-two"}))
    fields = provider.Create(request, Context()).properties.fields
    assert all("value" in fields[name].struct_value.fields for name in ("password", "key"))
    assert fields["arn"].string_value == "arn:1"


def test_a_create_knows_what_it_replaces(provider: Provider) -> None:
    seen: list[str | None] = []

    def remember(call: Call) -> tuple[str, Properties]:
        seen.append(call.replaces)
        return "id", {}

    provider.package = Package(
        name="box", kinds={THING.type: Kind(type=THING.type, create=remember)}, connect=provider.package.connect
    )
    request = pb.CreateRequest(urn=URN, properties=to_struct({}))
    provider.Create(request, Context())
    check(provider, {}, {"size": 1})
    provider.Create(request, Context())
    diff(provider, {"size": 1}, {"size": 2}, id="old")
    check(provider, {"size": 2})
    provider.Create(request, Context())
    assert seen == [None, "", "old"], "nothing, something whose id isn't known, the object in the state"
    provider.Configure(pb.ConfigureRequest(), Context())
    provider.Create(request, Context())
    assert seen[-1] is None, "the next command has a state of its own"


def test_an_error_is_one_line_without_the_secrets(provider: Provider) -> None:
    inputs = to_struct({"size": 13, "password": "hunter-two"})
    with pytest.raises(AbortedError) as error:
        provider.Create(pb.CreateRequest(urn=URN, type=THING.type, properties=inputs), Context())
    assert str(error.value) == "ValueError: cannot make it with [secret]"


def test_a_read_shows_the_drift_of_what_the_program_manages_and_nothing_else(provider: Provider) -> None:
    inputs, state = {"size": 1, "color": "red", "shape": "round"}, {"size": 1, "color": "red", "arn": "arn:1"}
    request = pb.ReadRequest(urn=URN, id="x", inputs=to_struct(inputs), properties=to_struct(state))
    answer = provider.Read(request, Context())
    assert to_python(answer.inputs) == {"size": 9, "shape": "round"}, "color is gone, shape cannot be seen"
    assert to_python(answer.properties) == {"size": 9, "shape": "round", "arn": "arn:2"}


def test_a_read_of_what_is_gone_is_empty(provider: Provider) -> None:
    assert provider.Read(pb.ReadRequest(urn=URN, id="gone"), Context()).id == ""


def test_an_update_keeps_the_outputs_it_does_not_change(provider: Provider) -> None:
    request = pb.UpdateRequest(
        urn=URN, id="x", olds=to_struct({"size": 1, "arn": "arn:1", "key": "k"}), news=to_struct({"size": 2})
    )
    assert to_python(provider.Update(request, Context()).properties) == {"size": 2, "arn": "arn:3", "key": "k"}


def test_a_type_without_operations_is_previewed_and_otherwise_refused(provider: Provider) -> None:
    urn = URN.replace("thing:Thing", "shape:Shape")
    assert provider.Create(pb.CreateRequest(urn=urn, preview=True), Context()).properties.fields["arn"]
    for call, request in (
        (provider.Create, pb.CreateRequest(urn=urn)),
        (provider.Read, pb.ReadRequest(urn=urn, id="x")),
        (provider.Update, pb.UpdateRequest(urn=urn, id="x")),
        (provider.Delete, pb.DeleteRequest(urn=urn, id="x")),
    ):
        with pytest.raises(AbortedError, match="exists in previews only"):
            call(request, Context())


def test_a_type_that_is_not_in_the_table_is_named(provider: Provider) -> None:
    with pytest.raises(AbortedError, match="box:index/ball:Ball is not among the types"):
        provider.Check(pb.CheckRequest(urn=URN.replace("thing:Thing", "ball:Ball")), Context())


def test_function_calls_are_refused(provider: Provider) -> None:
    with pytest.raises(AbortedError, match="answer no function calls"):
        provider.Invoke(pb.InvokeRequest(tok="aws:index/getRegion:getRegion"), Context())


def test_the_version_is_the_one_the_sdk_asks_for() -> None:
    assert version_of("aws").count(".") == 2
    with pytest.raises(StandinError, match="pulumi_nonesuch is not installed"):
        version_of("nonesuch")


def start(package: str = "random") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "offline.standins", package],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),  # as a background shell does
    )


@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "stdin"])
def test_a_plugin_prints_its_port_and_ends_with_the_engine(ending: str) -> None:
    with start() as plugin:
        assert plugin.stdout
        assert plugin.stdin
        assert int(plugin.stdout.readline()) > 0
        plugin.stdin.close() if ending == "stdin" else plugin.send_signal(getattr(signal, ending))
        assert plugin.wait(timeout=2) == 0


def test_an_unknown_package_is_refused_in_one_line() -> None:
    with start("azure") as plugin:
        assert plugin.stderr
        assert plugin.stderr.read() == ("no stand-in named 'azure'; there are: aws, docker, postgresql, random\n")
        assert plugin.wait() == 1


def test_a_preview_costs_no_import_of_the_cloud_or_of_pulumi() -> None:
    code = (
        "import sys; from offline.standins.__main__ import skip_pulumi_code; skip_pulumi_code(); "
        "import offline.standins.protocol, offline.standins.aws, offline.standins.docker, "
        "offline.standins.postgresql; "
        "print(sorted({'botocore', 'docker', 'psycopg', 'pulumi.resource'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
