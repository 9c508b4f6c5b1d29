// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import { ERC20 } from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import { ERC20Pausable } from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Pausable.sol";

/// @title AAPL Real Asset Token
/// @notice One token (10^18 units) stands for one share of AAPL bought at the broker and held in
/// custody. Tokens come into being only by `mint`, once per broker trade. There is no burn, no
/// upgrade, no seizure and no way for anyone but the holder to move tokens.
/// @dev Three roles, on three different accounts:
/// - DEFAULT_ADMIN_ROLE grants and revokes the two others, lifts a pause, and can be handed over
///   only in two steps with a delay of at least MIN_ADMIN_DELAY between them;
/// - MINTER_ROLE mints;
/// - PAUSER_ROLE stops minting and transfers, and can do nothing else: a stolen pauser key halts
///   the token but can neither restart it nor move value.
contract RATMintingContract is ERC20Pausable, AccessControlDefaultAdminRules {
    /// @notice May mint.
    bytes32 public constant MINTER_ROLE = keccak256("MINTER_ROLE");

    /// @notice May pause minting and transfers.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    /// @notice Longest accepted broker trade id, in bytes.
    uint256 public constant MAX_ID_LENGTH = 128;

    /// @notice Shortest accepted delay between the two steps of handing over the admin role.
    uint48 public constant MIN_ADMIN_DELAY = 1 days;

    /// @dev keccak256(broker trade id) => units minted for it; 0 means: not minted.
    mapping(bytes32 idHash => uint256 units) private _mintedFor;

    /// @notice Tokens were minted for a broker trade, the only time for this id.
    /// @param to Receiver.
    /// @param amount Units (18 decimals).
    /// @param idHash keccak256 of the id, so that the event can be found by it.
    /// @param brokerTradeId The id itself, to join chain and broker without further data.
    event Minted(address indexed to, uint256 amount, bytes32 indexed idHash, string brokerTradeId);

    /// @notice Tokens of this trade exist already: the earlier mint stands.
    error AlreadyMinted(bytes32 idHash, uint256 units);
    /// @notice The broker trade id is empty or longer than MAX_ID_LENGTH bytes.
    error InvalidBrokerTradeId(uint256 length);
    /// @notice A mint of nothing was asked for.
    error ZeroAmount();
    /// @notice Admin, minter and pauser must be three different accounts, none of them zero.
    error RolesNotSeparate();
    /// @notice The delay of the admin role would be shorter than MIN_ADMIN_DELAY.
    error AdminDelayTooShort(uint48 delay);

    /// @notice Deploys the token with its three roles; the deployer keeps no right.
    /// @param initialDelay Seconds between the two steps of handing over the admin role.
    /// @param admin Holder of DEFAULT_ADMIN_ROLE.
    /// @param minter Holder of MINTER_ROLE: the address of the minting vault.
    /// @param pauser Holder of PAUSER_ROLE.
    constructor(uint48 initialDelay, address admin, address minter, address pauser)
        ERC20("AAPL Real Asset Token", "AAPL-RAT")
        AccessControlDefaultAdminRules(initialDelay, admin)
    {
        if (initialDelay < MIN_ADMIN_DELAY) revert AdminDelayTooShort(initialDelay);
        if (minter == address(0) || pauser == address(0)) revert RolesNotSeparate();
        if (admin == minter || minter == pauser || pauser == admin) revert RolesNotSeparate();
        _grantRole(MINTER_ROLE, minter);
        _grantRole(PAUSER_ROLE, pauser);
    }

    /// @notice Mints the tokens of one broker trade. Works once per `brokerTradeId`, for ever.
    /// @dev Only MINTER_ROLE, not while paused. Emits Transfer(0x0 → to) and Minted. A caller that
    /// lost the answer to an earlier call must read `mintedFor` (or take AlreadyMinted as "done").
    /// @param to Receiver; neither zero nor this contract.
    /// @param amount Units (18 decimals), above zero.
    /// @param brokerTradeId The broker's order id, byte for byte as the broker writes it.
    function mint(address to, uint256 amount, string calldata brokerTradeId)
        external
        onlyRole(MINTER_ROLE)
    {
        uint256 length = bytes(brokerTradeId).length;
        if (length == 0 || length > MAX_ID_LENGTH) revert InvalidBrokerTradeId(length);
        if (amount == 0) revert ZeroAmount();
        if (to == address(this)) revert ERC20InvalidReceiver(to);
        bytes32 idHash = keccak256(bytes(brokerTradeId));
        uint256 before = _mintedFor[idHash];
        if (before != 0) revert AlreadyMinted(idHash, before);
        _mintedFor[idHash] = amount;
        _mint(to, amount);
        emit Minted(to, amount, idHash, brokerTradeId);
    }

    /// @notice Stops minting and every transfer. Allowances can still be set, and roles changed.
    /// @dev Only PAUSER_ROLE.
    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    /// @notice Lifts the pause.
    /// @dev Only DEFAULT_ADMIN_ROLE: stopping must be quick, starting again must be decided.
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @notice Units minted for a broker trade; 0 if none.
    /// @param idHash keccak256 of the broker trade id.
    /// @return units Units (18 decimals).
    function mintedFor(bytes32 idHash) external view returns (uint256 units) {
        return _mintedFor[idHash];
    }

    /// @notice Units minted for a broker trade, by the id itself; 0 if none.
    /// @param brokerTradeId The broker's order id.
    /// @return units Units (18 decimals).
    function mintedForTrade(string calldata brokerTradeId) external view returns (uint256 units) {
        return _mintedFor[keccak256(bytes(brokerTradeId))];
    }

    /// @dev The delay can be changed, but not below the floor.
    function _changeDefaultAdminDelay(uint48 newDelay) internal override {
        if (newDelay < MIN_ADMIN_DELAY) revert AdminDelayTooShort(newDelay);
        super._changeDefaultAdminDelay(newDelay);
    }
}
