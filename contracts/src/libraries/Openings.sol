// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {ProofContext} from "./ProofContext.sol";

/// @title Published openings, checked against hidden legs
/// @notice A transfer proof gives the value of the polynomial `z (salt + z (leg_0 + z (leg_1 + ...)))` of the committed salt and legs at
/// a point z that it is told. When z is a hash of the commitment and of what is published, equal values mean equal
/// coefficients, but for a chance of 33 in 2^253 (Schwartz and Zippel). For openings that are withheld, z is 0, and so is the value.
library Openings {
    /// @notice A published value is not below the field's order.
    error NotFieldElement(uint256 value);

    /// @notice The point at which an opening is compared; never 0.
    function point(uint256 commitment, uint256[] memory legs, uint256 salt) internal pure returns (uint256 z) {
        z = uint256(keccak256(abi.encode(commitment, legs, salt))) % ProofContext.SCALAR_FIELD;
        if (z == 0) z = 1;
    }

    /// @notice The value at a point of the polynomial of an opening.
    function evaluation(uint256 z, uint256[] memory legs, uint256 salt) internal pure returns (uint256 value) {
        uint256 field = ProofContext.SCALAR_FIELD;
        for (uint256 index = legs.length; index > 0; index--) {
            uint256 leg = legs[index - 1];
            if (leg >= field) revert NotFieldElement(leg);
            value = mulmod(addmod(value, leg, field), z, field);
        }
        if (salt >= field) revert NotFieldElement(salt);
        return mulmod(addmod(value, salt, field), z, field);
    }
}
