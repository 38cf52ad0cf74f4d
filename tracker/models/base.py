"""The base of all tables: names of constraints, and the column types of Python's types."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import LargeBinary, MetaData
from sqlalchemy.orm import DeclarativeBase

from tracker.models.types import Document, Moment, Number

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment,
        float: Number,
        dict[str, Any]: Document,
        list[Any]: Document,
        bytes: LargeBinary,
    }
