//! A client with its credential, and what it says to a server.

use getrandom::SysRng;
use redis::{ConnectionLike, RedisResult, Value, cmd};
use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Commitment, Credential, CredentialId,
    Enrolment, Joining, Linking, Nonce, Rotation, Statement, Unlinking, prove,
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
    /// Whether it says which of the client's credentials it proves by.
    pub names_itself: bool,
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
            names_itself: false,
        }
    }

    /// Another device of the same client, with a credential of its own.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            binding: self.binding.clone(),
            names_itself: true,
            ..Self::new(self.id.as_str())
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

    /// The id of its credential.
    #[must_use]
    pub fn credential_id(&self) -> String {
        CredentialId::of(self.credential.commitment().as_bytes()).to_string()
    }

    /// A command about this client, and what it ends with where the credential is named.
    fn ask(
        &self,
        name: &str,
        words: &[&str],
        server: &mut impl ConnectionLike,
    ) -> RedisResult<Value> {
        let mut command = cmd(name);
        command.arg(self.id.as_str()).arg(words);
        if self.names_itself {
            command.arg("CREDENTIAL").arg(self.credential_id());
        }
        command.query(server)
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
        self.ask("2FAPI.VERIFY", &[&challenge.id, proof], server)
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
            names_itself: self.names_itself,
            ..self.another()
        };
        let old = self.rotation_proof(&challenge, next.credential.commitment());
        let (commitment, possession) = (next.commitment(), next.possession());
        let words = [&*challenge.id, &old, &commitment, &possession];
        let answer = self.ask("2FAPI.ROTATE", &words, server)?;
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

    /// Has another credential linked, that is at the same device.
    ///
    /// # Errors
    /// What the server answers.
    pub fn link(
        &self,
        server: &mut impl ConnectionLike,
        new: &Self,
        name: &str,
    ) -> RedisResult<Value> {
        let challenge = self.challenge(server)?;
        let proof = self.linking_proof(&challenge, new);
        let joining = new.joining_proof(&challenge);
        self.link_by(
            server,
            &challenge,
            &proof,
            new,
            &["PROOF", &joining, "NAME", name],
        )
    }

    /// `2FAPI.LINK client challenge-id proof commitment-new ...`.
    ///
    /// # Errors
    /// What the server answers.
    pub fn link_by(
        &self,
        server: &mut impl ConnectionLike,
        challenge: &Challenge,
        proof: &str,
        new: &Self,
        options: &[&str],
    ) -> RedisResult<Value> {
        let commitment = new.commitment();
        let words = [&[&*challenge.id, proof, &commitment], options].concat();
        self.ask("2FAPI.LINK", &words, server)
    }

    /// Has a credential unlinked.
    ///
    /// # Errors
    /// What the server answers.
    pub fn unlink(&self, server: &mut impl ConnectionLike, old: &Self) -> RedisResult<Value> {
        let challenge = self.challenge(server)?;
        let proof = self.unlinking_proof(&challenge, old);
        self.unlink_by(server, &challenge, &proof, old)
    }

    /// `2FAPI.UNLINK client challenge-id proof commitment-old ...`.
    ///
    /// # Errors
    /// What the server answers.
    pub fn unlink_by(
        &self,
        server: &mut impl ConnectionLike,
        challenge: &Challenge,
        proof: &str,
        old: &Self,
    ) -> RedisResult<Value> {
        let words = [&*challenge.id, proof, &old.commitment()];
        self.ask("2FAPI.UNLINK", &words, server)
    }

    /// Asks to be linked, as a second device that was shown this challenge.
    ///
    /// # Errors
    /// What the server answers.
    pub fn join(
        &self,
        server: &mut impl ConnectionLike,
        offer: &Challenge,
        name: &str,
    ) -> RedisResult<Value> {
        cmd("2FAPI.JOIN")
            .arg(self.id.as_str())
            .arg(&offer.id)
            .arg(self.commitment())
            .arg(self.joining_proof(offer))
            .arg(name)
            .query(server)
    }

    /// The proof by which it asks that another credential be linked, in hex.
    #[must_use]
    pub fn linking_proof(&self, challenge: &Challenge, new: &Self) -> String {
        let new = new.credential.commitment().as_bytes();
        let linking = Linking::new(&self.id, &challenge.nonce, new, &self.binding);
        proof_of(&self.credential, &linking.expect("a link"))
    }

    /// The proof by which it asks that a credential be taken away, in hex.
    #[must_use]
    pub fn unlinking_proof(&self, challenge: &Challenge, old: &Self) -> String {
        let old = old.credential.commitment().as_bytes();
        let unlinking = Unlinking::new(&self.id, &challenge.nonce, old, &self.binding);
        proof_of(&self.credential, &unlinking.expect("an unlinking"))
    }

    /// The proof by which it asks to be linked itself, in hex.
    #[must_use]
    pub fn joining_proof(&self, challenge: &Challenge) -> String {
        let joining = Joining::new(&self.id, &challenge.nonce, &self.binding);
        proof_of(&self.credential, &joining.expect("a joining"))
    }
}
