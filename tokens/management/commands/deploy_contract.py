"""`manage.py deploy_contract`: the token contract on a local chain (docs/contract.md)."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agora.lib.outcome import OutsideError
from custody import vault
from tokens.decisions import is_attested
from tokens.deploy import Chain, DeployFailed, DeployRefused, address_of, load_artifact

_ARTIFACT = settings.BASE_DIR / "contracts" / "artifacts" / "RATMintingContract.json"
_MINTER_WEI = 10 * 10**18


def _is_attested(bytecode_sha256: str) -> bool:
    return is_attested(bytecode_sha256=bytecode_sha256)


class Command(BaseCommand):
    """Exit code 0: it stands there; 1: failed; 2: refused, because no audit of it is recorded."""

    help = (
        "Deploy RATMintingContract on a local chain, or find it there. Other chains are refused "
        "until two people have recorded an audit of exactly this bytecode."
    )
    requires_system_checks = ()  # the database has no part in it

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--minter", default="", help="default: address of the minter vault")
        parser.add_argument("--admin", default="", help="default: the deployer")
        parser.add_argument("--pauser", default="", help="default: another account of the node")
        parser.add_argument(
            "--fund-minter",
            type=int,
            default=_MINTER_WEI,
            metavar="WEI",
            help="bring the minter's balance up to this for gas (default: 10 ether; 0: leave it)",
        )
        parser.add_argument(
            "--expect-address",
            default=settings.CONTRACT_ADDRESS,
            metavar="ADDRESS",
            help="look here first (default: CONTRACT_ADDRESS)",
        )
        parser.add_argument(
            "--check", action="store_true", help="send nothing; check code and minter's role"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = self._run(options)
        except DeployRefused as error:
            raise CommandError(str(error), returncode=2) from error
        except (DeployFailed, OutsideError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report))
            return
        for name, value in report.items():
            self.stdout.write(f"{name:16} {value}")

    def _run(self, options: dict[str, Any]) -> dict[str, str | int | None]:
        chain = Chain(
            rpc_url=settings.CHAIN_RPC_URL,
            timeout=(settings.VENDOR_CONNECT_TIMEOUT, settings.VENDOR_READ_TIMEOUT),
            artifact=load_artifact(_ARTIFACT),
            key=settings.CHAIN_DEPLOYER_KEY,
        )
        expected = options["expect_address"]
        stands = bool(expected) and chain.is_ours(expected)
        if expected and not stands:
            self._complain(expected, fatal=options["check"])
        if not stands and not options["check"]:
            # Before anything else, so that a refusal needs neither custodian nor key.
            chain.require_permission(expected_id=settings.CHAIN_ID, is_attested=_is_attested)
        minter = address_of(options["minter"] or vault.minter_address())
        # Public nodes limit reads of old events: there only CONTRACT_ADDRESS says what stands.
        found = expected if stands else chain.find(minter=minter) if chain.is_local() else None
        if found and not chain.has_minter(address=found, minter=minter):
            raise DeployFailed(
                f"{minter} has no MINTER_ROLE at {found}: its admin must grant it, or leave "
                "CONTRACT_ADDRESS empty for a new contract."
            )
        if options["check"]:
            if not found:
                raise DeployFailed(f"No contract of ours lets {minter} mint on this chain.")
            return self._report(chain, address=found, minter=minter, status="exists", funded=0)
        address = found or self._deploy(chain, minter=minter, options=options)
        funded = 0
        if chain.is_local():
            funded = chain.fund(
                address=minter, up_to=options["fund_minter"], expected_id=settings.CHAIN_ID
            )
        status = "exists" if found else "deployed"
        return self._report(chain, address=address, minter=minter, status=status, funded=funded)

    def _complain(self, expected: str, *, fatal: bool) -> None:
        text = f"At {expected} does not stand this build of the contract."
        if fatal:
            raise DeployFailed(text)
        self.stderr.write(text)

    def _deploy(self, chain: Chain, *, minter: str, options: dict[str, Any]) -> str:
        roles = chain.roles(minter=minter, admin=options["admin"], pauser=options["pauser"])
        return chain.deploy(roles=roles, expected_id=settings.CHAIN_ID, is_attested=_is_attested)

    def _report(
        self, chain: Chain, *, address: str, minter: str, status: str, funded: int
    ) -> dict[str, str | int | None]:
        found = chain.describe(address)
        return {
            "status": status,
            "address": found.address,
            "tx_hash": found.tx_hash,
            "block": found.block,
            "chain_id": chain.chain_id(),
            "minter": minter,
            "admin": found.admin,
            "funded_wei": str(funded),
            "bytecode_sha256": chain.artifact.bytecode_sha256,
        }
