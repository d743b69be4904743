// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC7913SignatureVerifier} from "@openzeppelin/contracts/interfaces/IERC7913.sol";
import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {EphemeralProof, Offer, Opened, Point, Request, VrfProof} from "../src/Types.sol";
import {IHarness} from "./IHarness.sol";
import {Affine, Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";

/// The vectors of the specification, through the contracts' decisions.
contract VectorsTest {
    IHarness private curve;
    bytes private proxyCode;
    IERC7913SignatureVerifier private sigma;

    function setUp() public {
        curve = IHarness(vm.deployCode("Harness.sol:Harness", ""));
        proxyCode = vm.deployCode(
            "AuthenticationProxy.sol:AuthenticationProxy", abi.encode(address(1), uint128(1), uint128(1))
        ).code;
        sigma = IERC7913SignatureVerifier(vm.deployCode("SigmaSecp256k1Verifier.sol:SigmaSecp256k1Verifier", ""));
    }

    function _hex(string memory digits) private pure returns (bytes memory) {
        return bytes(digits).length == 0 ? bytes("") : vm.parseBytes(string.concat("0x", digits));
    }

    function _field(string memory json, string memory list, uint256 i, string memory field)
        private
        view
        returns (bytes memory)
    {
        return _hex(vm.parseJsonString(json, string.concat(_case(list, i), ".", field)));
    }

    function _case(string memory list, uint256 i) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(i), "]");
    }

    function _word(bytes memory b, uint256 at) private pure returns (uint256 w) {
        assembly {
            w := mload(add(add(b, 32), at))
        }
    }

    /// What the contract decides of these bytes, with the right witness for each. Lengths are decided by who
    /// reads the bytes: a seal has room for one proof.
    function _holds(bytes memory publicKey, bytes memory alpha, bytes memory proof) private view returns (bool) {
        if (publicKey.length != 33 || proof.length != 81) return false;
        Point memory key = Point(uint8(publicKey[0]), _word(publicKey, 1));
        if (!curve.isPoint(key)) return false;
        Opened memory o;
        o.proof = VrfProof(
            Point(uint8(proof[0]), _word(proof, 1)), uint128(_word(proof, 33) >> 128), _word(proof, 49)
        );
        Affine memory h;
        (h, o.roots) = Prover.encodeToCurve(key, alpha);
        uint256 root;
        VrfProof memory f = o.proof;
        if (f.gamma.x < Prover.P && !Prover.isX(f.gamma.x)) root = Prover.sqrt(Prover.P - Prover.cubic(f.gamma.x));
        else if (f.c != 0 && f.s % Prover.N != 0) {
            o.witness = Prover.witness(Prover.lift(key), h, Prover.lift(f.gamma), f.c, f.s % Prover.N);
        }
        return curve.decide(key, alpha, o, root);
    }

    function _check(string memory json, string memory list, bool holds) private view {
        uint256 i = 0;
        for (; vm.keyExistsJson(json, _case(list, i)); ++i) {
            bytes memory proof = _field(json, list, i, "proof");
            bool held = _holds(_field(json, list, i, "public"), _field(json, list, i, "alpha"), proof);
            require(held == holds, string.concat("decided otherwise: ", _case(list, i)));
            if (!holds) continue;
            bytes memory output = _field(json, list, i, "output");
            Point memory gamma = Point(uint8(proof[0]), _word(proof, 1));
            require(curve.output(gamma) == bytes32(output), string.concat("output: ", _case(list, i)));
        }
        require(i != 0, "a list without cases");
    }

    function test_the_contract_decides_the_vrf_vectors() public view {
        string memory json = vm.readFile(vm.envOr("CHAIN_VRF_VECTORS", string("../spec/vectors/chain-vrf-v1.json")));
        _check(json, "accepted", true);
        _check(json, "rejected", false);
    }

    // ---- Sigma proofs

    function _sigma(string memory json, string memory list, bool holds) private view {
        uint256 i = 0;
        for (; vm.keyExistsJson(json, _case(list, i)); ++i) {
            bytes32 digest = bytes32(_field(json, list, i, "digest"));
            bool held;
            try sigma.verify(_field(json, list, i, "key"), digest, _field(json, list, i, "proof")) returns (bytes4 said) {
                held = said == sigma.verify.selector;
            } catch {}
            require(held == holds, string.concat("decided otherwise: ", _case(list, i)));
        }
        require(i != 0, "a list without cases");
    }

    function test_the_contract_decides_the_sigma_vectors() public view {
        string memory json = vm.readFile("../spec/vectors/chain-sigma-v1.json");
        _sigma(json, "accepted", true);
        _sigma(json, "rejected", false);
    }

    // ---- sessions

    function _address(string memory json, string memory list, uint256 i, string memory field)
        private
        view
        returns (address)
    {
        return address(bytes20(_field(json, list, i, field)));
    }

    function _number(string memory json, string memory list, uint256 i, string memory field)
        private
        pure
        returns (uint256)
    {
        return vm.parseUint(vm.parseJsonString(json, string.concat(_case(list, i), ".", field)));
    }

    function _point(string memory json, string memory list, uint256 i, string memory field)
        private
        view
        returns (Point memory)
    {
        bytes memory b = _field(json, list, i, field);
        return Point(uint8(b[0]), _word(b, 1));
    }

    function _request(string memory json, string memory list, uint256 i) private view returns (Request memory r) {
        Point memory key = _point(json, list, i, "seal_key");
        r = Request(
            _address(json, list, i, "service"),
            _address(json, list, i, "sip"),
            uint96(_number(json, list, i, "fee")),
            uint96(_number(json, list, i, "min_stake")),
            uint64(_number(json, list, i, "nonce")),
            key.prefix,
            key.x,
            bytes32(_field(json, list, i, "message")),
            _field(json, list, i, "signer")
        );
    }

    function _offer(string memory json, string memory list, uint256 i) private view returns (Offer memory o) {
        Point memory e = _point(json, list, i, "ephemeral");
        (o.ephemeralPrefix, o.ephemeralX) = (e.prefix, e.x);
        o.sessionHash = bytes32(_field(json, list, i, "session_hash"));
        o.userSeal = bytes32(_field(json, list, i, "user_seal"));
        for (uint256 n = 0; n < 3; ++n) {
            o.validatorSeal[n] = bytes32(_field(json, list, i, string.concat("validator_seal[", vm.toString(n), "]")));
        }
    }

    function _shared(string memory json, string memory list, uint256 i, string memory secret)
        private
        view
        returns (uint256)
    {
        return Prover.mul(
            Prover.lift(_point(json, list, i, "ephemeral")), uint256(bytes32(_field(json, list, i, secret)))
        ).x;
    }

    /// Ids and digests, by the contract at the address and on the chain of the case.
    function _typedData(string memory json, string memory list, uint256 i) private returns (bool) {
        address at = _address(json, list, i, "contract");
        vm.etch(at, proxyCode);
        vm.chainId(_number(json, list, i, "chain_id"));
        Request memory r = _request(json, list, i);
        bytes32 hash = bytes32(_field(json, list, i, "session_hash"));
        return I(at).requestId(r) == bytes32(_field(json, list, i, "id"))
            && I(at).authenticationDigest(r, hash, _address(json, list, i, "caller"))
                == bytes32(_field(json, list, i, "digest"));
    }

    function _seals(string memory json, string memory list, uint256 i) private view returns (bool) {
        bytes32 id = bytes32(_field(json, list, i, "id"));
        Offer memory o = _offer(json, list, i);
        EphemeralProof memory e = EphemeralProof(
            _address(json, list, i, "announcement"), uint256(bytes32(_field(json, list, i, "response")))
        );
        if (!curve.knowsEphemeral(id, _address(json, list, i, "provider"), o, e)) return false;
        Point memory ephemeral = Point(o.ephemeralPrefix, o.ephemeralX);
        bytes32 x = o.userSeal ^ curve.userPad(id, ephemeral, _shared(json, list, i, "seal_secret"));
        if (keccak256(abi.encode(x)) != o.sessionHash) return false;
        (VrfProof memory f, bool padded) = curve.unseal(id, o, _shared(json, list, i, "validator_secret"));
        bytes memory proof = abi.encodePacked(f.gamma.prefix, f.gamma.x, f.c, f.s);
        if (!padded || keccak256(proof) != keccak256(_field(json, list, i, "proof"))) return false;
        bytes memory alpha =
            abi.encodePacked("2FApi-v1.0-Chain-Session", id, bytes32(_field(json, list, i, "seed")));
        if (!_holds(_field(json, list, i, "provider_key"), alpha, proof)) return false;
        if (curve.output(f.gamma) != x || bytes32(_field(json, list, i, "session_id")) != x) return false;
        bytes32 tag = curve.tag(x, id, _point(json, list, i, "seal_key"), keccak256(_field(json, list, i, "signature")));
        return tag == bytes32(_field(json, list, i, "tag"));
    }

    function test_the_contract_makes_of_the_session_vectors_what_the_parties_do() public {
        string memory json = vm.readFile("../spec/vectors/chain-session-v1.json");
        uint256 i = 0;
        for (; vm.keyExistsJson(json, _case("accepted", i)); ++i) {
            require(_typedData(json, "accepted", i), string.concat("typed data: ", _case("accepted", i)));
            require(_seals(json, "accepted", i), string.concat("refused: ", _case("accepted", i)));
        }
        require(i != 0, "a list without cases");
        for (i = 0; vm.keyExistsJson(json, _case("rejected", i)); ++i) {
            bool taken = _typedData(json, "rejected", i) && _seals(json, "rejected", i);
            require(!taken, string.concat("accepted: ", _case("rejected", i)));
        }
        require(i != 0, "a list without cases");
    }
}
