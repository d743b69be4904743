// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Secp256k1} from "./Secp256k1.sol";
import {Opened, Point, VrfProof} from "./Types.sol";

/// ECVRF of RFC 9381 with try-and-increment on secp256k1 and SHA-256, suite string 0xfe.
library Vrf {
    /// H of RFC 9381, 5.4.1.1. roots[i] is a root of x^3 + 7 at the last try, of its negative at those before.
    /// The counter wraps only after 256 tries without a point, which do not happen.
    function encodeToCurve(Point memory key, bytes memory alpha, uint256[] memory roots)
        internal
        pure
        returns (Point memory)
    {
        if (roots.length == 0) revert Secp256k1.BadWitness();
        uint256 last = roots.length - 1;
        for (uint256 i = 0;; ++i) {
            uint256 x = uint256(sha256(abi.encodePacked(hex"fe01", key.prefix, key.x, alpha, uint8(i), uint8(0))));
            if (i == last) {
                if (mulmod(roots[i], roots[i], Secp256k1.P) != Secp256k1.cubic(x)) revert Secp256k1.BadWitness();
                return Point(2, x);
            }
            if (!Secp256k1.isNoPoint(x, roots[i])) revert Secp256k1.BadWitness();
        }
    }

    /// Whether the proof holds, for a key and a Gamma that are points.
    function verify(Point memory key, bytes memory alpha, Opened memory o) internal pure returns (bool) {
        Point memory h = encodeToCurve(key, alpha, o.roots);
        return Secp256k1.equalLogs(hex"fe02", key, h, o.proof.gamma, o.proof.c, o.proof.s, o.witness);
    }

    /// The same for whatever bytes a proof was read from. `gammaRoot` shows that Gamma is no point, where it is none.
    function decide(Point memory key, bytes memory alpha, Opened memory o, uint256 gammaRoot)
        internal
        pure
        returns (bool)
    {
        Point memory gamma = o.proof.gamma;
        if (gamma.prefix != 2 && gamma.prefix != 3) return false;
        if (gamma.x >= Secp256k1.N) return false; // no point of ours, and none that the precompile takes
        if (Secp256k1.isNoPoint(gamma.x, gammaRoot)) return false;
        return verify(key, alpha, o);
    }

    /// X, the session id.
    function output(Point memory gamma) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"fe03", gamma.prefix, gamma.x, uint8(0)));
    }
}
