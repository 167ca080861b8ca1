"""What is found before an update begins, so that none stops in its middle."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cutover.errors import MigrationError, NotPreparedError, UnreachableError
from cutover.schema.tunnel import LOOPBACK, listens
from cutover.stacks.outputs import Outputs
from cutover.stacks.preflight import Preflight
from infra.audit_roles import AuditRolesArgs
from infra.settings.sections import DatabaseSettings
from outputs.access import WishedAccess
from outputs.network import NetworkSettings
from tests.support.database_output import OUTPUT, SCHEMA
from tests.support.edge_double import TARGET
from tests.support.session_manager import FORWARDS, Sessions, plugin

OUT_OF_REACH = OUTPUT | {"endpoint": f"{LOOPBACK}:1", "bastion": "web-next-prod-bastion"}
FILES = ("001_one.sql", "002_two.sql", "003_three.sql")


def before(outputs: dict[str, Any] | None = None, *resources: dict[str, Any], **config: Any) -> Preflight:
    """What is known of the stack prod: the access in its outputs, its resources, its file's settings."""
    return Preflight(
        stack="prod",
        config={f"web-next:{key}": value for key, value in config.items()},
        outputs=Outputs("prod", {"audit_db_access": outputs} if outputs else {}),
        resources=resources,
    )


def password(role: str, generation: int) -> dict[str, Any]:
    """A generated password as it is in the state; the first one has no keepers."""
    kind = "random:index/randomPassword:RandomPassword"
    keepers = {"keepers": {"generation": str(generation)}} if generation else {}
    return {"urn": f"urn:pulumi:prod::web-next::{kind}::{role}", "type": kind, "inputs": {"length": 32, **keepers}}


def placed(*zones: str, ranges: dict[str, list[str]] | None = None) -> list[dict[str, Any]]:
    """The VPC and its subnets in these zones of eu-central-1, as they are in the state."""
    network = NetworkSettings.model_validate({f"{tier}Subnets": nets for tier, nets in (ranges or {}).items()})
    vpc, subnet = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
    return [
        {"urn": f"urn:pulumi:prod::web-next::{vpc}::network", "type": vpc, "inputs": {"cidrBlock": str(network.cidr)}},
        *(
            {
                "urn": f"urn:pulumi:prod::web-next::{subnet}::network-{tier}-{name}",
                "type": subnet,
                "inputs": {"cidrBlock": str(net), "availabilityZone": name},
            }
            for tier, nets in network.subnets(len(zones)).items()
            for name, net in zip(named(zones), nets, strict=True)
        ),
    ]


def named(zones: Iterable[str]) -> list[str]:
    return [f"eu-central-1{zone}" for zone in zones]


def schema(folder: Path) -> dict[str, Any]:
    """The schema resource after these files were applied."""
    for name in FILES:
        (folder / name).write_text(f"SELECT '{name}';\n")
    checksums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    return {"type": SCHEMA, "inputs": {"checksums": checksums}}


@pytest.fixture
def listening() -> Iterator[int]:
    """The port of a server on this machine."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def free() -> int:
    """A port at which nothing listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """Session Manager, in place of AWS's."""
    made = Sessions()
    monkeypatch.setattr("cutover.aws.client", lambda *_, **__: made)
    return made


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a network: whatever connects fails the test."""

    def connect(*_: Any, **__: Any) -> None:
        raise AssertionError("it connects")

    monkeypatch.setattr(socket, "create_connection", connect)


def balanced(address: str | None = None, url: str = "https://console.web-next.test") -> Outputs:
    """What a base has put out, whose edge is there."""
    found = replace(TARGET, edge=replace(TARGET.edge, url=url, address=address))
    return Outputs("prod", {"smoke_target": found.output()})


def test_a_machine_that_the_balancer_does_not_let_in_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS answers nobody whom it does not let in."""
    asked = []

    def connect(address: tuple[str, int], seconds: float) -> None:
        asked.append((address, seconds))
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(UnreachableError, match=r"^lb\.test does not let this machine in, .* edge\.trustedCallers .*"):
        before().require_way_in(balanced("lb.test"))
    assert asked == [(("lb.test", 443), 5.0)]


def test_a_machine_that_is_let_in_and_a_balancer_that_is_not_there_are_no_reason_to_stop(
    listening: int, free: int
) -> None:
    for port in (listening, free):
        before().require_way_in(balanced(LOOPBACK, f"https://console.web-next.test:{port}"))


@pytest.mark.usefixtures("nowhere")
def test_before_the_first_verdict_and_on_a_machine_of_its_own_nobody_has_to_let_it_in() -> None:
    before().require_way_in(Outputs("prod", {}))
    before().require_way_in(balanced())


def test_files_that_are_what_was_applied_pass_and_new_ones_too(tmp_path: Path) -> None:
    applied = schema(tmp_path)
    (tmp_path / "004_four.sql").write_text("SELECT 4;\n")

    before(None, {"type": "aws:s3/bucket:Bucket"}, applied).require_unedited(tmp_path)


def test_every_file_that_was_edited_is_named_at_once(tmp_path: Path) -> None:
    applied = schema(tmp_path)
    (tmp_path / "001_one.sql").write_text("SELECT 'other';\n")
    (tmp_path / "003_three.sql").write_text("SELECT 'other';\n")

    with pytest.raises(MigrationError) as refused:
        before(None, applied).require_unedited(tmp_path)
    assert "001_one.sql" in str(refused.value)
    assert "002_two.sql" not in str(refused.value)
    assert "003_three.sql" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("resources", [[], [{"type": SCHEMA}], [{"type": SCHEMA, "inputs": {}}]])
def test_a_state_without_applied_files_refuses_none(tmp_path: Path, resources: list[dict[str, Any]]) -> None:
    schema(tmp_path)

    before(None, *resources).require_unedited(tmp_path)


def container(*around: str) -> dict[str, Any]:
    """A container in components of these types, as the state has it."""
    kind = "docker:index/container:Container"
    return {"type": kind, "urn": f"urn:pulumi:local::web-next::{'$'.join([*around, kind])}::stable"}


@pytest.mark.parametrize("runtime", ["Runtime", "Candidate"])
def test_a_stack_of_this_revision_has_its_containers_in_a_runtime(runtime: str) -> None:
    before(None, container(f"web-next:docker:{runtime}", "web-next:docker:Release")).require_own_layout()


def test_a_stack_without_containers_is_of_any_revision() -> None:
    before(None, {"type": "aws:s3/bucket:Bucket", "urn": "urn"}).require_own_layout()


def test_a_stack_of_an_earlier_revision_is_sent_to_make_clean_in_one_line() -> None:
    with pytest.raises(
        NotPreparedError, match=r"^stack prod was brought up by an earlier revision.*run make clean"
    ) as no:
        before(None, container("web-next:docker:Release")).require_own_layout()
    assert "\n" not in str(no.value)


@pytest.mark.parametrize("config", [{}, {"database": {"access": "direct"}}, {"database": {"access": "later"}}])
def test_before_the_first_update_there_is_nothing_to_reach(nowhere: None, config: dict[str, str]) -> None:
    with before(None, **config).reaching_the_database():
        pass


def test_a_database_that_is_put_off_is_not_reached_for(nowhere: None) -> None:
    with before(OUT_OF_REACH, database={"access": "later"}).reaching_the_database():
        pass


def test_a_database_that_answers_is_reached_directly(listening: int) -> None:
    with before(OUTPUT | {"endpoint": f"{LOOPBACK}:{listening}"}).reaching_the_database():
        pass


def test_a_database_that_does_not_answer_is_refused_with_an_exit_code_of_its_own(free: int) -> None:
    with (
        pytest.raises(
            UnreachableError, match=rf"database at 127\.0\.0\.1:{free} does not answer.*to tunnel"
        ) as refused,
        before(OUTPUT | {"endpoint": f"{LOOPBACK}:{free}"}).reaching_the_database(),
    ):
        raise AssertionError("the update begins")
    assert refused.value.exit_code == 8
    assert "\n" not in str(refused.value)


def test_the_files_way_counts_and_not_the_one_of_the_last_update() -> None:
    last = OUT_OF_REACH | {"mode": "later"}

    with (
        pytest.raises(UnreachableError, match="does not answer"),
        before(last, database={"access": "direct"}).reaching_the_database(),
    ):
        raise AssertionError("the update begins")


@pytest.mark.parametrize("last", [None, OUTPUT])
def test_a_tunnel_without_a_bastion_is_refused_with_the_way_to_one(nowhere: None, last: dict[str, Any] | None) -> None:
    with (
        pytest.raises(UnreachableError, match=r"stack prod has no bastion yet: .*database\.access to later"),
        before(last, database={"access": "tunnel"}).reaching_the_database(),
    ):
        raise AssertionError("the update begins")


@pytest.mark.parametrize("last", [None, OUTPUT])
def test_where_the_database_is_filled_the_way_to_a_bastion_is_not_by_later(
    nowhere: None, last: dict[str, Any] | None
) -> None:
    """Its roles are protected, and would be gone from the state."""
    role = {"type": "postgresql:index/role:Role", "urn": "urn"}

    with (
        pytest.raises(UnreachableError, match=r"no bastion yet: pulumi up --target '\*\*::web-next:network:\*\*' "),
        before(last, role, database={"access": "tunnel"}).reaching_the_database(),
    ):
        raise AssertionError("the update begins")


@pytest.mark.parametrize("written", [str, int])
def test_a_tunnel_is_open_for_the_update_and_closed_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sessions: Sessions, listening: int, free: int, written: type
) -> None:
    plugin(tmp_path, monkeypatch, FORWARDS)
    last = OUT_OF_REACH | {"endpoint": f"{LOOPBACK}:{listening}"}

    with before(last, database={"access": "tunnel", "tunnelPort": written(free)}).reaching_the_database():
        assert listens(LOOPBACK, free)
        assert sessions.ended == []
    assert not listens(LOOPBACK, free)
    assert sessions.ended == ["s-1"]
    assert sessions.asked["Target"] == "i-0abc"
    assert sessions.asked["Parameters"] == {
        "host": [LOOPBACK],
        "portNumber": [str(listening)],
        "localPortNumber": [str(free)],
    }


def test_a_tunnel_is_closed_after_an_update_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sessions: Sessions, listening: int, free: int
) -> None:
    plugin(tmp_path, monkeypatch, FORWARDS)
    last = OUT_OF_REACH | {"endpoint": f"{LOOPBACK}:{listening}"}

    with (
        pytest.raises(ZeroDivisionError),
        before(last, database={"access": "tunnel", "tunnelPort": free}).reaching_the_database(),
    ):
        raise ZeroDivisionError
    assert sessions.ended == ["s-1"]
    assert not listens(LOOPBACK, free)


def test_a_tunnel_that_is_open_is_used_and_left_open(sessions: Sessions, listening: int) -> None:
    with before(OUT_OF_REACH, database={"access": "tunnel", "tunnelPort": listening}).reaching_the_database():
        pass
    assert sessions.asked == {}
    assert sessions.ended == []
    assert listens(LOOPBACK, listening)


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"access": "tunnel"},
        {"access": "later", "tunnelPort": 20001},
        {"tunnelPort": 20001},
        {"writerRotation": "2"},
    ],
)
def test_the_file_is_read_as_the_settings_read_it(section: dict[str, Any]) -> None:
    settings, wish = DatabaseSettings.model_validate(section), WishedAccess.from_output(section)

    assert (wish.access, wish.tunnel_port) == (settings.access, settings.tunnel_port)
    assert wish.writer_rotation == settings.writer_rotation


@pytest.mark.parametrize("section", [{"access": "pigeon"}, {"tunnelPort": "many"}, "direct"])
def test_a_section_that_the_program_will_refuse_is_left_to_it(nowhere: None, section: object) -> None:
    with before(OUT_OF_REACH, database=section).reaching_the_database():
        pass


@pytest.mark.parametrize(
    ("there", "wished"), [("ab", "ba"), ("ab", "bc"), ("ab", "cb"), ("ab", "ac"), ("abc", "acb"), ("abc", "bc")]
)
def test_a_zone_that_would_take_a_range_from_another_is_refused_with_what_is_there(there: str, wished: str) -> None:
    """EC2 takes no two subnets that overlap, and Pulumi makes the new one before it deletes the old one."""
    with pytest.raises(NotPreparedError) as refused:
        before(None, *placed(*there), zones=named(wished)).require_ranges_that_stay()
    assert "network.appSubnets, network.dataSubnets and network.publicSubnets" in str(refused.value)
    assert "app: eu-central-1a 10.42.0.0/20, eu-central-1b 10.42.16.0/20" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("there", "wished"), [("", "ab"), ("ab", "ab"), ("ab", "abc"), ("abc", "ab"), ("ab", "abdc")])
def test_zones_that_keep_their_ranges_pass(there: str, wished: str) -> None:
    before(None, *(placed(*there) if there else ()), zones=named(wished)).require_ranges_that_stay()


def test_zones_change_by_ranges_that_are_given() -> None:
    ranges = {
        tier: [f"10.42.{64 * n + 16}.0/20", f"10.42.{64 * n + 32}.0/20"]
        for n, tier in enumerate(("app", "data", "public"))
    }
    network = {f"{tier}Subnets": nets for tier, nets in ranges.items()}

    before(None, *placed("a", "b"), zones=named("bc"), network=network).require_ranges_that_stay()
    with pytest.raises(NotPreparedError, match=r"the app subnet of eu-central-1c would get 10\.42\.16\.0/20, .*1b has"):
        before(None, *placed("b", "c", ranges=ranges), zones=named("cb"), network=network).require_ranges_that_stay()


@pytest.mark.parametrize(
    "network", [{"cidr": "10.43.0.0/16"}, {"vpcId": "vpc-0a", "appSubnetIds": ["subnet-1", "subnet-2"]}]
)
def test_a_vpc_that_would_be_another_is_refused(network: dict[str, Any]) -> None:
    with pytest.raises(NotPreparedError, match=r"stack prod stands in a VPC of its own, 10\.42\.0\.0/16"):
        before(None, *placed("a", "b"), zones=named("ab"), network=network).require_ranges_that_stay()


def test_ranges_that_overlap_among_themselves_are_left_to_the_settings_which_name_every_problem() -> None:
    network = {f"{tier}Subnets": ["10.42.0.0/20", "10.42.8.0/21"] for tier in ("app", "data", "public")}

    before(None, *placed("a", "b"), zones=named("ab"), network=network).require_ranges_that_stay()


def test_a_machine_without_zones_has_the_two_that_the_program_gives_it() -> None:
    before(None, *placed("a", "b"), region="eu-central-1").require_ranges_that_stay()
    with pytest.raises(NotPreparedError, match="would get"):
        before(None, *placed("b", "a"), region="eu-central-1").require_ranges_that_stay()


@pytest.mark.parametrize("network", [{"cidr": "many"}, {"cidr": "10.42.0.0/31"}, "10.42.0.0/16"])
def test_a_network_that_the_program_will_refuse_is_left_to_it(network: object) -> None:
    before(None, *placed("a", "b"), zones=named("ba"), network=network).require_ranges_that_stay()


@pytest.mark.parametrize(("last", "wished"), [(1, 0), (2, 1), (0, 2), (1, 3), (2, 0)])
def test_a_rotation_by_another_step_than_one_is_refused(last: int, wished: int) -> None:
    """It would change the password of the login that the app uses, before the vault says so."""
    with pytest.raises(NotPreparedError) as refused:
        before(None, *rotated(last), database={"writerRotation": wished}).require_next_rotation()
    assert str(refused.value) == (
        f"database.writerRotation is {wished}, and stack prod has {last}: another step than one more changes the "
        f"password that the app uses before it knows the new one; set it to {last}, or to {last + 1} for a new password"
    )


@pytest.mark.parametrize(("last", "wished"), [(0, 0), (0, 1), (1, 1), (1, 2), (2, 3), (7, 8)])
def test_the_next_rotation_and_none_pass(last: int, wished: int) -> None:
    before(None, *rotated(last), database={"writerRotation": wished}).require_next_rotation()


def test_the_first_update_may_begin_with_any_rotation_and_a_candidate_has_none() -> None:
    before(database={"writerRotation": 3}).require_next_rotation()
    before(None, password("master", 0)).require_next_rotation()


def rotated(count: int) -> Iterator[dict[str, Any]]:
    """The state's passwords after so many rotations, as the program counts their generations."""
    writers = vars(AuditRolesArgs)["writers"].fget(SimpleNamespace(writer_rotation=count))
    for role, generation in writers.items():
        yield password(role.replace("_", "-"), generation)


def queues(replicas: int) -> dict[str, Any]:
    """The queues with so many replicas, as they are in the state."""
    kind = "aws:elasticache/replicationGroup:ReplicationGroup"
    return {
        "urn": f"urn:pulumi:prod::web-next::{kind}::queues",
        "type": kind,
        "inputs": {"numCacheClusters": 1 + replicas},
    }


@pytest.mark.parametrize("at_once", [None, False, "false"])
@pytest.mark.parametrize(("there", "wished"), [(0, 1), (0, "2"), (1, 0), (2, None)])
def test_a_first_replica_and_the_end_of_the_last_wait_for_no_window(
    there: int, wished: int | str | None, at_once: bool | str | None
) -> None:
    """ElastiCache makes and removes nodes at once, and switches failover when the window comes."""
    section = {} if wished is None else {"replicas": wished}
    config: dict[str, Any] = {"queues": section} | ({} if at_once is None else {"applyImmediately": at_once})

    with pytest.raises(NotPreparedError) as refused:
        before(None, queues(there), **config).require_failover_at_once()
    assert str(refused.value) == (
        f"queues.replicas is {wished or 0}, and stack prod has {there}: nodes come and go at once, and automatic "
        "failover would wait for maintenanceWindow; set applyImmediately to true for this update"
    )
    before(None, queues(there), **{**config, "applyImmediately": True}).require_failover_at_once()
    before(None, queues(there), **{**config, "applyImmediately": "true"}).require_failover_at_once()
    config["queues"]["majorUpgrade"] = True  # which is applied at once, and with it what comes beside
    before(None, queues(there), **config).require_failover_at_once()


@pytest.mark.parametrize(("there", "wished"), [(0, 0), (0, None), (1, 1), (1, 3), (3, "1")])
def test_replicas_beside_others_and_none_as_before_wait_as_all_changes_do(there: int, wished: int | str | None) -> None:
    before(None, queues(there), queues={} if wished is None else {"replicas": wished}).require_failover_at_once()


@pytest.mark.parametrize("section", [{"replicas": "many"}, "many", {}, {"replicas": 1}])
def test_replicas_that_the_program_will_refuse_and_a_first_update_pass(section: object) -> None:
    before(queues=section).require_failover_at_once()
    if section in ({"replicas": "many"}, "many"):
        before(None, queues(1), queues=section).require_failover_at_once()
