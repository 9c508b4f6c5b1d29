from django.urls import path

from tokens import views

urlpatterns = [
    path("account/wallet/", views.wallet, name="wallet"),
    path("account/wallet/prove/", views.wallet_prove, name="wallet_prove"),
    path("account/wallet/change/", views.wallet_change, name="wallet_change"),
    path("account/wallet/proofs/<uuid:proof_id>/", views.wallet_proof, name="wallet_proof"),
    path(
        "account/wallet/changes/<uuid:change_id>/cancel/",
        views.wallet_change_cancel,
        name="wallet_change_cancel",
    ),
]
