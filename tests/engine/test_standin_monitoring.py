"""The families of what is watched on the real engine: logs, metrics, alarms, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine import Emulator, Project

pytestmark = pytest.mark.engine

MONITORING = """
log = aws.cloudwatch.LogGroup("log", name="/NAME/log", retention_in_days=30, tags={"Name": "log"}, opts=opts)
aws.cloudwatch.LogMetricFilter("runway", name="NAME-runway", log_group_name=log.name, pattern='"runway ok"', opts=opts,
    metric_transformation={"name": "RunwayOk", "namespace": "web-next", "value": "1", "default_value": "0",
        "unit": "Count"})
topic = aws.sns.Topic("alarms", name="NAME-alarms", display_name="alarms", opts=opts)
aws.sns.TopicPolicy("publishers", arn=topic.arn, opts=opts, policy=topic.arn.apply(lambda arn: json.dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": arn,
        "Principal": {"Service": "cloudwatch.amazonaws.com"}}]})))
mail = aws.sns.TopicSubscription("mail", topic=topic.arn, protocol="email", endpoint="on-call@example.org", opts=opts)
aws.sns.TopicSubscription("hook", topic=topic.arn, protocol="https", endpoint="https://127.0.0.1:9/hook", opts=opts)
alarm = {"comparison_operator": "LessThanThreshold", "evaluation_periods": 3, "period": 300, "namespace": "AWS/RDS",
    "dimensions": {"DBInstanceIdentifier": "NAME"}, "alarm_actions": [topic.arn], "ok_actions": [topic.arn],
    "treat_missing_data": "breaching", "alarm_description": "storage <20 % & falling", "datapoints_to_alarm": 2}
aws.cloudwatch.MetricAlarm("storage", name="NAME-storage", metric_name="FreeStorageSpace", statistic="Minimum",
    threshold=THRESHOLD, insufficient_data_actions=[topic.arn], actions_enabled=True, opts=opts, **alarm)
aws.cloudwatch.MetricAlarm("latency", name="NAME-latency", metric_name="ReadLatency", extended_statistic="p99",
    threshold=0.5, unit="Seconds", opts=opts, **alarm)
pulumi.export("topic", topic.arn)
pulumi.export("mail", mail.arn)
"""


def test_what_watches_lives_from_up_to_destroy(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name = unique("watch")
    logs, cloudwatch, sns = (emulator.client(service) for service in ("logs", "cloudwatch", "sns"))
    program = MONITORING.replace("NAME", name)
    project.write(emulator.provider, program.replace("THRESHOLD", "4 * 1024**3"))
    project.up()
    project.unchanged()
    topic, mail = project.outputs()["topic"], project.outputs()["mail"]
    assert mail in [each["SubscriptionArn"] for each in sns.list_subscriptions()["Subscriptions"]]

    project.write(emulator.provider, program.replace("THRESHOLD", "8 * 1024**3"))
    project.up()
    project.unchanged()
    alarms = cloudwatch.describe_alarms(AlarmNames=[f"{name}-storage"])["MetricAlarms"]
    assert alarms[0]["Threshold"] == 8 * 1024**3

    quiet = {"MetricName": "FreeStorageSpace", "Namespace": "AWS/RDS", "Statistic": "Minimum", "Period": 300}
    quiet |= {"EvaluationPeriods": 3, "DatapointsToAlarm": 2, "ComparisonOperator": "LessThanThreshold"}
    cloudwatch.put_metric_alarm(AlarmName=f"{name}-storage", Threshold=1, TreatMissingData="ignore", **quiet)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue='{"Id": "anybody"}')
    sns.unsubscribe(SubscriptionArn=mail)
    logs.put_metric_filter(
        logGroupName=f"/{name}/log",
        filterName=f"{name}-runway",
        filterPattern="anything",
        metricTransformations=[
            {"metricName": "RunwayOk", "metricNamespace": "web-next", "metricValue": "1", "defaultValue": 1}
        ],
    )
    drift = project.preview("--refresh").replace(" :", ":")
    assert "threshold: 8589934592 => 1" in drift
    assert 'treatMissingData: "breaching" => "ignore"' in drift
    assert "alarmActions" in drift
    assert "anybody" in drift
    assert 'pattern: "\\"runway ok\\"" => "anything"' in drift
    assert 'defaultValue: "0" => 1' in drift
    assert "+ 1 to create ~ 3 to update" in drift, "the subscription; the alarm, the filter and the topic's policy"
    project.repair()
    project.unchanged()

    project.destroy()
    assert cloudwatch.describe_alarms(AlarmNamePrefix=name)["MetricAlarms"] == []
    assert logs.describe_log_groups(logGroupNamePrefix=f"/{name}")["logGroups"] == []
    assert topic not in [each["TopicArn"] for each in sns.list_topics()["Topics"]]


def test_a_topic_without_its_policy_has_the_one_it_was_born_with(
    project: Project, emulator: Emulator, unique: Callable[[str], str]
) -> None:
    name, sns = unique("topic"), emulator.client("sns")
    topic = f"""
    topic = aws.sns.Topic("alarms", name="{name}", opts=opts)
    pulumi.export("topic", topic.arn)
    """
    project.write(emulator.provider, topic)
    project.up()
    arn = project.outputs()["topic"]
    born = sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    project.write(emulator.provider, topic, 'aws.sns.TopicPolicy("mine", arn=topic.arn, policy="{}", opts=opts)')
    project.up()
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"] == "{}"
    project.write(emulator.provider, topic)
    project.up()
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"] == born


def test_what_a_part_cannot_take_is_refused_in_one_line(project: Project, emulator: Emulator) -> None:
    project.write(
        emulator.provider,
        """
        topic = aws.sns.Topic("alarms", opts=opts)
        aws.sns.TopicSubscription("hook", topic=topic.arn, protocol="email", endpoint="a@example.org", opts=opts,
            filter_policy="{}")
        """,
    )
    assert "TopicSubscription sets filterPolicy, which the stand-in's Subscribe does not take" in project.up(code=1)
