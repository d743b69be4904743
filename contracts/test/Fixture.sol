// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IAuthenticationProxy as I} from "../src/IAuthenticationProxy.sol";
import {Opening, Point, Post, Proved, Request, State} from "../src/Types.sol";
import {Parties, Played} from "./Parties.sol";
import {Prover} from "./Prover.sol";
import {vm} from "./Vm.sol";

/// A contract with a service, a user, a provider and a validator, and sessions up to any step. Contracts are deployed by
/// the names of their artifacts, so that a change in `src` compiles no test again.
contract Fixture is Parties {
    uint256 internal constant SIP = 0x51b;
    uint256 internal constant USER = 0x05e2;
    uint256 internal constant SERVICE = 0x5e21;
    uint96 internal constant FEE = 3e18;
    uint256 internal constant HOUR = 1_800_000_000; // begins one

    IERC20 internal token;
    address internal sip = vm.addr(SIP);
    address internal validator = vm.addr(VALIDATOR);
    address internal user = vm.addr(USER);
    address internal service = vm.addr(SERVICE);

    function setUp() public virtual {
        vm.roll(1000);
        vm.warp(HOUR);
        token = IERC20(vm.deployCode("SettlementToken.sol:SettlementToken", abi.encode(address(this), 1e30)));
        proxy = deploy(token);
        fund(sip, 5000e18);
        fund(validator, 5000e18);
        fund(service, 5000e18);
        Point memory k = Prover.publicKey(VRF_KEY);
        go(sip, abi.encodeCall(I.register, (k.prefix, k.x, 1000e18)));
        k = Prover.publicKey(VALIDATOR);
        go(validator, abi.encodeCall(I.setValidatorKey, (k.prefix, k.x)));
        go(validator, abi.encodeCall(I.stake, (sip, 3)));
        vm.roll(1001);
    }

    function deploy(IERC20 with) internal returns (I) {
        return I(
            vm.deployCode(
                "AuthenticationProxy.sol:AuthenticationProxy", abi.encode(with, uint128(1000e18), uint128(100e18))
            )
        );
    }

    function fund(address who, uint256 amount) internal {
        token.transfer(who, amount);
        vm.prank(who);
        token.approve(address(proxy), amount);
        go(who, abi.encodeCall(I.deposit, (amount)));
    }

    // ---- calls

    function go(address who, bytes memory data) internal returns (bytes memory) {
        vm.prank(who);
        (bool done, bytes memory said) = address(proxy).call(data);
        if (!done) {
            assembly {
                revert(add(said, 32), mload(said))
            }
        }
        return said;
    }

    function refused(address who, bytes memory data, bytes4 why) internal {
        vm.prank(who);
        (bool done, bytes memory said) = address(proxy).call(data);
        require(!done, "it went through");
        require(bytes4(said) == why, "refused for another reason");
    }

    /// Makes the precompile answer that g*G + k*R has this address.
    function mockLinear(uint256 g, Point memory r, uint256 k, address says) internal {
        uint256 z = mulmod(g, r.x, Prover.N);
        bytes memory asked =
            abi.encode(z == 0 ? 0 : Prover.N - z, uint256(r.prefix) + 25, r.x, mulmod(k, r.x, Prover.N));
        vm.mockCall(address(1), asked, abi.encode(says));
    }

    function later(uint256 seconds_) internal {
        vm.warp(vm.getBlockTimestamp() + seconds_);
        vm.roll(vm.getBlockNumber() + 1 + seconds_ / 12);
    }

    function is_(bytes32 id, State state) internal view {
        require(proxy.stateOf(id) == state, "in another state");
    }

    // ---- a session, step by step

    function request(uint64 nonce) internal view returns (Request memory) {
        Point memory k = Prover.publicKey(SEAL_KEY);
        return Request(
            service, address(0), FEE, 0, nonce, k.prefix, k.x, keccak256("pay 5 to bob"), abi.encodePacked(user)
        );
    }

    function hashOf(uint256 number) internal pure returns (bytes32) {
        return keccak256(abi.encode("block", number));
    }

    /// The block hash that the seed is taken from. It is set for one call of a campaign only.
    function mine(Played memory s) internal {
        vm.setBlockhash(s.o.blockNumber + 1, s.seed);
    }

    function requested(Request memory r) internal returns (Played memory s) {
        s.r = r;
        s.o = Opening(uint64(vm.getBlockNumber()), uint40(vm.getBlockTimestamp()));
        s.id = abi.decode(go(r.service, abi.encodeCall(I.authenticationRequest, (r))), (bytes32));
        s.seed = hashOf(s.o.blockNumber + 1);
        later(24);
        mine(s);
    }

    function offered(Request memory r) internal returns (Played memory s) {
        s = requested(r);
        open(s, VRF_KEY);
        seal(s, sip, validator, 0);
    }

    function postCall(Played memory s) internal pure returns (bytes memory) {
        return abi.encodeCall(I.signatureRequest, (s.r, s.o, s.offer, s.e));
    }

    function post(Played memory s) internal {
        post(s, sip, validator);
    }

    function post(Played memory s, address sip_, address validator_) internal {
        go(sip_, postCall(s));
        Point memory k = proxy.validatorKeyOf(validator_);
        s.p = Post(sip_, validator_, k.prefix, k.x, s.seed, uint40(vm.getBlockTimestamp()), s.offer);
    }

    function posted(Request memory r) internal returns (Played memory s) {
        s = offered(r);
        post(s);
    }

    function signedBy(uint256 secret, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 a, bytes32 b) = vm.sign(secret, digest);
        return abi.encodePacked(a, b, v);
    }

    function answer(Played memory s) internal view {
        s.signature = signedBy(USER, proxy.authenticationDigest(s.r, s.offer.sessionHash, user));
        s.q = Proved(uint40(vm.getBlockTimestamp()), keccak256(s.signature), tagOf(s));
    }

    function proveCall(Played memory s) internal pure returns (bytes memory) {
        return abi.encodeCall(I.signatureProof, (s.r, s.p, s.signature, s.q.tag));
    }

    function proved(Request memory r) internal returns (Played memory s) {
        s = posted(r);
        answer(s);
        go(user, proveCall(s));
    }

    function validateCall(Played memory s) internal pure returns (bytes memory) {
        return abi.encodeCall(I.messageValidation, (s.r, s.p, s.q, s.opened));
    }

    function expireCall(Played memory s) internal pure returns (bytes memory) {
        return abi.encodeCall(I.expire, (s.id, s.r, s.o, s.p, s.q));
    }
}
