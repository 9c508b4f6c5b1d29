"""Deploying the contract: on a local chain once, anywhere else never (RAT-009, RAT-010)."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.utils import timezone
from eth_account import Account
from pytest_django import Settings

from agora.runtime import probes
from agora.runtime.chain import anvil_binary
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from custody import vault
from tests.conftest import Chain as RunningChain
from tests.people import new_officer
from tokens import deploy
from tokens.decisions import propose_attestation, propose_withdrawal
from tokens.models import Attestation, AttestationWithdrawal

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
ARTIFACT = ROOT / "contracts" / "artifacts" / "RATMintingContract.json"
TIMEOUT = (3.0, 10.0)
# Private keys of nobody: made of a text, so that they differ from the node's own accounts.
MINTER_KEY = hashlib.sha256(b"a minter").digest()
MINTER = Account.from_key(MINTER_KEY).address
OTHER_MINTER = Account.from_key(hashlib.sha256(b"another minter").digest()).address
STRANGER = Account.from_key(hashlib.sha256(b"a stranger").digest()).address


@dataclass(frozen=True)
class Node:
    """An anvil of this test module's own."""

    url: str

    def rpc(self, method: str, *params: object) -> Any:
        return probes.rpc(self.url, method, *params)

    def height(self) -> int:
        return int(self.rpc("eth_blockNumber"), 16)

    def nonces(self) -> list[int]:
        """How much each of the node's accounts has sent: what a refusal must not change."""
        return [
            int(self.rpc("eth_getTransactionCount", account, "pending"), 16)
            for account in self.rpc("eth_accounts")
        ]

    def balance(self, address: str) -> int:
        return int(self.rpc("eth_getBalance", address, "latest"), 16)


def _anvil(*, chain_id: int) -> Iterator[Node]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(anvil_binary()), "--host", "127.0.0.1", "--port", str(port), "--quiet"]
    command += ["--chain-id", str(chain_id), "--prune-history", "64"]
    process = subprocess.Popen(command)
    node = Node(url=f"http://127.0.0.1:{port}")
    try:
        for _ in range(200):
            if node.rpc("eth_chainId") is not None:
                break
            time.sleep(0.05)
        else:
            pytest.fail("anvil did not start")
        yield node
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def node(settings: Settings) -> Iterator[Node]:
    """A fresh local chain that the settings point to."""
    for fresh in _anvil(chain_id=31337):
        settings.CHAIN_RPC_URL = fresh.url
        settings.CHAIN_ID = 31337
        settings.CONTRACT_ADDRESS = ""
        settings.CHAIN_DEPLOYER_KEY = ""
        yield fresh


@pytest.fixture
def public_node(settings: Settings) -> Iterator[Node]:
    """A chain with the id of a public test network (Base Sepolia)."""
    for fresh in _anvil(chain_id=84532):
        settings.CHAIN_RPC_URL = fresh.url
        settings.CHAIN_ID = 84532
        settings.CONTRACT_ADDRESS = ""
        settings.CHAIN_DEPLOYER_KEY = ""
        yield fresh


def run(*arguments: str) -> dict[str, Any]:
    output = StringIO()
    call_command("deploy_contract", "--json", *arguments, stdout=output, stderr=StringIO())
    (line,) = output.getvalue().splitlines()
    report: dict[str, Any] = json.loads(line)
    return report


def chain_of(node: Node, *, key: str = "") -> deploy.Chain:
    artifact = deploy.load_artifact(ARTIFACT)
    return deploy.Chain(rpc_url=node.url, timeout=TIMEOUT, artifact=artifact, key=key)


def test_deploys_the_committed_build_with_the_minter(node: Node) -> None:
    report = run("--minter", MINTER)
    assert report["status"] == "deployed"
    assert report["chain_id"] == 31337
    assert report["minter"] == MINTER
    assert report["admin"] == deploy.address_of(node.rpc("eth_accounts")[0])
    code = bytes.fromhex(node.rpc("eth_getCode", report["address"], "latest")[2:])
    artifact = json.loads(ARTIFACT.read_text())
    assert hashlib.sha256(code).hexdigest() == artifact["deployedBytecodeSha256"]
    receipt = node.rpc("eth_getTransactionReceipt", report["tx_hash"])
    assert receipt["status"] == "0x1"
    assert deploy.address_of(receipt["contractAddress"]) == report["address"]
    assert int(receipt["blockNumber"], 16) == report["block"]
    chain = chain_of(node)
    assert chain.has_minter(address=report["address"], minter=MINTER)
    assert not chain.has_minter(address=report["address"], minter=report["admin"])


def test_the_minter_is_the_vaults_address_by_default(
    chain: RunningChain, settings: Settings
) -> None:
    settings.CONTRACT_ADDRESS = chain.contract
    report = run("--check")
    assert report["address"] == chain.contract
    assert report["minter"] == deploy.address_of(vault.minter_address())
    assert int(str(chain.rpc("eth_getBalance", report["minter"], "latest")), 16) > 0


def test_a_second_run_finds_the_first_and_sends_nothing(node: Node, settings: Settings) -> None:
    first = run("--minter", MINTER)
    before = node.nonces(), node.height()
    second = run("--minter", MINTER)
    settings.CONTRACT_ADDRESS = first["address"]
    third = run("--minter", MINTER)
    same = {**first, "status": "exists", "funded_wei": "0"}
    assert second == same
    assert third == same
    assert (node.nonces(), node.height()) == before


def test_another_minter_gets_a_contract_of_its_own(node: Node) -> None:
    first = run("--minter", MINTER)
    second = run("--minter", OTHER_MINTER)
    assert second["status"] == "deployed"
    assert second["address"] != first["address"]
    assert run("--minter", MINTER)["address"] == first["address"]


def test_an_expected_contract_of_another_minter_is_an_error(node: Node) -> None:
    first = run("--minter", MINTER)
    before = node.nonces()
    with pytest.raises(CommandError, match="MINTER_ROLE") as caught:
        run("--minter", OTHER_MINTER, "--expect-address", first["address"])
    assert caught.value.returncode == 1
    assert node.nonces() == before


def test_an_expected_address_without_code_leads_to_a_deployment(node: Node) -> None:
    report = run("--minter", MINTER, "--expect-address", STRANGER)
    assert report["status"] == "deployed"
    assert report["address"] != STRANGER


def test_the_minter_is_funded_up_to_the_amount_once(node: Node) -> None:
    assert run("--minter", MINTER, "--fund-minter", "5000")["funded_wei"] == "5000"
    assert node.balance(MINTER) == 5000
    assert run("--minter", MINTER, "--fund-minter", "5000")["funded_wei"] == "0"
    assert run("--minter", MINTER, "--fund-minter", "7000")["funded_wei"] == "2000"
    assert node.balance(MINTER) == 7000
    assert run("--minter", OTHER_MINTER, "--fund-minter", "0")["funded_wei"] == "0"
    assert node.balance(OTHER_MINTER) == 0


def test_named_roles_and_a_given_key_are_used(node: Node, settings: Settings) -> None:
    deployer = Account.from_key(hashlib.sha256(b"a deployer").digest())
    node.rpc("anvil_setBalance", deployer.address, hex(20 * 10**18))
    settings.CHAIN_DEPLOYER_KEY = deployer.key.to_0x_hex()
    before = node.nonces()
    report = run("--minter", MINTER, "--admin", STRANGER, "--pauser", OTHER_MINTER)
    assert report["admin"] == STRANGER
    receipt = node.rpc("eth_getTransactionReceipt", report["tx_hash"])
    assert deploy.address_of(receipt["from"]) == deployer.address
    assert node.nonces() == before


def test_shared_roles_are_refused_by_the_contract(node: Node) -> None:
    with pytest.raises(CommandError) as caught:
        run("--minter", MINTER, "--admin", MINTER)
    assert caught.value.returncode == 1
    assert node.height() == 0


def test_check_sends_nothing_and_tells_what_is_missing(node: Node) -> None:
    with pytest.raises(CommandError, match=r"lets .* mint"):
        run("--check", "--minter", MINTER)
    assert node.height() == 0
    report = run("--minter", MINTER, "--fund-minter", "0")
    before = node.nonces()
    checked = run("--check", "--minter", MINTER)
    assert checked["status"] == "exists"
    assert checked["address"] == report["address"]
    with pytest.raises(CommandError, match="MINTER_ROLE"):
        run("--check", "--minter", STRANGER, "--expect-address", report["address"])
    with pytest.raises(CommandError, match="does not stand"):
        run("--check", "--minter", MINTER, "--expect-address", STRANGER)
    assert node.nonces() == before


def test_any_other_chain_is_refused_with_the_hash_of_the_bytecode(public_node: Node) -> None:
    before = public_node.nonces()
    with pytest.raises(CommandError, match="attestation") as caught:
        run("--minter", MINTER)
    assert caught.value.returncode == 2
    assert json.loads(ARTIFACT.read_text())["bytecodeSha256"] in str(caught.value)
    assert "84532" in str(caught.value)
    assert public_node.nonces() == before
    assert public_node.height() == 0


def attested(bytecode_sha256: str) -> Proposal:
    proposal = propose_attestation(
        bytecode_sha256=bytecode_sha256,
        auditor="An auditor of this test",
        report_url="https://audits.example/report.pdf",
        report_sha256="a" * 64,
        audited_on=date(2026, 1, 5),
        reason="Read it.",
        maker=new_officer("add_attestation"),
        now=timezone.now(),
    )
    checker = new_officer("decide_proposal")
    return four_eyes.approve(proposal_id=proposal.pk, checker=checker, now=timezone.now())


def test_an_audit_recorded_by_two_people_lets_exactly_this_bytecode_onto_another_chain(
    public_node: Node,
) -> None:
    attested(json.loads(ARTIFACT.read_text())["bytecodeSha256"])

    with pytest.raises(CommandError, match="--admin, --pauser"):
        run("--minter", MINTER)
    report = run("--minter", MINTER, "--admin", STRANGER, "--pauser", OTHER_MINTER)

    assert (report["status"], report["chain_id"]) == ("deployed", 84532)
    assert (report["admin"], report["funded_wei"]) == (STRANGER, "0")
    assert chain_of(public_node).is_ours(report["address"])


def test_an_attestation_that_two_people_withdrew_opens_nothing_any_more(
    public_node: Node,
) -> None:
    attested(json.loads(ARTIFACT.read_text())["bytecodeSha256"])
    attestation, checker = Attestation.objects.get(), new_officer("decide_proposal")
    maker, now = new_officer("add_attestation"), timezone.now()
    withdrawal = propose_withdrawal(
        attestation=attestation, reason="A finding.", maker=maker, now=now
    )
    four_eyes.approve(proposal_id=withdrawal.pk, checker=checker, now=now)

    with pytest.raises(CommandError, match="attestation"):
        run("--minter", MINTER, "--admin", STRANGER, "--pauser", OTHER_MINTER)
    with pytest.raises(Refused) as again:
        propose_withdrawal(attestation=attestation, reason="A finding.", maker=maker, now=now)
    assert again.value.code == "withdrawn"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AttestationWithdrawal.objects.all().delete()
    attested(attestation.bytecode_sha256)
    run("--minter", MINTER, "--admin", STRANGER, "--pauser", OTHER_MINTER)


@pytest.mark.parametrize(
    ("is_ours", "told"),
    [(True, "this is the build of this release"), (False, "this is NOT the build of this release")],
)
def test_the_second_person_reads_whether_it_is_this_release_s_build(
    is_ours: bool, told: str
) -> None:
    ours = json.loads(ARTIFACT.read_text())["bytecodeSha256"]

    proposal = attested(ours if is_ours else "b" * 64)

    assert told in [str(value) for _label, value in four_eyes.lines_of(proposal)]


def test_an_audit_of_other_bytecode_opens_nothing(public_node: Node) -> None:
    attested("b" * 64)

    with pytest.raises(CommandError, match="attestation"):
        run("--minter", MINTER, "--admin", STRANGER, "--pauser", OTHER_MINTER)

    assert public_node.height() == 0


def test_a_proposed_audit_opens_nothing_before_a_second_person_approves(public_node: Node) -> None:
    propose_attestation(
        bytecode_sha256=json.loads(ARTIFACT.read_text())["bytecodeSha256"],
        auditor="An auditor of this test",
        report_url="https://audits.example/report.pdf",
        report_sha256="a" * 64,
        audited_on=date(2026, 1, 5),
        reason="Read it.",
        maker=new_officer("add_attestation", "decide_proposal"),
        now=timezone.now(),
    )

    with pytest.raises(CommandError, match="attestation"):
        run("--minter", MINTER, "--admin", STRANGER, "--pauser", OTHER_MINTER)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bytecode_sha256": "b" * 63}, "bytecode_invalid"),
        ({"report_sha256": "not a hash"}, "report_hash_invalid"),
        ({"auditor": " "}, "auditor_invalid"),
        ({"report_url": "http://audits.example/report.pdf"}, "report_invalid"),
        ({"report_url": "javascript:alert(1)"}, "report_invalid"),
        ({"audited_on": date(2999, 1, 1)}, "date_invalid"),
    ],
)
def test_an_attestation_that_cannot_be_is_refused(changes: dict[str, Any], code: str) -> None:
    told: dict[str, Any] = {
        "bytecode_sha256": "b" * 64,
        "auditor": "An auditor of this test",
        "report_url": "https://audits.example/report.pdf",
        "report_sha256": "a" * 64,
        "audited_on": date(2026, 1, 5),
    }
    maker = new_officer("add_attestation")

    with pytest.raises(Refused) as refusal:
        propose_attestation(**{**told, **changes}, reason="x", maker=maker, now=timezone.now())

    assert refusal.value.code == code
    assert not Proposal.objects.exists()


def test_a_recorded_attestation_neither_changes_nor_goes() -> None:
    attested("b" * 64)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Attestation.objects.update(bytecode_sha256="c" * 64)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Attestation.objects.all().delete()


def test_the_refusal_stands_in_every_call_that_sends(public_node: Node) -> None:
    chain = chain_of(public_node)
    roles = chain.roles(minter=MINTER, admin=STRANGER, pauser=OTHER_MINTER)
    with pytest.raises(deploy.DeployRefused):
        chain.deploy(roles=roles, expected_id=84532)
    with pytest.raises(deploy.DeployRefused):
        chain.fund(address=MINTER, up_to=1, expected_id=84532)
    assert public_node.height() == 0


def test_a_local_chain_other_than_the_configured_one_is_refused(
    node: Node, settings: Settings
) -> None:
    settings.CHAIN_ID = 84532
    with pytest.raises(CommandError, match="CHAIN_ID") as caught:
        run("--minter", MINTER)
    assert caught.value.returncode == 2
    assert node.height() == 0


def test_the_command_line_ends_with_code_2_and_no_traceback(public_node: Node) -> None:
    environment = {
        **os.environ,
        "CHAIN_RPC_URL": public_node.url,
        "CHAIN_ID": "84532",
        "CONTRACT_ADDRESS": "",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "deploy_contract", "--minter", MINTER],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "attestation" in done.stderr
    assert "Traceback" not in done.stderr
    assert public_node.height() == 0


def test_a_silent_node_is_a_plain_error_without_its_address(settings: Settings) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(1)
        settings.CHAIN_RPC_URL = f"http://127.0.0.1:{silent.getsockname()[1]}/secret-path"
        settings.CONTRACT_ADDRESS = ""
        settings.VENDOR_READ_TIMEOUT = 0.3
        began = time.monotonic()
        with pytest.raises(CommandError) as caught:
            run("--minter", MINTER)
    assert time.monotonic() - began < 5
    assert caught.value.returncode == 1
    assert "secret-path" not in str(caught.value)


@pytest.mark.parametrize("key", ["0x1234", "no key at all", "0x" + "00" * 32])
def test_a_wrong_key_is_never_repeated(key: str) -> None:
    artifact = deploy.load_artifact(ARTIFACT)
    with pytest.raises(deploy.DeployFailed) as caught:
        deploy.Chain(rpc_url="http://127.0.0.1:1", timeout=TIMEOUT, artifact=artifact, key=key)
    assert key not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_damaged_artifact_is_refused(tmp_path: Path) -> None:
    data = json.loads(ARTIFACT.read_text())
    data["bytecode"] = data["bytecode"][:-2] + "00"
    damaged = tmp_path / "artifact.json"
    damaged.write_text(json.dumps(data))
    with pytest.raises(deploy.DeployFailed, match="sha256"):
        deploy.load_artifact(damaged)
    damaged.write_text("{")
    with pytest.raises(deploy.DeployFailed, match="read"):
        deploy.load_artifact(damaged)


@pytest.mark.parametrize(
    "text", ["", "0x12", "minter", MINTER[:-1] + "g", MINTER[:2] + MINTER[2:].swapcase()]
)
def test_no_address_is_no_address(text: str) -> None:
    with pytest.raises(deploy.DeployFailed):
        deploy.address_of(text)
