//! A client with its credential, and what it says to a server.

use getrandom::SysRng;
use redis::{ConnectionLike, RedisResult, Value, cmd};
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, Enrolment, Nonce,
    Rotation, Statement, prove,
};

/// A client, and the credential that it proves to know.
#[derive(Debug)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Its secret.
    pub credential: Credential,
    /// What its proofs are bound to.
    pub binding: AuthenticationBinding,
}

/// What a server issued.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Its name.
    pub id: String,
    /// What the proof must be about.
    pub nonce: Nonce,
}

/// A proof of a statement, in hex.
#[must_use]
pub fn proof_of(credential: &Credential, statement: &(impl Statement + ?Sized)) -> String {
    let proof = prove(credential, statement, &mut SysRng).expect("a proof");
    hex::encode(proof.to_bytes())
}

impl Client {
    /// A client with a fresh credential, for a server without an audience.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.parse().expect("a client id"),
            credential: Credential::generate(&mut SysRng).expect("a credential"),
            binding: AuthenticationBinding::none(),
        }
    }

    /// A client that a server has just enrolled.
    #[must_use]
    pub fn enrolled(id: &str, server: &mut impl ConnectionLike) -> Self {
        let client = Self::new(id);
        client.enroll(server, &[]).expect("OK");
        client
    }

    /// The commitment in hex.
    #[must_use]
    pub fn commitment(&self) -> String {
        hex::encode(self.credential.commitment().as_bytes())
    }

    /// The proof that it stands behind its commitment, to be enrolled with.
    #[must_use]
    pub fn possession(&self) -> String {
        proof_of(
            &self.credential,
            &Enrolment {
                client_id: &self.id,
            },
        )
    }

    /// `2FAPI.ENROLL client commitment ...`.
    ///
    /// # Errors
    /// What the server answers.
    pub fn enroll(&self, server: &mut impl ConnectionLike, options: &[&str]) -> RedisResult<Value> {
        cmd("2FAPI.ENROLL")
            .arg(self.id.as_str())
            .arg(self.commitment())
            .arg(options)
            .query(server)
    }

    /// `2FAPI.CHALLENGE client`.
    ///
    /// # Errors
    /// What the server answers.
    pub fn challenge(&self, server: &mut impl ConnectionLike) -> RedisResult<Challenge> {
        let (id, nonce): (String, String) =
            cmd("2FAPI.CHALLENGE").arg(self.id.as_str()).query(server)?;
        let nonce = hex::decode(nonce).expect("hex");
        let nonce = Nonce::from_bytes(&nonce).expect("a nonce");
        Ok(Challenge { id, nonce })
    }

    /// The proof that answers a challenge, in hex.
    #[must_use]
    pub fn proof(&self, challenge: &Challenge) -> String {
        let statement = Authentication {
            client_id: &self.id,
            nonce: &challenge.nonce,
            binding: &self.binding,
        };
        proof_of(&self.credential, &statement)
    }

    /// `2FAPI.VERIFY client challenge-id proof`.
    ///
    /// # Errors
    /// What the server answers.
    pub fn verify(
        &self,
        server: &mut impl ConnectionLike,
        challenge: &Challenge,
        proof: &str,
    ) -> RedisResult<Value> {
        cmd("2FAPI.VERIFY")
            .arg(self.id.as_str())
            .arg(&challenge.id)
            .arg(proof)
            .query(server)
    }

    /// Challenge, proof, verify: all of it on one connection.
    ///
    /// # Errors
    /// What the server answers.
    pub fn log_in(&self, server: &mut impl ConnectionLike) -> RedisResult<Value> {
        let challenge = self.challenge(server)?;
        let proof = self.proof(&challenge);
        self.verify(server, &challenge, &proof)
    }

    /// Replaces the credential, here and at the server.
    ///
    /// # Errors
    /// What the server answers; then the credential stays as it was.
    pub fn rotate(&mut self, server: &mut impl ConnectionLike) -> RedisResult<Value> {
        let challenge = self.challenge(server)?;
        let next = Self {
            binding: self.binding.clone(),
            ..Self::new(self.id.as_str())
        };
        let old = self.rotation_proof(&challenge, next.credential.commitment());
        let answer = cmd("2FAPI.ROTATE")
            .arg(self.id.as_str())
            .arg(&challenge.id)
            .arg(old)
            .arg(next.commitment())
            .arg(next.possession())
            .query(server)?;
        *self = next;
        Ok(answer)
    }

    /// The old commitment's proof of a rotation, in hex.
    #[must_use]
    pub fn rotation_proof(&self, challenge: &Challenge, new_commitment: &Commitment) -> String {
        let rotation = Rotation::new(&self.id, &challenge.nonce, new_commitment, &self.binding)
            .expect("a rotation");
        proof_of(&self.credential, &rotation)
    }
}
