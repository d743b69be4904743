//! A client of several credentials: linking from one device or from two, unlinking, and the list of them.
//! What the server says is checked here as well: a joining proof by the first device itself.
//!
//! The first of two devices:
//!
//! ```no_run
//! use twofapi_client::{
//!     Failure, credential::OpenedCredential, exchange::Exchange, links::{Linked, Pending},
//! };
//!
//! fn link(exchange: &Exchange, alice: &OpenedCredential) -> Result<Option<Linked>, Failure> {
//!     let token = exchange.login(alice)?.token;
//!     let offer = exchange.offer(&alice.client_id, &token)?;
//!     println!("{}", offer.code.to_text()); // for the second device, which calls Exchange::join
//!     loop {
//!         match exchange.pending(&offer.code, &token)? {
//!             Pending::Open => std::thread::sleep(std::time::Duration::from_secs(1)),
//!             Pending::None | Pending::Clashed => return Ok(None),
//!             Pending::Joined(joined) => {
//!                 let mut typed = String::new(); // what the second device shows
//!                 std::io::stdin().read_line(&mut typed).map_err(|_| Failure::bad_input("nothing"))?;
//!                 return match joined.is_shown_as(&typed) {
//!                     true => exchange.link_joined(alice, &joined).map(Some),
//!                     false => Ok(None),
//!                 };
//!             }
//!         }
//!     }
//! }
//! ```

use std::fmt;

use getrandom::SysRng;
use serde::{Deserialize, Serialize};
use twofapi_crypto_core::{
    AuthenticationBinding, ClientId, Commitment, Credential, CredentialId, CredentialName, Joining,
    Linking, Proof, Statement, Unlinking,
    ceremony::{LinkCode, link_number},
    prove, verify,
};

use crate::{
    Failure, FailureKind,
    credential::OpenedCredential,
    exchange::{Exchange, IssuedChallenge, check_client, named},
};

/// A credential that a server has added to its client.
#[derive(Debug, Serialize)]
pub struct Linked {
    /// What requests name it by.
    pub credential_id: String,
    /// The version of the record from then on.
    pub commitment_version: u64,
}

/// A challenge that the first device offers to a second one.
pub struct Offer {
    /// What the second device reads.
    pub code: LinkCode,
    /// Until when, in Unix seconds by the server's clock.
    pub expires_at: u64,
}

/// How far an offer is.
#[derive(Debug)]
pub enum Pending {
    /// There is none any longer.
    None,
    /// Nobody has joined.
    Open,
    /// A device has.
    Joined(Box<Joined>),
    /// Two have: neither can be linked.
    Clashed,
}

/// What a second device asks to be added, with a joining proof that was found good.
pub struct Joined {
    commitment: Commitment,
    /// What its owner calls it.
    pub name: CredentialName,
    /// Six digits, which the second device shows.
    number: String,
}

impl Joined {
    /// Whether this is the number that the second device shows. The user types it, and is never told it here.
    #[must_use]
    pub fn is_shown_as(&self, typed: &str) -> bool {
        let digits: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        digits == self.number
    }

    /// What requests will name it by.
    #[must_use]
    pub fn id(&self) -> CredentialId {
        CredentialId::of(self.commitment.as_bytes())
    }
}

/// The number is for the second device to show.
impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Joined({} {})", self.id(), self.name)
    }
}

/// What a second device is told.
#[derive(Debug)]
pub struct Asked {
    /// Six digits: the user types them at the first device.
    pub number: String,
    /// Until when the first device can link it, in Unix seconds by the server's clock.
    pub expires_at: u64,
}

/// The credentials of a client, in the order of the record.
#[derive(Debug, Deserialize, Serialize)]
pub struct Credentials {
    /// Whose.
    pub client_id: String,
    /// The version of the record.
    pub commitment_version: u64,
    /// 1 to 16.
    pub credentials: Vec<Listed>,
}

/// One credential.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Listed {
    /// What requests name it by.
    pub credential_id: String,
    /// In hex.
    pub commitment: String,
    /// What its owner calls it; nothing is proven about it.
    pub name: String,
    /// Since when, in Unix seconds; 0 where nobody knows.
    pub created: u64,
    /// The version that its commitment came with.
    pub since: u64,
    /// Until when it is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

#[derive(Serialize)]
struct LinkRequest<'a> {
    challenge_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<String>,
    proof: String,
    commitment_new: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof_new: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

#[derive(Deserialize)]
struct LinkAnswer {
    client_id: String,
    credential_id: String,
    commitment_version: u64,
}

#[derive(Serialize)]
struct OfferRequest<'a> {
    challenge_id: &'a str,
}

#[derive(Deserialize)]
struct UntilAnswer {
    client_id: String,
    expires_at: u64,
}

#[derive(Deserialize)]
struct PendingAnswer {
    state: String,
    challenge_id: Option<String>,
    commitment: Option<String>,
    proof: Option<String>,
    name: Option<String>,
}

#[derive(Serialize)]
struct JoinRequest<'a> {
    challenge_id: &'a str,
    commitment: String,
    proof: String,
    name: &'a str,
}

#[derive(Serialize)]
struct UnlinkRequest<'a> {
    challenge_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<String>,
    proof: String,
    commitment_old: String,
}

#[derive(Deserialize)]
struct UnlinkAnswer {
    client_id: String,
    commitment_version: u64,
}

impl Exchange {
    /// Adds a credential that is at this device as well.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn link_here(
        &self,
        by: &OpenedCredential,
        new: &Credential,
        name: &CredentialName,
    ) -> Result<Linked, Failure> {
        let challenge = self.challenge(&by.client_id)?;
        let joining = Joining::new(&by.client_id, &challenge.nonce, &challenge.binding)?;
        let proof_new = proven(new, &joining)?;
        self.link(by, &challenge, new.commitment(), Some((proof_new, name)))
    }

    /// Adds the credential of a second device that has joined, after the user has typed its number.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn link_joined(&self, by: &OpenedCredential, joined: &Joined) -> Result<Linked, Failure> {
        let challenge = self.challenge(&by.client_id)?;
        self.link(by, &challenge, &joined.commitment, None)
    }

    fn link(
        &self,
        by: &OpenedCredential,
        challenge: &IssuedChallenge,
        new: &Commitment,
        here: Option<(String, &CredentialName)>,
    ) -> Result<Linked, Failure> {
        let new = new.as_bytes();
        let (nonce, binding) = (&challenge.nonce, &challenge.binding);
        let linking = Linking::new(&by.client_id, nonce, new, binding)?;
        let (proof_new, name) = here.unzip();
        let request = LinkRequest {
            challenge_id: &challenge.name,
            credential_id: named(by.credential_id()),
            proof: proven(&by.credential, &linking)?,
            commitment_new: hex::encode(new),
            proof_new,
            name: name.map(CredentialName::as_str),
        };
        let answer: LinkAnswer = self.http().post("/auth/zkp/link", None, &request)?;
        check_client(self.http(), &by.client_id, &answer.client_id)?;
        if answer.credential_id != CredentialId::of(new).to_string() {
            return Err(self.http().bad_answer("it speaks of another credential"));
        }
        Ok(Linked {
            credential_id: answer.credential_id,
            commitment_version: answer.commitment_version,
        })
    }

    /// Offers a challenge to a second device. It takes the place of one that was offered before.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn offer(&self, client_id: &ClientId, token: &str) -> Result<Offer, Failure> {
        let challenge = self.challenge(client_id)?;
        let request = OfferRequest {
            challenge_id: &challenge.name,
        };
        let http = self.http();
        let answer: UntilAnswer = http.post("/auth/zkp/link/offer", Some(token), &request)?;
        check_client(http, client_id, &answer.client_id)?;
        let id = challenge.name.split_once('.').map_or("", |(id, _)| id);
        let code = LinkCode {
            challenge_id: id.parse()?,
            client_id: client_id.clone(),
            nonce: challenge.nonce,
            audience: self.audience().clone(),
        };
        Ok(Offer {
            code,
            expires_at: answer.expires_at,
        })
    }

    /// How far an offer of this device is. Whoever has joined has proven it here.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol: a joining proof
    /// that is not good, or not about this offer, is such a fault.
    pub fn pending(&self, offer: &LinkCode, token: &str) -> Result<Pending, Failure> {
        let answer: PendingAnswer = self.http().get("/auth/zkp/link/offer", token)?;
        let bad = |problem| self.http().bad_answer(problem);
        let state = answer.state.as_str();
        if state == "none" {
            return Ok(Pending::None);
        }
        // Another device of this client may have made another offer meanwhile.
        let id = answer.challenge_id.as_deref().unwrap_or_default();
        let id = id.split_once('.').map_or(id, |(id, _)| id);
        if id != offer.challenge_id.to_string() {
            return Ok(Pending::None);
        }
        match state {
            "open" => Ok(Pending::Open),
            "clashed" => Ok(Pending::Clashed),
            "joined" => {
                let bytes = |digits: Option<String>| hex::decode(digits?).ok();
                let commitment = bytes(answer.commitment)
                    .and_then(|bytes| Commitment::from_bytes(&bytes).ok())
                    .ok_or_else(|| bad("what has joined has no commitment"))?;
                let proof = bytes(answer.proof)
                    .and_then(|bytes| Proof::from_bytes(&bytes).ok())
                    .ok_or_else(|| bad("what has joined has no proof"))?;
                let name = answer.name.as_deref().map(str::parse);
                let name = name.and_then(Result::ok);
                let name = name.ok_or_else(|| bad("what has joined has no name"))?;
                let binding = AuthenticationBinding::for_audience(self.audience());
                let joining = Joining::new(&offer.client_id, &offer.nonce, &binding)?;
                if verify(&commitment, &joining, &proof).is_err() {
                    return Err(bad("what has joined has not proven it"));
                }
                let number = number(offer, &commitment);
                Ok(Pending::Joined(Box::new(Joined {
                    commitment,
                    name,
                    number,
                })))
            }
            _ => Err(bad("it knows another state of an offer")),
        }
    }

    /// Whether a code is one of the server that this exchange is with.
    ///
    /// # Errors
    /// Bad input (code `audience_mismatch`) if it is not.
    pub fn means(&self, code: &LinkCode) -> Result<(), Failure> {
        if code.audience != *self.audience() {
            return Err(Failure::new(
                FailureKind::BadInput,
                "audience_mismatch",
                format!(
                    "this code is for {}, and you would join {}. Nothing was sent: whoever gave you the code \
                     may want you to link a device elsewhere",
                    code.audience,
                    self.audience()
                ),
            ));
        }
        Ok(())
    }

    /// Asks, as a second device, to be linked. The code must be one of the server that this exchange is with.
    ///
    /// # Errors
    /// Bad input (code `audience_mismatch`) for a code of another server; as the server says, the way there
    /// fails, or the server does not keep to the protocol.
    pub fn join(
        &self,
        code: &LinkCode,
        new: &Credential,
        name: &CredentialName,
    ) -> Result<Asked, Failure> {
        self.means(code)?;
        let binding = AuthenticationBinding::for_audience(&code.audience);
        let joining = Joining::new(&code.client_id, &code.nonce, &binding)?;
        let request = JoinRequest {
            challenge_id: &format!("{}.{}", code.challenge_id, code.client_id),
            commitment: hex::encode(new.commitment().as_bytes()),
            proof: proven(new, &joining)?,
            name: name.as_str(),
        };
        let answer: UntilAnswer = self.http().post("/auth/zkp/link/join", None, &request)?;
        check_client(self.http(), &code.client_id, &answer.client_id)?;
        Ok(Asked {
            number: number(code, new.commitment()),
            expires_at: answer.expires_at,
        })
    }

    /// Takes a credential away, be it the one that proves. Gives the version of the record from then on.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn unlink(&self, by: &OpenedCredential, old: &Commitment) -> Result<u64, Failure> {
        let challenge = self.challenge(&by.client_id)?;
        let (nonce, binding) = (&challenge.nonce, &challenge.binding);
        let unlinking = Unlinking::new(&by.client_id, nonce, old.as_bytes(), binding)?;
        let request = UnlinkRequest {
            challenge_id: &challenge.name,
            credential_id: named(by.credential_id()),
            proof: proven(&by.credential, &unlinking)?,
            commitment_old: hex::encode(old.as_bytes()),
        };
        let answer: UnlinkAnswer = self.http().post("/auth/zkp/unlink", None, &request)?;
        check_client(self.http(), &by.client_id, &answer.client_id)?;
        Ok(answer.commitment_version)
    }

    /// The credentials of the client whose token this is. What is not as it can be is a fault of the server's:
    /// names go to a terminal, and ids to who unlinks by them.
    ///
    /// # Errors
    /// As the server says, the way there fails, or the server does not keep to the protocol.
    pub fn credentials(&self, client_id: &ClientId, token: &str) -> Result<Credentials, Failure> {
        let answer: Credentials = self.http().get("/auth/zkp/credentials", token)?;
        check_client(self.http(), client_id, &answer.client_id)?;
        for listed in &answer.credentials {
            let is_its_id = listed.commitment().is_some_and(|it| {
                CredentialId::of(it.as_bytes()).to_string() == listed.credential_id
            });
            if !is_its_id || listed.name.parse::<CredentialName>().is_err() {
                return Err(self.http().bad_answer("it lists what is no credential"));
            }
        }
        Ok(answer)
    }
}

impl Listed {
    /// What it is enrolled as.
    #[must_use]
    pub fn commitment(&self) -> Option<Commitment> {
        let bytes = hex::decode(&self.commitment).ok()?;
        Commitment::from_bytes(&bytes).ok()
    }
}

fn number(code: &LinkCode, joins: &Commitment) -> String {
    format!("{:06}", link_number(code.challenge_id, joins.as_bytes()))
}

fn proven(by: &Credential, statement: &impl Statement) -> Result<String, Failure> {
    Ok(hex::encode(prove(by, statement, &mut SysRng)?.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_the_user_typed_blanks_aside_and_nothing_less() {
        let credential = Credential::generate(&mut SysRng).unwrap();
        let joined = Joined {
            commitment: *credential.commitment(),
            name: "laptop".parse().unwrap(),
            number: "004711".into(),
        };
        for typed in ["004711", " 004711\n", "004 711"] {
            assert!(joined.is_shown_as(typed), "{typed:?}");
        }
        for typed in ["", "4711", "004712", "0047110", "004711x", "-004711"] {
            assert!(!joined.is_shown_as(typed), "{typed:?}");
        }
    }
}
