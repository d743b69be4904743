//! Scripts of what a whole host is asked, played to the smallest one that drives the ceremonies.

mod host;

use twofapi_crypto_core::{
    CredentialId, Error,
    ceremony::{
        AuthenticationRequest, EnrolmentRequest, JoinRequest, JoiningPart, LinkRequest, Named,
        Refused, RotationRequest, UnlinkRequest,
    },
};

use super::{Report, array, bytes, names_are_unique, refusal};
use crate::cases::{CeremonyFile, CeremonyScript, CeremonyStep, FileError};
use host::Host;

pub(super) fn run(file: &CeremonyFile, report: &mut Report) -> Result<(), FileError> {
    names_are_unique(file.scripts.iter().map(|script| &script.name))?;
    for script in &file.scripts {
        play(script, report);
    }
    Ok(())
}

fn play(script: &CeremonyScript, report: &mut Report) {
    let mut host = match Host::new(&script.host) {
        Ok(host) => host,
        Err(what) => return report.disagree(&script.name, what),
    };
    for (at, step) in script.steps.iter().enumerate() {
        match host.take(step) {
            Ok(true) => report.accepted += 1,
            Ok(false) => report.rejected += 1,
            Err(what) => report.disagree(&format!("{}, step {}", script.name, at + 1), what),
        }
    }
}

impl Host {
    /// Whether the step, which came out as the script says, was one that the host accepts.
    fn take(&mut self, step: &CeremonyStep) -> Result<bool, String> {
        match step {
            CeremonyStep::Enroll {
                permitted,
                client_id,
                commitment,
                proof,
                answer,
            } => {
                let (commitment, proof) =
                    (bytes("commitment", commitment)?, bytes("proof", proof)?);
                let request = enrolment(client_id, &commitment, &proof);
                answered(answer, &self.enrol(*permitted, &request).map(drop))
            }
            CeremonyStep::Reset {
                now,
                permitted,
                client_id,
                commitment,
                proof,
                answer,
                version,
            } => {
                let (commitment, proof) =
                    (bytes("commitment", commitment)?, bytes("proof", proof)?);
                let request = enrolment(client_id, &commitment, &proof);
                let outcome = self.reset(*now, *permitted, &request);
                let outcome = outcome.map(|accepted| accepted.record().version());
                with(answer, "version", version.as_ref(), outcome)
            }
            CeremonyStep::Challenge {
                now,
                client_id,
                random,
                draws,
                issued,
                answer,
            } => {
                let random = array("random", random)?;
                let draws = draws.as_deref().map(|it| array("draws", it)).transpose()?;
                let outcome = self.challenge(*now, client_id, random, draws)?;
                let outcome = outcome.map_err(Refused::Failed);
                with(answer, "challenge", issued.as_ref(), outcome)
            }
            CeremonyStep::Authenticate { .. } => self.authenticated(step),
            CeremonyStep::Rotate {
                now,
                client_id,
                challenge_id,
                credential_id,
                proof_old,
                commitment_new,
                proof_new,
                answer,
                version,
            } => {
                let proof_old = bytes("proof_old", proof_old)?;
                let commitment_new = bytes("commitment_new", commitment_new)?;
                let proof_new = bytes("proof_new", proof_new)?;
                let request = RotationRequest {
                    of: named(client_id, challenge_id),
                    credential: credential_id.as_ref().map(String::as_bytes),
                    proof_old: &proof_old,
                    commitment_new: &commitment_new,
                    proof_new: &proof_new,
                };
                let (keys, clock) = self.keys(*now)?;
                let wanted = self.terms.rotate(&keys, clock, &request);
                let outcome = wanted.and_then(|wanted| self.attempt(wanted, *now));
                let outcome = outcome.map(|accepted| accepted.record().version());
                with(answer, "version", version.as_ref(), outcome)
            }
            CeremonyStep::Link { .. } => self.linked(step),
            CeremonyStep::Offer {
                now,
                client_id,
                of,
                answer,
            } => answered(answer, &self.offer(*now, client_id, of)?),
            CeremonyStep::Join {
                now,
                client_id,
                challenge_id,
                commitment,
                proof,
                name,
                answer,
                number,
            } => {
                let (commitment, proof) =
                    (bytes("commitment", commitment)?, bytes("proof", proof)?);
                let request = JoinRequest {
                    of: named(client_id, challenge_id),
                    commitment: &commitment,
                    joining: JoiningPart {
                        proof: &proof,
                        name: name.as_bytes(),
                    },
                };
                let outcome = self.join(*now, &request)?;
                let outcome = outcome.map(|number| format!("{number:06}"));
                with(answer, "number", number.as_ref(), outcome)
            }
            CeremonyStep::Pending {
                now,
                client_id,
                pending,
            } => {
                let ours = self.pending(*now, client_id);
                same("what is on offer", &ours, pending)?;
                Ok(ours.state != "none")
            }
            CeremonyStep::Unlink {
                now,
                client_id,
                challenge_id,
                credential_id,
                proof,
                commitment_old,
                answer,
                version,
            } => {
                let proof = bytes("proof", proof)?;
                let commitment_old = bytes("commitment_old", commitment_old)?;
                let request = UnlinkRequest {
                    of: named(client_id, challenge_id),
                    credential: credential_id.as_ref().map(String::as_bytes),
                    proof: &proof,
                    commitment_old: &commitment_old,
                };
                let (keys, clock) = self.keys(*now)?;
                let wanted = self.terms.unlink(&keys, clock, &request);
                let outcome = wanted.and_then(|wanted| self.attempt(wanted, *now));
                let outcome = outcome.map(|accepted| accepted.record().version());
                with(answer, "version", version.as_ref(), outcome)
            }
            CeremonyStep::Record {
                client_id,
                version,
                generation,
                status,
                credentials,
            } => {
                let record = self.record(client_id)?;
                same("version", &record.version(), version)?;
                same("generation", &record.generation(), generation)?;
                same("status", &record.status().as_str(), &status.as_str())?;
                same("credentials", &Self::listed(record), credentials)?;
                Ok(true)
            }
            CeremonyStep::Session {
                now,
                client_id,
                cred,
                since,
                generation,
                good,
            } => {
                let cred = cred.as_deref().map(str::parse::<CredentialId>);
                let cred = cred.transpose().map_err(refusal)?;
                let record = self.record(client_id)?;
                let ours = record.honours(cred.as_ref(), *since, *generation, *now);
                same("whether it is good", &ours, good)?;
                Ok(ours)
            }
            CeremonyStep::Expire {
                client_id,
                credential_id,
                expires_at,
                version,
            } => {
                let ours = self.expire(client_id, credential_id.as_deref(), *expires_at)?;
                same("version", &ours, version)?;
                Ok(true)
            }
            CeremonyStep::Operate {
                act,
                client_id,
                answer,
            } => {
                let ours = self.operate(act, client_id)?;
                same("answer", &ours, answer)?;
                Ok(["changed", "unchanged"].contains(&&*ours))
            }
            CeremonyStep::Roots { roots } => {
                self.change_roots(roots)?;
                Ok(true)
            }
        }
    }

    fn authenticated(&mut self, step: &CeremonyStep) -> Result<bool, String> {
        let CeremonyStep::Authenticate {
            now,
            client_id,
            challenge_id,
            proof,
            credential_id,
            store_now,
            binding,
            answer,
            retry_after,
        } = step
        else {
            return Err("is no authentication".into());
        };
        let proof = bytes("proof", proof)?;
        let binding = binding.as_deref().map(|it| bytes("binding", it));
        let binding = binding.transpose()?;
        let request = AuthenticationRequest {
            of: named(client_id, challenge_id),
            credential: credential_id.as_ref().map(String::as_bytes),
            proof: &proof,
            binding: binding.as_deref(),
        };
        let (keys, clock) = self.keys(store_now.unwrap_or(*now))?;
        // A host that shares the store goes by its reading of the store's clock; the store by the clock.
        let reading = if store_now.is_some() { *now } else { clock };
        let wanted = self.terms.authenticate(&keys, reading, &request);
        let outcome = wanted.and_then(|it| self.attempt(it, store_now.unwrap_or(*now)));
        if let Err(Refused::Throttled {
            retry_after_seconds,
        }) = outcome
        {
            same("retry_after", &Some(retry_after_seconds), retry_after)?;
        }
        answered(answer, &outcome.map(drop))
    }

    fn linked(&mut self, step: &CeremonyStep) -> Result<bool, String> {
        let CeremonyStep::Link {
            now,
            client_id,
            challenge_id,
            credential_id,
            proof,
            commitment_new,
            proof_new,
            name,
            answer,
            version,
        } = step
        else {
            return Err("is no link".into());
        };
        let proof = bytes("proof", proof)?;
        let commitment_new = bytes("commitment_new", commitment_new)?;
        let proof_new = proof_new.as_deref().map(|it| bytes("proof_new", it));
        let proof_new = proof_new.transpose()?;
        let joining = match (&proof_new, name) {
            (Some(proof), Some(name)) => Some(JoiningPart {
                proof,
                name: name.as_bytes(),
            }),
            (None, None) => None,
            _ => return Err("it has one of proof_new and name without the other".into()),
        };
        let request = LinkRequest {
            of: named(client_id, challenge_id),
            credential: credential_id.as_ref().map(String::as_bytes),
            proof: &proof,
            commitment_new: &commitment_new,
            joining,
        };
        let (keys, clock) = self.keys(*now)?;
        let wanted = self.terms.link(&keys, clock, &request);
        let outcome = wanted.and_then(|wanted| self.attempt(wanted, *now));
        let outcome = outcome.map(|accepted| accepted.record().version());
        with(answer, "version", version.as_ref(), outcome)
    }
}

fn enrolment<'a>(
    client_id: &'a str,
    commitment: &'a [u8],
    proof: &'a [u8],
) -> EnrolmentRequest<'a> {
    EnrolmentRequest {
        client_id: client_id.as_bytes(),
        commitment,
        proof,
    }
}

fn named<'a>(client_id: &'a str, challenge_id: &'a str) -> Named<'a> {
    Named::Apart {
        client_id: client_id.as_bytes(),
        challenge_id: challenge_id.as_bytes(),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<(), String> {
    match ours == theirs {
        true => Ok(()),
        false => Err(format!("{what} is {ours:?}")),
    }
}

/// Whether the answer is one that accepts, if it and what comes with it are those that the script has.
fn with<T: PartialEq + std::fmt::Debug>(
    answer: &str,
    what: &str,
    theirs: Option<&T>,
    ours: Result<T, Refused>,
) -> Result<bool, String> {
    same(what, &ours.as_ref().ok(), &theirs)?;
    answered(answer, &ours.map(drop))
}

/// Whether the answer is one that accepts, if it is the one that the script has.
fn answered(theirs: &str, ours: &Result<(), Refused>) -> Result<bool, String> {
    let answer = match ours {
        Ok(()) => "accepted",
        Err(refused) => Error::from(refused.clone()).code().as_str(),
    };
    if answer != theirs {
        return Err(format!("the answer is {answer} ({ours:?})"));
    }
    Ok(ours.is_ok())
}
