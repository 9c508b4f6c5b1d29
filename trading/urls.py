from django.urls import path

from trading import views

urlpatterns = [
    path("dashboard/", views.dashboard, name="dashboard"),
    path("buy/", views.buy, name="buy"),
    path("buy/estimate/", views.buy_estimate, name="buy_estimate"),
    path("buy/review/", views.buy_review, name="buy_review"),
    path("buy/confirm/", views.buy_confirm, name="buy_confirm"),
    path("orders/", views.orders, name="orders"),
    path("orders/<uuid:order_id>/", views.order, name="order"),
    path("orders/<uuid:order_id>/status/", views.order_status, name="order_status"),
    path("orders/<uuid:order_id>/cancel/", views.order_cancel, name="order_cancel"),
    path("orders/<uuid:order_id>/receipt/", views.order_receipt, name="order_receipt"),
]
