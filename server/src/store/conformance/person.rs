//! Somebody with a credential, and the steps that the ceremonies make for them.

use std::sync::{Arc, LazyLock};

use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, Challenge, ChallengeTtl, ClientId,
    ClientRecord, Commitment, Credential, Enrolment, Rotation,
    ceremony::{
        At, AuthenticationRequest, Committed, Decoys, EnrolmentRequest, Keys, Named, Permission,
        Root, RotationRequest, Step, Terms,
    },
    prove,
};

use super::subject::{StoreUnderTest, at, commit};

/// Under which a challenge may live as long as any may.
static TERMS: LazyLock<Terms> = LazyLock::new(|| {
    let audience = Audience::parse("https://store.example.com").expect("an audience");
    let binding = AuthenticationBinding::for_audience(&audience);
    let longest = ChallengeTtl::from_seconds(ChallengeTtl::MAX_SECONDS).expect("a time to live");
    Terms::new(binding, Decoys::new([0; 16])).with_ttl(longest)
});

#[derive(Clone)]
pub(in crate::store) struct Person {
    pub(in crate::store) id: ClientId,
    pub(super) credential: Arc<Credential>,
}

/// A challenge with what it takes to answer it.
pub(super) struct Issued {
    keys: Arc<Keys>,
    now: u64,
    challenge: Challenge,
}

impl Person {
    pub(in crate::store) fn new(name: &str) -> Self {
        let credential = Credential::generate(&mut getrandom::SysRng).expect("randomness");
        Self {
            id: ClientId::parse(name).expect("a client id"),
            credential: Arc::new(credential),
        }
    }

    pub(super) async fn enrolled(subject: &dyn StoreUnderTest, name: &str) -> Self {
        let person = Self::new(name);
        let step = person.enrolment(Permission::Host);
        assert_eq!(commit(subject, &step).await, Committed::Done, "{name}");
        person
    }

    /// The same id with another credential.
    pub(super) fn renewed(&self) -> Self {
        Self::new(self.id.as_str())
    }

    pub(in crate::store) fn commitment(&self) -> Commitment {
        *self.credential.commitment()
    }

    pub(super) async fn record(&self, subject: &dyn StoreUnderTest) -> Option<ClientRecord> {
        let record = subject.store().look_up(&self.id).await;
        record.expect("the store works")
    }

    pub(in crate::store) fn enrolment(&self, by: Permission) -> Step {
        let possession = Enrolment {
            client_id: &self.id,
        };
        let proof = prove(&self.credential, &possession, &mut getrandom::SysRng).expect("a proof");
        let asked = TERMS.enrol(&EnrolmentRequest {
            client_id: self.id.as_bytes(),
            commitment: self.commitment().as_bytes(),
            proof: &proof.to_bytes(),
        });
        let check = asked.expect("well formed").permitted(by);
        let commit = check.verify().settle().expect("a good proof");
        commit.step().clone()
    }

    /// A challenge that lives for so many seconds.
    pub(super) fn challenge(&self, at: At, seconds: u32) -> Issued {
        let root = [Root::new(0, [7; Root::LEN])];
        let keys = Arc::new(Keys::derive(&root, at.epoch).expect("keys"));
        let ttl = ChallengeTtl::from_seconds(seconds).expect("a time to live");
        let terms = TERMS.clone().with_ttl(ttl);
        let challenge = terms
            .challenge(&keys, &self.id, at.now, &mut getrandom::SysRng)
            .expect("a challenge");
        Issued {
            keys,
            now: at.now,
            challenge,
        }
    }

    /// The step of a login that was judged by this record.
    pub(super) fn login(&self, issued: &Issued, record: ClientRecord) -> Step {
        let statement = Authentication {
            client_id: &self.id,
            nonce: &issued.challenge.nonce,
            binding: TERMS.binding(),
        };
        let proof = prove(&self.credential, &statement, &mut getrandom::SysRng).expect("a proof");
        let wanted = TERMS.authenticate(
            &issued.keys,
            issued.now,
            &AuthenticationRequest {
                of: self.named(&issued.challenge.id.to_text()),
                credential: None,
                proof: &proof.to_bytes(),
                binding: None,
            },
        );
        let check = wanted
            .expect("well formed")
            .found(Some(record), |decoy| Commitment::from_bytes(decoy))
            .expect("a check");
        let commit = check.verify().settle().expect("a good proof");
        commit.step().clone()
    }

    /// The step of a rotation to the other one's credential.
    pub(super) fn rotation(&self, to: &Self, issued: &Issued, record: ClientRecord) -> Step {
        let rng = &mut getrandom::SysRng;
        let nonce = &issued.challenge.nonce;
        let new = to.commitment();
        let statement = Rotation::new(&self.id, nonce, &new, TERMS.binding()).expect("a statement");
        let old = prove(&self.credential, &statement, rng).expect("a proof");
        let possession = Enrolment {
            client_id: &self.id,
        };
        let proof_new = prove(&to.credential, &possession, rng).expect("a proof");
        let wanted = TERMS.rotate(
            &issued.keys,
            issued.now,
            &RotationRequest {
                of: self.named(&issued.challenge.id.to_text()),
                credential: None,
                proof_old: &old.to_bytes(),
                commitment_new: new.as_bytes(),
                proof_new: &proof_new.to_bytes(),
            },
        );
        let check = wanted
            .expect("well formed")
            .found(Some(record), |decoy| Commitment::from_bytes(decoy))
            .expect("a check");
        let commit = check.verify().settle().expect("good proofs");
        commit.step().clone()
    }

    /// A login from the challenge to the step, with a challenge that lives long enough.
    pub(super) async fn fresh_login(&self, subject: &dyn StoreUnderTest) -> Step {
        let issued = self.challenge(at(subject).await, 600);
        let record = self.record(subject).await.expect("a record");
        self.login(&issued, record)
    }

    fn named<'a>(&'a self, challenge_id: &'a [u8]) -> Named<'a> {
        Named::Apart {
            client_id: self.id.as_bytes(),
            challenge_id,
        }
    }
}
