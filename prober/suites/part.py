"""What every part of a results document is: frozen, strict about unknown keys, without NaN."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Frozen; an unknown key or a figure that is no number is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
