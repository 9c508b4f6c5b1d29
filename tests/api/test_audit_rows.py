"""The rows of the audit trail through the API, for those who may read it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from compliance import audit
from compliance.models import AuditRow
from tests.api.conftest import Api, assert_problem
from tests.kyc import casework
from tests.people import TOTP_SECRET, new_officer, onboarded

pytestmark = pytest.mark.django_db
PATH = "/api/v1/admin/audit"
NOON = datetime(2031, 1, 5, 12, tzinfo=UTC)


def a_row(number: int = 0, **changes: Any) -> AuditRow:
    told: dict[str, Any] = {
        "actor": "system:test",
        "action": "test.happened",
        "object_type": "test_thing",
        "object_id": str(number),
        "evidence": {"number": number},
        "now": NOON + timedelta(seconds=number),
        **changes,
    }
    return audit.record(**told)


@pytest.fixture
def auditor() -> Api:
    return Api(new_officer("view_auditrow"), scopes=("admin",))


def found(api: Api, **query: str) -> list[str]:
    asked = urlencode({"object_type": "test_thing", **query})
    return [row["object_id"] for row in api.get(f"{PATH}?{asked}").body["results"]]


def test_rows_are_told_with_their_place_in_the_chain(auditor: Api) -> None:
    row = a_row(7)
    before = auditor.get(f"{PATH}?object_type=test_thing").body["results"][0]
    audit.seal_all(now=NOON)
    after = auditor.get(f"{PATH}?object_type=test_thing").body["results"][0]

    assert before == {
        "uid": str(row.uid),
        "at": "2031-01-05T12:00:07Z",
        "actor": "system:test",
        "action": "test.happened",
        "object_type": "test_thing",
        "object_id": "7",
        "evidence": {"number": 7},
        "row_hash": bytes(row.row_hash).hex(),
        "position": None,
    }
    assert isinstance(after["position"], int)


def test_the_newest_stands_first_and_pages_lead_on(auditor: Api) -> None:
    for number in range(3):
        a_row(number)

    first = auditor.get(f"{PATH}?object_type=test_thing&page_size=2")
    second = auditor.get(first.body["next"])

    shown = [row["object_id"] for row in (*first.body["results"], *second.body["results"])]
    assert shown == ["2", "1", "0"]
    assert second.body["next"] is None


def test_rows_are_found_by_what_they_say(auditor: Api) -> None:
    a_row(1)
    a_row(2, actor="user:somebody")
    a_row(3, action="test.again")

    assert found(auditor, actor="user:somebody") == ["2"]
    assert found(auditor, action="test.again") == ["3"]
    assert found(auditor, object_id="1") == ["1"]
    assert found(auditor, since="2031-01-05T12:00:02Z", until="2031-01-05T12:00:03Z") == ["2"]
    assert found(auditor, actor="nobody") == []


def test_rows_of_an_object_are_found_by_an_index(auditor: Api) -> None:
    a_row(1)

    with CaptureQueriesContext(connection) as captured:
        assert len(auditor.get(f"{PATH}?object_id=1").body["results"]) == 1

    (asked,) = [told["sql"] for told in captured if "\"object_id\" = '1'" in told["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {asked}")
        plan = " ".join(line for (line,) in cursor.fetchall())
    assert "object_type = ANY" in plan or "object_type)::text = ANY" in plan, plan


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "since=2031-01-05", "until=2031-01-05T12:00:00", "actor=%00", "colour=red",
     "cursor=x", "since=9999999", "since=0001-01-01T00:00:00%2B14:00",
     "until=9999-12-31T23:59:59-01:00"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_refused(auditor: Api, query: str) -> None:
    assert_problem(auditor.get(f"{PATH}?{query}"), 400, "malformed")


def test_nobody_else_reads_the_trail(buyer: Api) -> None:
    assert_problem(buyer.get(PATH), 403, "insufficient_scope")
    other = Api(new_officer("export_auditrow"), scopes=("admin",))
    assert_problem(other.get(PATH), 403, "forbidden")


def test_what_is_about_the_reader_is_not_there() -> None:
    person = onboarded()
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    casework.allow(person, "compliance.view_auditrow", "kyc.view_case")
    own = Api(User.objects.get(pk=person.pk), scopes=("admin",))
    about = f"object_type=kyc_application&object_id={person.kyc_application.pk}"

    assert own.get(f"{PATH}?{about}").body["results"] == []
    auditor = Api(new_officer("view_auditrow", "view_case"), scopes=("admin",))
    assert auditor.get(f"{PATH}?{about}").body["results"] != []


def test_what_people_have_shown_is_there_for_who_may_read_cases(auditor: Api) -> None:
    application = onboarded().kyc_application

    about = f"{PATH}?object_id={application.pk}"
    assert auditor.get(about).body["results"] == []
    others = Api(new_officer("view_auditrow", "view_case"), scopes=("admin",))
    assert others.get(about).body["results"] != []


def test_nothing_can_be_written(auditor: Api) -> None:
    assert auditor.post(PATH, {}).status == 405


def test_more_rows_take_no_more_queries(auditor: Api) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert auditor.get(PATH).status == 200
        return len(captured)

    a_row(1)
    audit.seal_all(now=NOON)
    queries()  # the first use of a token is noted
    few = queries()
    for number in range(5):
        a_row(number)
    audit.seal_all(now=NOON)

    assert queries() == few
