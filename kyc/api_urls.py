"""Addresses of the officers' API of cases and screening, below /api/v1/admin/."""

from django.urls import URLPattern, URLResolver, path

from kyc import api

_ACTIONS = {
    "take": api.TakeCase,
    "keep": api.KeepCase,
    "release": api.ReleaseCase,
    "assign": api.AssignCase,
    "note": api.NoteOnCase,
    "check": api.CheckOfCase,
    "ask": api.AskPerson,
    "escalate": api.EscalateCase,
    "approve": api.ApproveCase,
    "reject": api.RejectCase,
}

urlpatterns: list[URLPattern | URLResolver] = [
    path("cases", api.Cases.as_view(), name="cases"),
    path("cases/next", api.TakeNextCase.as_view(), name="case_next"),
    path("cases/officers", api.OfficersForCases.as_view(), name="case_officers"),
    path("cases/<uuid:case_id>", api.CaseById.as_view(), name="case"),
    *(
        path(f"cases/<uuid:case_id>/{name}", view.as_view(), name=f"case_{name}")
        for name, view in _ACTIONS.items()
    ),
    path(
        "cases/<uuid:case_id>/documents/<uuid:document_id>/accept",
        api.AcceptDocument.as_view(),
        name="case_document_accept",
    ),
    path(
        "cases/<uuid:case_id>/documents/<uuid:document_id>/reject",
        api.RejectDocument.as_view(),
        name="case_document_reject",
    ),
    path(
        "documents/<uuid:document_id>/pages/<int:page>",
        api.DocumentPageImage.as_view(),
        name="document_page",
    ),
    path("matches", api.Matches.as_view(), name="matches"),
    path("matches/<uuid:match_id>", api.MatchById.as_view(), name="match"),
    path("matches/<uuid:match_id>/dismiss", api.DismissMatch.as_view(), name="match_dismiss"),
    path("matches/<uuid:match_id>/confirm", api.ConfirmMatch.as_view(), name="match_confirm"),
]
