//! What this node's challenges are computed from and judged by: its terms, the keys of its epoch and the
//! set of those that were accepted. Without a clock: who calls says what time it is.

use std::sync::Arc;

use getrandom::{SysRng, rand_core::TryRng as _, rand_core::UnwrapErr};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use twofapi_crypto_core::{
    AuthenticationBinding, Challenge, ChallengeTtl, ClientId, Error,
    ceremony::{At, Committed, Decoys, Epoch, Keys, OwnedSpentSet, Root, Spend, SpentStats, Terms},
};

/// What the operator may change while the server runs.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) binding: Arc<AuthenticationBinding>,
    pub(crate) ttl: ChallengeTtl,
}

/// What an attempt begins with.
pub(crate) struct Now<'a> {
    pub(crate) terms: &'a Terms,
    pub(crate) keys: &'a Arc<Keys>,
    pub(crate) seconds: u64,
}

pub(crate) struct Challenges {
    /// Drawn when the server starts, and never told.
    root: Root,
    keys: Arc<Keys>,
    /// Draws the random part of challenge ids, which nobody has to keep secret, without a system call for
    /// each.
    rng: ChaCha20Rng,
    spent: OwnedSpentSet,
    /// Chooses decoys, and tells nobody which.
    decoys: [u8; 16],
    settings: Settings,
    terms: Terms,
}

impl Challenges {
    /// A root and an epoch of their own, and an empty set of this capacity. Computes the decoys, which
    /// takes as long as some thousand proofs.
    pub(crate) fn new(capacity: u32, settings: Settings) -> Result<Self, Error> {
        let root = Root::generate(0, &mut SysRng)?;
        let epoch = Epoch::generate(&mut SysRng)?;
        let mut decoys = [0; 16];
        SysRng
            .try_fill_bytes(&mut decoys)
            .map_err(|error| Error::Unavailable {
                reason: format!("no randomness: {error}"),
            })?;
        Ok(Self {
            keys: derived(&root, epoch)?,
            root,
            rng: ChaCha20Rng::from_rng(&mut UnwrapErr(SysRng)),
            spent: OwnedSpentSet::new(capacity, epoch),
            decoys,
            terms: terms(decoys, &settings),
            settings,
        })
    }

    /// A challenge for whoever asks. Nothing is stored.
    pub(crate) fn issue(
        &mut self,
        client_id: &ClientId,
        now: u64,
        ttl: ChallengeTtl,
    ) -> Result<Challenge, Error> {
        let at = self.at(now)?;
        if ttl != self.settings.ttl {
            self.settings.ttl = ttl;
            self.terms = terms(self.decoys, &self.settings);
        }
        self.terms
            .challenge(&self.keys, client_id, at.now, &mut self.rng)
    }

    /// What an attempt at this time begins with.
    pub(crate) fn now(&mut self, now: u64, settings: &Settings) -> Result<Now<'_>, Error> {
        let at = self.at(now)?;
        if !Arc::ptr_eq(&settings.binding, &self.settings.binding)
            || settings.ttl != self.settings.ttl
        {
            self.settings = settings.clone();
            self.terms = terms(self.decoys, settings);
        }
        Ok(Now {
            terms: &self.terms,
            keys: &self.keys,
            seconds: at.now,
        })
    }

    /// Spends a challenge, where the record has been looked at and nothing can come in between.
    pub(crate) fn accept(&mut self, spend: &Spend, now: u64) -> Committed {
        self.spent.set().accept(spend, now)
    }

    /// Every challenge that was issued before is dead, those of attempts that are under way too.
    pub(crate) fn begin_epoch(&mut self) -> Result<(), Error> {
        let epoch = Epoch::generate(&mut SysRng)?;
        self.keys = derived(&self.root, epoch)?;
        self.spent.set().renew(epoch);
        Ok(())
    }

    pub(crate) fn stats(&mut self, now: u64) -> SpentStats {
        self.spent.set().stats(now)
    }

    /// Sees to it that the keys are those of now.
    fn at(&mut self, now: u64) -> Result<At, Error> {
        let draw = || Epoch::generate(&mut SysRng);
        let at = self.spent.set().at(now, draw)?;
        if at.epoch != self.keys.epoch() {
            self.keys = derived(&self.root, at.epoch)?;
        }
        Ok(at)
    }
}

fn derived(root: &Root, epoch: Epoch) -> Result<Arc<Keys>, Error> {
    Keys::derive(std::slice::from_ref(root), epoch).map(Arc::new)
}

fn terms(decoys: [u8; 16], settings: &Settings) -> Terms {
    Terms::new((*settings.binding).clone(), Decoys::new(decoys)).with_ttl(settings.ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twofapi_crypto_core::{
        Authentication, Commitment, Credential, CredentialName, Record,
        ceremony::{AuthenticationRequest, Commit, Named, Refused},
        prove,
    };

    const NOW: u64 = 1_795_000_000;

    struct Scene {
        challenges: Challenges,
        settings: Settings,
        alice: ClientId,
        credential: Credential,
    }

    impl Scene {
        fn new(capacity: u32) -> Self {
            let settings = Settings {
                binding: Arc::default(),
                ttl: ChallengeTtl::default(),
            };
            Self {
                challenges: Challenges::new(capacity, settings.clone()).unwrap(),
                settings,
                alice: "alice".parse().unwrap(),
                credential: Credential::generate(&mut SysRng).unwrap(),
            }
        }

        /// A challenge, and an attempt with a good proof for it up to the step.
        fn good(&mut self, issued: u64, tried: u64) -> Result<Commit, Refused> {
            let challenge = self.issue(issued);
            self.tried(&challenge, tried)
        }

        fn issue(&mut self, now: u64) -> Challenge {
            self.challenges
                .issue(&self.alice, now, self.settings.ttl)
                .unwrap()
        }

        fn tried(&mut self, challenge: &Challenge, now: u64) -> Result<Commit, Refused> {
            let statement = Authentication {
                client_id: &self.alice,
                nonce: &challenge.nonce,
                binding: &self.settings.binding,
            };
            let proof = prove(&self.credential, &statement, &mut SysRng).unwrap();
            let begun = self.challenges.now(now, &self.settings).unwrap();
            let wanted = begun.terms.authenticate(
                begun.keys,
                begun.seconds,
                &AuthenticationRequest {
                    of: Named::Apart {
                        client_id: b"alice",
                        challenge_id: &challenge.id.to_text(),
                    },
                    credential: None,
                    proof: &proof.to_bytes(),
                    binding: None,
                },
            )?;
            let unnamed = CredentialName::unnamed();
            let record = Record::enrolled(self.credential.commitment(), unnamed, 0);
            let check = wanted.found(Some(record), |decoy| Commitment::from_bytes(decoy));
            check.unwrap().verify().settle()
        }

        fn accept(&mut self, commit: &Commit, now: u64) -> Committed {
            let spend = commit.step().spend.unwrap();
            self.challenges.accept(&spend, now)
        }
    }

    #[test]
    fn a_clock_that_is_set_back_revives_nothing_and_keeps_nobody_out() {
        let mut scene = Scene::new(100);
        let used = scene.issue(NOW);
        let [first, again] = [0, 1].map(|_| scene.tried(&used, NOW).unwrap());
        let under_way = scene.good(NOW, NOW).unwrap();
        assert_eq!(scene.accept(&first, NOW), Committed::Done);
        // By some seconds, as a clock that is kept right may be: nothing is forgotten.
        assert_eq!(scene.accept(&again, NOW - 30), Committed::Spent);
        // By an hour: what was issued is dead, in the step as well.
        let back = NOW - 3600;
        assert_eq!(scene.accept(&under_way, back), Committed::StaleEpoch);
        let commit = scene.good(back, back).unwrap();
        assert_eq!(scene.accept(&commit, back), Committed::Done);
        assert!(scene.tried(&used, back).is_err());
        // And forward again.
        assert!(scene.tried(&used, NOW).is_err());
        let commit = scene.good(NOW, NOW).unwrap();
        assert_eq!(scene.accept(&commit, NOW), Committed::Done);
    }

    #[test]
    fn a_new_epoch_voids_what_is_under_way() {
        let mut scene = Scene::new(100);
        let under_way = scene.good(NOW, NOW).unwrap();
        let challenge = scene.issue(NOW);
        scene.challenges.begin_epoch().unwrap();
        assert_eq!(scene.accept(&under_way, NOW), Committed::StaleEpoch);
        assert!(scene.tried(&challenge, NOW).is_err());
        let commit = scene.good(NOW, NOW).unwrap();
        assert_eq!(scene.accept(&commit, NOW), Committed::Done);
    }

    #[test]
    fn what_waits_beyond_its_challenges_time_is_not_accepted() {
        let mut scene = Scene::new(100);
        let waited = scene.good(NOW, NOW + 119).unwrap();
        assert_eq!(scene.accept(&waited, NOW + 120), Committed::Expired);
    }

    #[test]
    fn settings_that_change_hold_for_the_next_attempt() {
        let mut scene = Scene::new(100);
        let challenge = scene.issue(NOW);
        scene.settings.ttl = ChallengeTtl::from_seconds(10).unwrap();
        assert!(scene.tried(&challenge, NOW).is_err());
        assert_eq!(u64::from(scene.issue(NOW).id.expires_at()), NOW + 10);
        scene.settings.binding = Arc::new(AuthenticationBinding::for_audience(
            &"redis.example".parse().unwrap(),
        ));
        assert!(scene.good(NOW, NOW).is_ok());
    }
}
