"""How far a master's account has been read at the exchange."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from copytrade.models.strategies import Strategy


class AccountWatch(models.Model):
    """The watermark of the poll of a master's account: what lies before it is known.

    `trade_ids` has the last trade id that was read of each pair; `balances` what the account held
    then, by asset: "free locked". No row means that the account has never been read.
    """

    strategy = models.OneToOneField(
        Strategy, on_delete=models.CASCADE, primary_key=True, related_name="watch"
    )
    trade_ids = models.JSONField(default=dict)
    balances = models.JSONField(default=dict)
    began_at = models.DateTimeField(_("first read"))

    class Meta:
        verbose_name = _("watermark of an account")
        verbose_name_plural = _("watermarks of accounts")

    def __str__(self) -> str:
        return f"{self.strategy_id} since {self.began_at:%Y-%m-%d}"
