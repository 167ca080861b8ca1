"""What a track's log says each minute on AWS: metrics that `infra` has filters take out of it, and `cutover` reads."""

from __future__ import annotations

from enum import StrEnum

from outputs.release import Track


class LogFigure(StrEnum):
    """How many lines of a minute are of a kind. Lines of nginx are requests of users, where nothing else is said."""

    REQUESTS = "EdgeRequests"
    OTHERS = "EdgeOthers"
    """Of the smoke suite and of refused callers: with the users' all that the load balancer sends, but for /healthz."""
    LIMITED = "EdgeLimited"
    LIMITED_BY_APP = "EdgeLimitedByApp"
    LEFT = "EdgeLeft"
    """Whoever gave up before the app had LEFT_SECONDS, or within what he was sending, smoke too."""
    MOCK = "EdgeMock"
    MOCK_AUDIT = "EdgeMockAudit"
    """Answered, by something in the place of this adapter."""
    MOCK_EVIDENCE = "EdgeMockEvidence"
    MOCK_QUEUE = "EdgeMockQueue"
    MOCK_GUARDRAILS = "EdgeMockGuardrails"
    AUDIT_WRITES = "EdgeAuditWrites"
    """Pushed entries and signals that were kept."""
    AUDIT_ELSEWHERE = "EdgeAuditElsewhere"
    """Those that are not in Postgres."""
    AUDIT_SLOW = "EdgeAuditSlow"
    """Those that are, to which the app took AUDIT_SECONDS or more."""
    AWAY_POSTGRES = "AwayPostgres"
    """Calls of this dependency that failed for the app, after others."""
    AWAY_REDIS = "AwayRedis"
    AWAY_EXECUTOR = "AwayExecutor"
    AWAY_S3 = "AwayS3"
    AWAY_SETTINGS = "AwaySettings"
    """Of its flags or secrets: it goes on with what it has read last."""
    AUTO_PAUSES = "AutoPauses"
    """Breaches that the app has followed by an audited pause."""

    def of(self, track: Track) -> str:
        """The name of the metric."""
        return f"{self}-{track}"


LEFT_SECONDS = 0.9
"""Who gives up after a second has used some of it to connect. Who leaves sooner has clicked elsewhere."""
AUDIT_SECONDS = 0.1
"""Playbook row 8."""
