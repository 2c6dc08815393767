// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "../../src/interfaces/Groth16.sol";
import {LiquidationMath} from "../../src/libraries/LiquidationMath.sol";
import {Openings} from "../../src/libraries/Openings.sol";
import {OracleWords} from "../../src/libraries/OracleWords.sol";
import {ProofContext} from "../../src/libraries/ProofContext.sol";

/// @notice A position of a portfolio at a scale of 1.
/// @param instrument kind, hour and strike as a packed leg has them: `strike + 2^36 kind + 2^38 hour`
/// @param quantity in 1e-6 contracts, signed, never 0
struct ModelLeg {
    uint256 instrument;
    int256 quantity;
}

/// @title What is true of hidden portfolios, in a margin model simple enough to be checked by eye
/// @notice A position is worth its quantity times the intrinsic value of its instrument, and requires a flat rate of spot. There are three scenarios: a fall
/// and a rise, of which one requires all of the rate and the other pays a quarter of it, by the direction of the positions, and a mild one that
/// requires half. Moving collateral loses in the fall and gains in the rise. The requirement is the largest of the three.
contract TruthModel {
    uint256 public constant FIELD = ProofContext.SCALAR_FIELD;
    uint256 public constant LINEAR = 3 << 36;
    /// @notice Requirement, in basis points of spot.
    uint256 public constant RATE_BPS = 1_500;
    /// @notice What a unit of moving collateral adds in the fall, and takes away in the rise: 0.15, in 2^-54.
    int256 public constant FALL = 2_702_159_776_422_297;
    /// @notice Number of scenarios: fall, rise, mild.
    uint256 public constant SCENARIOS = 3;
    uint256 private constant ONE = 2 ** 40;
    uint256 private constant UNITS = 1e6;

    mapping(uint256 commitment => ModelLeg[]) private _legs;
    mapping(uint256 commitment => uint256) public saltOf;
    mapping(uint256 commitment => bool) public isKnown;
    /// @notice The one commitment to margin parameters that is in force in this model.
    uint256 public parametersCommitment;

    function setParametersCommitment(uint256 commitment) external {
        parametersCommitment = commitment;
    }

    /// @notice Makes a portfolio known, as its owner knows it.
    /// @return commitment binding in legs and salt
    function commit(ModelLeg[] memory legs, uint256 salt) public returns (uint256 commitment) {
        commitment = uint256(keccak256(abi.encode(legs, salt))) % FIELD;
        if (isKnown[commitment]) return commitment;
        isKnown[commitment] = true;
        saltOf[commitment] = salt;
        for (uint256 index = 0; index < legs.length; index++) {
            _legs[commitment].push(legs[index]);
        }
    }

    function legsOf(uint256 commitment) public view returns (ModelLeg[] memory) {
        return _legs[commitment];
    }

    /// @notice The legs as they are published.
    function packed(uint256 commitment) public view returns (uint256[] memory list) {
        ModelLeg[] storage legs = _legs[commitment];
        list = new uint256[](legs.length);
        for (uint256 index = 0; index < list.length; index++) {
            int256 value = int256(legs[index].instrument) + legs[index].quantity * 2 ** 60;
            list[index] = value >= 0 ? uint256(value) : FIELD - uint256(-value);
        }
    }

    /// @notice Legs with one quantity changed, ordered by instrument.
    function added(ModelLeg[] memory legs, uint256 instrument, int256 change)
        public
        pure
        returns (ModelLeg[] memory result)
    {
        uint256 count = legs.length;
        result = new ModelLeg[](count + 1);
        uint256 next = 0;
        bool done = change == 0;
        for (uint256 index = 0; index < count; index++) {
            ModelLeg memory leg = ModelLeg(legs[index].instrument, legs[index].quantity);
            if (!done && leg.instrument > instrument) {
                result[next++] = ModelLeg(instrument, change);
                done = true;
            }
            if (!done && leg.instrument == instrument) {
                leg.quantity += change;
                done = true;
            }
            if (leg.quantity != 0) result[next++] = leg;
        }
        if (!done) result[next++] = ModelLeg(instrument, change);
        assembly ("memory-safe") {
            mstore(result, next)
        }
    }

    function hourOf(uint256 instrument) public pure returns (uint256) {
        return instrument >> 38;
    }

    /// @notice Intrinsic value of a contract, in 1e-6 USD.
    function worth(uint256 instrument, uint256 spot) public pure returns (uint256) {
        uint256 kind = (instrument >> 36) & 3;
        uint256 strike = (instrument & (2 ** 36 - 1)) * 100;
        if (kind == 3) return spot;
        if (kind == 1) return spot > strike ? spot - strike : 0;
        return strike > spot ? strike - spot : 0;
    }

    /// @notice Value of positions, in 1e-6 USD, rounded down.
    function markOf(uint256 commitment, uint256 scale, uint256 spot) public view returns (int256) {
        ModelLeg[] storage legs = _legs[commitment];
        int256 sum = 0;
        for (uint256 index = 0; index < legs.length; index++) {
            sum += legs[index].quantity * int256(worth(legs[index].instrument, spot));
        }
        return LiquidationMath.floorDiv(sum * int256(scale), ONE * UNITS);
    }

    /// @notice Maintenance with moving collateral, in 1e-6 USD: that of the worst scenario.
    function requirementOf(uint256 commitment, uint256 scale, uint256 spot, uint256 moving)
        public
        view
        returns (uint256 requirement)
    {
        (int256 base, int256 slope) = worst(commitment, scale, spot, moving);
        return LiquidationMath.requirementWith(base, slope, moving);
    }

    /// @notice The scenario that requires the most.
    function worst(uint256 commitment, uint256 scale, uint256 spot, uint256 moving)
        public
        view
        returns (int256 base, int256 slope)
    {
        uint256 most = 0;
        for (uint256 index = 0; index < SCENARIOS; index++) {
            (int256 otherBase, int256 otherSlope) = scenario(commitment, scale, spot, index);
            uint256 required = LiquidationMath.requirementWith(otherBase, otherSlope, moving);
            if (index != 0 && required <= most) continue;
            (base, slope, most) = (otherBase, otherSlope, required);
        }
    }

    /// @notice What one scenario requires without moving collateral, signed, and what a unit of it adds.
    function scenario(uint256 commitment, uint256 scale, uint256 spot, uint256 index)
        public
        view
        returns (int256 base, int256 slope)
    {
        (uint256 gross, int256 direction) = _size(commitment);
        int256 whole = int256((gross * spot * RATE_BPS / 10_000 * scale + ONE * UNITS - 1) / (ONE * UNITS));
        if (index == 2) return (whole / 2, 0);
        bool hurts = index == 0 ? direction >= 0 : direction < 0;
        return (hurts ? whole : -(whole / 4), index == 0 ? FALL : -FALL);
    }

    /// @notice Whether cash, positions and moving collateral cover the requirement times a level.
    /// @param quantity of collateral, in 1e-6 contracts for a scale of 1
    /// @param level in 2^-12
    function isSolvent(
        uint256 commitment,
        uint256 scale,
        uint256 spot,
        int256 cash,
        uint256 quantity,
        uint256 level
    ) public view returns (bool) {
        uint256 moving = quantity * spot * scale / (ONE * UNITS);
        int256 equity = cash + int256(moving) + markOf(commitment, scale, spot);
        return equity * 4096 >= int256(requirementOf(commitment, scale, spot, moving) * level);
    }

    /// @notice What the legs of the given hours pay, rounded down, and what remains.
    function settled(uint256 commitment, uint256 scale, uint256[4] memory settlementWords)
        public
        view
        returns (int256 cash, ModelLeg[] memory rest, uint256 vanished)
    {
        ModelLeg[] memory legs = _legs[commitment];
        rest = new ModelLeg[](legs.length);
        uint256 kept = 0;
        int256 sum = 0;
        for (uint256 index = 0; index < legs.length; index++) {
            uint256 price = _priceOf(hourOf(legs[index].instrument), settlementWords);
            if (price == 0) {
                rest[kept++] = legs[index];
                continue;
            }
            sum += legs[index].quantity * int256(worth(legs[index].instrument, price));
        }
        vanished = legs.length - kept;
        assembly ("memory-safe") {
            mstore(rest, kept)
        }
        cash = LiquidationMath.floorDiv(sum * int256(scale), ONE * UNITS);
    }

    // Statements of the circuits

    /// @dev The three figures are taken apart by division, not as they are put together.
    function insolvencyHolds(uint256[14] calldata s) external view returns (bool) {
        uint256 commitment = s[1];
        if (!_isPriceable(commitment, s[3]) || s[12] != parametersCommitment) return false;
        uint256 spot = OracleWords.spot(s[3]);
        if (int256(s[0] % 2 ** 97) - 2 ** 96 != markOf(commitment, s[2], spot)) return false;
        int256 claimedBase = int256(s[0] / 2 ** 97 % 2 ** 97) - 2 ** 96;
        int256 claimedSlope = int256(s[0] / 2 ** 194) - 2 ** 57;
        for (uint256 index = 0; index < SCENARIOS; index++) {
            (int256 base, int256 slope) = scenario(commitment, s[2], spot, index);
            if (base == claimedBase && slope == claimedSlope) return true;
        }
        return false;
    }

    function solvencyHolds(uint256[16] calldata s) external view returns (bool) {
        if (!_isPriceable(s[0], s[5]) || s[14] != parametersCommitment) return false;
        int256 cash = s[2] < 2 ** 96 ? int256(s[2]) : -int256(FIELD - s[2]);
        return isSolvent(s[0], s[1], OracleWords.spot(s[5]), cash, s[3], s[4]);
    }

    /// @dev The sum of every instrument over old and new positions of both accounts.
    function transferHolds(uint256[14] calldata s) external view returns (bool) {
        for (uint256 place = 2; place < 6; place++) {
            if (!isKnown[s[place]] || _legs[s[place]].length > 16) return false;
        }
        if (!_evaluationHolds(s[4], s[12], s[0]) || !_evaluationHolds(s[5], s[13], s[1])) return false;
        for (uint256 place = 2; place < 6; place++) {
            ModelLeg[] storage legs = _legs[s[place]];
            for (uint256 index = 0; index < legs.length; index++) {
                uint256 instrument = legs[index].instrument;
                int256 before = _held(s[2], s[6], instrument) + _held(s[3], s[7], instrument);
                if (before != _held(s[4], s[8], instrument) + _held(s[5], s[9], instrument)) return false;
            }
        }
        return true;
    }

    function settlementHolds(uint256[10] calldata s) external view returns (bool) {
        if (!isKnown[s[2]] || !isKnown[s[1]] || saltOf[s[1]] != saltOf[s[2]]) return false;
        (int256 cash, ModelLeg[] memory rest, uint256 vanished) = settled(s[2], s[3], [s[4], s[5], s[6], s[7]]);
        return vanished != 0 && s[0] == ProofContext.fromSigned(cash)
            && keccak256(abi.encode(rest)) == keccak256(abi.encode(legsOf(s[1])));
    }

    /// @dev Expired legs have no value in a round: they are settled first.
    function _isPriceable(uint256 commitment, uint256 underlyingWord) private view returns (bool) {
        if (!isKnown[commitment]) return false;
        ModelLeg[] storage legs = _legs[commitment];
        for (uint256 index = 0; index < legs.length; index++) {
            uint256 hour = hourOf(legs[index].instrument);
            if (hour != 0 && hour * 3600 <= OracleWords.timestamp(underlyingWord)) return false;
        }
        return true;
    }

    /// @return gross contracts of all legs
    /// @return direction above 0 when the positions gain by a rise, as calls and the underlying do and puts do not
    function _size(uint256 commitment) private view returns (uint256 gross, int256 direction) {
        ModelLeg[] storage legs = _legs[commitment];
        for (uint256 index = 0; index < legs.length; index++) {
            int256 quantity = legs[index].quantity;
            gross += uint256(quantity < 0 ? -quantity : quantity);
            direction += (legs[index].instrument >> 36) & 3 == 2 ? -quantity : quantity;
        }
    }

    function _held(uint256 commitment, uint256 scale, uint256 instrument) private view returns (int256) {
        ModelLeg[] storage legs = _legs[commitment];
        for (uint256 index = 0; index < legs.length; index++) {
            if (legs[index].instrument == instrument) return legs[index].quantity * int256(scale);
        }
        return 0;
    }

    function _evaluationHolds(uint256 commitment, uint256 point, uint256 evaluation) private view returns (bool) {
        if (point == 0) return evaluation == 0;
        return evaluation == Openings.evaluation(point, packed(commitment), saltOf[commitment]);
    }

    function _priceOf(uint256 hour, uint256[4] memory words) private pure returns (uint256) {
        for (uint256 index = 0; index < 4; index++) {
            if (hour != 0 && words[index] & (2 ** 20 - 1) == hour) return words[index] >> 20;
        }
        return 0;
    }
}

/// @title Verifiers that say what the model says, of any circuit but the two of margin
/// @dev A proof is made for one context, which stands where its first number would be.
contract TruthVerifier {
    TruthModel internal immutable model;

    constructor(TruthModel model_) {
        model = model_;
    }

    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[14] calldata signals
    ) external view returns (bool) {
        return a[0] == signals[11] && model.transferHolds(signals);
    }

    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[10] calldata signals
    ) external view returns (bool) {
        return a[0] == signals[9] && model.settlementHolds(signals);
    }
}

contract TruthSolvency {
    TruthModel internal immutable model;

    constructor(TruthModel model_) {
        model = model_;
    }

    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[16] calldata signals
    ) external view returns (bool) {
        return a[0] == signals[15] && model.solvencyHolds(signals);
    }
}

contract TruthInsolvency {
    TruthModel internal immutable model;

    constructor(TruthModel model_) {
        model = model_;
    }

    function verifyProof(
        uint256[2] calldata a,
        uint256[2][2] calldata,
        uint256[2] calldata,
        uint256[14] calldata signals
    ) external view returns (bool) {
        return a[0] == signals[13] && model.insolvencyHolds(signals);
    }

    function verifyBatch(Groth16Proof[] calldata proofs, uint256[14][] calldata signals) external view returns (bool) {
        for (uint256 index = 0; index < proofs.length; index++) {
            if (proofs[index].a[0] != signals[index][13] || !model.insolvencyHolds(signals[index])) return false;
        }
        return true;
    }
}
