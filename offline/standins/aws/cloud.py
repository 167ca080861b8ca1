"""The emulator behind the aws stand-in: configuration, clients, and what its errors mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from offline.standins.kind import StandinError
from offline.standins.local import local_url

_GONE = ("NotFound", "NoSuch", "DoesNotExist", "404", "ResourceNotFound")
_TAKEN = ("AlreadyExists", "AlreadyOwnedByYou", "Exists", "Duplicate")


class Cloud:
    """One configured provider. Clients are made at the first real call: botocore costs 0.2 s to import."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.region = variables.get("region", "")
        self.account = variables.get("accessKey", "")
        self.default_tags: dict[str, str] = json.loads(variables.get("defaultTags") or "{}").get("tags", {})
        self._key, self._secret = self.account, variables.get("secretKey", "")
        self._endpoints: dict[str, str] = {}
        for group in json.loads(variables.get("endpoints") or "[]"):
            for service, url in group.items():
                self._endpoints[service] = local_url(url, f"aws endpoint of {service}")
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str) -> Any:
        """Returns the botocore client. Raises StandinError if the service has no endpoint on this machine."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._connect(service)
            return self._clients[service]

    def _connect(self, service: str) -> Any:
        if service not in self._endpoints:
            raise StandinError(
                f"the aws provider has no endpoint for {service}; without one a stand-in only previews: "
                "set it in the provider's endpoints or deploy with the official provider"
            )
        import botocore.config
        import botocore.session

        if self._session is None:
            self._session = botocore.session.Session(profile=None, include_builtin_handlers=True)
        config = botocore.config.Config(
            proxies={},
            max_pool_connections=64,
            retries={"max_attempts": 2},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        return self._session.create_client(
            service,
            region_name=self.region or "eu-central-1",
            endpoint_url=self._endpoints[service],
            aws_access_key_id=self._key,
            aws_secret_access_key=self._secret,
            config=config,
        )

    def call(self, service: str, operation: str, **parameters: Any) -> Any:
        """Calls an API operation by its API name; its errors become StandinErrors of one line."""
        client = self.client(service)
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return client._make_api_call(operation, parameters)
        except ClientError as error:
            raise AwsError(operation, error.response) from None
        except BotoCoreError as error:
            raise StandinError(f"{operation}: {error}") from None

    def find(self, service: str, operation: str, **parameters: Any) -> Any:
        """Like `call`, but None if what is asked for doesn't exist."""
        try:
            return self.call(service, operation, **parameters)
        except AwsError as error:
            if error.gone:
                return None
            raise

    def shape(self, service: str, operation: str) -> tuple[Any, Any]:
        """Returns the operation's input and output shapes in botocore's service model."""
        model = self.client(service).meta.service_model.operation_model(operation)
        return model.input_shape, model.output_shape


class AwsError(StandinError):
    """An API error, with the two meanings that matter here."""

    def __init__(self, operation: str, response: Mapping[str, Any]) -> None:
        error = response.get("Error", {})
        self.code = str(error.get("Code", ""))
        super().__init__(f"{operation} answered {self.code}: {error.get('Message', '')}")

    @property
    def gone(self) -> bool:
        """The object doesn't exist."""
        return any(sign in self.code for sign in _GONE)

    @property
    def taken(self) -> bool:
        """An object of that name exists."""
        return any(sign in self.code for sign in _TAKEN) and not self.gone
