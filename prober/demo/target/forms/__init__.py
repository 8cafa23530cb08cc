"""The forms the target can have: as deployed, and with the names and answers of the guide."""

from __future__ import annotations

from collections.abc import Mapping

from prober.demo.target.forms import deployed, guide
from prober.demo.target.forms.form import Form, FormName, MessageStatements, RoutingStatements

FORMS: Mapping[FormName, Form] = {form.name: form for form in (deployed.FORM, guide.FORM)}

__all__ = ["FORMS", "Form", "FormName", "MessageStatements", "RoutingStatements"]
