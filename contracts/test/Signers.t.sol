// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";
import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Secp256k1} from "../src/Secp256k1.sol";
import {Point, Request, State} from "../src/Types.sol";
import {Fixture} from "./Fixture.sol";
import {Played} from "./Parties.sol";
import {Affine, Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";
import {Liar, Wallet} from "./Wallets.sol";

/// Who signs: keys, wallets, Sigma proofs, passkeys.
contract SignersTest is Fixture {
    uint256 private constant HX = 0x73b30f9416174ec90395b834f009eca28f4f3dc24eac46824abc908f280249d2;
    uint256 private constant P256_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551;
    bytes4 private constant REFUSED = 0xffffffff;

    IERC7913SignatureVerifier private sigma;
    IERC7913SignatureVerifier private passkey;

    function setUp() public override {
        super.setUp();
        sigma = IERC7913SignatureVerifier(vm.deployCode("SigmaSecp256k1Verifier.sol:SigmaSecp256k1Verifier", ""));
        passkey = IERC7913SignatureVerifier(vm.deployCode("PasskeyVerifier.sol:PasskeyVerifier", ""));
    }

    function _posted(uint64 nonce, bytes memory signer) private returns (Played memory s, bytes32 digest) {
        Request memory r = request(nonce);
        r.signer = signer;
        s = posted(r);
        digest = proxy.authenticationDigest(r, s.offer.sessionHash, user);
    }

    // ---- wallets

    function test_a_wallet_contract_signs() public {
        address wallet = address(new Wallet(vm.addr(4711)));
        (Played memory s, bytes32 digest) = _posted(1, abi.encodePacked(wallet));
        s.signature = signedBy(USER, digest);
        refused(user, proveCall(s), I.BadSignature.selector);
        s.signature = signedBy(4711, digest);
        go(user, proveCall(s));
    }

    function test_wallets_and_verifiers_that_do_not_answer_as_they_should_are_refused() public {
        for (uint256 how = 0; how < 6; ++how) {
            address liar = address(new Liar(how));
            for (uint64 i = 0; i < 2; ++i) {
                bytes memory signer = i == 0 ? abi.encodePacked(liar) : abi.encodePacked(liar, "key");
                (Played memory s,) = _posted(uint64(how) * 2 + i, signer);
                s.signature = "x";
                vm.prank(user);
                (bool accepted,) = address(proxy).call{gas: 3_000_000}(proveCall(s)); // some burn all they get
                if (how == 5) continue; // its first word is right: it says yes, as whoever chose it wanted
                require(!accepted, "accepted");
                is_(s.id, State.Posted);
            }
        }
    }

    function test_a_signer_without_code_is_no_verifier() public {
        (Played memory s,) = _posted(1, abi.encodePacked(address(0xc0de), "key"));
        refused(user, proveCall(s), I.BadSignature.selector);
    }

    function test_a_key_that_delegated_is_asked_as_a_wallet() public {
        Wallet owned = new Wallet(user);
        (Played memory s, bytes32 digest) = _posted(1, abi.encodePacked(user));
        s.signature = signedBy(USER, digest);
        // Delegated to what signs nothing, the key alone is no longer enough.
        vm.signAndAttachDelegation(address(new Liar(0)), USER);
        refused(user, proveCall(s), I.BadSignature.selector);
        vm.signAndAttachDelegation(address(owned), USER);
        go(user, proveCall(s));
    }

    // ---- Sigma

    struct Proof {
        Affine a;
        uint256 zs;
        uint256 zr;
        Affine b;
        Point key;
        uint256 c;
    }

    function _commit(uint256 s, uint256 r) private pure returns (Affine memory) {
        return Prover.add(Prover.mul(Prover.g(), s), Prover.mul(Prover.lift(Point(2, HX)), r));
    }

    function _challenge(Proof memory p, bytes32 hash) private pure returns (uint256) {
        return uint256(
            sha256(
                abi.encodePacked(
                    "2FApi-v1.0-Sigma-secp256k1",
                    uint8(2),
                    HX,
                    p.key.prefix,
                    p.key.x,
                    uint8(2 + (p.a.y & 1)),
                    p.a.x,
                    hash
                )
            )
        ) % Prover.N;
    }

    function _prove(uint256 s, uint256 r, bytes32 hash) private pure returns (Proof memory p) {
        Affine memory c = _commit(s, r);
        p.key = Prover.compress(c);
        (uint256 ks, uint256 kr) = (uint256(keccak256(abi.encode(s, hash))), uint256(keccak256(abi.encode(r, hash))));
        p.a = _commit(ks, kr);
        p.c = _challenge(p, hash);
        p.zs = addmod(ks, mulmod(p.c, s, Prover.N), Prover.N);
        p.zr = addmod(kr, mulmod(p.c, r, Prover.N), Prover.N);
        p.b = Prover.mul(c, p.c);
    }

    function _bytes(Proof memory p) private pure returns (bytes memory) {
        uint256 inverse = Prover.inv(addmod(p.b.x, Prover.P - p.a.x, Prover.P));
        return abi.encode(p.a.x, p.a.y, p.zs, p.zr, p.b.x, p.b.y, inverse);
    }

    function _keyBytes(Proof memory p) private pure returns (bytes memory) {
        return abi.encodePacked(p.key.prefix, p.key.x);
    }

    function _accepted(Proof memory p, bytes32 hash) private view returns (bool) {
        return sigma.verify(_keyBytes(p), hash, _bytes(p)) == sigma.verify.selector;
    }

    function test_a_sigma_proof_signs() public {
        (Played memory s, bytes32 digest) = _posted(1, bytes.concat(bytes20(address(sigma)), _keyBytes(_prove(11, 22, 0))));
        s.signature = _bytes(_prove(11, 22, keccak256("another digest")));
        refused(user, proveCall(s), I.BadSignature.selector);
        s.signature = _bytes(_prove(11, 22, digest));
        go(user, proveCall(s));
    }

    function test_fuzz_every_change_of_a_sigma_proof_is_refused(uint256 s, uint256 r, uint256 at, uint8 by) public view {
        (s, r) = (s % (Prover.N - 1) + 1, r % (Prover.N - 1) + 1);
        Proof memory p = _prove(s, r, keccak256("digest"));
        require(_accepted(p, keccak256("digest")), "refused");
        bytes memory signature = _bytes(p);
        signature[at % 224] ^= bytes1(by == 0 ? 1 : by);
        try sigma.verify(_keyBytes(p), keccak256("digest"), signature) returns (bytes4 answer) {
            require(answer == REFUSED, "a changed proof was accepted");
        } catch {}
        require(!_accepted(p, keccak256("other")), "another digest");
        p.key = _prove(s, r % 7 + 1, 0).key;
        if (r > 7) require(!_accepted(p, keccak256("digest")), "another commitment");
    }

    function test_a_sigma_key_and_proof_have_one_length() public view {
        Proof memory p = _prove(11, 22, 0);
        bytes memory key = _keyBytes(p);
        bytes memory signature = _bytes(p);
        require(sigma.verify(key, 0, signature) == sigma.verify.selector, "refused");
        require(sigma.verify(bytes.concat(key, hex"00"), 0, signature) == REFUSED, "long key");
        require(sigma.verify(key, 0, bytes.concat(signature, hex"00")) == REFUSED, "long proof");
        require(sigma.verify("", 0, signature) == REFUSED, "no key");
        require(sigma.verify(key, 0, "") == REFUSED, "no proof");
    }

    /// The precompile says of g*G + k*R, or of its negative, that it has the address of (x, y).
    function _collide(uint256 g, Point memory r, uint256 k, Affine memory p, bool atPoint, bool atNegative) private {
        vm.clearMockedCalls();
        (g, k) = (g % Prover.N, k % Prover.N);
        if (atPoint) mockLinear(g, r, k, Prover.addressOf(p));
        if (atNegative) mockLinear(Prover.N - g, r, Prover.N - k, Prover.addressOf(Prover.neg(p)));
    }

    /// The forgery that costs 2^80 where B is compared once: A and B of known logarithms, and a multiple of C with
    /// B's address. Neither the collision at the point nor that at its negative is enough.
    function test_a_collision_of_one_address_forges_no_sigma_proof() public {
        bytes32 hash = keccak256("digest");
        Proof memory p = _prove(11, 22, hash); // for the key alone: its opening is not used below
        p.a = _commit(31, 32);
        p.b = _commit(41, 42);
        p.c = _challenge(p, hash);
        (p.zs, p.zr) = (31 + 41, 32 + 42);
        require(!_accepted(p, hash), "a forgery without any collision");
        _collide(0, p.key, p.c, p.b, true, false);
        require(!_accepted(p, hash), "one collision at B forges");
        _collide(0, p.key, p.c, p.b, false, true);
        require(!_accepted(p, hash), "one collision at -B forges");
        _collide(0, p.key, p.c, p.b, true, true);
        require(_accepted(p, hash), "the forgery itself is wrong, and this test shows nothing");
    }

    function test_a_collision_of_one_address_replaces_no_response() public {
        bytes32 hash = keccak256("digest");
        Proof memory p = _prove(11, 22, hash);
        (p.zs, p.zr) = (5, 6);
        Affine memory w = Prover.add(p.a, p.b);
        Point memory h = Point(2, HX);
        require(!_accepted(p, hash), "wrong responses");
        _collide(p.zs, h, p.zr, w, true, false);
        require(!_accepted(p, hash), "one collision at W forges");
        _collide(p.zs, h, p.zr, w, false, true);
        require(!_accepted(p, hash), "one collision at -W forges");
        _collide(p.zs, h, p.zr, w, true, true);
        require(_accepted(p, hash), "this test shows nothing");
    }

    /// Responses of which a verifier that lets them pass takes two writings for one, or none at all.
    function test_sigma_responses_are_neither_zero_nor_written_in_two_ways() public {
        bytes32 hash = keccak256("digest");
        uint256[2][4] memory cases =
            [[uint256(0), 6], [uint256(5), 0], [Prover.N + 5, 6], [uint256(5), Prover.N + 6]];
        for (uint256 i = 0; i < 4; ++i) {
            Proof memory p = _prove(11, 22, hash);
            (p.zs, p.zr) = (cases[i][0], cases[i][1]);
            Affine memory w = Prover.add(p.a, p.b);
            _collide(p.zs, Point(2, HX), p.zr, w, true, true);
            require(!_accepted(p, hash), "accepted");
            p.zs = p.zs % Prover.N;
            p.zr = p.zr % Prover.N;
            if (i > 1) require(_accepted(p, hash), "this test shows nothing");
        }
    }

    /// A point that is not on the curve has a free y: the addresses could be met half-way.
    function test_points_of_a_sigma_proof_lie_on_the_curve() public {
        bytes32 hash = keccak256("digest");
        for (uint256 i = 0; i < 2; ++i) {
            Proof memory p = _prove(11, 22, hash);
            if (i == 0) p.a.y += 2;
            else p.b.y += 2;
            _collide(0, p.key, p.c, p.b, true, true);
            Affine memory w = Prover.add(p.a, p.b);
            mockLinear(p.zs, Point(2, HX), p.zr, Prover.addressOf(w));
            mockLinear(Prover.N - p.zs, Point(2, HX), Prover.N - p.zr, Prover.addressOf(Prover.neg(w)));
            require(!_accepted(p, hash), "accepted");
        }
    }

    function test_the_generator_of_blindings_is_hashed_to() public pure {
        require(uint256(sha256(abi.encodePacked("2FApi-v1.0-Chain-GeneratorH", uint8(0)))) == HX, "not the hash");
        require(Prover.isX(HX), "no point");
    }

    // ---- passkeys

    function _passkey(bytes32 digest, bytes32 party, bytes1 flags) private pure returns (bytes memory) {
        bytes memory auth = abi.encodePacked(party, flags, uint32(1));
        string memory json = string.concat(
            '{"type":"webauthn.get","challenge":"',
            Base64.encodeURL(abi.encodePacked(digest)),
            '","origin":"https://api.example.com","crossOrigin":false}'
        );
        (bytes32 r, bytes32 s) = vm.signP256(0x1234567, sha256(abi.encodePacked(auth, sha256(bytes(json)))));
        if (uint256(s) > P256_N / 2) s = bytes32(P256_N - uint256(s));
        return abi.encode(r, s, uint256(23), uint256(1), auth, json);
    }

    function _passkeyOf(string memory party) private view returns (bytes memory) {
        (uint256 x, uint256 y) = vm.publicKeyP256(0x1234567);
        return abi.encodePacked(x, y, sha256(bytes(party)));
    }

    function test_a_passkey_signs_for_its_relying_party() public {
        bytes memory key = _passkeyOf("api.example.com");
        (Played memory s, bytes32 digest) = _posted(1, bytes.concat(bytes20(address(passkey)), key));
        s.signature = _passkey(digest, sha256("evil.example"), 0x05);
        refused(user, proveCall(s), I.BadSignature.selector);
        s.signature = _passkey(digest, sha256("api.example.com"), 0x01); // nobody was verified
        refused(user, proveCall(s), I.BadSignature.selector);
        s.signature = _passkey(keccak256("another"), sha256("api.example.com"), 0x05);
        refused(user, proveCall(s), I.BadSignature.selector);
        s.signature = _passkey(digest, sha256("api.example.com"), 0x05);
        go(user, proveCall(s));
    }

    function test_a_passkey_of_another_form_is_refused() public view {
        bytes32 digest = keccak256("digest");
        bytes memory key = _passkeyOf("api.example.com");
        bytes memory signature = _passkey(digest, sha256("api.example.com"), 0x05);
        require(passkey.verify(key, digest, signature) == passkey.verify.selector, "refused");
        require(passkey.verify(bytes.concat(key, hex"00"), digest, signature) == REFUSED, "long key");
        require(passkey.verify("", digest, signature) == REFUSED, "no key");
        require(passkey.verify(key, digest, "no signature") == REFUSED, "no signature");
    }
}
