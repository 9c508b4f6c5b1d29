from django.urls import path

from kyc.views import onboarding

urlpatterns = [path("onboarding/", onboarding.onboarding, name="onboarding")]
