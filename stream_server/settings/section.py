"""What every section of the settings is made of; schema.py and the packages that declare sections of their own."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

STREAM_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

StreamId = Annotated[str, Field(pattern=STREAM_ID_PATTERN)]
StreamPattern = Annotated[str, Field(pattern=r"^[A-Za-z0-9*._-]{1,64}$")]
"""Ids of streams, `*` standing for any characters (`fnmatch`)."""


class Section(BaseModel):
    """One section of the settings: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
