// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {TestUsd} from "../../src/testing/TestUsd.sol";

/// @title A token that keeps a part of what is sent, when told to
contract FeeToken is TestUsd {
    uint256 public fee;

    function setFee(uint256 fee_) external {
        fee = fee_;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0) && fee != 0) super._update(to, address(0xfee), fee);
    }
}

/// @title A token that takes its fee from the sender, on top
contract SenderFeeToken is TestUsd {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0) && from.code.length != 0) super._update(from, address(0xfee), 1);
    }
}

/// @title A token that reports failure by returning false
contract SilentToken is TestUsd {
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @title A token that calls back while tokens move
contract CallbackToken is TestUsd {
    address public target;
    bytes public callData;

    function setCallback(address target_, bytes calldata callData_) external {
        target = target_;
        callData = callData_;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target == address(0) || from == address(0)) return;
        (bool success, bytes memory result) = target.call(callData);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }
}

/// @title A token with 18 decimals
contract WideToken is TestUsd {
    function decimals() public pure override returns (uint8) {
        return 18;
    }
}
