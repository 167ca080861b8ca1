"""The repositories of a stack on AWS, and the images that they have."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cutover import aws
from cutover.errors import ImageError

MANIFESTS = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
]
"""The forms in which Docker pushes; ECR answers with one of those that are asked for."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An image in a repository: its `digest`, by which a stack names it, and its `config`'s, which Docker calls its id
    unless containerd keeps its images."""

    digest: str
    config: str | None

    def is_of(self, image_id: str) -> bool:
        """Whether it is the image that Docker here has under the id."""
        return image_id in (self.digest, self.config)


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The repositories `app`, `edge` and `watch` of a base stack, in ECR of its account and region.

    Every call raises ImageError when AWS refuses it, or does not answer.
    """

    account: str
    region: str
    app: str
    edge: str
    watch: str
    client: Any = field(repr=False)

    @classmethod
    def of(cls, stack: str, config: Mapping[str, Any]) -> Registry:
        """Those of a stack's file; a candidate's images are in its base's. Raises ImageError for a docker stack."""
        if config.get("web-next:runtime") == "docker":
            raise ImageError(
                f"stack {stack} is on docker, and its images are this machine's: nothing is pushed; name one on AWS"
            )
        region, name = str(config.get("web-next:region")), f"web-next-{config.get('web-next:base', stack)}"
        client = aws.client("ecr", aws.Account(region=region))
        return cls(
            account=str(config.get("web-next:account")),
            region=region,
            app=name,
            edge=f"{name}-edge",
            watch=f"{name}-watch",
            client=client,
        )

    @property
    def host(self) -> str:
        """Where Docker pushes to."""
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    def login(self) -> dict[str, str]:
        """The name and the password that Docker pushes with; AWS lets it live for twelve hours.

        Raises ImageError when the credentials are another account's.
        """
        with self._said(self.host):
            (granted,) = self.client.get_authorization_token()["authorizationData"]
        own = urlsplit(granted["proxyEndpoint"]).hostname
        if own != self.host:
            raise ImageError(
                f"the credentials push to {own}, and the stack's file names {self.host}: use that account's"
            )
        name, _, password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")
        return {"username": name, "password": password}

    def find(self, repository: str, **image: str) -> Kept | None:
        """The image of an `imageTag` or an `imageDigest`; None when the repository has none."""
        with self._said(repository):
            answer = self.client.batch_get_image(
                repositoryName=repository, imageIds=[image], acceptedMediaTypes=MANIFESTS
            )
        if not answer["images"]:
            return None
        (found,) = answer["images"]
        config = json.loads(found["imageManifest"]).get("config", {}).get("digest")
        return Kept(digest=found["imageId"]["imageDigest"], config=config)

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except self.client.exceptions.RepositoryNotFoundException:
            raise ImageError(
                f"there is no repository {what} in account {self.account}, {self.region}: an up with image and "
                "edge.image later makes it"
            ) from None
        except (BotoCoreError, ClientError) as error:
            raise ImageError(f"{what}: ECR does not answer ({error}); the credentials are the environment's") from None
