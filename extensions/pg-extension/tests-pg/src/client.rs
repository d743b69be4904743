//! A client of 2FApi that talks SQL.

use getrandom::SysRng;
use postgres::Client as Connection;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, CredentialId,
    Enrolment, Joining, Linking, Nonce, Rotation, Statement, Unlinking, prove,
};

/// A client id and its credential.
#[derive(Debug)]
pub struct Client {
    /// Under which it is enrolled.
    pub id: ClientId,
    /// What it knows.
    pub credential: Credential,
}

/// What `twofapi.challenge` answered.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The challenge id.
    pub id: String,
    /// 16 bytes.
    pub nonce: Vec<u8>,
    /// What the proof must be bound to.
    pub binding: Vec<u8>,
}

impl Challenge {
    /// The nonce that proofs are over.
    #[must_use]
    pub fn nonce(&self) -> Nonce {
        Nonce::from_bytes(&self.nonce).expect("a nonce")
    }

    /// What proofs are bound to.
    #[must_use]
    pub fn binding(&self) -> AuthenticationBinding {
        AuthenticationBinding::from_bytes(&self.binding).expect("a binding")
    }
}

impl Client {
    /// A client with a fresh credential.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.parse().expect("a client id"),
            credential: Credential::generate(&mut SysRng).expect("random bytes"),
        }
    }

    /// A client that is enrolled over an administrator's connection.
    #[must_use]
    pub fn enrolled(admin: &mut Connection, id: &str) -> Self {
        let client = Self::new(id);
        assert!(client.enrol(admin).expect("enroll"));
        client
    }

    /// The commitment's 32 bytes.
    #[must_use]
    pub fn commitment(&self) -> Vec<u8> {
        self.credential.commitment().as_bytes().to_vec()
    }

    /// A proof of possession.
    #[must_use]
    pub fn possession(&self) -> Vec<u8> {
        self.proves(&Enrolment {
            client_id: &self.id,
        })
    }

    /// Enrols.
    ///
    /// # Errors
    /// The server's.
    pub fn enrol(&self, admin: &mut Connection) -> Result<bool, postgres::Error> {
        let row = admin.query_one(
            "SELECT twofapi.enroll($1, $2, $3)",
            &[&self.id.as_str(), &self.commitment(), &self.possession()],
        )?;
        Ok(row.get(0))
    }

    /// Asks for a challenge.
    #[must_use]
    pub fn challenge(&self, connection: &mut Connection) -> Challenge {
        let row = connection
            .query_one(
                "SELECT challenge_id, nonce, channel_binding FROM twofapi.challenge($1)",
                &[&self.id.as_str()],
            )
            .expect("a challenge");
        Challenge {
            id: row.get(0),
            nonce: row.get(1),
            binding: row.get(2),
        }
    }

    /// Proves for a challenge, bound to what the host asked for.
    #[must_use]
    pub fn proof(&self, challenge: &Challenge) -> Vec<u8> {
        self.proof_bound(challenge, &challenge.binding)
    }

    /// Proves for a challenge with another binding.
    #[must_use]
    pub fn proof_bound(&self, challenge: &Challenge, binding: &[u8]) -> Vec<u8> {
        let binding = AuthenticationBinding::from_bytes(binding).expect("a binding");
        self.proves(&Authentication {
            client_id: &self.id,
            nonce: &challenge.nonce(),
            binding: &binding,
        })
    }

    /// The proof by the old credential that asks for a new commitment.
    #[must_use]
    pub fn rotation_proof(&self, challenge: &Challenge, new: &Commitment) -> Vec<u8> {
        let (nonce, binding) = (challenge.nonce(), challenge.binding());
        self.proves(&Rotation::new(&self.id, &nonce, new, &binding).expect("a statement"))
    }

    /// The proof that asks for another credential.
    #[must_use]
    pub fn linking_proof(&self, challenge: &Challenge, new: &Commitment) -> Vec<u8> {
        let (nonce, binding) = (challenge.nonce(), challenge.binding());
        self.proves(&Linking::new(&self.id, &nonce, new.as_bytes(), &binding).expect("a statement"))
    }

    /// The proof of the credential that is to be added.
    #[must_use]
    pub fn joining_proof(&self, challenge: &Challenge) -> Vec<u8> {
        let (nonce, binding) = (challenge.nonce(), challenge.binding());
        self.proves(&Joining::new(&self.id, &nonce, &binding).expect("a statement"))
    }

    /// The proof that asks for a credential to be taken away.
    #[must_use]
    pub fn unlinking_proof(&self, challenge: &Challenge, old: &Commitment) -> Vec<u8> {
        let (nonce, binding) = (challenge.nonce(), challenge.binding());
        self.proves(
            &Unlinking::new(&self.id, &nonce, old.as_bytes(), &binding).expect("a statement"),
        )
    }

    fn proves(&self, statement: &impl Statement) -> Vec<u8> {
        prove(&self.credential, statement, &mut SysRng)
            .expect("a proof")
            .to_bytes()
            .to_vec()
    }

    /// The name of the credential in requests.
    #[must_use]
    pub fn credential_id(&self) -> CredentialId {
        CredentialId::of(self.credential.commitment().as_bytes())
    }

    /// Sends a proof for a challenge.
    ///
    /// # Errors
    /// The server's.
    pub fn authenticate(
        &self,
        connection: &mut impl postgres::GenericClient,
        challenge: &Challenge,
        proof: &[u8],
    ) -> Result<bool, postgres::Error> {
        let row = connection.query_one(
            "SELECT twofapi.authenticate($1, $2, $3)",
            &[&self.id.as_str(), &challenge.id, &proof],
        )?;
        Ok(row.get(0))
    }

    /// Challenge, proof and authentication in one.
    #[must_use]
    pub fn log_in(&self, connection: &mut Connection) -> bool {
        let challenge = self.challenge(connection);
        let proof = self.proof(&challenge);
        self.authenticate(connection, &challenge, &proof)
            .expect("authenticate")
    }

    /// As [`Client::log_in`], by this credential and not by the first that the client has.
    #[must_use]
    pub fn log_in_by_name(&self, connection: &mut Connection) -> bool {
        let challenge = self.challenge(connection);
        let proof = self.proof(&challenge);
        let row = connection.query_one(
            "SELECT twofapi.authenticate($1, $2, $3, credential_id => $4)",
            &[
                &self.id.as_str(),
                &challenge.id,
                &proof,
                &self.credential_id().to_string(),
            ],
        );
        row.expect("authenticate").get(0)
    }

    /// Has another credential added at the same device.
    #[must_use]
    pub fn link(&self, connection: &mut Connection, new: &Self, name: &str) -> bool {
        let challenge = self.challenge(connection);
        let row = connection.query_one(
            "SELECT twofapi.link_credential($1, $2, $3, $4, $5, $6, $7)",
            &[
                &self.id.as_str(),
                &challenge.id,
                &self.linking_proof(&challenge, new.credential.commitment()),
                &new.commitment(),
                &new.joining_proof(&challenge),
                &name,
                &self.credential_id().to_string(),
            ],
        );
        row.expect("link_credential").get(0)
    }

    /// Has a credential taken away.
    #[must_use]
    pub fn unlink(&self, connection: &mut Connection, old: &Self) -> bool {
        let challenge = self.challenge(connection);
        let row = connection.query_one(
            "SELECT twofapi.unlink_credential($1, $2, $3, $4, $5)",
            &[
                &self.id.as_str(),
                &challenge.id,
                &self.unlinking_proof(&challenge, old.credential.commitment()),
                &old.commitment(),
                &self.credential_id().to_string(),
            ],
        );
        row.expect("unlink_credential").get(0)
    }

    /// Replaces the commitment by another credential's.
    #[must_use]
    pub fn rotate(&mut self, connection: &mut Connection) -> bool {
        let next = Self {
            id: self.id.clone(),
            credential: Credential::generate(&mut SysRng).expect("random bytes"),
        };
        let challenge = self.challenge(connection);
        let proof_old = self.rotation_proof(&challenge, next.credential.commitment());
        let row = connection
            .query_one(
                "SELECT twofapi.rotate_commitment($1, $2, $3, $4, $5)",
                &[
                    &self.id.as_str(),
                    &challenge.id,
                    &proof_old,
                    &next.commitment(),
                    &next.possession(),
                ],
            )
            .expect("rotate_commitment");
        let rotated = row.get(0);
        if rotated {
            *self = next;
        }
        rotated
    }
}
