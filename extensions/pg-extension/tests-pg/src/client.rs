//! A client of 2FApi that talks SQL.

use getrandom::SysRng;
use postgres::Client as Connection;
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, Enrolment, Nonce,
    Rotation, prove,
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
        let statement = Enrolment {
            client_id: &self.id,
        };
        prove(&self.credential, &statement, &mut SysRng)
            .expect("a proof")
            .to_bytes()
            .to_vec()
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
        let nonce = Nonce::from_bytes(&challenge.nonce).expect("a nonce");
        let binding = AuthenticationBinding::from_bytes(binding).expect("a binding");
        let statement = Authentication {
            client_id: &self.id,
            nonce: &nonce,
            binding: &binding,
        };
        prove(&self.credential, &statement, &mut SysRng)
            .expect("a proof")
            .to_bytes()
            .to_vec()
    }

    /// The proof by the old credential that asks for a new commitment.
    #[must_use]
    pub fn rotation_proof(&self, challenge: &Challenge, new: &Commitment) -> Vec<u8> {
        let nonce = Nonce::from_bytes(&challenge.nonce).expect("a nonce");
        let binding = AuthenticationBinding::from_bytes(&challenge.binding).expect("a binding");
        let statement = Rotation::new(&self.id, &nonce, new, &binding).expect("a statement");
        prove(&self.credential, &statement, &mut SysRng)
            .expect("a proof")
            .to_bytes()
            .to_vec()
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
