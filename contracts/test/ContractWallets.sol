// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Wallets that answer EIP-1271's question in every way a stranger's contract may: for the tests of
/// `tokens.chain.accepts_signature`, which compile this file and deploy it to the local chain.
/// The first is an honest one: it takes what its owner's key signed.
contract OwnedWallet {
    address private immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature)
        external
        view
        returns (bytes4)
    {
        if (signature.length != 65) return 0xffffffff;
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        address signer = ecrecover(hash, uint8(signature[64]), r, s);
        return signer != address(0) && signer == owner ? bytes4(0x1626ba7e) : bytes4(0xffffffff);
    }
}

/// Takes any signature: a bad wallet, but the yes is its own.
contract TakesAll {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}

contract SaysNo {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0xffffffff;
    }
}

/// Answers true, as the first draft of EIP-1271 had it.
contract SaysTrue {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bool) {
        return true;
    }
}

/// The magic value where a whole word was asked for, with something behind it.
contract SaysMoreThanYes {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes32) {
        return bytes32(bytes4(0x1626ba7e)) | bytes32(uint256(1));
    }
}

/// The four bytes alone, without the rest of their word.
contract SaysTooLittle {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            return(0, 4)
        }
    }
}

contract SaysNothing {
    fallback() external { }
}

contract Reverts {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        revert("not today");
    }
}

/// Reverts with what would be a yes.
contract RevertsWithYes {
    fallback() external {
        assembly {
            mstore(0, shl(224, 0x1626ba7e))
            revert(0, 32)
        }
    }
}

contract NeverEnds {
    fallback() external {
        while (true) { }
    }
}

/// Fills memory with an answer as large as the gas allows.
contract AnswersMegabytes {
    fallback() external {
        assembly {
            return(0, 800000)
        }
    }
}

contract HitsInvalid {
    fallback() external {
        assembly {
            invalid()
        }
    }
}

/// Tries to leave a trace, which a question may not.
contract Writes {
    uint256 private asked;

    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        asked += 1;
        return 0x1626ba7e;
    }
}
