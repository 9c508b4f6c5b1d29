"""Public addresses of compliance."""

from django.urls import path

from compliance.views import personal_data, proofs, reserves, trail

urlpatterns = [
    path("account/privacy/", personal_data.privacy, name="privacy"),
    path("account/privacy/copies/", personal_data.request_export, name="data_export_request"),
    path(
        "account/privacy/copies/<uuid:export_id>/",
        personal_data.export_file,
        name="data_export_file",
    ),
    path("account/privacy/erasure/", personal_data.request_erasure, name="erasure"),
    path("account/privacy/erasure/undo/", personal_data.undo_erasure, name="erasure_undo"),
    path("reserves/", reserves.reserves, name="reserves"),
    path("reserves/mine/", proofs.my_reserves, name="my_reserves"),
    path("reserves/mine/<uuid:snapshot_id>/", proofs.my_reserves, name="my_reserves_in"),
    path(
        "reserves/mine/<uuid:snapshot_id>/<int:number>/proof.json",
        proofs.proof_file,
        name="proof_file",
    ),
    path("reserves/verify_reserve_proof.py", proofs.verifier, name="reserve_verifier"),
    path("audit/verify_audit_export.py", trail.verifier, name="audit_verifier"),
]
