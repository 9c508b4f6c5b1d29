"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from accounts import api as accounts_api
from agora import views

handler400 = "agora.views.bad_request"

urlpatterns = [
    path("", views.home, name="home"),
    path("", include("accounts.urls")),
    path("", include("kyc.urls")),
    path("", include("tokens.urls")),
    path("", include("trading.urls")),
    path("", include("compliance.urls")),
    path("copy/", include("copytrade.urls")),
    path("account/", include("allauth.account.urls")),
    path("account/2fa/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("account/3rdparty/", include("allauth.socialaccount.urls")),
    path("account/", include("allauth.socialaccount.providers.openid_connect.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("agora.api_urls")),
    # ID-1 names them here as well; the document describes them once, under /api/v1.
    path("token/issue", accounts_api.IssueToken.as_view(schema=None), name="issue_token"),
    path("token/revoke", accounts_api.RevokeToken.as_view(schema=None), name="revoke_token"),
]
