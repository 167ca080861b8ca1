"""S3 bucket settings: each is one document with a put, a get and mostly a delete."""

from __future__ import annotations

from dataclasses import dataclass

from offline.standins.aws.mapper import from_api, member, to_api
from offline.standins.kind import Call, Kind, Properties


@dataclass(frozen=True)
class Setting:
    """A document of a bucket. `nest` is the parameter that holds it."""

    type: str
    put: str
    get: str
    delete: str = ""
    nest: str = ""

    def kind(self) -> Kind:
        """Returns the row of the package's table."""
        return Kind(
            type=self.type,
            replace=("bucket", "region"),
            create=lambda call: (call.inputs["bucket"], self.write(call)),
            read=self.read,
            update=self.write,
            delete=self.remove,
        )

    def write(self, call: Call) -> Properties:
        """Puts the whole document."""
        shape, _ = call.cloud.shape("s3", self.put)
        body = {key: value for key, value in call.inputs.items() if key not in ("bucket", "region", "skipDestroy")}
        if self.nest:
            body = {self.nest: body}
        parameters = to_api(shape, body, {})
        call.cloud.call("s3", self.put, Bucket=call.inputs["bucket"], **parameters)
        return {}

    def read(self, call: Call) -> Properties | None:
        """Returns the document under the program's names, None if the bucket has none."""
        answer = call.cloud.find("s3", self.get, Bucket=call.id)
        if answer is None:
            return None
        _, shape = call.cloud.shape("s3", self.get)
        result: Properties = {"bucket": call.id}
        for key, like in call.inputs.items():
            place, found = shape, answer
            if self.nest in shape.members:
                place, found = shape.members[self.nest], answer.get(self.nest, {})
            name = member(place, key)
            if name is not None:
                value = found.get(name)
                result[key] = None if value is None else from_api(place.members[name], value, like, {})
            elif isinstance(like, dict):  # versioningConfiguration: the answer is the document itself
                result[key] = from_api(place, found, like, {})
        return result

    def remove(self, call: Call) -> None:
        """Deletes the document; versioning and object lock only end with the bucket."""
        if self.delete and not call.inputs.get("skipDestroy"):
            call.cloud.find("s3", self.delete, Bucket=call.id)


def _setting(name: str, operation: str, *, nest: str = "", delete: bool = True) -> Kind:
    token = f"aws:s3/{name[0].lower()}{name[1:]}:{name}"
    gone = operation.replace("Configuration", "") if "Lifecycle" in operation else operation
    return Setting(token, f"Put{operation}", f"Get{operation}", f"Delete{gone}" if delete else "", nest).kind()


KINDS = (
    _setting("BucketPolicy", "BucketPolicy"),
    _setting("BucketLifecycleConfiguration", "BucketLifecycleConfiguration", nest="LifecycleConfiguration"),
    _setting("BucketPublicAccessBlock", "PublicAccessBlock", nest="PublicAccessBlockConfiguration"),
    _setting(
        "BucketServerSideEncryptionConfiguration",
        "BucketEncryption",
        nest="ServerSideEncryptionConfiguration",
    ),
    _setting("BucketVersioning", "BucketVersioning", delete=False),
    _setting("BucketOwnershipControls", "BucketOwnershipControls", nest="OwnershipControls"),
    _setting("BucketCorsConfiguration", "BucketCors", nest="CORSConfiguration"),
    _setting(
        "BucketObjectLockConfiguration",
        "ObjectLockConfiguration",
        nest="ObjectLockConfiguration",
        delete=False,
    ),
)
