"""How an application refuses: every error in one shape with the trace id."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from webnext import context
from webnext.contract.base import ErrorAnswer, UnavailableAnswer
from webnext.dependency import AwayError
from webnext.openapi import DocumentedAPI
from webnext.services import CallerError

RETRY_SECONDS = 5
"""What Retry-After says where nothing could take a request: longer than the breakers wait."""


def install(app: FastAPI) -> None:
    """Have `app` answer every exception in the contract's shapes."""
    app.add_exception_handler(CallerError, _callers)
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(AwayError, _unavailable)
    app.add_exception_handler(Exception, _fail)


def _error(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    answer = ErrorAnswer(err=why, traceId=context.trace_id.get() or "")
    return JSONResponse(answer.model_dump(), status, headers)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405 and isinstance(request.app, DocumentedAPI):
        headers["allow"] = request.app.allowed(request.url.path) or headers["allow"]
    return _error(error.status_code, error.detail, headers)


async def _callers(_: Request, error: Exception) -> Response:
    assert isinstance(error, CallerError)
    return _error(error.status, str(error))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return _error(400, "body is not JSON")
    clauses = (
        f"{'.'.join(str(part) for part in problem['loc'] if part != 'body') or 'body'}: {problem['msg']}"
        for problem in problems
    )
    return _error(422, "; ".join(clauses))


async def _unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, AwayError)
    answer = UnavailableAnswer(err=str(error), traceId=context.trace_id.get() or "")
    return JSONResponse(answer.model_dump(), 503, {"Retry-After": str(RETRY_SECONDS)})


async def _fail(_: Request, __: Exception) -> Response:
    return _error(500, "internal error")
