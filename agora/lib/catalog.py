"""Every problem code of the API: its status, its title, and what the caller can do about it."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise  # a message, perhaps translated only when shown


@dataclass(frozen=True)
class Kind:
    """One kind of problem; `remedy` is also the detail when a refusal has none of its own."""

    status: int
    title: Text
    remedy: Text


CATALOG: dict[str, Kind] = {
    # --- the request itself
    "malformed": Kind(400, _("Malformed request"), _("Send well-formed JSON and parameters.")),
    "invalid": Kind(
        422, _("Invalid request"), _("Correct the fields listed in errors and send it again.")
    ),
    "payload_too_large": Kind(413, _("Request too large"), _("Send a smaller body.")),
    "unsupported_media_type": Kind(
        415, _("Unsupported media type"), _("Send the body as application/json.")
    ),
    "not_acceptable": Kind(406, _("Not acceptable"), _("Ask for application/json.")),
    "not_found": Kind(404, _("Not found"), _("It does not exist, or it belongs to somebody else.")),
    "method_not_allowed": Kind(
        405, _("Method not allowed"), _("Use one of the methods named in the Allow header.")
    ),
    # --- who asks, and how often
    "unauthenticated": Kind(
        401, _("Not authenticated"), _("Send a valid API token: Authorization: Bearer agr_….")
    ),
    "bad_credentials": Kind(
        401, _("Wrong e-mail address or password"), _("Check both and try again.")
    ),
    "second_factor_required": Kind(
        401,
        _("Second factor needed"),
        _("Send the code of your authenticator app, or a recovery code, as code."),
    ),
    "bad_second_factor": Kind(
        401,
        _("Wrong code"),
        _("Send a current code of your authenticator app, or an unused recovery code."),
    ),
    "second_factor_missing": Kind(
        403,
        _("Second factor missing"),
        _("The scopes security and admin need one: set it up on the account page."),
    ),
    "email_unverified": Kind(
        403, _("E-mail address not confirmed"), _("Open the link in the e-mail we sent you first.")
    ),
    "forbidden": Kind(403, _("Not allowed"), _("This account may not do that.")),
    "insufficient_scope": Kind(
        403, _("Scope missing"), _("Use a token that has the scope named in required_scope.")
    ),
    "rate_limited": Kind(
        429, _("Too many requests"), _("Wait as long as Retry-After says, then go on.")
    ),
    "too_many_tokens": Kind(409, _("Too many API tokens"), _("Revoke a token first.")),
    # --- address book
    "address_exists": Kind(
        409, _("Address known already"), _("It is in your address book: relabel that entry.")
    ),
    "too_many_addresses": Kind(
        409, _("Address book full"), _("Delete an address that you no longer need first.")
    ),
    # --- proof and change of a wallet
    "other_wallet": Kind(
        409, _("Not the wallet's address"), _("Ask with purpose `change` to use another wallet.")
    ),
    "same_wallet": Kind(409, _("The wallet already"), _("Ask with purpose `verify` to prove it.")),
    "change_pending": Kind(
        409, _("A change is pending"), _("Cancel the pending change of the wallet first.")
    ),
    "change_ended": Kind(
        409, _("The change has ended"), _("It took effect or was cancelled before.")
    ),
    "wallet_taken": Kind(
        409, _("Address linked elsewhere"), _("One wallet belongs to one account: use another.")
    ),
    "wallet_disputed": Kind(
        409,
        _("Address in dispute"),
        _("Two accounts claim it. Prove that it is yours, use another wallet, or write to us."),
    ),
    "too_many_proofs": Kind(
        429, _("Too many messages"), _("Wait ten minutes before you ask for another message.")
    ),
    "proof_used": Kind(409, _("Message used"), _("Ask for a new message and sign that.")),
    "proof_expired": Kind(409, _("Message expired"), _("Ask for a new message and sign that.")),
    "message_refused": Kind(
        409, _("Message no longer valid"), _("Ask for a new message and sign that.")
    ),
    "signature_refused": Kind(
        422,
        _("Signature refused"),
        _("Sign the message as given, with the key of its address; ask for a new message first."),
    ),
    # --- documents
    "too_many_documents": Kind(
        409, _("Too many documents"), _("Withdraw one that is not needed, or wait a day.")
    ),
    "document_reviewed": Kind(
        409, _("Document reviewed"), _("It cannot be withdrawn any more; upload another one.")
    ),
    # --- idempotency
    "idempotency_key_missing": Kind(
        400,
        _("Idempotency-Key missing"),
        _("Send an Idempotency-Key header: a fresh random value for each new intent."),
    ),
    "idempotency_key_malformed": Kind(
        400,
        _("Idempotency-Key malformed"),
        _("Use 1 to 255 printable ASCII characters."),
    ),
    "idempotency_key_reused": Kind(
        422,
        _("Idempotency-Key used for another request"),
        _("Use a fresh key: this one already stands for a request with other content."),
    ),
    "idempotency_in_progress": Kind(
        409,
        _("Request in progress"),
        _("A request with this key is running. Send the same again in a moment."),
    ),
    # --- decisions by two people
    "decision_refused": Kind(
        409, _("Not possible now"), _("Read the proposal again; reason says why.")
    ),
    # --- cases
    "case_refused": Kind(
        409,
        _("Not possible now"),
        _("Read the case again and repeat it with its version; reason says why."),
    ),
    # --- onboarding, orders
    "already_onboarded": Kind(
        409, _("Already onboarded"), _("This account has finished onboarding.")
    ),
    "export_refused": Kind(
        409, _("No copy is made now"), _("detail says why; GET lists the copies that there are.")
    ),
    "consent_needed": Kind(
        409, _("Consent needed"), _("Let the person read the text and agree: see users/…/consents.")
    ),
    "correction_refused": Kind(
        409, _("Not possible now"), _("GET lists what was asked for before; reason says why.")
    ),
    "erasure_refused": Kind(
        409, _("Not possible now"), _("Wind up what GET lists as obstacles; reason says why.")
    ),
    "verification_refused": Kind(
        409, _("Not possible now"), _("Read where the verification stands; reason says why.")
    ),
    "not_approved": Kind(403, _("Not approved"), _("Finish onboarding first.")),
    "buying_paused": Kind(
        403, _("Buying is paused"), _("Nothing to change: support can tell when it goes on.")
    ),
    "no_wallet": Kind(409, _("No wallet"), _("Link a wallet address first.")),
    "limit_exceeded": Kind(
        422,
        _("Daily limit exceeded"),
        _("Order less, or wait until the limit resets: see left_usd and resets_at."),
    ),
    "quantity_too_small": Kind(422, _("Quantity too small"), _("Order a larger quantity.")),
    "quantity_too_large": Kind(422, _("Quantity too large"), _("Order a smaller quantity.")),
    "quantity_decimals": Kind(
        422, _("Too many decimals"), _("Give the quantity with at most 9 decimals.")
    ),
    "quantity_invalid": Kind(
        422, _("Not a quantity"), _("Give the quantity as a decimal number in a string.")
    ),
    "below_minimum_value": Kind(422, _("Order value too small"), _("Order a larger quantity.")),
    "quote_expired": Kind(409, _("Quote expired"), _("Fetch a fresh quote and confirm its price.")),
    "quote_invalid": Kind(
        422, _("Quote not valid"), _("Send quote_token exactly as the quote gave it.")
    ),
    "market_data_stale": Kind(503, _("No current price"), _("Try again when market data is back.")),
    # --- files
    "export_too_long": Kind(
        422,
        _("Too many rows for a workbook"),
        _("Choose CSV or JSON, or a shorter time."),
    ),
    # --- strategies
    "name_taken": Kind(409, _("Name taken"), _("Choose a name that none of your others has.")),
    "account_taken": Kind(
        409, _("Account has a strategy"), _("Use another exchange account, or delete the strategy.")
    ),
    "account_not_active": Kind(
        409, _("Exchange account paused"), _("Check the account's key, then try again.")
    ),
    "below_followers": Kind(
        409, _("More followers than that"), _("Set a limit that is not below the followers it has.")
    ),
    "strategy_deleted": Kind(
        409, _("Strategy deleted"), _("It cannot be changed; publish a new one.")
    ),
    "order_conflict": Kind(
        409,
        _("Not possible now"),
        _("The order or its strategy is not in a state that allows this: see reason."),
    ),
    # --- exchange accounts, subscriptions
    "key_invalid": Kind(
        422,
        _("Key not accepted"),
        _("Check key and secret at the exchange, and that the key allows Agora's address."),
    ),
    "ip_not_allowed": Kind(
        422, _("Network address not allowed"), _("Add Agora's address to the key's list.")
    ),
    "key_no_permission": Kind(
        422, _("Key may not trade"), _("Allow spot trading for the key at the exchange.")
    ),
    "key_can_withdraw": Kind(
        422, _("Key may withdraw"), _("Switch withdrawals off for the key at the exchange.")
    ),
    "legal": Kind(422, _("Not served"), _("The exchange does not serve this account.")),
    "exchange_unavailable": Kind(
        503, _("Exchange not reached"), _("Send the same request again after Retry-After.")
    ),
    "key_known": Kind(409, _("Key entered before"), _("Each key can be entered once.")),
    "account_known": Kind(
        409, _("Account entered before"), _("Replace the key of the account that is there.")
    ),
    "other_account": Kind(409, _("Key of another account"), _("Add it as a new account.")),
    "too_many_accounts": Kind(409, _("Too many exchange accounts"), _("Remove one first.")),
    "account_in_use": Kind(
        409, _("Account in use"), _("Stop its subscriptions and delete its strategy first.")
    ),
    "account_not_paused": Kind(409, _("Account not paused"), _("It is in use already.")),
    "account_paused": Kind(
        409, _("Exchange account paused"), _("Check the account's key, then try again.")
    ),
    "account_publishes": Kind(
        409, _("Account publishes a strategy"), _("Copy with another exchange account.")
    ),
    "own_strategy": Kind(409, _("Own strategy"), _("You cannot copy yourself.")),
    "strategy_not_active": Kind(
        409, _("Strategy takes no followers"), _("Try again when its master resumes it.")
    ),
    "strategy_full": Kind(409, _("Strategy full"), _("Try again when a follower has stopped.")),
    "already_subscribed": Kind(
        409, _("Subscribed already"), _("Change the subscription that is there.")
    ),
    "copies_in_a_circle": Kind(
        409, _("Copying in a circle"), _("Choose a strategy whose master does not copy you.")
    ),
    "changed_meanwhile": Kind(
        409, _("Changed meanwhile"), _("Read it again, look at what has changed, and repeat it.")
    ),
    "not_changeable": Kind(
        409, _("Subscription ending"), _("It cannot be changed. Subscribe again if you want to.")
    ),
    "not_active": Kind(409, _("Not copying"), _("Only a subscription that copies can be paused.")),
    "not_paused": Kind(409, _("Not paused"), _("There is nothing to resume.")),
    "confirm_resume": Kind(
        409, _("Loss limit reached"), _("Send confirm: true, or wait until the day ends.")
    ),
    "not_held_back": Kind(
        409, _("Not held back by a limit"), _("There is no loss limit of the day to lift.")
    ),
    "price_stale": Kind(503, _("No current price"), _("Try again in a minute.")),
    # --- us
    "unavailable": Kind(
        503,
        _("Temporarily unavailable"),
        _("Send the same request again after Retry-After; with its Idempotency-Key if it had one."),
    ),
    "internal_error": Kind(
        500,
        _("Internal error"),
        _("Something failed on our side. Tell support the request id."),
    ),
}
