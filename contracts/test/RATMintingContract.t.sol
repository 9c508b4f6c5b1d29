// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { IAccessControl } from "@openzeppelin/contracts/access/IAccessControl.sol";
import {
    IAccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/IAccessControlDefaultAdminRules.sol";
import { IERC20Errors } from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import { Pausable } from "@openzeppelin/contracts/utils/Pausable.sol";

import { RATMintingContract } from "../src/RATMintingContract.sol";
import { Checks } from "./Vm.sol";

contract RATMintingContractTest is Checks {
    uint48 private constant DELAY = 3 days;
    address private constant ADMIN = address(0xA0);
    address private constant MINTER = address(0xA1);
    address private constant PAUSER = address(0xA2);
    address private constant BUYER = address(0xB0);
    address private constant STRANGER = address(0xC0);
    string private constant ID = "61e69015-8549-4bfd-b9c3-01e75843f47d";

    RATMintingContract private token;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Minted(address indexed to, uint256 amount, bytes32 indexed idHash, string brokerTradeId);

    function setUp() public {
        token = new RATMintingContract(DELAY, ADMIN, MINTER, PAUSER);
    }

    function mint(address to, uint256 amount, string memory id) private {
        vm.prank(MINTER);
        token.mint(to, amount, id);
    }

    function expectRole(address account, bytes32 role) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, account, role
            )
        );
    }

    // --- what it is -------------------------------------------------------------------------

    function test_NameSymbolAndDecimals() public view {
        assert(keccak256(bytes(token.name())) == keccak256("AAPL Real Asset Token"));
        assert(keccak256(bytes(token.symbol())) == keccak256("AAPL-RAT"));
        same(token.decimals(), 18, "decimals");
        same(token.totalSupply(), 0, "supply at the start");
    }

    function test_RolesAreHeldByTheThreeAccountsOnly() public view {
        assert(token.defaultAdmin() == ADMIN && token.owner() == ADMIN);
        assert(token.hasRole(token.MINTER_ROLE(), MINTER));
        assert(token.hasRole(token.PAUSER_ROLE(), PAUSER));
        assert(!token.hasRole(token.MINTER_ROLE(), ADMIN));
        assert(!token.hasRole(token.PAUSER_ROLE(), MINTER));
        assert(!token.hasRole(token.DEFAULT_ADMIN_ROLE(), address(this)));
        assert(!token.hasRole(token.MINTER_ROLE(), address(this)));
    }

    function test_DeploymentRefusesSharedOrMissingRoles() public {
        bytes memory refused = abi.encodePacked(RATMintingContract.RolesNotSeparate.selector);
        vm.expectRevert(refused);
        new RATMintingContract(DELAY, ADMIN, ADMIN, PAUSER);
        vm.expectRevert(refused);
        new RATMintingContract(DELAY, ADMIN, MINTER, MINTER);
        vm.expectRevert(refused);
        new RATMintingContract(DELAY, ADMIN, MINTER, ADMIN);
        vm.expectRevert(refused);
        new RATMintingContract(DELAY, ADMIN, address(0), PAUSER);
        vm.expectRevert(refused);
        new RATMintingContract(DELAY, ADMIN, MINTER, address(0));
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControlDefaultAdminRules.AccessControlInvalidDefaultAdmin.selector,
                address(0)
            )
        );
        new RATMintingContract(DELAY, address(0), MINTER, PAUSER);
    }

    // --- minting ----------------------------------------------------------------------------

    function test_MintCreditsTheBuyerAndEmitsBothEvents() public {
        vm.expectEmit(true, true, true, true, address(token));
        emit Transfer(address(0), BUYER, 0.5 ether);
        vm.expectEmit(true, true, true, true, address(token));
        emit Minted(BUYER, 0.5 ether, keccak256(bytes(ID)), ID);
        mint(BUYER, 0.5 ether, ID);
        same(token.balanceOf(BUYER), 0.5 ether, "balance");
        same(token.totalSupply(), 0.5 ether, "supply");
        same(token.mintedFor(keccak256(bytes(ID))), 0.5 ether, "minted for the hash");
        same(token.mintedForTrade(ID), 0.5 ether, "minted for the id");
    }

    function test_UnauthorisedMintReverts() public {
        expectRole(STRANGER, token.MINTER_ROLE());
        vm.prank(STRANGER);
        token.mint(STRANGER, 1, ID);
        expectRole(ADMIN, token.MINTER_ROLE());
        vm.prank(ADMIN);
        token.mint(ADMIN, 1, ID);
        same(token.totalSupply(), 0, "supply");
        same(token.mintedForTrade(ID), 0, "minted for the id");
    }

    function testFuzz_OnlyTheMinterMints(address sender, address to, uint256 amount) public {
        vm.assume(sender != MINTER);
        expectRole(sender, token.MINTER_ROLE());
        vm.prank(sender);
        token.mint(to, amount, ID);
        same(token.totalSupply(), 0, "supply");
    }

    function test_ReplayRevertsAndChangesNothing() public {
        mint(BUYER, 2 ether, ID);
        bytes memory refused = abi.encodeWithSelector(
            RATMintingContract.AlreadyMinted.selector, keccak256(bytes(ID)), 2 ether
        );
        vm.expectRevert(refused);
        mint(BUYER, 2 ether, ID);
        vm.expectRevert(refused);
        mint(STRANGER, 1, ID);
        same(token.totalSupply(), 2 ether, "supply");
        same(token.balanceOf(STRANGER), 0, "stranger");
        same(token.mintedForTrade(ID), 2 ether, "minted for the id");
    }

    function testFuzz_AnyIdMintsOnce(string memory id, uint128 first, uint128 second) public {
        uint256 length = bytes(id).length;
        vm.assume(length > 0 && length <= 128 && first > 0 && second > 0);
        mint(BUYER, first, id);
        vm.expectRevert(
            abi.encodeWithSelector(
                RATMintingContract.AlreadyMinted.selector, keccak256(bytes(id)), first
            )
        );
        mint(BUYER, second, id);
        same(token.totalSupply(), first, "supply");
    }

    function testFuzz_SupplyIsTheSumOverDistinctIds(uint128[8] memory amounts) public {
        uint256 sum;
        for (uint256 i = 0; i < amounts.length; ++i) {
            uint256 amount = uint256(amounts[i]) + 1;
            string memory id = string(abi.encodePacked("order-", bytes1(uint8(65 + i))));
            mint(address(uint160(0x1000 + i)), amount, id);
            same(token.mintedForTrade(id), amount, "minted for the id");
            sum += amount;
        }
        same(token.totalSupply(), sum, "supply");
    }

    function test_IdsAreComparedByteForByte() public {
        mint(BUYER, 1, "abc");
        mint(BUYER, 1, "ABC");
        mint(BUYER, 1, "abc ");
        same(token.totalSupply(), 3, "supply");
    }

    function test_EmptyAndOverlongIdsAreRefused() public {
        vm.expectRevert(abi.encodeWithSelector(RATMintingContract.InvalidBrokerTradeId.selector, 0));
        mint(BUYER, 1, "");
        mint(BUYER, 1, string(new bytes(128)));
        vm.expectRevert(
            abi.encodeWithSelector(RATMintingContract.InvalidBrokerTradeId.selector, 129)
        );
        mint(BUYER, 1, string(new bytes(129)));
        same(token.totalSupply(), 1, "supply");
    }

    function test_ZeroAmountIsRefused() public {
        vm.expectRevert(abi.encodePacked(RATMintingContract.ZeroAmount.selector));
        mint(BUYER, 0, ID);
    }

    function test_ZeroAddressAndTheTokenItselfAreRefused() public {
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0))
        );
        mint(address(0), 1, ID);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(token))
        );
        mint(address(token), 1, ID);
        same(token.mintedForTrade(ID), 0, "a refused mint does not use up its id");
        mint(BUYER, 1, ID);
    }

    function test_ThereIsNoBurnAndNoSeizure() public {
        mint(BUYER, 1 ether, ID);
        string[4] memory calls = [
            "burn(uint256)",
            "burnFrom(address,uint256)",
            "burn(address,uint256)",
            "forceTransfer(address,address,uint256)"
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(ADMIN);
            (bool done,) =
                address(token).call(abi.encodeWithSignature(calls[i], BUYER, STRANGER, uint256(1)));
            assert(!done);
        }
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0))
        );
        vm.prank(BUYER);
        token.transfer(address(0), 1);
        same(token.totalSupply(), 1 ether, "supply");
    }

    // --- pause ------------------------------------------------------------------------------

    function test_PauseStopsMintingAndTransfers() public {
        mint(BUYER, 2 ether, ID);
        vm.prank(BUYER);
        token.approve(STRANGER, 1 ether);
        vm.prank(PAUSER);
        token.pause();
        bytes memory paused = abi.encodePacked(Pausable.EnforcedPause.selector);
        vm.expectRevert(paused);
        mint(BUYER, 1, "another");
        vm.expectRevert(paused);
        vm.prank(BUYER);
        token.transfer(STRANGER, 1);
        vm.expectRevert(paused);
        vm.prank(STRANGER);
        token.transferFrom(BUYER, STRANGER, 1);
        same(token.totalSupply(), 2 ether, "supply");
        same(token.mintedForTrade("another"), 0, "a paused mint does not use up its id");

        vm.prank(ADMIN);
        token.unpause();
        mint(BUYER, 1, "another");
        vm.prank(BUYER);
        assert(token.transfer(STRANGER, 1 ether));
        same(token.balanceOf(STRANGER), 1 ether, "stranger");
    }

    function test_OnlyThePauserPauses() public {
        bytes32 role = token.PAUSER_ROLE();
        address[3] memory others = [STRANGER, MINTER, ADMIN];
        for (uint256 i = 0; i < others.length; ++i) {
            expectRole(others[i], role);
            vm.prank(others[i]);
            token.pause();
        }
        assert(!token.paused());
    }

    function test_OnlyTheAdminUnpauses() public {
        vm.prank(PAUSER);
        token.pause();
        address[3] memory others = [STRANGER, MINTER, PAUSER];
        for (uint256 i = 0; i < others.length; ++i) {
            expectRole(others[i], bytes32(0));
            vm.prank(others[i]);
            token.unpause();
        }
        assert(token.paused());
    }

    // --- roles ------------------------------------------------------------------------------

    function test_AdminReplacesTheMinter() public {
        bytes32 role = token.MINTER_ROLE();
        vm.prank(ADMIN);
        token.revokeRole(role, MINTER);
        vm.prank(ADMIN);
        token.grantRole(role, STRANGER);
        expectRole(MINTER, role);
        mint(BUYER, 1, ID);
        vm.prank(STRANGER);
        token.mint(BUYER, 1, ID);
    }

    function test_MinterAndPauserCannotGrantRoles() public {
        bytes32 role = token.MINTER_ROLE();
        address[2] memory holders = [MINTER, PAUSER];
        for (uint256 i = 0; i < holders.length; ++i) {
            expectRole(holders[i], bytes32(0));
            vm.prank(holders[i]);
            token.grantRole(role, STRANGER);
        }
    }

    function test_AdminRoleMovesOnlyAfterTheDelay() public {
        bytes32 role = token.DEFAULT_ADMIN_ROLE();
        vm.expectRevert(
            abi.encodePacked(
                IAccessControlDefaultAdminRules.AccessControlEnforcedDefaultAdminRules.selector
            )
        );
        vm.prank(ADMIN);
        token.grantRole(role, STRANGER);

        vm.prank(ADMIN);
        token.beginDefaultAdminTransfer(STRANGER);
        (, uint48 schedule) = token.pendingDefaultAdmin();
        same(schedule, block.timestamp + DELAY, "schedule");
        vm.warp(schedule);
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControlDefaultAdminRules.AccessControlEnforcedDefaultAdminDelay.selector,
                schedule
            )
        );
        vm.prank(STRANGER);
        token.acceptDefaultAdminTransfer();
        assert(token.defaultAdmin() == ADMIN);

        vm.warp(schedule + 1);
        vm.prank(STRANGER);
        token.acceptDefaultAdminTransfer();
        assert(token.defaultAdmin() == STRANGER && !token.hasRole(role, ADMIN));
    }

    function test_AdminCanCancelAHandOver() public {
        vm.prank(ADMIN);
        token.beginDefaultAdminTransfer(STRANGER);
        vm.prank(ADMIN);
        token.cancelDefaultAdminTransfer();
        vm.warp(block.timestamp + 2 * uint256(DELAY));
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControlDefaultAdminRules.AccessControlInvalidDefaultAdmin.selector, STRANGER
            )
        );
        vm.prank(STRANGER);
        token.acceptDefaultAdminTransfer();
        assert(token.defaultAdmin() == ADMIN);
    }

    function testFuzz_TheAdminDelayNeverFallsBelowTheFloor(uint48 delay) public {
        vm.assume(delay < 1 days);
        bytes memory refused =
            abi.encodeWithSelector(RATMintingContract.AdminDelayTooShort.selector, delay);
        vm.expectRevert(refused);
        new RATMintingContract(delay, ADMIN, MINTER, PAUSER);
        vm.expectRevert(refused);
        vm.prank(ADMIN);
        token.changeDefaultAdminDelay(delay);
        same(token.defaultAdminDelay(), DELAY, "delay");
    }

    function test_TheAdminDelayCanBeLengthened() public {
        vm.prank(ADMIN);
        token.changeDefaultAdminDelay(7 days);
        vm.warp(block.timestamp + 8 days);
        same(token.defaultAdminDelay(), 7 days, "delay");
    }
}
