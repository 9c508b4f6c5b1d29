from django.urls import path

from kyc.views import onboarding, verification

urlpatterns = [
    path("onboarding/", onboarding.onboarding, name="onboarding"),
    path("verification/", verification.verification, name="verification"),
]
