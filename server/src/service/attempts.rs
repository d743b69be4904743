//! Attempts: what is decoded goes into a ceremony of the core, one client is looked up, and one step is
//! carried out by the store.

use std::{net::IpAddr, sync::Arc};

use twofapi_crypto_core::{
    ClientId, Commitment, CredentialId, Error, Proof, Record,
    ceremony::{
        Accepted, Check, Commit, EnrolmentRequest, Keys, Named, Refused, RotationRequest, Wanted,
    },
};

use super::{
    challenge_name::{ChallengeName, IssuedChallenge},
    login::Login,
    permission::PermittedTo,
    state::Service,
    steps::LoggedIn,
};
use crate::store::Session;

/// Who permits an enrolment.
#[derive(Clone, Copy)]
pub enum EnrolmentPermission<'a> {
    /// The enrolment token that came with the request, or the token of an issuer that is trusted.
    Token(&'a str),
    /// The application that mounted the router has authenticated its user as this client.
    HostApplication,
}

impl Service {
    /// Issues a challenge for any well-formed client id, enrolled or not: it is stored nowhere.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store or the random source fails.
    pub async fn challenge(&self, client_id: &ClientId) -> Result<IssuedChallenge, Error> {
        let (keys, now) = self.keys(client_id).await?;
        let challenge = self
            .terms
            .challenge(&keys, client_id, now, &mut getrandom::SysRng)?;
        Ok(IssuedChallenge {
            expires_at: challenge.id.expires_at(),
            name: ChallengeName {
                id: challenge.id,
                client_id: client_id.clone(),
            },
            nonce: challenge.nonce,
        })
    }

    /// Enrols a commitment, or has it replace all that the client has, as the permission says; given a proof of
    /// possession.
    ///
    /// # Errors
    /// [`Error::Denied`] without permission or with a proof that is not accepted (the permission
    /// stays good then); [`Error::AlreadyEnrolled`]; [`Error::Unavailable`].
    pub async fn enrol(
        &self,
        client_id: &ClientId,
        commitment: &Commitment,
        proof: &Proof,
        permission: EnrolmentPermission<'_>,
    ) -> Result<Record, Error> {
        let now = self.now();
        let asked = self.terms.enrol(&EnrolmentRequest {
            client_id: client_id.as_bytes(),
            commitment: commitment.as_bytes(),
            proof: &proof.to_bytes(),
        })?;
        let asked = asked.at(now);
        // Whoever has no permission gets no work done, and learns nothing of the id.
        let Some(permitted) = self.permitted(client_id, permission, now).await? else {
            return Err(refuse(client_id, asked.refuse()));
        };
        let asked = match permitted.attributes {
            Some(attributes) => asked.saying(attributes),
            None => asked,
        };
        let resets = matches!(permitted.to, PermittedTo::Reset(_));
        let check = match permitted.to {
            PermittedTo::Enrol => asked.permitted(permitted.by),
            PermittedTo::Reset(record) => asked
                .permitted_to_reset(permitted.by, record)
                .map_err(|refused| refuse(client_id, refused))?,
        };
        let commit = verified(client_id, check)?;
        let accepted = self.commit(client_id, commit, None).await?;
        let (_, record) = accepted.into_parts();
        let credential = record.first().id();
        let version = record.version();
        match resets {
            true => tracing::info!(%client_id, %credential, version, "reset"),
            false => tracing::info!(%client_id, %credential, "enrolled"),
        }
        Ok(record)
    }

    /// Checks a proof for a challenge, by the credential that is named or by the first one, and issues an access
    /// token for all that the client may do, or says what is to be proven besides. A client with allowed sources
    /// has to come from one of them.
    ///
    /// # Errors
    /// [`Error::Denied`] for every cause; [`Error::Throttled`] when the proof is good and the set of
    /// spent challenges is full; [`Error::Unavailable`].
    pub async fn verify(
        &self,
        name: &ChallengeName,
        credential: Option<&CredentialId>,
        proof: &Proof,
        source: Option<IpAddr>,
    ) -> Result<LoggedIn, Error> {
        let login = Login {
            challenge: name,
            credential,
            proof,
            scope: None,
            key: None,
            source,
        };
        Ok(self.log_in(&login).await?)
    }

    /// Replaces a commitment of a client's, given a proof of the old one over the rotation and a proof of
    /// possession of the new one. Tokens of the old one are good no longer.
    ///
    /// # Errors
    /// As [`Service::verify`]; also [`Error::Denied`] when another change was faster.
    pub async fn rotate(
        &self,
        name: &ChallengeName,
        credential: Option<&CredentialId>,
        proof_old: &Proof,
        commitment_new: &Commitment,
        proof_new: &Proof,
        source: Option<IpAddr>,
    ) -> Result<Record, Error> {
        let (keys, now) = self.keys(&name.client_id).await?;
        let challenge_id = name.id.to_text();
        let credential = credential.map(CredentialId::to_string);
        let request = RotationRequest {
            of: named(name, &challenge_id),
            credential: credential.as_deref().map(str::as_bytes),
            proof_old: &proof_old.to_bytes(),
            commitment_new: commitment_new.as_bytes(),
            proof_new: &proof_new.to_bytes(),
        };
        let wanted = self.terms.rotate(&keys, now, &request);
        let accepted = self.conclude(&name.client_id, wanted, source).await?;
        let credential = *accepted.credential_id();
        let was = accepted.proven().map(ToString::to_string);
        let (client_id, record) = accepted.into_parts();
        let version = record.version();
        tracing::info!(%client_id, %credential, was, version, "rotated");
        Ok(record)
    }

    /// Goes on to the end, whatever it is.
    pub(super) async fn conclude(
        &self,
        client_id: &ClientId,
        wanted: Result<Wanted, Refused>,
        source: Option<IpAddr>,
    ) -> Result<Accepted, Error> {
        let commit = self.proven(client_id, wanted, source).await?;
        self.commit(client_id, commit, None).await
    }

    /// Looks the client up, and what a second device left with it where that is wanted, and verifies.
    pub(super) async fn proven(
        &self,
        client_id: &ClientId,
        wanted: Result<Wanted, Refused>,
        source: Option<IpAddr>,
    ) -> Result<Commit, Error> {
        let wanted = wanted.map_err(|refused| refuse(client_id, refused))?;
        let wanted = wanted.coming_from(source);
        let record = self.store.look_up(client_id).await?;
        let wanted = match wanted.wants_pending_link() {
            true => {
                let now = self.now();
                wanted.with_pending_link(self.store.pending_link(client_id, now).await?)
            }
            false => wanted,
        };
        let check = wanted.found(record, |decoy| Commitment::from_bytes(decoy))?;
        verified(client_id, check)
    }

    /// Has the store take the step that follows a proof that holds, and list the session that it opens.
    pub(super) async fn commit(
        &self,
        client_id: &ClientId,
        commit: Commit,
        session: Option<&Session>,
    ) -> Result<Accepted, Error> {
        let step = commit.step();
        let committed = self.store.commit(step, session, self.now()).await?;
        commit
            .done(committed)
            .map_err(|refused| refuse(client_id, refused))
    }

    /// The challenge keys of the epoch that the client's spent set is in, and the time by its clock.
    pub(super) async fn keys(&self, client_id: &ClientId) -> Result<(Arc<Keys>, u64), Error> {
        let at = self.store.epoch(client_id, self.now()).await?;
        Ok((self.keys.of(at.epoch, &self.roots)?, at.now))
    }
}

fn verified(client_id: &ClientId, check: Check) -> Result<Commit, Error> {
    let settled = check.verify().settle();
    settled.map_err(|refused| refuse(client_id, refused))
}

/// What is said of an attempt that was refused, and to the operator why.
pub(super) fn refuse(client_id: &ClientId, refused: Refused) -> Error {
    match &refused {
        Refused::Denied(cause) => tracing::info!(%client_id, ?cause, "denied"),
        Refused::Throttled {
            retry_after_seconds,
        } => tracing::warn!(%client_id, retry_after_seconds, "no room for a spent challenge"),
        Refused::Failed(_) | Refused::AlreadyEnrolled => {}
    }
    refused.into()
}

pub(super) fn named<'a>(name: &'a ChallengeName, challenge_id: &'a [u8]) -> Named<'a> {
    Named::Apart {
        client_id: name.client_id.as_bytes(),
        challenge_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Config,
        clock::SystemClock,
        service::{change_record, invite},
        store::{EmbeddedStore, RecordChange},
    };
    use twofapi_crypto_core::{Authentication, Credential, Enrolment, Rotation, prove};
    use zeroize::Zeroizing;

    struct Scene {
        service: Service,
        store: Arc<EmbeddedStore>,
        credential: Credential,
    }

    fn id(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    impl Scene {
        /// A service with room for `capacity` spent challenges, where `alice` and `sue` are enrolled
        /// with one credential and `sue` is suspended.
        async fn new(capacity: u32) -> Self {
            let store = Arc::new(EmbeddedStore::in_memory(capacity).unwrap());
            let config = Config::new("https://api.example.com".parse().unwrap());
            let clock = Arc::new(SystemClock::new());
            let service = Service::new(config, store.clone(), clock).await.unwrap();
            let credential = Credential::generate(&mut getrandom::SysRng).unwrap();
            for client_id in [id("alice"), id("sue")] {
                let statement = Enrolment {
                    client_id: &client_id,
                };
                let proof = prove(&credential, &statement, &mut getrandom::SysRng).unwrap();
                let by = EnrolmentPermission::HostApplication;
                let commitment = credential.commitment();
                let enrolled = service.enrol(&client_id, commitment, &proof, by).await;
                assert!(enrolled.unwrap().is_active());
            }
            change_record(&*store, &id("sue"), &RecordChange::Suspend)
                .await
                .unwrap();
            Self {
                service,
                store,
                credential,
            }
        }

        /// A challenge for this client and a proof that answers it.
        async fn proven(&self, client_id: &ClientId) -> (ChallengeName, Proof) {
            let issued = self.service.challenge(client_id).await.unwrap();
            let statement = Authentication {
                client_id,
                nonce: &issued.nonce,
                binding: self.service.binding(),
            };
            let proof = prove(&self.credential, &statement, &mut getrandom::SysRng).unwrap();
            (issued.name, proof)
        }

        async fn verify(&self, name: &ChallengeName, proof: &Proof) -> Result<(), Error> {
            self.service.verify(name, None, proof, None).await.map(drop)
        }
    }

    #[tokio::test]
    async fn a_challenge_is_good_once_and_for_who_is_active() {
        let scene = Scene::new(100).await;
        let (name, proof) = scene.proven(&id("alice")).await;
        let (_, wrong) = scene.proven(&id("alice")).await;
        assert_eq!(scene.verify(&name, &wrong).await, Err(Error::Denied));
        assert_eq!(scene.verify(&name, &proof).await, Ok(()));
        assert_eq!(scene.verify(&name, &proof).await, Err(Error::Denied));
        for nobody in ["stranger", "sue"] {
            let (name, proof) = scene.proven(&id(nobody)).await;
            assert_eq!(scene.verify(&name, &proof).await, Err(Error::Denied));
        }
    }

    #[tokio::test]
    async fn servers_of_a_shared_store_allow_each_other_two_seconds_and_one_alone_allows_none() {
        let alone = EmbeddedStore::in_memory(100).unwrap();
        let shared = EmbeddedStore::as_if_shared(100).unwrap();
        for (store, skew) in [(alone, 0), (shared, 2)] {
            let config = Config {
                operator_keys: Some(crate::OperatorKeys::generate(0).unwrap()),
                ..Config::new("https://api.example.com".parse().unwrap())
            };
            let ttl = u64::from(config.challenge_ttl.seconds());
            let clock = Arc::new(SystemClock::new());
            let service = Service::new(config, Arc::new(store), clock).await.unwrap();
            let issued = service.challenge(&id("alice")).await.unwrap();
            let (keys, _) = service.keys(&id("alice")).await.unwrap();
            let (name, expiry) = (issued.name.id.to_text(), u64::from(issued.expires_at));
            // By whatever time another server goes.
            let is_alive_at = |now| {
                let nonce = service.terms.nonce(&keys, &id("alice"), &name, now);
                nonce.is_ok()
            };
            assert!(is_alive_at(expiry - 1 + skew) && !is_alive_at(expiry + skew));
            let issued_at = expiry - ttl;
            assert!(is_alive_at(issued_at - skew) && !is_alive_at(issued_at - skew - 1));
        }
    }

    #[tokio::test]
    async fn refused_proofs_take_no_room_and_unknown_clients_learn_nothing_of_a_full_set() {
        let scene = Scene::new(2).await;
        let alice = id("alice");
        let (_, wrong) = scene.proven(&alice).await;
        for _ in 0..50 {
            let (name, _) = scene.proven(&alice).await;
            assert_eq!(scene.verify(&name, &wrong).await, Err(Error::Denied));
        }
        for _ in 0..2 {
            let (name, proof) = scene.proven(&alice).await;
            assert_eq!(scene.verify(&name, &proof).await, Ok(()));
        }
        for (client_id, proof) in [("alice", Some(wrong)), ("stranger", None), ("sue", None)] {
            let (name, own) = scene.proven(&id(client_id)).await;
            let outcome = scene.verify(&name, &proof.unwrap_or(own)).await;
            assert_eq!(outcome, Err(Error::Denied), "{client_id}");
        }
        // Only who has a good proof is told that there is no room, and its challenge stays good.
        let (name, proof) = scene.proven(&alice).await;
        for _ in 0..2 {
            let outcome = scene.verify(&name, &proof).await;
            assert!(matches!(
                outcome,
                Err(Error::Throttled {
                    retry_after_seconds: 1..=120
                })
            ));
        }
    }

    #[tokio::test]
    async fn of_two_rotations_from_one_version_one_wins_and_takes_the_step_whole() {
        let scene = Scene::new(100).await;
        let alice = id("alice");
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let issued = scene.service.challenge(&alice).await.unwrap();
            let new = Credential::generate(&mut getrandom::SysRng).unwrap();
            let binding = scene.service.binding();
            let statement = Rotation::new(&alice, &issued.nonce, new.commitment(), binding);
            let old = prove(
                &scene.credential,
                &statement.unwrap(),
                &mut getrandom::SysRng,
            );
            let possession = Enrolment { client_id: &alice };
            let new_proof = prove(&new, &possession, &mut getrandom::SysRng).unwrap();
            let rotated = scene
                .service
                .rotate(
                    &issued.name,
                    None,
                    &old.unwrap(),
                    new.commitment(),
                    &new_proof,
                    None,
                )
                .await;
            outcomes.push(rotated.map(|record| record.version()));
        }
        assert_eq!(outcomes, [Ok(2), Err(Error::Denied)]);
    }

    #[tokio::test]
    async fn a_suspended_client_is_let_in_again_when_it_is_resumed() {
        let scene = Scene::new(10).await;
        let sue = id("sue");
        change_record(&*scene.store, &sue, &RecordChange::Resume)
            .await
            .unwrap();
        let (name, proof) = scene.proven(&sue).await;
        assert_eq!(scene.verify(&name, &proof).await, Ok(()));
    }

    #[tokio::test]
    async fn an_invitation_for_an_enrolled_client_is_refused() {
        let scene = Scene::new(10).await;
        for (client_id, expected) in [("alice", Err(Error::AlreadyEnrolled)), ("new", Ok(()))] {
            let made = invite(&*scene.store, &id(client_id), 1, 10).await;
            assert_eq!(made.map(drop), expected);
        }
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let token = crate::AccessToken {
            jwt: Zeroizing::new("s3cret".into()),
            expires_in: 1,
            scope: None,
            token_type: "Bearer",
        };
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
