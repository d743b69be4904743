// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Secp256k1} from "../src/Secp256k1.sol";
import {Opened, Point} from "../src/Types.sol";
import {IHarness} from "./IHarness.sol";
import {Affine, Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";

/// The decisions about points and logarithms, with witnesses of every kind.
contract CurveTest {
    uint256 private constant KEY = 0x1234567890abcdef;
    bytes private constant ALPHA = "alpha";
    IHarness private curve;
    Point private key;

    function setUp() public {
        curve = IHarness(vm.deployCode("Harness.sol:Harness", ""));
        key = Prover.publicKey(KEY);
    }

    function _wrongWitness(Opened memory o) private view {
        try curve.verify(key, ALPHA, o) {
            revert("decided");
        } catch (bytes memory said) {
            require(bytes4(said) == Secp256k1.BadWitness.selector, "another error");
        }
    }

    function test_points_are_told_from_what_is_none() public view {
        require(curve.isPoint(key), "a point");
        Point memory p = key;
        uint8[4] memory prefixes = [0, 1, 4, 255];
        for (uint256 i = 0; i < 4; ++i) {
            p.prefix = prefixes[i];
            require(!curve.isPoint(p), "a prefix");
        }
        p.prefix = 2;
        uint256[4] memory none = [0, Prover.N, Prover.P, type(uint256).max];
        for (uint256 i = 0; i < 4; ++i) {
            p.x = none[i];
            require(!curve.isPoint(p), "an x");
        }
    }

    function test_fuzz_what_is_a_point_is_found_so(uint256 x, bool odd) public view {
        x %= Prover.N;
        require(curve.isPoint(Point(odd ? 3 : 2, x)) == Prover.isX(x), "differs");
    }

    function test_fuzz_the_proof_of_any_key_and_input_holds(uint256 sk, bytes calldata alpha, uint256 nonce) public view {
        sk = sk % (Prover.N - 1) + 1;
        nonce = nonce % (Prover.N - 1) + 1;
        Opened memory o = Prover.vrf(sk, alpha, nonce);
        Point memory y = Prover.publicKey(sk);
        require(curve.verify(y, alpha, o) && curve.decide(y, alpha, o, 0), "refused");
        require(curve.output(o.proof.gamma) == Prover.vrfOutput(o.proof.gamma), "output");
    }

    function test_witnesses_off_the_curve_are_refused_whatever_the_addresses_say() public {
        for (uint256 i = 0; i < 3; ++i) {
            Opened memory o = Prover.vrf(KEY, ALPHA, 77);
            (Affine memory h,) = Prover.encodeToCurve(key, ALPHA);
            // The parity stays, so that the challenge does.
            if (i == 0) {
                o.witness.uy += 2;
                _mock(o.proof.s, key, Prover.N - o.proof.c, Affine(o.witness.ux, o.witness.uy));
            } else if (i == 1) {
                o.witness.ay += 2;
                _mock(0, Prover.compress(h), o.proof.s, Affine(o.witness.ax, o.witness.ay));
            } else {
                o.witness.by += 2;
                _mock(0, o.proof.gamma, o.proof.c, Affine(o.witness.bx, o.witness.by));
            }
            _wrongWitness(o);
        }
    }

    /// The coordinates have one writing each: y and y + P would be two.
    function test_coordinates_are_below_the_field_s_order() public {
        Opened memory o = Prover.vrf(KEY, ALPHA, 77);
        (Affine memory h,) = Prover.encodeToCurve(key, ALPHA);
        h;
        // A point with a small y, so that y + P fits a word: y^2 - 7 has to be a cube.
        uint256 y = 1;
        while (!_isCube(addmod(mulmod(y, y, Prover.P), Prover.P - 7, Prover.P))) ++y;
        uint256 x = _cubeRoot(addmod(mulmod(y, y, Prover.P), Prover.P - 7, Prover.P));
        (o.witness.ux, o.witness.uy) = (x, y + Prover.P);
        _mock(o.proof.s, key, Prover.N - o.proof.c, Affine(x, y + Prover.P));
        _wrongWitness(o);
        uint256 small = 1;
        while (!Prover.isX(small)) ++small;
        (o.witness.ux, o.witness.uy) = (small + Prover.P, Prover.sqrt(Prover.cubic(small)));
        _mock(o.proof.s, key, Prover.N - o.proof.c, Affine(o.witness.ux, o.witness.uy));
        _wrongWitness(o);
    }

    function _isCube(uint256 a) private pure returns (bool) {
        return Prover.pow(a, (Prover.P - 1) / 3) == 1;
    }

    /// P is 7 modulo 9.
    function _cubeRoot(uint256 a) private pure returns (uint256) {
        return Prover.pow(a, (Prover.P + 2) / 9);
    }

    function _mock(uint256 g, Point memory r, uint256 k, Affine memory says) private {
        vm.clearMockedCalls();
        uint256 z = mulmod(g, r.x, Prover.N);
        bytes memory asked = abi.encode(z == 0 ? 0 : Prover.N - z, uint256(r.prefix) + 25, r.x, mulmod(k, r.x, Prover.N));
        vm.mockCall(address(1), asked, abi.encode(Prover.addressOf(says)));
    }

    function test_each_part_of_a_witness_is_checked() public view {
        for (uint256 i = 0; i < 4; ++i) {
            Opened memory o = Prover.vrf(KEY, ALPHA, 77);
            if (i == 0) (o.witness.ux, o.witness.uy) = (o.witness.ax, o.witness.ay);
            if (i == 1) (o.witness.ax, o.witness.ay) = (o.witness.ux, o.witness.uy);
            if (i == 2) (o.witness.bx, o.witness.by) = (o.witness.ux, o.witness.uy);
            if (i == 3) o.witness.inverse += 1;
            _wrongWitness(o);
        }
    }

    function test_the_hash_to_the_curve_is_the_first_point_and_no_other() public view {
        // An input whose first tries are no points.
        for (uint8 n = 0;; ++n) {
            bytes memory alpha = abi.encodePacked(n);
            Opened memory o = Prover.vrf(KEY, alpha, 77);
            if (o.roots.length < 3) continue;
            require(curve.verify(key, alpha, o), "refused");
            uint256[] memory roots = o.roots;
            o.roots = new uint256[](0);
            _refusedRoots(alpha, o);
            o.roots = new uint256[](roots.length - 1); // an earlier try passed off as the last
            for (uint256 i = 0; i < o.roots.length; ++i) {
                o.roots[i] = roots[i];
            }
            _refusedRoots(alpha, o);
            o.roots = new uint256[](roots.length + 1); // a later one
            for (uint256 i = 0; i < roots.length; ++i) {
                o.roots[i] = roots[i];
            }
            o.roots[roots.length] = _root(alpha, roots.length);
            _refusedRoots(alpha, o);
            return;
        }
    }

    function _refusedRoots(bytes memory alpha, Opened memory o) private view {
        try curve.verify(key, alpha, o) {
            revert("decided");
        } catch (bytes memory said) {
            require(bytes4(said) == Secp256k1.BadWitness.selector, "another error");
        }
    }

    function _root(bytes memory alpha, uint256 i) private view returns (uint256) {
        return Prover.sqrt(
            Prover.cubic(
                uint256(sha256(abi.encodePacked(hex"fe01", key.prefix, key.x, alpha, uint8(i), uint8(0))))
            )
        );
    }
}
