//! A host with a store of one client, for tests of links.

use alloc::{format, string::String, sync::Arc};

use super::*;
use crate::{
    Authentication, AuthenticationBinding, Challenge, ClientId, Commitment, Credential,
    CredentialId, CredentialName, Joining, Linking, Proof, Record, Statement, Unlinking, prove,
    testing::rng,
};

pub(super) const NOW: u64 = 1_795_000_000;

/// A host with a store of one client.
pub(super) struct Scene {
    pub(super) id: ClientId,
    pub(super) phone: Credential,
    pub(super) laptop: Credential,
    pub(super) terms: Terms,
    pub(super) keys: Arc<Keys>,
    pub(super) record: Record,
    pub(super) pending: Option<PendingLink>,
    pub(super) spent: OwnedSpentSet,
    pub(super) issued: u64,
    pub(super) now: u64,
}

pub(super) fn name(text: &str) -> CredentialName {
    text.parse().unwrap()
}

pub(super) fn id_of(credential: &Credential) -> CredentialId {
    CredentialId::of(credential.commitment().as_bytes())
}

pub(super) fn drawn(seed: u64) -> Credential {
    Credential::generate(&mut rng(seed)).unwrap()
}

impl Scene {
    /// `alice` has a phone.
    pub(super) fn new() -> Self {
        let binding = AuthenticationBinding::for_audience(&"https://a.example".parse().unwrap());
        let epoch = Epoch::from_bytes([2; 16]);
        let keys = Keys::derive(&[Root::new(0, [1; 32])], epoch).unwrap();
        let phone = drawn(1);
        Self {
            id: "alice".parse().unwrap(),
            record: Record::enrolled(phone.commitment(), name("phone"), NOW),
            phone,
            laptop: drawn(2),
            terms: Terms::new(binding, Decoys::new([3; 16])),
            keys: Arc::new(keys),
            pending: None,
            spent: OwnedSpentSet::new(1000, epoch),
            issued: 100,
            now: NOW,
        }
    }

    /// `alice` has a phone and a laptop.
    pub(super) fn with_both() -> Self {
        let mut scene = Self::new();
        let laptop = *scene.laptop.commitment();
        let phone = scene.record.first().id();
        scene
            .record
            .link(&phone, &laptop, name("laptop"), NOW)
            .unwrap();
        scene
    }

    pub(super) fn challenge(&mut self) -> Challenge {
        self.issued += 1;
        let rng = &mut rng(self.issued);
        self.terms
            .challenge(&self.keys, &self.id, self.now, rng)
            .unwrap()
    }

    pub(super) fn named(&self, challenge: &Challenge) -> String {
        format!("{}.{}", challenge.id, self.id)
    }

    pub(super) fn proof(&self, by: &Credential, statement: &dyn Statement) -> [u8; Proof::LEN] {
        prove(by, statement, &mut rng(7)).unwrap().to_bytes()
    }

    pub(super) fn linking(
        &self,
        by: &Credential,
        of: &Challenge,
        new: &Credential,
    ) -> [u8; Proof::LEN] {
        let (id, binding) = (&self.id, self.terms.binding());
        let new = new.commitment().as_bytes();
        self.proof(by, &Linking::new(id, &of.nonce, new, binding).unwrap())
    }

    pub(super) fn joining(&self, by: &Credential, of: &Challenge) -> [u8; Proof::LEN] {
        let (id, binding) = (&self.id, self.terms.binding());
        self.proof(by, &Joining::new(id, &of.nonce, binding).unwrap())
    }

    pub(super) fn unlinking(
        &self,
        by: &Credential,
        of: &Challenge,
        old: &Credential,
    ) -> [u8; Proof::LEN] {
        let (id, binding) = (&self.id, self.terms.binding());
        let old = old.commitment().as_bytes();
        self.proof(by, &Unlinking::new(id, &of.nonce, old, binding).unwrap())
    }

    /// Asks for a link with these proofs.
    pub(super) fn ask_link(
        &self,
        by: Option<CredentialId>,
        of: &Challenge,
        proof: &[u8],
        new: &Credential,
        joining: Option<(&[u8], &[u8])>,
    ) -> Result<Wanted, Refused> {
        let (of, by) = (self.named(of), by.map(|by| format!("{by}")));
        let request = LinkRequest {
            of: Named::Joined(of.as_bytes()),
            credential: by.as_ref().map(|by| by.as_bytes()),
            proof,
            commitment_new: new.commitment().as_bytes(),
            joining: joining.map(|(proof, name)| JoiningPart { proof, name }),
        };
        self.terms.link(&self.keys, self.now, &request)
    }

    /// The link of a new credential at the same device, as its owner asks for it.
    pub(super) fn link(&mut self, by: &Credential, new: &Credential) -> Wanted {
        let of = self.challenge();
        let (proof, joining) = (self.linking(by, &of, new), self.joining(new, &of));
        let joining = (&joining[..], &b"new"[..]);
        self.ask_link(Some(id_of(by)), &of, &proof, new, Some(joining))
            .unwrap()
    }

    pub(super) fn unlink(&mut self, by: &Credential, old: &Credential) -> Wanted {
        let of = self.challenge();
        let proof = self.unlinking(by, &of, old);
        let (of, by) = (self.named(&of), format!("{}", id_of(by)));
        let request = UnlinkRequest {
            of: Named::Joined(of.as_bytes()),
            credential: Some(by.as_bytes()),
            proof: &proof,
            commitment_old: old.commitment().as_bytes(),
        };
        self.terms.unlink(&self.keys, self.now, &request).unwrap()
    }

    pub(super) fn login(&mut self, by: &Credential, named: Option<CredentialId>) -> Wanted {
        let of = self.challenge();
        let statement = Authentication {
            client_id: &self.id,
            nonce: &of.nonce,
            binding: self.terms.binding(),
        };
        let proof = self.proof(by, &statement);
        let (of, named) = (self.named(&of), named.map(|named| format!("{named}")));
        let request = AuthenticationRequest {
            of: Named::Joined(of.as_bytes()),
            credential: named.as_ref().map(|named| named.as_bytes()),
            proof: &proof,
            binding: None,
        };
        self.terms
            .authenticate(&self.keys, self.now, &request)
            .unwrap()
    }

    pub(super) fn settle(&self, wanted: Wanted) -> Result<Commit, Refused> {
        let pending = self.pending.clone().filter(|_| wanted.wants_pending_link());
        let wanted = wanted.with_pending_link(pending);
        let record = Some(self.record.clone());
        let check = wanted.found(record, |bytes| Commitment::from_bytes(bytes));
        check.unwrap().verify().settle()
    }

    pub(super) fn commit(&mut self, commit: Commit) -> Result<Accepted, Refused> {
        let step = commit.step().clone();
        let mut committed = step.expect.met_by(Some(&self.record), self.now);
        if let Expect::Unchanged {
            joined: Some(joined),
            ..
        } = &step.expect
            && self.pending.as_ref() != Some(&**joined)
        {
            committed = Committed::Changed;
        }
        if let (Committed::Done, Some(spend)) = (committed, &step.spend) {
            committed = self.spent.set().accept(spend, self.now);
        }
        if committed == Committed::Done
            && let Change::Replace(record) = step.change
        {
            self.record = record;
        }
        commit.done(committed)
    }

    /// From the look-up to the end.
    pub(super) fn carry_out(&mut self, wanted: Wanted) -> Result<Accepted, Refused> {
        let commit = self.settle(wanted)?;
        self.commit(commit)
    }

    pub(super) fn offer(&mut self) -> Challenge {
        let challenge = self.challenge();
        let of = self.named(&challenge);
        let of = Named::Joined(of.as_bytes());
        let pending = self.terms.offer(&self.keys, self.now, &self.id, &of);
        self.pending = Some(pending.unwrap());
        challenge
    }

    /// A second device takes the offer and is told a number.
    pub(super) fn join(&mut self, offer: &Challenge, by: &Credential) -> Result<u32, Refused> {
        let proof = self.joining(by, offer);
        let of = self.named(offer);
        let request = JoinRequest {
            of: Named::Joined(of.as_bytes()),
            commitment: by.commitment().as_bytes(),
            joining: JoiningPart {
                proof: &proof,
                name: b"laptop",
            },
        };
        let joiner = self.terms.join(&self.keys, self.now, &request)?;
        let join = joiner.found(self.pending.clone())?;
        let as_expected = self.pending.as_ref() == Some(join.before());
        if as_expected {
            self.pending = Some(join.after().clone());
        }
        join.done(as_expected)
    }

    /// What the first device asks after its user has typed the number.
    pub(super) fn link_what_joined(&mut self, new: &Credential) -> Result<Accepted, Refused> {
        let of = self.challenge();
        let phone = drawn(1);
        let proof = self.linking(&phone, &of, new);
        let wanted = self.ask_link(None, &of, &proof, new, None).unwrap();
        self.carry_out(wanted)
    }
}

pub(super) fn cause(refused: Result<Accepted, Refused>) -> Cause {
    match refused {
        Err(Refused::Denied(cause)) => cause,
        other => panic!("{other:?}"),
    }
}
