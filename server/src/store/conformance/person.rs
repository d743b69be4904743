//! Somebody with a credential, and the steps that the ceremonies make for them.

use std::{
    net::Ipv4Addr,
    sync::{Arc, LazyLock},
};

use twofapi_crypto_core::{
    Audience, Authentication, AuthenticationBinding, Challenge, ChallengeTtl, ClientId, Commitment,
    Credential, CredentialId, Enrolment, Joining, Linking, Record, Rotation, Statement, Unlinking,
    ceremony::{
        Asked, At, AuthenticationRequest, Committed, Decoys, EnrolmentRequest, Join, JoinRequest,
        JoiningPart, Keys, LinkRequest, Named, PendingLink, Permission, Refused, Root,
        RotationRequest, Step, Terms, UnlinkRequest, Wanted,
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

    pub(super) async fn record(&self, subject: &dyn StoreUnderTest) -> Option<Record> {
        let record = subject.store().look_up(&self.id).await;
        record.expect("the store works")
    }

    /// The id of the credential.
    pub(super) fn credential_id(&self) -> CredentialId {
        CredentialId::of(self.commitment().as_bytes())
    }

    pub(in crate::store) fn enrolment(&self, by: Permission) -> Step {
        let check = self.asked().permitted(by);
        let commit = check.verify().settle().expect("a good proof");
        commit.step().clone()
    }

    /// The step of a reset of this record.
    pub(in crate::store) fn reset(&self, by: Permission, record: &Record) -> Step {
        let check = self.asked().permitted_to_reset(by, Some(record.clone()));
        let check = check.expect("a client that may be reset");
        let commit = check.verify().settle().expect("a good proof");
        commit.step().clone()
    }

    fn asked(&self) -> Asked {
        let asked = TERMS.enrol(&EnrolmentRequest {
            client_id: self.id.as_bytes(),
            commitment: self.commitment().as_bytes(),
            proof: &self.possession(),
        });
        asked.expect("well formed")
    }

    fn possession(&self) -> [u8; 96] {
        self.proof(&Enrolment {
            client_id: &self.id,
        })
    }

    fn proof(&self, statement: &impl Statement) -> [u8; 96] {
        let proof = prove(&self.credential, statement, &mut getrandom::SysRng);
        proof.expect("a proof").to_bytes()
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

    /// The step of a login that was judged by this record. It names its credential.
    pub(super) fn login(&self, issued: &Issued, record: &Record) -> Step {
        let proof = self.proof(&Authentication {
            client_id: &self.id,
            nonce: &issued.challenge.nonce,
            binding: TERMS.binding(),
        });
        let wanted = TERMS.authenticate(
            &issued.keys,
            issued.now,
            &AuthenticationRequest {
                of: self.named(&issued.challenge.id.to_text()),
                credential: Some(self.credential_id().to_string().as_bytes()),
                proof: &proof,
                binding: None,
            },
        );
        step(wanted, record)
    }

    /// The step of a rotation to the other one's credential.
    pub(super) fn rotation(&self, to: &Self, issued: &Issued, record: &Record) -> Step {
        let (nonce, new) = (&issued.challenge.nonce, to.commitment());
        let statement = Rotation::new(&self.id, nonce, &new, TERMS.binding());
        let wanted = TERMS.rotate(
            &issued.keys,
            issued.now,
            &RotationRequest {
                of: self.named(&issued.challenge.id.to_text()),
                credential: Some(self.credential_id().to_string().as_bytes()),
                proof_old: &self.proof(&statement.expect("a statement")),
                commitment_new: new.as_bytes(),
                proof_new: &to.possession(),
            },
        );
        step(wanted, record)
    }

    /// The step of a link of the other one's credential, at this device.
    pub(super) fn link(&self, other: &Self, issued: &Issued, record: &Record) -> Step {
        let joining = Joining::new(&self.id, &issued.challenge.nonce, TERMS.binding());
        let proof = other.proof(&joining.expect("a statement"));
        let joining = JoiningPart {
            proof: &proof,
            name: b"laptop",
        };
        step(self.wanted_link(other, issued, Some(joining)), record)
    }

    /// The step of a link of the other one's credential, which has joined before.
    pub(super) fn link_what_joined(
        &self,
        other: &Self,
        issued: &Issued,
        record: &Record,
        pending: Option<PendingLink>,
    ) -> Step {
        let wanted = self.wanted_link(other, issued, None);
        step(
            wanted.map(|wanted| wanted.with_pending_link(pending)),
            record,
        )
    }

    fn wanted_link(
        &self,
        other: &Self,
        issued: &Issued,
        joining: Option<JoiningPart<'_>>,
    ) -> Result<Wanted, Refused> {
        let new = other.commitment();
        let nonce = &issued.challenge.nonce;
        let statement = Linking::new(&self.id, nonce, new.as_bytes(), TERMS.binding());
        TERMS.link(
            &issued.keys,
            issued.now,
            &LinkRequest {
                of: self.named(&issued.challenge.id.to_text()),
                credential: Some(self.credential_id().to_string().as_bytes()),
                proof: &self.proof(&statement.expect("a statement")),
                commitment_new: new.as_bytes(),
                joining,
            },
        )
    }

    /// The step that takes the other one's credential away.
    pub(super) fn unlink(&self, other: &Self, issued: &Issued, record: &Record) -> Step {
        let old = other.commitment();
        let nonce = &issued.challenge.nonce;
        let statement = Unlinking::new(&self.id, nonce, old.as_bytes(), TERMS.binding());
        let wanted = TERMS.unlink(
            &issued.keys,
            issued.now,
            &UnlinkRequest {
                of: self.named(&issued.challenge.id.to_text()),
                credential: Some(self.credential_id().to_string().as_bytes()),
                proof: &self.proof(&statement.expect("a statement")),
                commitment_old: old.as_bytes(),
            },
        );
        step(wanted, record)
    }

    /// What is pending while this challenge is on offer.
    pub(super) fn offer(&self, issued: &Issued) -> PendingLink {
        let of = issued.challenge.id.to_text();
        let offer = TERMS.offer(&issued.keys, issued.now, &self.id, &self.named(&of));
        offer.expect("a live challenge")
    }

    /// What is to become of what is pending when the credential joins.
    pub(super) fn join(&self, issued: &Issued, pending: &PendingLink) -> Join {
        let joining = Joining::new(&self.id, &issued.challenge.nonce, TERMS.binding());
        let joiner = TERMS.join(
            &issued.keys,
            issued.now,
            &JoinRequest {
                of: self.named(&issued.challenge.id.to_text()),
                commitment: self.commitment().as_bytes(),
                joining: JoiningPart {
                    proof: &self.proof(&joining.expect("a statement")),
                    name: b"phone",
                },
            },
        );
        let join = joiner.expect("well formed").found(Some(pending.clone()));
        join.expect("an offer")
    }

    /// A login from the challenge to the step, with a challenge that lives long enough.
    pub(super) async fn fresh_login(&self, subject: &dyn StoreUnderTest) -> Step {
        let issued = self.challenge(at(subject, self).await, 600);
        let record = self.record(subject).await.expect("a record");
        self.login(&issued, &record)
    }

    fn named<'a>(&'a self, challenge_id: &'a [u8]) -> Named<'a> {
        Named::Apart {
            client_id: self.id.as_bytes(),
            challenge_id,
        }
    }
}

/// The step of an attempt that was judged by this record.
fn step(wanted: Result<Wanted, Refused>, record: &Record) -> Step {
    // From where a client may come whose operator has said so.
    let source = Some(Ipv4Addr::new(192, 0, 2, 7).into());
    let check = wanted
        .expect("well formed")
        .coming_from(source)
        .found(Some(record.clone()), |decoy| Commitment::from_bytes(decoy))
        .expect("a check");
    let commit = check.verify().settle().expect("good proofs");
    commit.step().clone()
}
