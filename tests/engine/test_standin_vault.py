"""The vault's family on the real engine: key, alias, secrets and their policies, passwords, roles, parameter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Emulator, Project

pytestmark = pytest.mark.engine

VAULT = """
import pulumi_random as random
generator = pulumi.ResourceOptions(provider=random.Provider("random"))
def allow(action, **who):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*", **who}]}
key = aws.kms.Key("key", description="DESCRIPTION", enable_key_rotation=True, deletion_window_in_days=7, opts=opts,
    policy=json.dumps(allow("kms:*", Principal={"AWS": "arn:aws:iam::ACCOUNT:root"})))
aws.kms.Alias("alias", name="alias/NAME", target_key_id=key.key_id, opts=opts)
password = random.RandomPassword("password", length=32, special=False, opts=generator)
entry = aws.secretsmanager.Secret("entry", name="web-next/NAME", kms_key_id=key.arn, recovery_window_in_days=0,
    opts=opts)
aws.secretsmanager.SecretVersion("value", secret_id=entry.arn, secret_string=password.result, opts=opts)
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                 "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]}
role = aws.iam.Role("app", name="NAME", assume_role_policy=json.dumps(trust), opts=opts)
aws.iam.RolePolicy("read", role=role.name, opts=opts, policy=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}))
aws.secretsmanager.SecretPolicy("readers", secret_arn=entry.arn, block_public_policy=True, opts=opts,
    policy=role.arn.apply(lambda arn: json.dumps(allow("secretsmanager:GetSecretValue", Principal={"AWS": arn}))))
aws.ssm.Parameter("flags", name="/NAME/flags", type="String", value='{"a": true}', opts=opts)
aws.cloudwatch.LogGroup("log", name="NAME", retention_in_days=30, opts=opts)
aws.iam.RolePolicyAttachment("tunnel", role=role.name, opts=opts,
    policy_arn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
other = aws.iam.Role("other", name="NAME-other", assume_role_policy=json.dumps(trust), opts=opts)
aws.iam.InstanceProfile("machine", name="NAME", role=ROLE.name, tags={"for": "tunnels"}, opts=opts)
pulumi.export("password", password.result)
pulumi.export("key", key.key_id)
"""


def test_the_vault_lives_from_up_to_destroy_with_no_secret_in_its_state(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name = unique("vault")
    program = VAULT.replace("NAME", name).replace("ACCOUNT", emulator.account)
    project.write(emulator.provider, program.replace("DESCRIPTION", "evidence at rest").replace("ROLE", "role"))
    project.up()
    project.unchanged()
    password = str(project.outputs()["password"])
    assert re.fullmatch(r"[A-Za-z0-9]{32}", password)
    assert password not in project.state(), "the state keeps secrets encrypted"
    assert '"local"' not in project.state(), "so it does with the provider's keys"

    project.write(emulator.provider, program.replace("DESCRIPTION", "evidence and records").replace("ROLE", "other"))
    project.up()
    project.unchanged()
    assert project.outputs()["password"] == password, "an unrelated change makes no new password"

    vault, kms, iam, logs = (emulator.client(service) for service in ("secretsmanager", "kms", "iam", "logs"))
    held = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    assert [role["RoleName"] for role in held] == [f"{name}-other"]
    secret_id = f"web-next/{name}"
    assert vault.get_secret_value(SecretId=secret_id)["SecretString"] == password
    vault.put_secret_value(SecretId=secret_id, SecretString="not the generated one")
    kms.disable_key_rotation(KeyId=project.outputs()["key"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    kms.put_key_policy(KeyId=project.outputs()["key"], Policy='{"Statement": "anybody"}')
    vault.put_resource_policy(SecretId=secret_id, ResourcePolicy='{"Statement": "everybody"}')
    iam.detach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=f"{name}-other")
    iam.tag_instance_profile(InstanceProfileName=name, Tags=[{"Key": "for", "Value": "anything"}])
    drift = project.preview("--refresh")
    assert "~ secretString: [secret] => [secret]" in drift
    assert "enableKeyRotation : true => false" in drift
    assert "retentionInDays: 30 => 1" in drift.replace(" :", ":")
    assert "not the generated one" not in drift + project.state()
    assert "anybody" in drift
    assert "everybody" in drift
    assert f'+ role: "{name}-other"' in drift
    assert 'for: "anything" => "tunnels"' in drift.replace(" :", ":")
    assert "+ 1 to create" in drift, "the attachment"

    project.repair()
    project.unchanged()
    assert vault.get_secret_value(SecretId=secret_id)["SecretString"] == password
    project.destroy()
    assert secret_id not in [found["Name"] for found in vault.list_secrets()["SecretList"]]
    assert "not the generated one" not in project.state()
