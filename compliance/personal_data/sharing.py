"""Who outside Agora gets something about a person, what, and why (LGPD art. 18 VII).

A test fails for an address in the settings that is neither here nor said to get nothing of a person.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from agora.lib.catalog import Text


@dataclass(frozen=True)
class Recipient:
    """One of them. `settings` name what makes it used; without any it always is."""

    who: Text
    gets: Text
    why: Text
    settings: tuple[str, ...] = ()

    @property
    def is_used(self) -> bool:
        """Whether this installation is set up for it."""
        return not self.settings or any(getattr(settings, name) for name in self.settings)


RECIPIENTS = (
    Recipient(
        who=_("Everybody, on the blockchain"),
        gets=_("Your wallet address, and when how many tokens were minted to it."),
        why=_("A public chain can be read by anybody and forgets nothing."),
    ),
    Recipient(
        who=_("The node through which Agora reads the chain"),
        gets=_("Your wallet address, when its balance or a signature is looked up."),
        why=_("To show your tokens and to check that the wallet is yours."),
        settings=("CHAIN_RPC_URL",),
    ),
    Recipient(
        who=_("Alpaca, the broker"),
        gets=_("Share, quantity, price and number of an order; nothing that says whose it is."),
        why=_("To buy the share."),
        settings=("ALPACA_BASE_URL",),
    ),
    Recipient(
        who=_("Fireblocks, the custodian"),
        gets=_(
            "Quantity and number of an order, and a digest of the mint to be signed; nothing that "
            "says whose it is."
        ),
        why=_("To keep the record of custody and to sign the mint."),
        settings=("FIREBLOCKS_BASE_URL",),
    ),
    Recipient(
        who=_("Binance, if you connect an exchange account"),
        gets=_("Orders placed with your own key: Binance knows whose account it is."),
        why=_("To copy the trades that you subscribed to, or to carry out your own."),
        settings=("BINANCE_BASE_URL",),
    ),
    Recipient(
        who=_("The service that sends our e-mails"),
        gets=_("Your e-mail address and the text of what you are told."),
        why=_("To reach you."),
    ),
    Recipient(
        who=_("The sign-in provider that you choose"),
        gets=_("That you sign in to Agora, and when."),
        why=_("Only if you sign in by it; it tells Agora your e-mail address."),
        settings=("OIDC_ISSUER",),
    ),
    Recipient(
        who=_("The provider of our document storage"),
        gets=_("The pages of your documents, encrypted; it has no key."),
        why=_("To keep them."),
        settings=("DOCUMENTS_S3_BUCKET",),
    ),
    Recipient(
        who=_("People of Agora: officers and auditors"),
        gets=_(
            "Your application and its review. Officers open your documents, too; each look is "
            "recorded."
        ),
        why=_("To check who you are, as the law asks, and to show that it was done."),
    ),
    Recipient(
        who=_("Authorities, when a law obliges Agora"),
        gets=_("What the law names."),
        why=_("Duties to report, and orders of a court."),
    ),
)

# Other machines that Agora talks to, and why nothing of a person gets there.
NOTHING_OF_A_PERSON = {
    "ALPACA_DATA_URL": "Prices are asked for by share.",
    "AUDIT_ANCHORS_ENDPOINT_URL": "Heads of the audit trail: hashes.",
    "CHAIN_EXPLORER_URL": "Links that the person's own browser follows.",
    "DOCUMENTS_S3_ENDPOINT": "The address of DOCUMENTS_S3_BUCKET.",
    "REDIS_URL": "A part of the installation: ids of rows and counters.",
    "SITE_URL": "Agora itself.",
}


def recipients() -> Iterable[Recipient]:
    """Those that this installation uses."""
    return [recipient for recipient in RECIPIENTS if recipient.is_used]
