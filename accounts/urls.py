from django.urls import path

from accounts import views

urlpatterns = [
    path("account/settings/", views.preferences, name="preferences"),
    path("account/tokens/", views.api_tokens, name="api_tokens"),
    path("account/tokens/<uuid:token_id>/revoke/", views.api_token_revoke, name="api_token_revoke"),
]
