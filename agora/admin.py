"""Other packages' admin pages: what Agora does not use is taken out, the rest is made read-only."""

from allauth.account.models import EmailAddress
from django.contrib import admin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from agora.lib.admin import ReadOnlyAdmin

# Addresses are changed by their owners; the schedule is settings.CELERY_BEAT_SCHEDULE.
for _model in (
    EmailAddress,
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
):
    admin.site.unregister(_model)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(ReadOnlyAdmin):
    list_display = ["name", "task", "interval", "enabled", "last_run_at", "total_run_count"]
    list_filter = ["enabled"]
    search_fields = ["name", "task"]
    fields = ["name", "task", "interval", "enabled", "last_run_at", "total_run_count"]
