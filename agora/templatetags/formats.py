"""The filters of agora.lib.formats, for templates."""

from django import template

from agora.lib import formats

register = template.Library()

for _filter in (
    formats.usd,
    formats.quantity,
    formats.rounded,
    formats.percent,
    formats.figure,
    formats.plain,
    formats.percent_of,
    formats.moment,
    formats.in_zone,
    formats.duration,
    formats.seconds_left,
    formats.middle_cut,
):
    register.filter(_filter.__name__, _filter)
