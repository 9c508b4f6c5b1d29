"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from agora import views

handler400 = "agora.views.bad_request"

urlpatterns = [
    path("", views.home, name="home"),
    path("", include("accounts.urls")),
    path("", include("kyc.urls")),
    path("", include("tokens.urls")),
    path("", include("trading.urls")),
    path("copy/", include("copytrade.urls")),
    path("", include("compliance.urls")),
    path("account/", include("allauth.account.urls")),
    path("account/2fa/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("account/3rdparty/", include("allauth.socialaccount.urls")),
    path("account/", include("allauth.socialaccount.providers.openid_connect.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("agora.api_urls")),
]
