// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Point, Witness} from "./Types.sol";

/// Decisions about points of secp256k1 by the precompile of ecrecover. Nothing is multiplied here: the caller
/// brings the products, and they are compared by address.
///
/// An address has 160 bits. Where whoever cheats chooses both sides of a comparison, two lists of 2^80
/// addresses meet; every comparison here has one side that is fixed before the other is chosen, or is
/// made at a point and at its negative.
library Secp256k1 {
    uint256 internal constant P = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;
    uint256 internal constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// What was brought to ease the decision is wrong. It says nothing about what was to be decided.
    error BadWitness();

    /// The address of g*G + k*R; 0 if R is no point with x < N, k is 0, or the sum is infinity.
    function linear(uint256 g, Point memory r, uint256 k) internal pure returns (address) {
        unchecked {
            uint256 z = mulmod(g, r.x, N);
            return ecrecover(bytes32(z == 0 ? 0 : N - z), r.prefix + 25, bytes32(r.x), bytes32(mulmod(k, r.x, N)));
        }
    }

    /// The address of a point that is given by its coordinates.
    function addressOf(uint256 x, uint256 y) internal pure returns (address a) {
        assembly ("memory-safe") {
            mstore(0, x)
            mstore(32, y)
            a := and(keccak256(0, 64), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }

    function isPoint(Point memory r) internal pure returns (bool) {
        return linear(0, r, 1) != address(0);
    }

    function cubic(uint256 x) internal pure returns (uint256) {
        return addmod(mulmod(mulmod(x, x, P), x, P), 7, P);
    }

    function onCurve(uint256 x, uint256 y) internal pure returns (bool) {
        return x < P && y < P && mulmod(y, y, P) == cubic(x);
    }

    /// That no point has this x. P is 3 modulo 4: of x^3 + 7 and its negative one has a root, which is brought.
    function isNoPoint(uint256 x, uint256 rootOfNegative) internal pure returns (bool) {
        return mulmod(rootOfNegative, rootOfNegative, P) == P - cubic(x);
    }

    /// The sum of two points with different x. `inverse` is 1 / (bx - ax).
    function add(uint256 ax, uint256 ay, uint256 bx, uint256 by, uint256 inverse)
        internal
        pure
        returns (uint256 x, uint256 y)
    {
        if (mulmod(addmod(bx, P - ax, P), inverse, P) != 1) revert BadWitness();
        uint256 slope = mulmod(addmod(by, P - ay, P), inverse, P);
        x = addmod(mulmod(slope, slope, P), P - addmod(ax, bx, P), P);
        y = addmod(mulmod(slope, addmod(ax, P - x, P), P), P - ay, P);
    }

    /// Whether log_G(y) = log_h(gamma), by the proof (c, s) under the domain. `y` and `h` have to be points.
    ///
    /// It decides: with the right witness every (gamma, c, s) with a point gamma is valid or is not. A wrong
    /// witness reverts. U, A and B have to lie on the curve: otherwise U.y is free under a fixed c, and a
    /// false gamma costs 2^80.
    function equalLogs(
        bytes memory domain,
        Point memory y,
        Point memory h,
        Point memory gamma,
        uint256 c,
        uint256 s,
        Witness memory w
    ) internal pure returns (bool) {
        if (s == 0 || s >= N) return false;
        address u = linear(s, y, N - c);
        if (u == address(0)) return false; // c is 0, or U is infinity, for y is a point
        if (u != addressOf(w.ux, w.uy) || !onCurve(w.ux, w.uy)) revert BadWitness();
        if (linear(0, h, s) != addressOf(w.ax, w.ay) || !onCurve(w.ax, w.ay)) revert BadWitness();
        if (linear(0, gamma, c) != addressOf(w.bx, w.by) || !onCurve(w.bx, w.by)) revert BadWitness();
        if (w.ax == w.bx) return false; // infinity, or a doubling that no honest prover meets
        (uint256 vx, uint256 vy) = add(w.ax, w.ay, w.bx, P - w.by, w.inverse);
        bytes32 digest = sha256(
            abi.encodePacked(
                domain,
                abi.encodePacked(y.prefix, y.x, h.prefix, h.x, gamma.prefix, gamma.x),
                abi.encodePacked(uint8(2 + (w.uy & 1)), w.ux, uint8(2 + (vy & 1)), vx, uint8(0))
            )
        );
        return uint256(uint128(bytes16(digest))) == c;
    }
}
