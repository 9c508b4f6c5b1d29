"""Requests made up from the OpenAPI document, good ones and almost good ones."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

_METHODS = ("get", "post", "put", "patch", "delete")
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=40),
    st.sampled_from(["", "0", "-1", "1e999", "\x00", "\ud7ff", "9" * 400, "ł\u202e", "2026-02-30"]),
)
JUNK = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=5,
)


@dataclass(frozen=True)
class Operation:
    """One method of one path of the document."""

    method: str
    path: str
    spec: Any

    @property
    def name(self) -> str:
        return str(self.spec["operationId"])


def operations(document: Any) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield Operation(method, path, methods[method])


@dataclass(frozen=True)
class Sent:
    """A request as it goes out; its repr is enough to send it again."""

    method: str
    path: str
    body: bytes
    media_type: str


@st.composite
def requests(
    draw: DrawFn, *, document: Any, operation: Operation, ids: dict[str, list[str]]
) -> Sent:
    """A request of the operation: ids that exist or not, and one thing wrong with it at most times."""
    path = re.sub(r"{(\w+)}", lambda name: quote(draw(_id(ids, name[1])), safe=""), operation.path)
    query = draw(_query(document, operation))
    if query:
        path += "?" + urlencode(query)
    media_type, body = draw(_body(document, operation))
    return Sent(operation.method.upper(), path, body, media_type)


def _id(ids: dict[str, list[str]], name: str) -> SearchStrategy[str]:
    known = st.sampled_from(ids.get(name) or ["none"])
    return known | known | known | st.uuids().map(str) | st.sampled_from(["0", "ł", "a.b", "%00"])


def _query(document: Any, operation: Operation) -> SearchStrategy[dict[str, str]]:
    declared = {
        parameter["name"]: values(document, parameter["schema"]).map(_word) | st.text(max_size=20)
        for parameter in operation.spec.get("parameters", [])
        if parameter["in"] == "query"
    }
    return st.fixed_dictionaries({}, optional=declared)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(document: Any, operation: Operation) -> SearchStrategy[tuple[str, bytes]]:
    content = operation.spec.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return st.just(("application/json", b""))
    good = values(document, content["application/json"]["schema"])
    wrong = _spoilt(good)
    encoded = (good | good | wrong).map(lambda body: json.dumps(body).encode())
    return st.tuples(st.just("application/json"), encoded | st.binary(max_size=12))


@st.composite
def _spoilt(draw: DrawFn, good: SearchStrategy[Any]) -> Any:
    """The same with one member left out, replaced or added; or something else altogether."""
    body = draw(good)
    if not isinstance(body, dict) or draw(st.integers(0, 9)) == 0:
        return draw(JUNK)
    names = [*body, "unknown"]
    name = draw(st.sampled_from(names))
    if name in body and draw(st.booleans()):
        return {other: value for other, value in body.items() if other != name}
    return {**body, name: draw(JUNK)}


def values(document: Any, schema: Any) -> SearchStrategy[Any]:
    """What a schema of the document allows."""
    schema = resolved(document, schema)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return st.one_of([values(document, one) for one in schema[several]])
    if "allOf" in schema:
        return values(document, schema["allOf"][0])
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        return st.one_of([values(document, {**schema, "type": one}) for one in kind])
    return _of_type(document, schema, kind)


def resolved(document: Any, schema: Any) -> Any:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _of_type(document: Any, schema: Any, kind: str) -> SearchStrategy[Any]:
    if kind == "string":
        return _text(schema)
    if kind == "integer":
        return st.integers(schema.get("minimum", -(2**40)), schema.get("maximum", 2**40))
    if kind == "number":
        return st.floats(0, 1_000_000)
    if kind == "boolean":
        return st.booleans()
    if kind == "null":
        return st.none()
    if kind == "array":
        most = min(schema.get("maxItems", 3), 4)
        return st.lists(
            values(document, schema["items"]), min_size=schema.get("minItems", 0), max_size=most
        )
    members = {name: values(document, one) for name, one in schema.get("properties", {}).items()}
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: one for name, one in members.items() if name in required},
        optional={name: one for name, one in members.items() if name not in required},
    )


def _text(schema: Any) -> SearchStrategy[str]:
    form = schema.get("format")
    if form == "uuid":
        return st.uuids().map(str)
    if form in ("date-time", "date"):
        moments = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
        return moments if form == "date-time" else st.dates().map(str)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    most = min(schema.get("maxLength", 60), 60)
    text = st.text(min_size=schema.get("minLength", 0), max_size=most)
    return text | st.sampled_from(["1", "0.5", "100", "USDT", "BTC/USDT", "AAPL"]).filter(
        lambda word: len(word) <= most
    )
