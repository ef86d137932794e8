"""What every part of a topology has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a topology: immutable, strict about types, and refusing keys that it does not know."""

    # Inputs are left out of errors since URLs hold secrets.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=False, hide_input_in_errors=True
    )
