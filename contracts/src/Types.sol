// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// A compressed point of secp256k1: prefix 2 (even y) or 3 (odd y), and x.
struct Point {
    uint8 prefix;
    uint256 x;
}

/// What a proof that two logarithms are equal needs beside itself, so that nothing has to be multiplied:
/// U = s*G - c*Y, A = s*H, B = c*Gamma, and 1 / (B.x - A.x).
struct Witness {
    uint256 ux;
    uint256 uy;
    uint256 ax;
    uint256 ay;
    uint256 bx;
    uint256 by;
    uint256 inverse;
}

/// A VRF proof: Gamma, challenge, response.
struct VrfProof {
    Point gamma;
    uint128 c;
    uint256 s;
}

/// A VRF proof with its witness. `roots` are those of the hash to the curve, one for each try.
struct Opened {
    VrfProof proof;
    uint256[] roots;
    Witness witness;
}

/// That whoever posts knows the logarithm e of the ephemeral key: the address of k*G, and k + c*e.
struct EphemeralProof {
    address announcement;
    uint256 s;
}

/// That `shared` is key * E for the key that something was sealed to.
struct SealProof {
    Point shared;
    uint128 c;
    uint256 s;
    Witness witness;
}

/// To whom a seal was made.
enum Seal {
    User,
    Validator
}

/// What a request has come to.
enum State {
    None,
    Requested,
    Posted,
    Proved,
    Done,
    Refused,
    Unanswered,
    Expired,
    Cheated
}

/// What a service asks for.
struct Request {
    address service;
    address sip; // zero: whoever's turn it is
    uint96 fee;
    uint96 minStake;
    uint64 nonce;
    uint8 sealPrefix; // the key that session ids are sealed to
    uint256 sealX;
    bytes32 message;
    bytes signer; // ERC-7913: an address, or a verifier and a key
}

/// When a request was made.
struct Opening {
    uint64 blockNumber;
    uint40 at;
}

/// What a session id provider posts.
struct Offer {
    bytes32 context; // keccak256(seed, validator, its key): what the sender took for true
    bytes32 sessionHash; // keccak256(X)
    uint8 ephemeralPrefix;
    uint256 ephemeralX;
    bytes32 userSeal;
    bytes32[3] validatorSeal;
}

/// An offer with what the contract added to it.
struct Post {
    address sip;
    address validator;
    uint8 validatorPrefix;
    uint256 validatorX;
    bytes32 seed;
    uint40 at;
    Offer offer;
}

/// What the user answered.
struct Proved {
    uint40 at;
    bytes32 signatureHash;
    bytes32 tag;
}

/// A session id provider. All its tickets have one value, so that a slash is one multiplication.
struct Sip {
    uint128 bond;
    uint128 ticketValue;
    uint256 vrfX;
    uint8 vrfPrefix;
    bool open;
    bool dead;
    uint32 leaving; // tickets that are on their way out and can still be slashed
    uint40 exitAt;
    uint40 jailedUntil;
    uint64 changedAt; // the block of the last change that can steer a draw
    address[] tickets;
}

/// Tickets that a validator takes out of a pool, and when it gets them.
struct Leaving {
    uint32 tickets;
    uint40 at;
}
