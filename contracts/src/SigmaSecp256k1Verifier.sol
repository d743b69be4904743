// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";
import {Secp256k1} from "./Secp256k1.sol";
import {Point} from "./Types.sol";

/// Knowledge of (s, r) with C = s*G + r*H on secp256k1, as a signature of ERC-7913. The key is C, compressed.
contract SigmaSecp256k1Verifier is IERC7913SignatureVerifier {
    /// x of H, whose y is even: SHA-256("2FApi-v1.0-Chain-GeneratorH" || 00).
    uint256 public constant GENERATOR_H = 0x73b30f9416174ec90395b834f009eca28f4f3dc24eac46824abc908f280249d2;

    bytes4 private constant REFUSED = 0xffffffff;

    struct Proof {
        uint256 ax;
        uint256 ay;
        uint256 zs;
        uint256 zr;
        uint256 bx; // B = c*C
        uint256 by;
        uint256 inverse; // 1 / (B.x - A.x)
    }

    /// Whether `signature` proves over `hash` that somebody knows an opening of `key`.
    /// @inheritdoc IERC7913SignatureVerifier
    function verify(bytes calldata key, bytes32 hash, bytes calldata signature) external pure returns (bytes4) {
        if (key.length != 33 || signature.length != 224) return REFUSED;
        Point memory commitment = Point(uint8(key[0]), uint256(bytes32(key[1:33])));
        Proof memory p = abi.decode(signature, (Proof));
        if (p.zs == 0 || p.zr == 0 || p.zs >= Secp256k1.N || p.zr >= Secp256k1.N) return REFUSED;
        if (!Secp256k1.onCurve(p.ax, p.ay) || !Secp256k1.onCurve(p.bx, p.by)) return REFUSED;
        uint256 c = _challenge(commitment, p, hash); // were it 0, B would have no address
        (uint256 wx, uint256 wy) = Secp256k1.add(p.ax, p.ay, p.bx, p.by, p.inverse);
        // A prover chooses the points of both sides. Each is compared at the point and at its negative, which
        // makes 320 bits: with 160, one address of a multiple of C that is also one of known logarithms, found after 2^80
        // steps, would be a forgery.
        Point memory h = Point(2, GENERATOR_H);
        bool valid = _same(0, commitment, c, p.bx, p.by) && _same(p.zs, h, p.zr, wx, wy);
        return valid ? this.verify.selector : REFUSED;
    }

    /// Whether g*G + k*R is the point (x, y), and its negative that of (x, y).
    function _same(uint256 g, Point memory r, uint256 k, uint256 x, uint256 y) private pure returns (bool) {
        return Secp256k1.linear(g, r, k) == Secp256k1.addressOf(x, y)
            && Secp256k1.linear(Secp256k1.N - g, r, Secp256k1.N - k) == Secp256k1.addressOf(x, Secp256k1.P - y);
    }

    function _challenge(Point memory commitment, Proof memory p, bytes32 hash) private pure returns (uint256) {
        return uint256(
            sha256(
                abi.encodePacked(
                    "2FApi-v1.0-Sigma-secp256k1",
                    uint8(2),
                    GENERATOR_H,
                    commitment.prefix,
                    commitment.x,
                    uint8(2 + (p.ay & 1)),
                    p.ax,
                    hash
                )
            )
        ) % Secp256k1.N;
    }
}
