"""Statements of hot paths whose SQL the ORM builds once, not for each request.

For a query with joins, and for a table with many columns, the ORM spends several times longer on
building the statement than PostgreSQL on running it. What goes in and comes out are the ordinary
models, related rows included.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import AutoField, Model, QuerySet
from django.db.models.query import get_related_populators
from django.db.models.sql import InsertQuery

M = TypeVar("M", bound=Model)
Converter = tuple[int, list[Callable[..., Any]], Any]


class Lookup(Generic[M]):
    """`Lookup(rows, by="prefix").get(value)`: the row of `rows` with that value, or None.

    `rows` may join with `select_related`; `by` has to be unique. Thread-safe once made.
    """

    def __init__(self, rows: QuerySet[M], *, by: str) -> None:
        compiler: Any = rows.filter(**{by: ""}).query.get_compiler(DEFAULT_DB_ALIAS)
        self._sql, parameters = compiler.as_sql()
        if len(parameters) != 1:
            raise ValueError("A look-up takes one parameter: the value that it looks for.")
        shape = compiler.klass_info
        first, last = shape["select_fields"][0], shape["select_fields"][-1] + 1
        self._own = slice(first, last)
        self._columns = [column[0].target.attname for column in compiler.select[self._own]]
        self._model: type[M] = shape["model"]
        populators: Callable[..., Any] = get_related_populators
        self._populators = populators(shape, compiler.select, DEFAULT_DB_ALIAS)
        converters = compiler.get_converters(column[0] for column in compiler.select)
        self._converters: list[Converter] = [(at, *each) for at, each in converters.items()]

    def get(self, value: str) -> M | None:
        with connection.cursor() as cursor:
            cursor.execute(self._sql, [value])
            found = cursor.fetchone()
        if found is None:
            return None
        row = list(found)
        for position, functions, expression in self._converters:
            for convert in functions:
                row[position] = convert(row[position], expression, connection)
        made = self._model.from_db(DEFAULT_DB_ALIAS, self._columns, row[self._own])
        for populator in self._populators:
            populator.populate(row, made)
        return made


class Insert(Generic[M]):
    """`Insert(Model)(row)`: `row.save(force_insert=True)` without the model's signals.

    For models without database defaults. Thread-safe once made.
    """

    def __init__(self, model: type[M]) -> None:
        meta = model._meta
        self._fields = [f for f in meta.local_concrete_fields if not isinstance(f, AutoField)]
        self._returned = [field.attname for field in meta.db_returning_fields]
        query = InsertQuery(model)
        query.insert_values(self._fields, [model()])
        compiler: Any = query.get_compiler(DEFAULT_DB_ALIAS)
        compiler.returning_fields = meta.db_returning_fields
        ((self._sql, parameters),) = compiler.as_sql()
        if len(parameters) != len(self._fields):
            raise ValueError(f"{meta.label} has database defaults; save it instead.")

    def __call__(self, row: M) -> None:
        values = [
            field.get_db_prep_save(field.pre_save(row, True), connection)  # noqa: FBT003
            for field in self._fields
        ]
        with connection.cursor() as cursor:
            cursor.execute(self._sql, values)
            if self._returned:
                for name, value in zip(self._returned, cursor.fetchone(), strict=True):
                    setattr(row, name, value)
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
