"""The OpenAPI document: what FastAPI makes of the routes, made true of every answer."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from webnext.contract.base import ErrorAnswer, Responses
from webnext.envelope import TRACE_ID

REFUSALS: Responses = {
    400: {"model": ErrorAnswer, "description": "The body is not JSON, or the action is none"},
    403: {"model": ErrorAnswer, "description": "A browser sent it for another origin's page"},
    413: {"model": ErrorAnswer, "description": "The body is too large"},
    422: {"model": ErrorAnswer, "description": "The body is JSON, or a parameter is there, but not this"},
}
"""Of every route that takes a body; of the others those with parameters refuse these alone."""


class DocumentedAPI(FastAPI):
    """FastAPI with a true document."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema:
            return self.openapi_schema
        document = super().openapi()
        schemas = document["components"]["schemas"]
        pattern = {"type": "string", "pattern": f"^{TRACE_ID.pattern}$"}
        trace_id = {"description": "The request's trace id", "required": True, "schema": pattern}
        for operations in document["paths"].values():
            for operation in operations.values():
                responses = operation["responses"]
                if body := operation.get("requestBody"):
                    model = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                    body["required"] = not _takes_nothing(schemas[model])
                else:
                    for status in REFUSALS.keys() - ({422} if operation.get("parameters") else set()):
                        responses.pop(str(status), None)
                for status, response in responses.items():
                    response["headers"] = {"X-Trace-ID": trace_id}
                    if status >= "400":  # FastAPI gives a route's refusals the media type of its answer
                        response["content"] = dict.fromkeys(["application/json"], *response["content"].values())
        return document

    def allowed(self, path: str) -> str | None:
        """The methods of a documented path, as the header Allow has them: Starlette names those of one route."""
        operations = self.openapi()["paths"].get(path)
        return ", ".join(sorted(method.upper() for method in operations)) if operations else None


def _takes_nothing(schema: dict[str, Any]) -> bool:
    """Whether an empty body, which counts as {}, is valid."""
    return not schema.keys() & {"required", "anyOf", "oneOf", "minProperties"}
