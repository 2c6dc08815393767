// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {LiquidationTerms} from "../../src/interfaces/IRiskParameters.sol";

/// @title The default liquidation terms, to be spoilt one field at a time
library TermsFixture {
    function terms() internal pure returns (LiquidationTerms memory t) {
        t.initialLevel = 5_120;
        t.bufferBps = 1_000;
        t.penaltyBps = [uint16(500), 600, 800, 1_000];
        t.volatilityThreshold = 65_536;
        t.volatilityPenaltyBps = 200;
        t.rewardShareBps = 2_000;
        t.atomicLimit = 50_000e6;
        t.backstopBps = 50;
        t.feeBps = 200;
        t.tip = 50e6;
        t.chipBps = 1_000;
        t.startFactorBps = 9_800;
        t.fastFactorBps = 8_000;
        t.cuspFactorBps = 5_000;
        t.fastSeconds = 100;
        t.tailSeconds = 1_800;
        t.insolventSeconds = 900;
        t.commitSeconds = 30;
        t.revealSeconds = 30;
        t.coolOffSeconds = 600;
        t.maxProofAge = 300;
        t.minBidBps = 500;
    }
}
