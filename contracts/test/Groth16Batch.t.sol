// SPDX-License-Identifier: GPL-3.0-only
pragma solidity 0.8.30;

import {Groth16Proof} from "../src/interfaces/Groth16.sol";
import {Groth16Batch} from "../src/libraries/Groth16Batch.sol";
import {ProofContext} from "../src/libraries/ProofContext.sol";
import {Test} from "./base/Test.sol";

/// @notice A batch verifier of a key that anyone can make proofs for: beta, gamma and delta are the generator, so that
/// `A = alpha + L(x) + C` with `B` the generator is a proof. IC_j is j + 2 times the generator, alpha 5 times.
contract Groth16BatchTest is Test {
    uint256 private constant FIELD = ProofContext.SCALAR_FIELD;
    uint256 private constant BASE_FIELD =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;
    uint256 private constant ALPHA = 5;
    /// @dev Enough for three proofs.
    uint256 private constant GAS = 1_000_000;
    uint256[4] private generator = [
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
        8495653923123431417604973247489272438418190587263600148770280649306958101930
    ];

    /// @dev External, so that arguments are calldata.
    function verify(Groth16Proof[] calldata proofs, uint256[14][] calldata signals) external view returns (bool) {
        return Groth16Batch.verify(_key(), proofs, signals);
    }

    /// @dev External likewise.
    function powersOf(Groth16Proof[] calldata proofs, uint256[14][] calldata signals)
        external
        pure
        returns (bytes32 seed, uint256[] memory powers)
    {
        seed = Groth16Batch.seedOf(proofs, signals);
        powers = new uint256[](proofs.length);
        for (uint256 index = 0; index < proofs.length; index++) {
            powers[index] = Groth16Batch.powerOf(seed, index);
        }
    }

    function test_acceptsOneToTenProofs() public view {
        for (uint256 count = 1; count <= 10; count++) {
            (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(count, count);
            assertTrue(this.verify(proofs, signals), "accepted");
        }
    }

    function testFuzz_acceptsProofsOfAnySignals(uint256 seed) public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(bound(seed, 1, 4), seed);
        assertTrue(this.verify(proofs, signals), "accepted");
    }

    function test_acceptsSignalsAtTheEndsOfTheirRange() public view {
        uint256[14] memory most;
        for (uint256 index = 0; index < 14; index++) {
            most[index] = FIELD - 1;
        }
        uint256[14][] memory signals = new uint256[14][](3);
        signals[1] = most;
        Groth16Proof[] memory proofs = new Groth16Proof[](3);
        for (uint256 index = 0; index < 3; index++) {
            proofs[index] = _proof(signals[index], index);
        }
        assertTrue(this.verify(proofs, signals), "accepted, one with C at infinity");
    }

    function test_refusesNoProofsAndDifferentLengths() public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(2, 1);
        assertTrue(!this.verify(new Groth16Proof[](0), new uint256[14][](0)), "no proof");
        assertTrue(!this.verify(proofs, new uint256[14][](0)), "no signals");
        assertTrue(!this.verify(new Groth16Proof[](0), signals), "signals alone");
        (Groth16Proof[] memory more,) = _batch(3, 1);
        assertTrue(!this.verify(more, signals), "a proof too many");
        (, uint256[14][] memory others) = _batch(3, 1);
        assertTrue(!this.verify(proofs, others), "signals too many");
        // Points at infinity prove nothing, and add nothing to the product.
        more[2] = Groth16Proof({a: [uint256(0), 0], b: [[uint256(0), 0], [uint256(0), 0]], c: [uint256(0), 0]});
        assertTrue(!this.verify(more, signals), "an empty proof too many");
        assertTrue(!this.verify(more, others), "an empty proof");
    }

    function testFuzz_refusesAChangedSignal(uint256 seed, uint256 which, uint256 place, uint256 change) public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(bound(seed, 1, 4), seed);
        which = which % proofs.length;
        place = place % 14;
        uint256 kept = signals[which][place];
        signals[which][place] = addmod(kept, bound(change, 1, FIELD - 1), FIELD);
        assertTrue(!this.verify(proofs, signals), "another signal");
        signals[which][place] = kept + FIELD;
        assertTrue(!this.verify(proofs, signals), "the same residue");
        signals[which][place] = kept;
        assertTrue(this.verify(proofs, signals), "as it was");
    }

    function testFuzz_refusesAChangedPoint(uint256 seed, uint256 which, uint256 change) public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(bound(seed, 1, 4), seed);
        Groth16Proof memory proof = proofs[which % proofs.length];
        uint256[2] memory other = _multiple(bound(change, 1, FIELD - 1));
        (uint256[2] memory a, uint256[2] memory c) = (proof.a, proof.c);
        proof.a = _sum(a, other);
        assertTrue(!this.verify(proofs, signals), "another A");
        proof.a = a;
        proof.c = _sum(c, other);
        assertTrue(!this.verify(proofs, signals), "another C");
        proof.c = c;
        proof.b[1] = [BASE_FIELD - generator[2], BASE_FIELD - generator[3]];
        assertTrue(!this.verify(proofs, signals), "B negated");
    }

    /// @dev Of a single proof, of the first and of a later one: the first is multiplied by nothing. A precompile that fails uses
    /// up the gas of its call.
    function test_refusesWhatIsNoPoint() public view {
        for (uint256 count = 1; count <= 3; count++) {
            (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(count, 7);
            for (uint256 which = 0; which < count; which++) {
                Groth16Proof memory proof = proofs[which];
                (uint256[2] memory a, uint256[2] memory c, uint256[2] memory b) = (proof.a, proof.c, proof.b[0]);
                proof.a = [a[0], addmod(a[1], 1, BASE_FIELD)];
                assertTrue(!this.verify{gas: GAS}(proofs, signals), "A off the curve");
                proof.a = [a[0] + BASE_FIELD, a[1]];
                assertTrue(!this.verify{gas: GAS}(proofs, signals), "x of A not reduced");
                proof.a = [a[0], a[1] + BASE_FIELD];
                assertTrue(!this.verify{gas: GAS}(proofs, signals), "y of A not reduced");
                proof.a = a;
                proof.c = [c[0], addmod(c[1], 1, BASE_FIELD)];
                assertTrue(!this.verify{gas: GAS}(proofs, signals), "C off the curve");
                proof.c = [c[0] + BASE_FIELD, c[1]];
                assertTrue(!this.verify{gas: GAS}(proofs, signals), "C not reduced");
                proof.c = c;
                proof.b[0] = [b[0], addmod(b[1], 1, BASE_FIELD)];
                assertTrue(!this.verify{gas: GAS}(proofs, signals), "B off the curve");
                proof.b[0] = [b[0] + BASE_FIELD, b[1]];
                assertTrue(!this.verify{gas: GAS}(proofs, signals), "B not reduced");
                proof.b[0] = b;
            }
            assertTrue(this.verify(proofs, signals), "as it was");
        }
    }

    function test_refusesErrorsThatWouldCancel() public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(3, 9);
        uint256[2] memory error = _multiple(77);
        uint256[2] memory opposite = [error[0], BASE_FIELD - error[1]];
        for (uint256 first = 0; first < 3; first++) {
            for (uint256 second = 0; second < 3; second++) {
                if (first == second) continue;
                (uint256[2] memory c1, uint256[2] memory c2) = (proofs[first].c, proofs[second].c);
                proofs[first].c = _sum(c1, error);
                proofs[second].c = _sum(c2, opposite);
                assertTrue(!this.verify(proofs, signals), "opposite errors");
                (proofs[first].c, proofs[second].c) = (c1, c2);
            }
        }
        // Exchanged among two claims, C alone and whole proofs.
        (proofs[0].c, proofs[1].c) = (proofs[1].c, proofs[0].c);
        assertTrue(!this.verify(proofs, signals), "C exchanged");
        (proofs[0].c, proofs[1].c) = (proofs[1].c, proofs[0].c);
        (proofs[0], proofs[2]) = (proofs[2], proofs[0]);
        assertTrue(!this.verify(proofs, signals), "proofs exchanged");
    }

    function test_powersAreOfAHashOfAllProofsAndSignals() public view {
        for (uint256 count = 1; count <= 4; count++) {
            (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(count, count);
            bytes memory points;
            bytes memory claims;
            for (uint256 index = 0; index < count; index++) {
                points = abi.encodePacked(points, abi.encode(proofs[index]));
                claims = abi.encodePacked(claims, abi.encode(signals[index]));
            }
            (bytes32 seed, uint256[] memory powers) = this.powersOf(proofs, signals);
            assertTrue(seed == keccak256(abi.encodePacked(points, claims)), "hash of everything");
            assertEq(powers[0], 1, "the first");
            for (uint256 index = 1; index < count; index++) {
                assertEq(powers[index], uint256(keccak256(abi.encode(seed, index))) >> 128, "half of a hash");
            }
        }
    }

    /// @dev Whoever can change a word without changing the powers chooses it after he knows them.
    function testFuzz_anyChangedWordChangesThePowers(uint256 seed, uint256 which, uint256 word, uint256 change)
        public
        view
    {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(bound(seed, 2, 4), seed);
        (, uint256[] memory before) = this.powersOf(proofs, signals);
        which = which % proofs.length;
        word = word % 22;
        change = bound(change, 1, type(uint256).max);
        if (word < 14) signals[which][word] ^= change;
        else if (word < 16) proofs[which].a[word - 14] ^= change;
        else if (word < 20) proofs[which].b[(word - 16) / 2][word % 2] ^= change;
        else proofs[which].c[word - 20] ^= change;
        (, uint256[] memory afterwards) = this.powersOf(proofs, signals);
        for (uint256 index = 1; index < proofs.length; index++) {
            assertTrue(afterwards[index] != before[index], "another power");
        }
    }

    /// @dev Errors that cancel under powers that are known beforehand: those of the batch before the change, and those that would
    /// follow from a part of what is to be hashed, alone or with zeros for the rest. The changed batch has other powers.
    function test_refusesErrorsThatCancelUnderPowersKnownBeforehand() public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(2, 4);
        bytes memory points = abi.encode(proofs[0], proofs[1]);
        bytes memory claims = abi.encode(signals[0], signals[1]);
        bytes32[5] memory seeds = [
            keccak256(abi.encodePacked(points, claims)),
            keccak256(points),
            keccak256(claims),
            keccak256(abi.encodePacked(points, new bytes(claims.length))),
            keccak256(abi.encodePacked(new bytes(points.length), claims))
        ];
        for (uint256 index = 0; index < seeds.length; index++) {
            uint256 power = uint256(keccak256(abi.encode(seeds[index], uint256(1)))) >> 128;
            (uint256[2] memory c0, uint256[2] memory c1) = (proofs[0].c, proofs[1].c);
            proofs[0].c = _sum(c0, _multiple(FIELD - power));
            proofs[1].c = _sum(c1, _multiple(1));
            assertTrue(!this.verify(proofs, signals), "errors of C");
            (proofs[0].c, proofs[1].c) = (c0, c1);

            (uint256 x0, uint256 x1) = (signals[0][6], signals[1][6]);
            signals[0][6] = addmod(x0, FIELD - power, FIELD);
            signals[1][6] = addmod(x1, 1, FIELD);
            assertTrue(!this.verify(proofs, signals), "errors of a signal");
            (signals[0][6], signals[1][6]) = (x0, x1);
        }
        assertTrue(this.verify(proofs, signals), "as it was");
    }

    function test_takesATrueStatementTwice() public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(2, 3);
        proofs[1] = proofs[0];
        assertTrue(!this.verify(proofs, signals), "a proof for another claim too");
        signals[1] = signals[0];
        assertTrue(this.verify(proofs, signals), "the claim twice");
    }

    /// @dev True never comes from a call that ran out of gas on its way.
    function testFuzz_isNotTrueForLackOfGas(uint256 gasLimit) public view {
        (Groth16Proof[] memory proofs, uint256[14][] memory signals) = _batch(2, 5);
        proofs[1].c = _sum(proofs[1].c, _multiple(1));
        gasLimit = bound(gasLimit, 0, 500_000);
        (bool success, bytes memory answer) =
            address(this).staticcall{gas: gasLimit}(abi.encodeCall(this.verify, (proofs, signals)));
        assertTrue(!success || !abi.decode(answer, (bool)), "reverted or false");
    }

    function _batch(uint256 count, uint256 seed)
        private
        view
        returns (Groth16Proof[] memory proofs, uint256[14][] memory signals)
    {
        proofs = new Groth16Proof[](count);
        signals = new uint256[14][](count);
        for (uint256 index = 0; index < count; index++) {
            for (uint256 signal = 0; signal < 14; signal++) {
                signals[index][signal] = uint256(keccak256(abi.encode(seed, index, signal))) % FIELD;
            }
            proofs[index] = _proof(signals[index], uint256(keccak256(abi.encode(seed, index))));
        }
    }

    function _proof(uint256[14] memory signals, uint256 randomness) private view returns (Groth16Proof memory proof) {
        uint256 c = randomness % FIELD;
        // alpha + IC_0 + C, and the signals' part.
        uint256 a = addmod(ALPHA + 2, c, FIELD);
        for (uint256 index = 0; index < 14; index++) {
            a = addmod(a, mulmod(signals[index], index + 3, FIELD), FIELD);
        }
        proof.a = _multiple(a);
        proof.b = [[generator[0], generator[1]], [generator[2], generator[3]]];
        proof.c = _multiple(c);
    }

    function _key() private view returns (uint256[44] memory key) {
        (key[0], key[1]) = _coordinates(ALPHA);
        for (uint256 point = 0; point < 3; point++) {
            for (uint256 index = 0; index < 4; index++) {
                key[2 + 4 * point + index] = generator[index];
            }
        }
        for (uint256 index = 0; index < 15; index++) {
            (key[14 + 2 * index], key[15 + 2 * index]) = _coordinates(index + 2);
        }
    }

    function _coordinates(uint256 scalar) private view returns (uint256, uint256) {
        uint256[2] memory point = _multiple(scalar);
        return (point[0], point[1]);
    }

    /// @dev The scalar's multiple of G1's generator (1, 2).
    function _multiple(uint256 scalar) private view returns (uint256[2] memory) {
        (bool success, bytes memory answer) = address(7).staticcall(abi.encode(1, 2, scalar));
        assertTrue(success, "multiplied");
        return abi.decode(answer, (uint256[2]));
    }

    function _sum(uint256[2] memory left, uint256[2] memory right) private view returns (uint256[2] memory) {
        (bool success, bytes memory answer) = address(6).staticcall(abi.encode(left, right));
        assertTrue(success, "added");
        return abi.decode(answer, (uint256[2]));
    }
}
