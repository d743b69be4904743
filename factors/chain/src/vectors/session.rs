//! Whole sessions, from the request to the tag.

use rand_core::{CryptoRng, Rng};
use serde::{Deserialize, Serialize};

use super::{Report, agree, exactly};
use crate::{
    Deployment, Request, alpha,
    ephemeral::{self, EphemeralProof},
    keccak256,
    seal::{self, EphemeralKey, Sealed},
    tag,
    vrf::{Point, SecretKey},
    witness::{Opened, SealProof},
};

/// Sessions that agree, and changed ones that no party may take.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionFile {
    /// [`SessionFile::SUITE`].
    pub suite: String,
    /// What agrees in every value.
    pub accepted: Vec<Session>,
    /// The same with one change that the user or the validator finds.
    pub rejected: Vec<Session>,
}

impl SessionFile {
    /// The kind of file.
    pub const SUITE: &str = "2FApi-v1.0-Chain-Session";

    pub(super) fn check(&self) -> Report {
        let mut report = Report::default();
        for case in &self.accepted {
            report.must_hold(&case.name, case.check());
        }
        for case in &self.rejected {
            report.must_be_refused(&case.name, case.check());
        }
        report
    }
}

/// One session. Bytes are in hex, numbers texts of decimal digits: not every reader of JSON knows 64 bits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of spec/chain.md")]
pub struct Session {
    pub name: String,
    pub chain_id: String,
    pub contract: String,
    pub service: String,
    pub sip: String,
    pub fee: String,
    pub min_stake: String,
    pub nonce: String,
    pub text: String,
    pub salt: String,
    pub message: String,
    pub signer: String,
    pub seal_secret: String,
    pub seal_key: String,
    pub id: String,
    pub seed: String,
    pub provider: String,
    pub provider_secret: String,
    pub provider_key: String,
    pub proof: String,
    pub session_id: String,
    pub session_hash: String,
    pub validator_secret: String,
    pub validator_key: String,
    pub ephemeral: String,
    pub announcement: String,
    pub response: String,
    pub user_seal: String,
    pub validator_seal: [String; 3],
    pub caller: String,
    pub digest: String,
    pub signature: String,
    pub tag: String,
}

impl Session {
    fn request(&self) -> Result<(Request, Deployment), String> {
        let amount = |what: &str, digits: &str| {
            let amount: u128 = digits.parse().map_err(|error| format!("{what}: {error}"))?;
            if amount >> 96 == 0 {
                Ok(amount)
            } else {
                Err(format!("{what} has more than 96 bits"))
            }
        };
        let number = |what: &str, digits: &str| {
            digits
                .parse::<u64>()
                .map_err(|error| format!("{what}: {error}"))
        };
        let seal_key = Point::from_bytes(&exactly("seal_key", &self.seal_key)?)
            .map_err(|error| format!("seal_key: {error}"))?;
        let request = Request {
            service: exactly("service", &self.service)?,
            sip: exactly("sip", &self.sip)?,
            fee: amount("fee", &self.fee)?,
            min_stake: amount("min_stake", &self.min_stake)?,
            nonce: number("nonce", &self.nonce)?,
            seal_key,
            message: Request::message(&exactly("salt", &self.salt)?, &self.text),
            signer: hex::decode(&self.signer).map_err(|error| format!("signer: {error}"))?,
        };
        let at = Deployment {
            chain_id: number("chain_id", &self.chain_id)?,
            contract: exactly("contract", &self.contract)?,
        };
        Ok((request, at))
    }

    /// Plays every party, and compares.
    fn check(&self) -> Result<(), String> {
        let key = |what: &str, digits: &str| {
            SecretKey::from_bytes(&exactly::<32>(what, digits)?).map_err(|e| format!("{what}: {e}"))
        };
        let (request, at) = self.request()?;
        agree("message", &self.message, &request.message)?;
        let id = request.id(&at);
        agree("id", &self.id, &id)?;

        let seed = exactly("seed", &self.seed)?;
        let provider = key("provider_secret", &self.provider_secret)?;
        let user = key("seal_secret", &self.seal_secret)?;
        let validator = key("validator_secret", &self.validator_secret)?;
        agree(
            "provider_key",
            &self.provider_key,
            provider.public().point().as_bytes(),
        )?;
        agree("seal_key", &self.seal_key, user.public().point().as_bytes())?;
        agree(
            "validator_key",
            &self.validator_key,
            validator.public().point().as_bytes(),
        )?;

        let proof = provider.prove(&alpha(&id, &seed));
        agree("proof", &self.proof, &proof.to_bytes())?;
        agree("session_id", &self.session_id, &proof.output())?;
        let e = EphemeralKey::derive(&provider, &id, &seed);
        let ours = seal::seal(
            &e,
            &id,
            &proof,
            &request.seal_key,
            validator.public().point(),
        );
        agree("ephemeral", &self.ephemeral, ours.ephemeral.as_bytes())?;

        // What is on the chain, and what each party makes of it.
        let posted = Sealed {
            session_hash: exactly("session_hash", &self.session_hash)?,
            ephemeral: ours.ephemeral,
            user: exactly("user_seal", &self.user_seal)?,
            validator: {
                let [a, b, c] = &self.validator_seal;
                [
                    exactly("a seal", a)?,
                    exactly("a seal", b)?,
                    exactly("a seal", c)?,
                ]
            },
        };
        let sip = exactly("provider", &self.provider)?;
        let knows = EphemeralProof {
            announcement: exactly("announcement", &self.announcement)?,
            response: exactly("response", &self.response)?,
        };
        ephemeral::verify(&posted.ephemeral, &id, &sip, &knows)
            .map_err(|error| format!("the ephemeral key: {error}"))?;
        let unsealed = seal::unseal_proof(&validator, provider.public(), &id, &seed, &posted)
            .map_err(|error| format!("the validator: {error}"))?;
        agree("proof", &self.proof, &unsealed.to_bytes())?;
        Opened::new(provider.public(), &id, &seed, &unsealed)
            .map_err(|error| format!("the opening: {error}"))?;
        let session_id = seal::unseal_session_id(&user, &id, &posted)
            .map_err(|error| format!("the user: {error}"))?;
        if posted != ours {
            return Err("its seals are others".into());
        }
        SealProof::new(&user, &id, &sip, &posted.ephemeral)
            .map_err(|error| format!("a seal proof: {error}"))?;

        let caller = exactly("caller", &self.caller)?;
        let digest = request.authentication_digest(&at, &posted.session_hash, &caller);
        agree("digest", &self.digest, &digest)?;
        let signature =
            hex::decode(&self.signature).map_err(|error| format!("signature: {error}"))?;
        let tag = tag(&session_id, &id, &request.seal_key, &keccak256(&signature));
        agree("tag", &self.tag, &tag)
    }
}

fn bytes<const N: usize, R: Rng + ?Sized>(random: &mut R) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill_bytes(&mut bytes);
    bytes
}

/// The file, made from a seeded source.
#[must_use]
pub fn sessions<R: CryptoRng + ?Sized>(random: &mut R) -> SessionFile {
    let accepted: Vec<Session> = (0..6).filter_map(|n| session(n, random)).collect();
    let mut rejected = Vec::new();
    for (n, case) in accepted.iter().enumerate() {
        let mut changed = case.clone();
        let (what, field) = match n {
            0 => ("user-seal", &mut changed.user_seal),
            1 => ("validator-seal", &mut changed.validator_seal[2]),
            2 => ("session-hash", &mut changed.session_hash),
            3 => ("tag", &mut changed.tag),
            4 => ("announcement", &mut changed.announcement),
            _ => ("response", &mut changed.response),
        };
        let last = if field.ends_with('0') { "1" } else { "0" };
        field.truncate(field.len() - 1);
        field.push_str(last);
        changed.name = format!("{}-{what}", case.name);
        rejected.push(changed);
    }
    SessionFile {
        suite: SessionFile::SUITE.into(),
        accepted,
        rejected,
    }
}

/// Keys that are no scalars come up once in 2^128 draws.
fn session<R: CryptoRng + ?Sized>(n: u64, random: &mut R) -> Option<Session> {
    let mut secrets = [[0; 32]; 3];
    secrets
        .iter_mut()
        .for_each(|secret| *secret = bytes(random));
    let [provider, user, validator] = secrets.map(|secret| SecretKey::from_bytes(&secret).ok());
    let (provider, user, validator) = (provider?, user?, validator?);
    let text = ["pay 5 to bob", "", "log in to api.example.com as älice"][n as usize % 3];
    let salt: [u8; 32] = bytes(random);
    let signer = match n % 3 {
        0 => bytes::<20, R>(random).to_vec(),
        1 => bytes::<53, R>(random).to_vec(),
        _ => bytes::<116, R>(random).to_vec(),
    };
    let at = Deployment {
        chain_id: [1, 31337, 10, u64::MAX][n as usize % 4],
        contract: bytes(random),
    };
    let request = Request {
        service: bytes(random),
        sip: if n.is_multiple_of(2) {
            [0; 20]
        } else {
            bytes(random)
        },
        fee: if n == 5 {
            (1 << 96) - 1
        } else {
            u128::from(n) * 1_000_000_000_000_000_000
        },
        min_stake: if n == 4 { (1 << 96) - 1 } else { u128::from(n) },
        nonce: if n == 3 { u64::MAX } else { n },
        seal_key: *user.public().point(),
        message: Request::message(&salt, text),
        signer,
    };
    let id = request.id(&at);
    let seed: [u8; 32] = bytes(random);
    let sip: [u8; 20] = bytes(random);
    let proof = provider.prove(&alpha(&id, &seed));
    let e = EphemeralKey::derive(&provider, &id, &seed);
    let sealed = seal::seal(
        &e,
        &id,
        &proof,
        &request.seal_key,
        validator.public().point(),
    );
    let knows = ephemeral::prove(&e, &id, &sip, random);
    let caller: [u8; 20] = bytes(random);
    let signature: [u8; 65] = bytes(random); // who checks it is the signer's matter
    let tag = tag(
        &proof.output(),
        &id,
        &request.seal_key,
        &keccak256(&signature),
    );
    Some(Session {
        name: format!("session-{n}"),
        chain_id: at.chain_id.to_string(),
        contract: hex::encode(at.contract),
        service: hex::encode(request.service),
        sip: hex::encode(request.sip),
        fee: request.fee.to_string(),
        min_stake: request.min_stake.to_string(),
        nonce: request.nonce.to_string(),
        text: text.into(),
        salt: hex::encode(salt),
        message: hex::encode(request.message),
        signer: hex::encode(&request.signer),
        seal_secret: hex::encode(secrets[1]),
        seal_key: hex::encode(request.seal_key.as_bytes()),
        id: hex::encode(id),
        seed: hex::encode(seed),
        provider: hex::encode(sip),
        provider_secret: hex::encode(secrets[0]),
        provider_key: hex::encode(provider.public().point().as_bytes()),
        proof: hex::encode(proof.to_bytes()),
        session_id: hex::encode(proof.output()),
        session_hash: hex::encode(sealed.session_hash),
        validator_secret: hex::encode(secrets[2]),
        validator_key: hex::encode(validator.public().point().as_bytes()),
        ephemeral: hex::encode(sealed.ephemeral.as_bytes()),
        announcement: hex::encode(knows.announcement),
        response: hex::encode(knows.response),
        user_seal: hex::encode(sealed.user),
        validator_seal: sealed.validator.map(hex::encode),
        caller: hex::encode(caller),
        digest: hex::encode(request.authentication_digest(&at, &sealed.session_hash, &caller)),
        signature: hex::encode(signature),
        tag: hex::encode(tag),
    })
}
