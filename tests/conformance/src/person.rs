//! Somebody who has a credential and proves it to a host, rightly or wrongly.

use getrandom::SysRng;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, Enrolment, Nonce,
    Proof, Rotation, Statement, prove,
};

use crate::{Answer, HostUnderTest, Issued};

/// A client id with a credential.
pub struct Person {
    /// Its id.
    pub id: ClientId,
    /// What it knows.
    pub credential: Credential,
}

impl Person {
    /// Somebody new.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.parse().expect("a test's client id is well-formed"),
            credential: Credential::generate(&mut SysRng).expect("randomness"),
        }
    }

    /// Somebody of this name, whom the host has enrolled.
    pub fn enrolled(host: &mut dyn HostUnderTest, name: &str) -> Self {
        let person = Self::new(&host.client_id(name));
        assert_eq!(person.enroll(host), Answer::Accepted, "enrolling {name}");
        person
    }

    /// The commitment.
    #[must_use]
    pub fn commitment(&self) -> &Commitment {
        self.credential.commitment()
    }

    /// The enrolment proof.
    #[must_use]
    pub fn possession(&self) -> [u8; Proof::LEN] {
        self.prove(&Enrolment {
            client_id: &self.id,
        })
    }

    /// Enrols.
    pub fn enroll(&self, host: &mut dyn HostUnderTest) -> Answer {
        host.enroll(
            self.id.as_str(),
            self.commitment().as_bytes(),
            &self.possession(),
        )
    }

    /// Asks for a challenge.
    pub fn challenge(&self, host: &mut dyn HostUnderTest) -> Issued {
        host.challenge(self.id.as_str()).expect("a challenge")
    }

    /// The proof that answers a challenge of a host with this binding.
    #[must_use]
    pub fn answer(&self, issued: &Issued, binding: &AuthenticationBinding) -> [u8; Proof::LEN] {
        let nonce = Nonce::from_bytes(&issued.nonce).expect("a nonce of a permitted length");
        self.prove(&Authentication {
            client_id: &self.id,
            nonce: &nonce,
            binding,
        })
    }

    /// Challenge, proof, answer.
    pub fn log_in(&self, host: &mut dyn HostUnderTest) -> Answer {
        let issued = self.challenge(host);
        let proof = self.answer(&issued, &host.binding());
        host.authenticate(self.id.as_str(), &issued.id, &proof)
    }

    /// The proof by this credential that asks for another commitment.
    #[must_use]
    pub fn rotation(
        &self,
        issued: &Issued,
        binding: &AuthenticationBinding,
        new: &Commitment,
    ) -> [u8; Proof::LEN] {
        let nonce = Nonce::from_bytes(&issued.nonce).expect("a nonce of a permitted length");
        let statement = Rotation::new(&self.id, &nonce, new, binding).expect("room for a rotation");
        self.prove(&statement)
    }

    /// Somebody with the same id and a credential of its own: what this one is to become.
    #[must_use]
    pub fn renewed(&self) -> Self {
        Self::new(self.id.as_str())
    }

    /// Replaces the commitment at the host by that of `next`.
    pub fn rotate_to(&self, host: &mut dyn HostUnderTest, next: &Self) -> Answer {
        let issued = self.challenge(host);
        self.rotate_with(host, &issued, next)
    }

    /// The same with a challenge that was issued before.
    pub fn rotate_with(
        &self,
        host: &mut dyn HostUnderTest,
        issued: &Issued,
        next: &Self,
    ) -> Answer {
        let proof_old = self.rotation(issued, &host.binding(), next.commitment());
        host.rotate(
            self.id.as_str(),
            &issued.id,
            &proof_old,
            next.commitment().as_bytes(),
            &next.possession(),
        )
    }

    fn prove(&self, statement: &(impl Statement + ?Sized)) -> [u8; Proof::LEN] {
        prove(&self.credential, statement, &mut SysRng)
            .expect("randomness")
            .to_bytes()
    }
}
