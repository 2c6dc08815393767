// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Vm} from "./Vm.sol";

/// @title Assertions and helpers of all tests
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error AssertionFailed(string what);
    error NotEqual(string what, int256 actual, int256 expected);

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert AssertionFailed(what);
    }

    function assertEq(uint256 actual, uint256 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqual(what, int256(actual), int256(expected));
    }

    function assertEq(int256 actual, int256 expected, string memory what) internal pure {
        if (actual != expected) revert NotEqual(what, actual, expected);
    }

    function assertEq(address actual, address expected, string memory what) internal pure {
        if (actual != expected) revert AssertionFailed(what);
    }

    /// @dev Maps a fuzzed number into [low, high].
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (value >= low && value <= high) return value;
        uint256 size = high - low + 1;
        return size == 0 ? value : low + value % size;
    }

    /// @dev Maps a fuzzed number into [low, high].
    function bound(int256 value, int256 low, int256 high) internal pure returns (int256) {
        if (value >= low && value <= high) return value;
        return low + int256(uint256(value) % uint256(high - low + 1));
    }

    /// @dev A labelled address without code.
    function makeAddr(string memory name) internal returns (address account) {
        account = address(uint160(uint256(keccak256(bytes(name)))));
        vm.label(account, name);
    }
}
