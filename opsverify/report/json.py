"""The result model as versioned JSON, for other programs (schema in docs/report.schema.json)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opsverify.model.text import as_json
from opsverify.report.model import RunReport

if TYPE_CHECKING:
    from opsverify.evidence.redaction import Redactor

__all__ = ["render_json", "schema"]


def render_json(report: RunReport, redactor: Redactor) -> str:
    """`report` as JSON text, redacted: a line for each field of the run, and for each check."""
    fields = report.redacted(redactor).model_dump(mode="json")
    return "{\n" + ",\n".join(f' "{name}": {_lines(value)}' for name, value in fields.items()) + "\n}\n"


def _lines(value: Any) -> str:
    # json.dumps with an indent is Python all the way down, and takes ten times as long.
    return (
        "[\n  " + ",\n  ".join(map(as_json, value)) + "\n ]"
        if value and isinstance(value, list)
        else as_json(value)
    )


def schema() -> str:
    """The JSON schema of the report."""
    return json.dumps(RunReport.model_json_schema(mode="serialization"), indent=1) + "\n"
