"""Answers by operation, every request and answer of which is checked against botocore's own service models, which AWS writes."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
from botocore import validate

from ansible_collections.evict.cloud.plugins.module_utils.aws.session import _plain
from ansible_collections.evict.cloud.plugins.module_utils.common.errors import CloudError
from ansible_collections.evict.cloud.plugins.module_utils.common.plan import Call


@functools.cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def checked(shape: Any, value: Mapping[str, Any], what: str) -> None:
    """Raises when ``value`` is no instance of a shape of the model: missing, unknown (at any depth) and mistyped members."""
    report = validate.ParamValidator().validate(dict(value), shape)
    assert not report.has_errors(), f"{what}: {report.generate_report()}"
    _known(shape, value, what)


def _known(shape: Any, value: Any, what: str) -> None:
    if getattr(shape, "is_document_type", False):
        return  # any value at all
    if shape.type_name == "structure":
        assert not set(value) - set(shape.members), f"{what}: the model has no {sorted(set(value) - set(shape.members))}"
        for name, inner in value.items():
            _known(shape.members[name], inner, f"{what}.{name}")
    elif shape.type_name == "list":
        for inner in value:
            _known(shape.member, inner, what)


def valid_call(call: Call) -> None:
    """That AWS's model takes the request; paging options are botocore's own."""
    operation = model(call.service).operation_model(call.operation)
    sent = {k: v for k, v in call.parameters.items() if k != "PaginationConfig"}
    if operation.input_shape is None:
        assert not sent, call
        return
    checked(operation.input_shape, sent, call.name)


class ModelledCloud:
    """``answers``: {operation: an answer, an error code, or a function from the parameters to one}. ``calls``: what was asked, in order."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = answers
        self.calls: list[Call] = []

    def call(self, call: Call, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        valid_call(call)
        self.calls.append(call)
        answer: Any = self.answers.get(call.operation, {})
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(dict(call.parameters if parameters is None else parameters))
        if isinstance(answer, str):
            raise CloudError(f"{call.name}: {answer}", code=answer, object=call.target.account, operation=call.name)
        shape = model(call.service).operation_model(call.operation).output_shape
        if shape is not None and answer:
            checked(shape, _dates(answer), f"answer of {call.name}")
        found: dict[str, Any] = _plain(answer)
        return found

    def document(self, edit: Any) -> Any:
        raise NotImplementedError

    def asked(self, operation: str) -> list[Call]:
        return [call for call in self.calls if call.operation == operation]


def _dates(value: Any) -> Any:
    """ISO dates as the datetimes that a parsed answer holds."""
    if isinstance(value, dict):
        return {k: _dates(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_dates(v) for v in value]
    if isinstance(value, str) and len(value) == 20 and value[10] == "T" and value.endswith("Z"):
        return datetime.datetime.fromisoformat(value)
    return value
