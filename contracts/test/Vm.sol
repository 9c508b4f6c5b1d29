// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The few cheatcodes of forge that these tests use (the npm package forge-std is unofficial).
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    /// The next call comes from this account.
    function prank(address sender) external;
    /// The next call must revert with exactly these bytes.
    function expectRevert(bytes calldata revertData) external;
    /// The next call must emit the event that the test emits after this line.
    function expectEmit(bool topic1, bool topic2, bool topic3, bool data, address emitter) external;
    /// Sets block.timestamp.
    function warp(uint256 timestamp) external;
    /// Drops a fuzz case that does not fit.
    function assume(bool condition) external pure;
}

/// @dev Base of the tests: the cheatcodes and one way of comparing.
abstract contract Checks {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Different(string what, uint256 actual, uint256 expected);

    function same(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) revert Different(what, actual, expected);
    }
}
