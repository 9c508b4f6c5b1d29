from django.urls import path

from kyc.views import corrections, documents, onboarding, verification

urlpatterns = [
    path("onboarding/", onboarding.onboarding, name="onboarding"),
    path("account/privacy/correction/", corrections.correction, name="correction"),
    path("account/privacy/correction/withdraw/", corrections.withdraw, name="correction_withdraw"),
    path("verification/", verification.verification, name="verification"),
    path("verification/documents/", documents.documents, name="documents"),
    path("verification/documents/<uuid:document_id>/", documents.document, name="document"),
    path(
        "verification/documents/<uuid:document_id>/pages/<int:page>/",
        documents.document_page,
        name="document_page",
    ),
    path(
        "verification/documents/<uuid:document_id>/withdraw/",
        documents.document_withdraw,
        name="document_withdraw",
    ),
]
