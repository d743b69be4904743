//! Somebody who has a credential and proves it to a host, rightly or wrongly.

use getrandom::SysRng;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, CredentialId,
    Enrolment, Joining, Linking, Nonce, Proof, Rotation, Statement, Unlinking, prove,
};

use crate::{Answer, By, Devices, HostUnderTest, Issued};

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
        let nonce = nonce(issued);
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
        let nonce = nonce(issued);
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

    /// The id of the credential.
    #[must_use]
    pub fn credential_id(&self) -> String {
        CredentialId::of(self.commitment().as_bytes()).to_string()
    }

    /// Challenge, proof, answer, by the credential that is named.
    pub fn log_in_by_name(&self, host: &mut dyn HostUnderTest) -> Answer {
        let issued = self.challenge(host);
        let proof = self.answer(&issued, &host.binding());
        let id = self.credential_id();
        devices(host).authenticate_by(self.by(&issued, &id), &proof)
    }

    /// Adds the credential of `new`, at the same device.
    pub fn link(&self, host: &mut dyn HostUnderTest, new: &Self) -> Answer {
        let issued = self.challenge(host);
        let proof = self.linking(&issued, &host.binding(), new.commitment());
        let joining = new.joining(&issued, &host.binding());
        self.link_with(host, &issued, &proof, new, Some(&joining))
    }

    /// The same, with these proofs.
    pub fn link_with(
        &self,
        host: &mut dyn HostUnderTest,
        issued: &Issued,
        proof: &[u8],
        new: &Self,
        joining: Option<&[u8]>,
    ) -> Answer {
        let id = self.credential_id();
        let joining = joining.map(|proof| (proof, "laptop"));
        let new = new.commitment().as_bytes();
        devices(host).link(self.by(issued, &id), proof, new, joining)
    }

    /// Takes the credential of `old` away.
    pub fn unlink(&self, host: &mut dyn HostUnderTest, old: &Self) -> Answer {
        let issued = self.challenge(host);
        let nonce = nonce(&issued);
        let binding = host.binding();
        let commitment = old.commitment().as_bytes();
        let statement = Unlinking::new(&self.id, &nonce, commitment, &binding);
        let proof = self.prove(&statement.expect("room for an unlinking"));
        let id = self.credential_id();
        devices(host).unlink(self.by(&issued, &id), &proof, commitment)
    }

    /// The proof by this credential that adds another one.
    #[must_use]
    pub fn linking(
        &self,
        issued: &Issued,
        binding: &AuthenticationBinding,
        new: &Commitment,
    ) -> [u8; Proof::LEN] {
        let nonce = nonce(issued);
        let statement = Linking::new(&self.id, &nonce, new.as_bytes(), binding);
        self.prove(&statement.expect("room for a link"))
    }

    /// The proof by this credential that it joins.
    #[must_use]
    pub fn joining(&self, issued: &Issued, binding: &AuthenticationBinding) -> [u8; Proof::LEN] {
        let nonce = nonce(issued);
        let statement = Joining::new(&self.id, &nonce, binding);
        self.prove(&statement.expect("room for a link"))
    }

    /// Joins what is on offer.
    pub fn join(&self, host: &mut dyn HostUnderTest, offer: &Issued) -> Answer {
        let proof = self.joining(offer, &host.binding());
        let (id, commitment) = (self.id.as_str(), self.commitment().as_bytes());
        devices(host).join(id, &offer.id, commitment, &proof, "phone")
    }

    fn by<'a>(&'a self, issued: &'a Issued, credential_id: &'a str) -> By<'a> {
        By {
            client_id: self.id.as_str(),
            challenge_id: &issued.id,
            credential_id: Some(credential_id),
        }
    }

    fn prove(&self, statement: &(impl Statement + ?Sized)) -> [u8; Proof::LEN] {
        prove(&self.credential, statement, &mut SysRng)
            .expect("randomness")
            .to_bytes()
    }
}

fn nonce(issued: &Issued) -> Nonce {
    Nonce::from_bytes(&issued.nonce).expect("a nonce of a permitted length")
}

/// Of a host whose clients have several credentials.
pub(crate) fn devices(host: &mut dyn HostUnderTest) -> &mut dyn Devices {
    host.devices().expect("a host that links credentials")
}
