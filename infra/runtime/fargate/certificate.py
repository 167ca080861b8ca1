"""The certificate of the console's name. Where the name leads is moved apart from it, by cutover dns, after a GO."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.settings.keys import Settings


@dataclass(frozen=True, kw_only=True)
class ConsoleCertificateArgs:
    """With `given`, a certificate's ARN, none is made; else it is validated in `zone`, a hosted zone's id."""

    domain: str
    given: str | None
    zone: str | None

    @classmethod
    def of(cls, settings: Settings) -> ConsoleCertificateArgs:
        fargate = settings.fargate
        return cls(domain=settings.domain, given=fargate.certificate_arn, zone=fargate.hosted_zone_id)


class ConsoleCertificate(pulumi.ComponentResource):
    """An ACM certificate that renews itself as long as its record is in the zone, or the one that is given."""

    arn: pulumi.Input[str]

    def __init__(self, name: str, args: ConsoleCertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:ConsoleCertificate", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self.arn = args.given or self._made()
        self.register_outputs({"arn": self.arn})

    def _made(self) -> pulumi.Output[str]:
        args = self._args
        certificate = aws.acm.Certificate(
            self._name, domain_name=args.domain, validation_method="DNS", opts=self._child
        )
        asked = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            f"{self._name}-validation",
            zone_id=args.zone or "",
            name=asked.resource_record_name,
            type=asked.resource_record_type,
            records=[asked.resource_record_value],
            ttl=300,
            allow_overwrite=True,
            opts=self._child,
        )
        validated = aws.acm.CertificateValidation(
            self._name,
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self._child,
        )
        return validated.certificate_arn
