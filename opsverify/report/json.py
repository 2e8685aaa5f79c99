"""The result model as versioned JSON, for other programs (schema in docs/report.schema.json)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from opsverify.evidence import finite
from opsverify.report.model import RunReport

if TYPE_CHECKING:
    from opsverify.redaction import Redactor

__all__ = ["render_json", "schema"]


def render_json(report: RunReport, redactor: Redactor) -> str:
    """`report` as JSON text, redacted."""
    return json.dumps(finite(report.redacted(redactor).model_dump(mode="json")), indent=1) + "\n"


def schema() -> str:
    """The JSON schema of the report."""
    return json.dumps(RunReport.model_json_schema(mode="serialization"), indent=1) + "\n"
