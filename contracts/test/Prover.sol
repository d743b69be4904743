// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Opened, Point, VrfProof, Witness} from "../src/Types.sol";

/// A point with both coordinates.
struct Affine {
    uint256 x;
    uint256 y;
}

/// What nodes and users compute, for tests: secp256k1 in Jacobian coordinates, the VRF, its witnesses.
/// It shares no code with the contracts.
library Prover {
    uint256 internal constant P = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F;
    uint256 internal constant N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private constant GX = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798;
    uint256 private constant GY = 0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8;

    function g() internal pure returns (Affine memory) {
        return Affine(GX, GY);
    }

    function pow(uint256 b, uint256 e) internal pure returns (uint256 r) {
        r = 1;
        assembly {
            for {} e {} {
                if and(e, 1) { r := mulmod(r, b, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F) }
                b := mulmod(b, b, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F)
                e := shr(1, e)
            }
        }
    }

    function inv(uint256 a) internal pure returns (uint256) {
        return pow(a, P - 2);
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        return pow(a, (P + 1) / 4);
    }

    function cubic(uint256 x) internal pure returns (uint256) {
        return addmod(mulmod(mulmod(x, x, P), x, P), 7, P);
    }

    function isX(uint256 x) internal pure returns (bool) {
        uint256 y = sqrt(cubic(x));
        return mulmod(y, y, P) == cubic(x);
    }

    function neg(Affine memory a) internal pure returns (Affine memory) {
        return Affine(a.x, P - a.y);
    }

    function add(Affine memory a, Affine memory b) internal pure returns (Affine memory c) {
        uint256 l = mulmod(addmod(b.y, P - a.y, P), inv(addmod(b.x, P - a.x, P)), P);
        c.x = addmod(mulmod(l, l, P), P - addmod(a.x, b.x, P), P);
        c.y = addmod(mulmod(l, addmod(a.x, P - c.x, P), P), P - a.y, P);
    }

    /// k times a point, for k that is not 0 modulo N.
    function mul(Affine memory p, uint256 k) internal pure returns (Affine memory) {
        (uint256 x, uint256 y, uint256 z) = (0, 0, 0);
        (uint256 px, uint256 py) = (p.x, p.y);
        assembly {
            let m := 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEFFFFFC2F
            for { let i := 256 } i {} {
                i := sub(i, 1)
                if z {
                    let a := mulmod(x, x, m)
                    let b := mulmod(y, y, m)
                    let c := mulmod(b, b, m)
                    let d := addmod(x, b, m)
                    d := addmod(addmod(mulmod(d, d, m), sub(m, a), m), sub(m, c), m)
                    d := addmod(d, d, m)
                    let e := mulmod(3, a, m)
                    z := mulmod(2, mulmod(y, z, m), m)
                    x := addmod(mulmod(e, e, m), sub(m, addmod(d, d, m)), m)
                    y := addmod(mulmod(e, addmod(d, sub(m, x), m), m), sub(m, mulmod(8, c, m)), m)
                }
                if and(shr(i, k), 1) {
                    switch z
                    case 0 {
                        x := px
                        y := py
                        z := 1
                    }
                    default {
                        let zz := mulmod(z, z, m)
                        let h := addmod(mulmod(px, zz, m), sub(m, x), m)
                        let r := addmod(mulmod(py, mulmod(zz, z, m), m), sub(m, y), m)
                        let hh := mulmod(h, h, m)
                        let hhh := mulmod(hh, h, m)
                        let v := mulmod(x, hh, m)
                        x := addmod(addmod(mulmod(r, r, m), sub(m, hhh), m), sub(m, addmod(v, v, m)), m)
                        y := addmod(mulmod(r, addmod(v, sub(m, x), m), m), sub(m, mulmod(y, hhh, m)), m)
                        z := mulmod(z, h, m)
                    }
                }
            }
        }
        uint256 zi = inv(z);
        uint256 z2 = mulmod(zi, zi, P);
        return Affine(mulmod(x, z2, P), mulmod(y, mulmod(z2, zi, P), P));
    }

    function compress(Affine memory p) internal pure returns (Point memory) {
        return Point(uint8(2 + (p.y & 1)), p.x);
    }

    function publicKey(uint256 secret) internal pure returns (Point memory) {
        return compress(mul(g(), secret));
    }

    function lift(Point memory p) internal pure returns (Affine memory) {
        uint256 y = sqrt(cubic(p.x));
        return Affine(p.x, (y & 1) == (p.prefix & 1) ? y : P - y);
    }

    function addressOf(Affine memory p) internal pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encode(p.x, p.y)))));
    }

    function encodeToCurve(Point memory key, bytes memory alpha)
        internal
        pure
        returns (Affine memory h, uint256[] memory roots)
    {
        uint256[] memory all = new uint256[](64);
        for (uint256 i = 0;; ++i) {
            uint256 x = uint256(sha256(abi.encodePacked(hex"fe01", key.prefix, key.x, alpha, uint8(i), uint8(0))));
            uint256 f = cubic(x);
            uint256 y = sqrt(f);
            if (mulmod(y, y, P) == f) {
                all[i] = y;
                roots = new uint256[](i + 1);
                for (uint256 j = 0; j <= i; ++j) {
                    roots[j] = all[j];
                }
                return (Affine(x, (y & 1) == 0 ? y : P - y), roots);
            }
            all[i] = sqrt(P - f);
        }
    }

    /// A proof that log_G(sk*G) = log_h(sk*h), with its witness.
    function equalLogs(bytes memory domain, uint256 sk, Affine memory h, uint256 nonce)
        internal
        pure
        returns (VrfProof memory proof, Witness memory w)
    {
        Affine memory y = mul(g(), sk);
        Affine memory gamma = mul(h, sk);
        proof.gamma = compress(gamma);
        proof.c = _challenge(domain, [y, h, gamma, mul(g(), nonce), mul(h, nonce)]);
        proof.s = addmod(nonce, mulmod(proof.c, sk, N), N);
        w = witness(y, h, gamma, proof.c, proof.s);
    }

    function witness(Affine memory y, Affine memory h, Affine memory gamma, uint256 c, uint256 s)
        internal
        pure
        returns (Witness memory w)
    {
        Affine memory u = add(mul(g(), s), neg(mul(y, c)));
        Affine memory a = mul(h, s);
        Affine memory b = mul(gamma, c);
        w = Witness(u.x, u.y, a.x, a.y, b.x, b.y, inv(addmod(b.x, P - a.x, P)));
    }

    function vrf(uint256 sk, bytes memory alpha, uint256 nonce) internal pure returns (Opened memory o) {
        Affine memory h;
        (h, o.roots) = encodeToCurve(publicKey(sk), alpha);
        (o.proof, o.witness) = equalLogs(hex"fe02", sk, h, nonce);
    }

    function vrfOutput(Point memory gamma) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"fe03", gamma.prefix, gamma.x, uint8(0)));
    }

    function _challenge(bytes memory domain, Affine[5] memory points) private pure returns (uint128) {
        bytes memory hashed = domain;
        for (uint256 i = 0; i < 5; ++i) {
            hashed = abi.encodePacked(hashed, uint8(2 + (points[i].y & 1)), points[i].x);
        }
        return uint128(bytes16(sha256(abi.encodePacked(hashed, uint8(0)))));
    }
}
