"""RDS' continuous backups: any second of the last `database.backupDays`, as an instance of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from cutover import aws
from cutover.errors import CutoverError, UnreachableError

if TYPE_CHECKING:
    from cutover.drill.backup import Say
    from outputs.access import DatabaseAccess

PORT = 5432
LOG_MINUTES = 15
"""RDS uploads the log every five minutes, by its documentation; thrice that is too late."""
RESTORE_MINUTES = 90
"""How long a restore may take; RDS reads the volume in the background, so its size matters little."""


@dataclass(frozen=True)
class RdsBackup:
    """The backups of the instance `identifier`, through a client of RDS. A copy has the settings of the instance, in
    one zone and without a name that leads there; it is deleted without a snapshot."""

    identifier: str
    client: Any = field(repr=False)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], object] = time.sleep

    @classmethod
    def of(cls, access: DatabaseAccess) -> Self:
        """Those of the instance that an output leads to: RDS' endpoints begin with the identifier."""
        return cls(access.endpoint.partition(".")[0], aws.client("rds", aws.Account(region=access.region)))

    @contextmanager
    def restored(self, after: datetime, say: Say) -> Iterator[str]:
        with self._said():
            self._forget(say)
            source = self._newer(after, say)
            copy = f"{self._prefix}{self.now():%Y%m%d%H%M%S}"
            self._restore(source, copy)
        try:
            with self._said():
                host = self._available(copy, say)
            yield f"{host}:{PORT}"
        finally:
            try:
                with self._said():
                    self._delete(copy)
                say(f"{copy} is being deleted")
            except CutoverError as error:  # what was compared counts; the next drill deletes it
                say(
                    f"{copy} is left and costs money, aws rds delete-db-instance, or the next drill deletes it: {error}"
                )

    @property
    def _prefix(self) -> str:
        return f"{self.identifier}-drill-"

    def _forget(self, say: Say) -> None:
        """Copies of drills that were killed cost money until somebody deletes them."""
        pages = self.client.get_paginator("describe_db_instances").paginate()
        for each in (one for page in pages for one in page["DBInstances"]):
            if each["DBInstanceIdentifier"].startswith(self._prefix) and each["DBInstanceStatus"] != "deleting":
                say(f"{each['DBInstanceIdentifier']}, left by a drill before, is being deleted")
                self._delete(each["DBInstanceIdentifier"])

    def _newer(self, after: datetime, say: Say) -> dict[str, Any]:
        """The instance, once it can be restored to a moment after that."""
        until = self.now().timestamp() + 60 * LOG_MINUTES
        said = False
        while True:
            source = self._described(self.identifier)
            latest = source.get("LatestRestorableTime")
            if latest and latest > after:
                return source
            if self.now().timestamp() > until:
                raise CutoverError(
                    f"{self.identifier} can be restored to {latest or 'no moment'} only, {LOG_MINUTES} min after "
                    f"{after:%H:%M:%S} UTC: look at its backups, aws rds describe-db-instances"
                )
            if not said:
                say("waits for RDS to have the log of the last minutes, some five minutes")
                said = True
            self.sleep(15)

    def _restore(self, source: dict[str, Any], copy: str) -> None:
        self.client.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=self.identifier,
            TargetDBInstanceIdentifier=copy,
            UseLatestRestorableTime=True,
            DBInstanceClass=source["DBInstanceClass"],
            DBSubnetGroupName=source["DBSubnetGroup"]["DBSubnetGroupName"],
            DBParameterGroupName=source["DBParameterGroups"][0]["DBParameterGroupName"],
            VpcSecurityGroupIds=[each["VpcSecurityGroupId"] for each in source["VpcSecurityGroups"]],
            CACertificateIdentifier=source["CACertificateIdentifier"],
            PubliclyAccessible=False,
            MultiAZ=False,
            DeletionProtection=False,
            Tags=[{"Key": "web-next:drill", "Value": "restore"}],
        )

    def _available(self, copy: str, say: Say) -> str:
        """The copy's host name, once it takes connections."""
        began, last = self.now().timestamp(), ""
        while True:
            found = self._described(copy)
            status = str(found["DBInstanceStatus"])
            if status == "available":
                return str(found["Endpoint"]["Address"])
            minutes = (self.now().timestamp() - began) / 60
            if minutes > RESTORE_MINUTES:
                raise CutoverError(
                    f"{copy} is {status} after {minutes:.0f} min: look at its events, aws rds describe-events"
                )
            if status != last:
                say(f"{copy} is {status}")
                last = status
            self.sleep(15)

    def _delete(self, copy: str) -> None:
        self.client.delete_db_instance(DBInstanceIdentifier=copy, SkipFinalSnapshot=True, DeleteAutomatedBackups=True)

    def _described(self, identifier: str) -> dict[str, Any]:
        (found,) = self.client.describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
        return dict(found)

    @contextmanager
    def _said(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise CutoverError(f"RDS refuses: {error}") from None
        except BotoCoreError as error:
            raise UnreachableError(f"RDS does not answer ({error})") from None
