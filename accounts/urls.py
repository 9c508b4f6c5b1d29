from django.urls import path, re_path

from accounts.views import account, addresses, notices, security, tokens

urlpatterns = [
    path("account/settings/", account.preferences, name="preferences"),
    path("account/2fa/needed/", security.second_factor_needed, name="second_factor_needed"),
    # These six stand before allauth's own.
    path("account/password/change/", security.change_password, name="account_change_password"),
    re_path(
        r"^account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        security.reset_password,
        name="account_reset_password_from_key",
    ),
    path("account/password/set/", security.choose_password, name="account_set_password"),
    path("account/email/", security.e_mail_addresses, name="account_email"),
    path("account/2fa/totp/activate/", security.set_up_app, name="mfa_activate_totp"),
    path("account/2fa/webauthn/add/", security.add_passkey, name="mfa_add_webauthn"),
    path("account/sessions/<int:session_id>/end/", security.session_end, name="session_end"),
    path(
        "account/oidc/<str:provider_id>/login/",
        security.provider_login,
        name="openid_connect_login",
    ),
    path("account/tokens/", tokens.api_tokens, name="api_tokens"),
    path("account/tokens/<uuid:token_id>/", tokens.api_token, name="api_token"),
    path(
        "account/tokens/<uuid:token_id>/revoke/", tokens.api_token_revoke, name="api_token_revoke"
    ),
    path("account/addresses/", addresses.addresses, name="addresses"),
    path("account/addresses/check/", addresses.address_check, name="address_check"),
    path("account/addresses/<uuid:entry_id>/", addresses.address_relabel, name="address_relabel"),
    path(
        "account/addresses/<uuid:entry_id>/delete/",
        addresses.address_delete,
        name="address_delete",
    ),
    path("notices/", notices.notices, name="notices"),
    path("notices/read/", notices.notices_read, name="notices_read"),
    path("notices/<uuid:notice_id>/open/", notices.notice_open, name="notice_open"),
    path("notices/<uuid:notice_id>/read/", notices.notice_read, name="notice_read"),
]
