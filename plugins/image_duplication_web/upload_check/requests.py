"""What a request may say: the fields beside the pictures, and the two bodies that carry them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from image_duplication.records import CheckMode
from image_duplication.settings import Settings
from image_duplication_web.upload_check.refusals import RefusalCode, RequestRefusedError

FILES_FIELD = "files"
_SHOWN_CHARACTERS = 80  # of a value that is quoted back

Url = Annotated[str, StringConstraints(min_length=1, max_length=4_096)]


class CheckFields(BaseModel):
    """What may be said beside the pictures."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: CheckMode = Field(
        CheckMode.ALERT,
        description="`alert`: the answer says what is wrong. `block`: it also says `is_blocked`.",
    )
    variant_id: str | None = Field(
        None,
        min_length=1,
        max_length=255,
        description="Compare with what this variant shows already, too.",
    )
    category_id: int | None = Field(
        None,
        ge=0,
        le=2**63 - 1,
        description="The category of `variant_id`; without it the catalogue's database is asked.",
    )

    def check_together(self) -> None:
        """Refuse a category without its variant. Raises RequestRefusedError."""
        if self.category_id is not None and self.variant_id is None:
            raise RequestRefusedError(
                RefusalCode.FIELD_NOT_VALID,
                "received category_id without variant_id; expected both, variant_id or neither",
            )


class UrlsBody(CheckFields):
    """Pictures by their addresses; the service fetches them."""

    urls: list[Url] = Field(description="http(s) addresses on the hosts that the settings allow.")


Body = TypeVar("Body", bound=CheckFields)


def read_fields(model: type[Body], given: Mapping[str, Any] | bytes) -> Body:
    """The fields of a form, or a body of JSON, as the model. Raises RequestRefusedError."""
    try:
        if isinstance(given, bytes):
            fields = model.model_validate_json(given)
        else:
            fields = model.model_validate(given)
    except ValidationError as error:
        raise _explained(error, model) from error
    fields.check_together()
    return fields


def _explained(error: ValidationError, model: type[CheckFields]) -> RequestRefusedError:
    faults = error.errors(include_url=False, include_context=False)
    if faults[0]["type"] == "json_invalid":
        return RequestRefusedError(
            RefusalCode.BODY_UNREADABLE, f"the body is no JSON: {faults[0]['msg']}"
        )
    said = "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'body'} = "
        f"{_shortened(fault['input'])}: {fault['msg']}"
        for fault in faults[:5]
    )
    allowed = ", ".join(model.model_fields)
    return RequestRefusedError(
        RefusalCode.FIELD_NOT_VALID, f"received {said}; allowed are the fields {allowed}"
    )


def _shortened(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]}…"


def describe_body(settings: Settings) -> dict[str, Any]:
    """The request body for OpenAPI, with the bounds of the settings."""
    max_files = settings.upload.max_files
    files = {
        "type": "array",
        "minItems": 1,
        "maxItems": max_files,
        "items": {"type": "string", "format": "binary"},
        "description": f"The pictures, at most {settings.download.max_bytes} bytes each and "
        f"{settings.upload.max_request_bytes} bytes together with the rest of the body.",
    }
    form = _inlined(CheckFields)
    form["properties"] = {FILES_FIELD: files, **form["properties"]}
    form["required"] = [FILES_FIELD]
    form["title"] = "FilesForm"
    urls = _inlined(UrlsBody)
    urls["properties"]["urls"] |= {"minItems": 1, "maxItems": max_files}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": form},
            "application/json": {"schema": urls},
        },
    }


def _inlined(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema without references, which a route's own description cannot resolve."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    mode = schema["properties"]["mode"]
    mode.pop("$ref", None)
    schema["properties"]["mode"] = {**definitions["CheckMode"], **mode}
    return schema
