"""The mint is one, at one nonce, and counts only once its block is deep (RAT-008)."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as project
from django.utils import timezone
from web3.exceptions import Web3RPCError

from accounts.models import User
from agora.lib.money import token_units
from agora.lib.outcome import OutsideError, Rejected, Temporary, Unknown
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from custody import vault
from kyc.models import ScreeningMatch
from tests.conftest import Chain
from tests.kyc import casework
from tests.people import onboarded
from tests.settling import place, settle
from tests.tokens import minting
from tests.tokens.nodes import Twist, twisted_node
from tokens import chain as evm
from tokens import services as tokens
from tokens.models import FreeNonce, MintAttempt, MintTx, NonceCounter
from trading import settlement
from trading.models import Order
from trading.services import try_again
from trading.states import State

pytestmark = pytest.mark.django_db


@pytest.fixture
def buyer(db: None) -> User:
    return onboarded()


@pytest.fixture(autouse=True)
def _nothing_left_in_the_pool(chain: Chain) -> Iterator[None]:
    """A test that ends with a transaction unmined must not hold up the nonces of the next."""
    yield
    chain.rpc("anvil_dropAllTransactions")


@pytest.fixture
def in_custody(chain: Chain, sandbox: SandboxControl, buyer: User) -> Order:
    """An order whose share is in custody: the mint comes next."""
    return settle(place(buyer), chain=chain, until={State.CUSTODY_CONFIRMED})


@pytest.fixture
def paused(chain: Chain) -> Iterator[None]:
    """A paused contract, which goes on after the test at the latest."""
    minting.pause(chain)
    yield
    if minting.is_paused():
        minting.unpause(chain)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A node that takes transactions and forgets them, until the test calls this."""
    with monkeypatch.context() as node:
        node.setattr(evm, "broadcast", lambda _raw: None)
        yield node.undo


def step(order: Order) -> Order:
    """One step, at once, whatever the order waits for."""
    Order.objects.filter(pk=order.pk).update(next_attempt_at=timezone.now() - timedelta(hours=1))
    settlement.advance(order_id=order.pk, now=timezone.now())
    return Order.objects.select_related("mint").get(pk=order.pk)


def steps_until(order: Order, done: Callable[[Order], bool], *, limit: float = 15) -> Order:
    """The order after the first of its steps that makes the condition true."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        settlement.advance(order_id=order.pk, now=timezone.now())
        order = Order.objects.select_related("mint").get(pk=order.pk)
        if done(order):
            return order
        time.sleep(0.01)
    raise AssertionError(f"{order.state} {order.last_error}")


def the_mint(order: Order) -> MintTx:
    return MintTx.objects.get(reference=order.pk)


def attempts(order: Order) -> list[MintAttempt]:
    return list(the_mint(order).attempts.order_by("number"))


def audited(order: Order) -> list[str]:
    mint = the_mint(order)
    rows = AuditRow.objects.filter(object_id__in=[str(order.pk), str(mint.pk)])
    return list(rows.order_by("id").values_list("action", flat=True))


def assert_minted_once(order: Order) -> None:
    """Exactly the filled shares, to the buyer's wallet, by one event."""
    assert order.state == State.MINT_CONFIRMED, order.last_error
    (event,) = minting.minted_events(order.broker_order_id or "")
    assert event["args"]["to"] == order.wallet_address
    assert event["args"]["amount"] == token_units(order.filled_quantity)
    head = evm.block_number()
    assert evm.token_balance(order.wallet_address, block=head) == token_units(order.filled_quantity)


def test_the_evidence_of_a_mint_is_what_the_chain_says(in_custody: Order, chain: Chain) -> None:
    order = settle(in_custody, chain=chain)

    mint = the_mint(order)
    (event,) = minting.minted_events(order.broker_order_id or "")
    assert_minted_once(order)
    assert (mint.tx_hash, mint.block_number) == (
        event["transactionHash"].to_0x_hex(),
        event["blockNumber"],
    )
    assert mint.block_hash == evm.block_hash(event["blockNumber"])
    assert mint.state == MintTx.State.CONFIRMED


def test_signed_bytes_are_stored_before_they_are_broadcast(in_custody: Order) -> None:
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].raw_transaction))

    (attempt,) = attempts(order)
    assert attempt.broadcast_at is None
    assert attempt.tx_hash
    assert evm.receipt(attempt.tx_hash) is None
    assert minting.signed_fields(attempt)["nonce"] == the_mint(order).nonce


def test_a_mint_counts_only_at_the_configured_depth(
    in_custody: Order, chain: Chain, settings: Any
) -> None:
    settings.MINT_CONFIRMATIONS = 100
    order = steps_until(in_custody, lambda o: bool(o.mint and o.mint.block_number))
    order = step(order)
    assert order.state == State.MINTING

    chain.mine(100)

    assert_minted_once(step(order))


def test_a_mint_that_the_chain_drops_again_is_not_confirmed_and_minted_once(
    in_custody: Order, chain: Chain, settings: Any
) -> None:
    settings.MINT_CONFIRMATIONS = 200
    order = steps_until(in_custody, lambda o: bool(o.mint and o.mint.block_number))
    lost_block, lost_hash = the_mint(order).block_number, the_mint(order).block_hash
    assert lost_block is not None

    chain.rpc("anvil_reorg", chain.height - lost_block + 1, [])
    assert evm.receipt(the_mint(order).tx_hash or "") is None, "the chain has dropped it"
    order = step(order)
    assert (order.state, the_mint(order).block_number) == (State.MINTING, None)

    order = steps_until(order, lambda o: bool(o.mint and o.mint.block_number))
    chain.mine(200)
    order = step(order)

    mint = the_mint(order)
    assert_minted_once(order)
    assert mint.block_hash == evm.block_hash(mint.block_number or 0) != lost_hash
    assert "mint.reorganised" in audited(order)
    assert len(attempts(order)) == 1, "the same signed bytes were handed in again"


def test_a_stuck_mint_is_replaced_at_the_same_nonce_with_both_fees_raised_by_a_tenth(
    in_custody: Order, chain: Chain, forgetful: Callable[[], None], settings: Any
) -> None:
    nonce = evm.mined_nonce(settlement.mint_leg._minter())
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].broadcast_at))

    long_ago = timezone.now() - timedelta(seconds=settings.MINT_STUCK_SECONDS + 1)
    MintAttempt.objects.update(broadcast_at=long_ago)
    order = steps_until(order, lambda o: len(attempts(o)) > 1)
    order = steps_until(order, lambda o: bool(attempts(o)[-1].broadcast_at))

    first, second = (minting.signed_fields(attempt) for attempt in attempts(order))
    assert first["nonce"] == second["nonce"] == nonce
    for fee in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert second[fee] * 10 >= first[fee] * 11
    assert first["data"] == second["data"]

    forgetful()
    order = settle(order, chain=chain)
    assert_minted_once(order)
    assert the_mint(order).tx_hash in {attempt.tx_hash for attempt in attempts(order)}
    assert "order.mint_replaced" in audited(order)


def test_a_signed_mint_keeps_its_nonce_while_the_custodian_does_not_sign_its_replacements(
    in_custody: Order,
    chain: Chain,
    forgetful: Callable[[], None],
    sandbox: SandboxControl,
    settings: Any,
) -> None:
    nonce = evm.mined_nonce(settlement.mint_leg._minter())
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].broadcast_at))
    first = attempts(order)[0]
    long_ago = timezone.now() - timedelta(seconds=settings.MINT_STUCK_SECONDS + 1)
    MintAttempt.objects.update(broadcast_at=long_ago)
    for number in (2, 3):
        sandbox.fault(
            "POST /fireblocks/v1/transactions",
            "stuck",
            match=f"m{number}-{order.pk.hex}",
            stuck_status="REJECTED",
        )

    order = steps_until(order, lambda o: o.attention)

    assert the_mint(order).nonce == nonce
    assert not FreeNonce.objects.exists()

    forgetful()
    evm.broadcast(first.raw_transaction)
    try_again(order_ids=[order.pk], actor="user:officer", now=timezone.now())
    order = settle(order, chain=chain)

    assert_minted_once(order)
    assert the_mint(order).tx_hash == first.tx_hash


def test_a_mint_behind_an_unmined_nonce_waits_without_replacing_what_no_fee_would_help(
    in_custody: Order, chain: Chain, settings: Any
) -> None:
    sender = settlement.mint_leg._minter()
    gap = evm.mined_nonce(sender)
    NonceCounter.objects.create(chain_id=settings.CHAIN_ID, sender=sender, next_nonce=gap + 1)
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].broadcast_at))
    long_ago = timezone.now() - timedelta(seconds=settings.MINT_STUCK_SECONDS + 1)
    MintAttempt.objects.update(broadcast_at=long_ago)

    for _ in range(3):
        order = step(order)
    assert (len(attempts(order)), order.attention) == (1, False)

    Order.objects.update(updated_at=timezone.now() - timedelta(hours=2))
    order = step(order)
    assert order.attention, "it does not wait for ever without anybody knowing"

    minting.use_nonce(chain, sender=sender, nonce=gap)
    try_again(order_ids=[order.pk], actor="user:officer", now=timezone.now())
    assert_minted_once(settle(order, chain=chain))


def test_a_mint_that_was_replaced_often_enough_goes_on_once_a_person_says_so(
    in_custody: Order,
    chain: Chain,
    forgetful: Callable[[], None],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settlement.mint_leg, "_MAX_REPLACEMENTS", 2)
    settings.MINT_STUCK_SECONDS = 0.01
    order = steps_until(in_custody, lambda o: o.attention)
    assert "many replacements" in order.last_error
    settings.MINT_STUCK_SECONDS = 120

    try_again(order_ids=[order.pk], actor="user:officer", now=timezone.now())
    order = steps_until(order, lambda o: bool(attempts(o)[-1].broadcast_at))
    assert (len(attempts(order)), order.attention) == (3, False)

    forgetful()
    assert_minted_once(settle(order, chain=chain))


def test_a_signature_that_never_comes_frees_its_nonce_and_is_left_to_a_person(
    in_custody: Order, chain: Chain, sandbox: SandboxControl
) -> None:
    sandbox.fault(
        "POST /fireblocks/v1/transactions",
        "stuck",
        match=f"m1-{in_custody.pk.hex}",
        stuck_status="PENDING_SIGNATURE",
    )
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].signing_tx_id))
    MintAttempt.objects.update(created_at=timezone.now() - timedelta(hours=1))

    order = steps_until(order, lambda o: o.attention)
    assert (the_mint(order).nonce, FreeNonce.objects.count()) == (None, 1)

    try_again(order_ids=[order.pk], actor="user:officer", now=timezone.now())
    assert_minted_once(settle(order, chain=chain))


def test_an_attempt_that_mints_after_its_nonce_was_given_up_is_the_mint(
    in_custody: Order, chain: Chain, settings: Any
) -> None:
    settings.MINT_CONFIRMATIONS = 100
    order = steps_until(in_custody, lambda o: bool(o.mint and o.mint.block_number))
    # As after a reorganisation in which another transaction had the nonce for a while.
    MintTx.objects.update(nonce=None, block_number=None, block_hash="")
    chain.mine(100)

    order = settle(order, chain=chain)

    assert_minted_once(order)
    assert (order.attention, len(attempts(order))) == (False, 1)


def test_a_mint_whose_nonce_went_elsewhere_takes_a_fresh_one(
    in_custody: Order, chain: Chain
) -> None:
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].raw_transaction))
    mint = the_mint(order)
    assert mint.nonce is not None
    minting.use_nonce(chain, sender=mint.sender, nonce=mint.nonce)

    order = settle(order, chain=chain)

    assert_minted_once(order)
    assert the_mint(order).nonce == mint.nonce + 1
    assert "order.nonce_lost" in audited(order)


def held(buyer: User) -> ScreeningMatch:
    """The buyer's number turns out to be on a list of sanctions."""
    return casework.a_match(buyer.kyc_application, by=ScreeningMatch.By.IDENTIFIER)


@pytest.mark.parametrize("so_far", ["prepared", "asked", "signed"])
def test_what_was_not_sent_waits_while_the_buyer_is_held_and_holds_up_nobody(
    in_custody: Order, buyer: User, chain: Chain, so_far: str
) -> None:
    columns = {"prepared": "id", "asked": "signing_tx_id", "signed": "raw_transaction"}
    order = steps_until(
        in_custody, lambda o: bool(o.mint and getattr(attempts(o)[0], columns[so_far]))
    )
    nonce = the_mint(order).nonce
    match = held(buyer)

    for _ in range(2):  # "Try again" while it lasts changes nothing
        order = settle(order, chain=chain)
        assert (order.state, order.attention) == (State.MINTING, True)
        assert order.last_error == "Minting waits: see the buyer's account."
        assert (the_mint(order).nonce, FreeNonce.objects.get().nonce) == (None, nonce)
        assert len(attempts(order)) == 1
        assert "order.mint_sent" not in audited(order)
        try_again(order_ids=[order.pk], actor="user:officer", now=timezone.now())

    match.delete()
    assert_minted_once(settle(order, chain=chain))


def test_what_was_sent_goes_on_although_the_buyer_is_held(
    in_custody: Order, buyer: User, chain: Chain
) -> None:
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].broadcast_at))
    held(buyer)

    assert_minted_once(settle(order, chain=chain))


def test_what_may_have_been_sent_goes_on_although_its_answer_was_lost_and_the_buyer_is_held(
    in_custody: Order, buyer: User, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_in = evm.broadcast

    def answer_lost(raw: str) -> None:
        hand_in(raw)
        raise Unknown("The node's answer was lost.")

    with monkeypatch.context() as node:
        node.setattr(evm, "broadcast", answer_lost)
        order = steps_until(in_custody, lambda o: "answer was lost" in o.last_error)
    assert attempts(order)[0].broadcast_at is None
    held(buyer)

    assert_minted_once(settle(order, chain=chain))
    assert not FreeNonce.objects.exists()


@pytest.mark.parametrize("words", ["request timed out", "internal error"])
def test_what_a_node_has_passed_on_counts_as_sent_although_it_answers_with_an_error(
    in_custody: Order, buyer: User, chain: Chain, words: str
) -> None:
    with twisted_node(handed_in_it_says(words)):
        order = steps_until(in_custody, lambda o: "does not take it" in o.last_error)
    assert tokens.may_be_mined(the_mint(order))
    held(buyer)

    assert_minted_once(settle(order, chain=chain))
    assert not FreeNonce.objects.exists()


def handed_in_it_says(words: str) -> Twist:
    """A node that takes transactions and then answers with this error."""

    def twist(asked: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
        if asked["method"] != "eth_sendRawTransaction":
            return told
        return {"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32000, "message": words}}

    return twist


@pytest.mark.parametrize("words", ["insufficient funds for gas", "txpool is full", "rlp: too long"])
def test_what_the_node_has_refused_is_not_sent_and_can_be_kept_back(
    in_custody: Order, buyer: User, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].raw_transaction))

    def refuse(_raw: object) -> None:
        raise Web3RPCError(words)

    monkeypatch.setattr(evm._web3().eth, "send_raw_transaction", refuse)
    order = step(order)
    assert words in order.last_error
    assert not tokens.may_be_mined(the_mint(order))
    held(buyer)
    try_again(order_ids=[order.pk], actor="user:officer", now=timezone.now())

    order = step(order)
    assert (order.attention, the_mint(order).nonce) == (True, None)


def test_while_the_contract_is_paused_the_order_waits_and_then_goes_on(
    in_custody: Order, chain: Chain, paused: None
) -> None:
    order = in_custody
    for _ in range(3):
        order = step(order)
    assert (order.state, order.attention, order.mint) == (State.CUSTODY_CONFIRMED, False, None)
    assert order.next_attempt_at is not None

    minting.unpause(chain)

    assert_minted_once(settle(order, chain=chain))


def test_a_mint_that_was_mined_but_reverted_is_left_to_a_person_who_can_have_it_tried_again(
    in_custody: Order, chain: Chain, paused: None, settings: Any
) -> None:
    minting.unpause(chain)
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].raw_transaction))
    minting.pause(chain)
    order = settle(order, chain=chain)
    assert (order.state, order.attention) == (State.MINTING, True)
    assert "reverted" in order.last_error
    assert minting.minted_events(order.broker_order_id or "") == []

    minting.unpause(chain)
    try_again(order_ids=[order.pk], actor="user:operator", now=timezone.now())

    assert_minted_once(settle(order, chain=chain))


def test_the_minters_address_counts_however_the_custodian_writes_it(
    sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = settlement.mint_leg._minter()
    monkeypatch.setattr(vault, "minter_address", address.lower)
    settlement.mint_leg._minter.cache_clear()

    assert settlement.mint_leg._minter() == address


def test_a_signature_by_another_key_is_never_broadcast(
    in_custody: Order, chain: Chain, settings: Any
) -> None:
    order = settle(in_custody, chain=chain, until={State.MINTING})
    settings.FIREBLOCKS_MINTER_VAULT = another_vault()

    order = settle(order, chain=chain)

    assert (order.state, order.attention) == (State.MINTING, True)
    assert "not by the minter" in order.last_error
    assert attempts(order)[0].raw_transaction == ""
    assert minting.minted_events(order.broker_order_id or "") == []


def another_vault() -> str:
    """A vault account of the custodian with a key of its own."""
    from fireblocks.models.create_vault_account_request import CreateVaultAccountRequest

    vaults = vault._client().vaults
    request = CreateVaultAccountRequest(name="Other")
    made = vaults.create_vault_account(create_vault_account_request=request).result().data.id
    vaults.create_vault_account_asset(
        vault_account_id=made, asset_id=project.FIREBLOCKS_GAS_ASSET
    ).result()
    return str(made)


def test_a_trade_that_was_minted_before_is_left_to_a_person_and_not_minted_twice(
    in_custody: Order, chain: Chain
) -> None:
    trade_id = in_custody.broker_order_id or ""
    minting.mint_beside(chain, to=in_custody.wallet_address, units=1, trade_id=trade_id)

    order = settle(in_custody, chain=chain)

    assert (order.state, order.attention) == (State.CUSTODY_CONFIRMED, True)
    assert "already" in order.last_error
    assert len(minting.minted_events(trade_id)) == 1
    assert order.mint is None


def test_a_mint_that_another_overtakes_reverts_and_mints_nothing(
    in_custody: Order, chain: Chain
) -> None:
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].raw_transaction))
    trade_id = order.broker_order_id or ""
    minting.mint_beside(chain, to=order.wallet_address, units=1, trade_id=trade_id)

    order = settle(order, chain=chain)

    assert (order.state, order.attention) == (State.MINTING, True)
    assert [event["args"]["amount"] for event in minting.minted_events(trade_id)] == [1]


def test_a_transaction_handed_in_twice_is_one_transaction(in_custody: Order, chain: Chain) -> None:
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].raw_transaction))
    raw = attempts(order)[0].raw_transaction

    for _ in range(3):
        evm.broadcast(raw)

    assert_minted_once(settle(order, chain=chain))


def test_a_mint_whose_fees_are_too_low_by_the_time_it_is_sent_goes_out_with_higher_ones(
    in_custody: Order, chain: Chain
) -> None:
    order = steps_until(in_custody, lambda o: bool(o.mint and attempts(o)[0].raw_transaction))
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**12))
    chain.mine()

    order = settle(order, chain=chain)

    assert_minted_once(order)
    first, second = (minting.signed_fields(attempt) for attempt in attempts(order))
    assert first["nonce"] == second["nonce"]
    assert first["maxFeePerGas"] < 10**12 < second["maxFeePerGas"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("already known", None),
        ("nonce too low: next nonce 7, tx nonce 6", None),
        ("request timed out", Unknown),
        ("internal error", Unknown),
        ("request rate exceeded", Unknown),
        ("txpool is full", Temporary),
        ("insufficient funds for gas * price + value", Temporary),
        ("replacement transaction underpriced", Temporary),
        ("invalid sender", Rejected),
        ("intrinsic gas too low: gas 1, minimum needed 21000", Rejected),
    ],
)
def test_what_a_node_says_is_final_only_where_no_node_would_ever_take_it(
    answer: str, outcome: type[OutsideError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_raw: object) -> None:
        raise Web3RPCError(answer)

    monkeypatch.setattr(evm._web3().eth, "send_raw_transaction", refuse)

    if outcome is None:
        evm.broadcast("0x00")
    else:
        with pytest.raises(outcome):
            evm.broadcast("0x00")
