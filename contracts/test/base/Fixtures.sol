// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Parameters, Scenario} from "../../src/libraries/ParameterWords.sol";

/// @title Valid words, parameters and legs, to be spoilt one field at a time
library Fixtures {
    uint32 internal constant BTC = 1;
    /// @dev 2025-02-19 10:00 UTC.
    uint256 internal constant NOW = 1_739_959_200;
    uint256 internal constant HOUR = NOW / 3600;

    function underlyingWord(uint256 spot, uint256 timestamp, uint256 realised, uint256 id)
        internal
        pure
        returns (uint256)
    {
        return spot | (timestamp << 44) | (realised << 84) | (id << 104);
    }

    function underlyingWord(uint256 timestamp) internal pure returns (uint256) {
        return underlyingWord(96_000e6, timestamp, 30_000, BTC);
    }

    function vols() internal pure returns (uint256[8] memory pillars) {
        for (uint256 pillar = 0; pillar < 8; pillar++) {
            pillars[pillar] = 65_536 + 4_096 * (pillar < 4 ? 4 - pillar : pillar - 4);
        }
    }

    function expiryWord(uint256[8] memory pillars, uint256 spacing, uint256 hour, uint256 discount, uint256 forward)
        internal
        pure
        returns (uint256 word)
    {
        for (uint256 pillar = 0; pillar < 8; pillar++) {
            word |= pillars[pillar] << (20 * pillar);
        }
        word |= (spacing << 160) | (hour << 162) | (discount << 182) | (forward << 204);
    }

    function expiryWord(uint256 hour) internal pure returns (uint256) {
        return expiryWord(vols(), 1, hour, 2 ** 21 - 1_000, 97_000e6);
    }

    /// @dev Three expiries: in a week, a month and half a year.
    function expiryWords() internal pure returns (uint256[8] memory words) {
        words[0] = expiryWord(HOUR + 168);
        words[1] = expiryWord(HOUR + 720);
        words[2] = expiryWord(HOUR + 4_380);
    }

    function parameters() internal pure returns (Parameters memory p) {
        p.priceStep = 18_910;
        p.volShockUp = 7_373;
        p.volShockDown = 4_096;
        p.tenorPowerShort = 77;
        p.tenorPowerLong = 33;
        p.tenorFloor = 86_400;
        p.maintenanceFactor = 4_301;
        p.shortOptionRate = 655;
        p.horizonSeconds = 1_800;
        p.basisMinimum = 655;
        p.basisPerTenor = 2_615;
        p.interestPerTenor = 1_743;
        p.gammaRate = 8_192;
        p.vegaRate = 16_384;
        p.scenarios = new Scenario[](35);
        uint256 next = 0;
        p.scenarios[next++] = Scenario(0, 0, 65_536);
        for (int8 row = -4; row <= 4; row++) {
            for (int8 shock = -1; shock <= 1; shock++) {
                if (row != 0 || shock != 0) p.scenarios[next++] = Scenario(4 * row, shock, 65_536);
            }
        }
        for (int8 move = -2; move <= 2; move++) {
            if (move != 0) p.scenarios[next++] = Scenario(move, 0, 65_536);
        }
        p.scenarios[next++] = Scenario(-32, 1, 32_768);
        p.scenarios[next++] = Scenario(32, 0, 32_768);
        p.scenarios[next++] = Scenario(-48, 1, 22_938);
        p.scenarios[next++] = Scenario(48, 0, 22_938);
    }

    /// @param kind 1 call, 2 put, 3 linear
    /// @param strike in 1e-4 USD
    /// @param quantity in 1e-6 contracts
    function leg(uint256 kind, uint256 hour, uint256 strike, int256 quantity) internal pure returns (uint256) {
        uint256 field = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
        int256 value = int256(strike + (kind << 36) + (hour << 38)) + quantity * 2 ** 60;
        return value >= 0 ? uint256(value) : field - uint256(-value);
    }

    /// @dev Long underlying, a short call, a long put and a short put.
    function legs() internal pure returns (uint256[] memory list) {
        list = new uint256[](4);
        list[0] = leg(3, 0, 0, 2e6);
        list[1] = leg(2, HOUR + 168, 900_000_000, 1e6);
        list[2] = leg(1, HOUR + 168, 1_000_000_000, -2e6);
        list[3] = leg(2, HOUR + 720, 800_000_000, -1);
    }
}
