//! EIP-712: the id of a request, and what a user signs.

use twofapi_chain_vrf::Point;

use crate::keccak256;

const DOMAIN: &str =
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const REQUEST: &str = "AuthenticationRequest(address service,address sip,uint96 fee,uint96 minStake,\
uint64 nonce,uint8 sealPrefix,uint256 sealX,bytes32 message,bytes signer)";
const AUTHENTICATION: &str =
    "Authentication(AuthenticationRequest request,bytes32 sessionHash,address caller)";

/// A contract on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The chain's number.
    pub chain_id: u64,
    /// The contract's address.
    pub contract: [u8; 20],
}

/// What a service asks for. Amounts are in the token's smallest unit and have at most 96 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who asks and pays.
    pub service: [u8; 20],
    /// Whom it wants as session id provider; zeros: whoever's turn it is.
    pub sip: [u8; 20],
    /// The bounty.
    pub fee: u128,
    /// What the provider and its validators must have at stake.
    pub min_stake: u128,
    /// Makes requests differ.
    pub nonce: u64,
    /// What the session id is sealed to.
    pub seal_key: Point,
    /// keccak256 of 32 bytes of salt and the text that the user is shown.
    pub message: [u8; 32],
    /// ERC-7913: an address, or a verifier and a key.
    pub signer: Vec<u8>,
}

impl Request {
    /// keccak256 of the salt and the text.
    #[must_use]
    pub fn message(salt: &[u8; 32], text: &str) -> [u8; 32] {
        keccak256(&[salt, text.as_bytes()].concat())
    }

    /// The id under a deployment: the EIP-712 digest.
    #[must_use]
    pub fn id(&self, at: &Deployment) -> [u8; 32] {
        at.digest(&self.struct_hash())
    }

    /// What the user signs for a session, so that `caller` and nobody else can submit it.
    #[must_use]
    pub fn authentication_digest(
        &self,
        at: &Deployment,
        session_hash: &[u8; 32],
        caller: &[u8; 20],
    ) -> [u8; 32] {
        let kind = keccak256(&[AUTHENTICATION, REQUEST].concat().into_bytes());
        at.digest(&keccak256(
            &[kind, self.struct_hash(), *session_hash, address(caller)].concat(),
        ))
    }

    fn struct_hash(&self) -> [u8; 32] {
        let mut prefix = [0; 32];
        prefix[31] = self.seal_key.as_bytes()[0];
        keccak256(
            &[
                keccak256(REQUEST.as_bytes()),
                address(&self.service),
                address(&self.sip),
                number(self.fee),
                number(self.min_stake),
                number(self.nonce.into()),
                prefix,
                self.seal_key.x(),
                self.message,
                keccak256(&self.signer),
            ]
            .concat(),
        )
    }
}

impl Deployment {
    fn digest(&self, struct_hash: &[u8; 32]) -> [u8; 32] {
        let domain = keccak256(
            &[
                keccak256(DOMAIN.as_bytes()),
                keccak256(b"2FApi Chain"),
                keccak256(b"1"),
                number(self.chain_id.into()),
                address(&self.contract),
            ]
            .concat(),
        );
        keccak256(&[&[0x19, 0x01][..], &domain, struct_hash].concat())
    }
}

fn number(value: u128) -> [u8; 32] {
    let mut word = [0; 32];
    word[16..].copy_from_slice(&value.to_be_bytes());
    word
}

fn address(address: &[u8; 20]) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(address);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_request_has_the_hash_that_the_specification_says() {
        let hash = keccak256(REQUEST.as_bytes());
        assert_eq!(
            hex::encode(hash),
            "de867d1b214597b428677ff224d027f3d4dfe4be21a7aa65931d08800743a327"
        );
    }
}
