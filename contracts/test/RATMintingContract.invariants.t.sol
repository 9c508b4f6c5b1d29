// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import { RATMintingContract } from "../src/RATMintingContract.sol";
import { Checks } from "./Vm.sol";

/// @dev Does what the outside world may do, in any order, and keeps books of its own.
contract World is Checks {
    address private constant ADMIN = address(0xA0);
    address private constant MINTER = address(0xA1);
    address private constant PAUSER = address(0xA2);
    uint256 private constant PEOPLE = 4;
    uint256 private constant IDS = 24;

    RATMintingContract public immutable token;
    mapping(uint256 number => uint256 units) public booked;
    uint256 public bookedSum;
    bool public movedWhilePaused;
    bool public strangerMinted;

    constructor() {
        token = new RATMintingContract(1 days, ADMIN, MINTER, PAUSER);
    }

    function person(uint256 seed) public pure returns (address) {
        return address(uint160(0xB000 + seed % PEOPLE));
    }

    function idOf(uint256 seed) public pure returns (string memory) {
        return string(abi.encodePacked("order-", bytes1(uint8(65 + seed % IDS))));
    }

    function balances() external view returns (uint256 sum) {
        for (uint256 i = 0; i < PEOPLE; ++i) {
            sum += token.balanceOf(person(i));
        }
    }

    function ids() external pure returns (uint256) {
        return IDS;
    }

    function mint(uint256 id, uint256 to, uint128 amount) external {
        vm.prank(MINTER);
        try token.mint(person(to), amount, idOf(id)) {
            if (token.paused()) movedWhilePaused = true;
            booked[id % IDS] += amount;
            bookedSum += amount;
        } catch { }
    }

    function mintAsStranger(uint256 sender, uint256 id, uint128 amount) external {
        vm.prank(person(sender));
        try token.mint(person(sender), amount, idOf(id)) {
            strangerMinted = true;
        } catch { }
    }

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        amount = amount % (token.balanceOf(person(from)) + 1);
        vm.prank(person(from));
        try token.transfer(person(to), amount) returns (bool) {
            if (token.paused()) movedWhilePaused = true;
        } catch { }
    }

    function pause() external {
        vm.prank(PAUSER);
        try token.pause() { } catch { }
    }

    function unpause() external {
        vm.prank(ADMIN);
        try token.unpause() { } catch { }
    }
}

contract RATMintingContractInvariants is Checks {
    World private world;
    RATMintingContract private token;

    function setUp() public {
        world = new World();
        token = world.token();
    }

    /// @dev forge reads this: the calls of a run go to the world, not to the token itself.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(world);
    }

    function invariant_SupplyIsTheSumOfAllTradesMintedOnce() public view {
        uint256 sum;
        for (uint256 i = 0; i < world.ids(); ++i) {
            uint256 units = token.mintedForTrade(world.idOf(i));
            same(units, world.booked(i), "units of one id");
            sum += units;
        }
        same(token.totalSupply(), sum, "supply");
        same(sum, world.bookedSum(), "books");
    }

    function invariant_BalancesAddUpToTheSupply() public view {
        same(world.balances(), token.totalSupply(), "balances");
    }

    function invariant_NothingMovesWhilePaused() public view {
        assert(!world.movedWhilePaused());
    }

    function invariant_NobodyButTheMinterMints() public view {
        assert(!world.strangerMinted());
    }
}
