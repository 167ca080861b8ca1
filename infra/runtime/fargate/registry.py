"""Where the images are: one repository each for the app's, nginx's and cutover's own."""

from __future__ import annotations

import json
import re

import pulumi
import pulumi_aws as aws

from infra.naming import Names

KEPT_UNTAGGED_DAYS = 90
_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^@]+)@")


def repository_arns(*images: str) -> list[str]:
    """The ARNs of the ECR repositories that the images are in; images of other registries have none."""
    found = [match for image in images if (match := _ECR.match(image))]
    return sorted({f"arn:aws:ecr:{each['region']}:{each['account']}:repository/{each['name']}" for each in found})


class Registry(pulumi.ComponentResource):
    """The stack's repositories: the app's, nginx's, and that of cutover, which watches. A tag means one image for ever,
    each image is scanned when it is pushed, and a repository that is not empty cannot be deleted."""

    def __init__(self, name: str, names: Names, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:Registry", name, None, opts)
        # A release is named by its digest, so that a tag's end does not make it rubbish at once.
        rule = {
            "rulePriority": 1,
            "description": f"untagged images, {KEPT_UNTAGGED_DAYS} days after their push",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": KEPT_UNTAGGED_DAYS,
            },
            "action": {"type": "expire"},
        }
        for part, suffix in (("web-next", ""), ("web-next-edge", "-edge"), ("web-next-watch", "-watch")):
            repository = aws.ecr.Repository(
                part,
                name=f"{names.prefix}{suffix}",
                image_tag_mutability="IMMUTABLE",
                image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
                opts=pulumi.ResourceOptions(parent=self),
            )
            aws.ecr.LifecyclePolicy(
                part,
                repository=repository.name,
                policy=json.dumps({"rules": [rule]}),
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
