"""The vault's family on the real engine: key, alias, secrets, generated passwords, role, parameter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Emulator, Project

pytestmark = pytest.mark.engine

VAULT = """
import pulumi_random as random
generator = pulumi.ResourceOptions(provider=random.Provider("random"))
key = aws.kms.Key("key", description="DESCRIPTION", enable_key_rotation=True, deletion_window_in_days=7, opts=opts)
aws.kms.Alias("alias", name="alias/NAME", target_key_id=key.key_id, opts=opts)
password = random.RandomPassword("password", length=32, special=False, opts=generator)
aws.secretsmanager.SecretVersion("value", opts=opts, secret_string=password.result, secret_id=aws.secretsmanager.Secret(
    "entry", name="web-next/NAME", kms_key_id=key.arn, recovery_window_in_days=0, opts=opts).arn)
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                                                 "Principal": {"Service": "ecs-tasks.amazonaws.com"}}]}
role = aws.iam.Role("app", name="NAME", assume_role_policy=json.dumps(trust), opts=opts)
aws.iam.RolePolicy("read", role=role.name, opts=opts, policy=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}]}))
aws.ssm.Parameter("flags", name="/NAME/flags", type="String", value='{"a": true}', opts=opts)
aws.cloudwatch.LogGroup("log", name="NAME", retention_in_days=30, opts=opts)
topic = aws.sns.Topic("alerts", name="NAME", display_name="alerts", opts=opts)
aws.cloudwatch.MetricAlarm("errors", name="NAME", comparison_operator="GreaterThanThreshold", evaluation_periods=1,
    metric_name="5xx", namespace="web-next", period=60, statistic="Sum", threshold=5, alarm_actions=[topic.arn],
    dimensions={"track": "stable"}, opts=opts)
pulumi.export("password", password.result)
pulumi.export("key", key.key_id)
"""


def test_the_vault_lives_from_up_to_destroy_with_no_secret_in_its_state(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name = unique("vault")
    program = VAULT.replace("NAME", name)
    project.write(emulator.provider, program.replace("DESCRIPTION", "evidence at rest"))
    project.up()
    project.unchanged()
    password = str(project.outputs()["password"])
    assert re.fullmatch(r"[A-Za-z0-9]{32}", password)
    assert password not in project.state(), "the state keeps secrets encrypted"
    assert '"local"' not in project.state(), "so it does with the provider's keys"

    project.write(emulator.provider, program.replace("DESCRIPTION", "evidence and records at rest"))
    project.up()
    project.unchanged()
    assert project.outputs()["password"] == password, "an unrelated change makes no new password"

    vault, kms, logs = (emulator.client(service) for service in ("secretsmanager", "kms", "logs"))
    secret_id = f"web-next/{name}"
    assert vault.get_secret_value(SecretId=secret_id)["SecretString"] == password
    vault.put_secret_value(SecretId=secret_id, SecretString="not the generated one")
    kms.disable_key_rotation(KeyId=project.outputs()["key"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    emulator.client("cloudwatch").delete_alarms(AlarmNames=[name])
    drift = project.preview("--refresh")
    assert "~ secretString: [secret] => [secret]" in drift
    assert "enableKeyRotation : true => false" in drift
    assert "retentionInDays: 30 => 1" in drift.replace(" :", ":")
    assert "not the generated one" not in drift + project.state()
    assert "+ 1 to create" in drift, "the alarm"

    project.repair()
    project.unchanged()
    assert vault.get_secret_value(SecretId=secret_id)["SecretString"] == password
    project.destroy()
    assert secret_id not in [found["Name"] for found in vault.list_secrets()["SecretList"]]
    assert "not the generated one" not in project.state()
