from django.urls import path

from kyc import views

urlpatterns = [path("onboarding/", views.onboarding, name="onboarding")]
