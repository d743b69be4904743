//! An attempt from the look-up to the acceptance. Every type is owned and `Send`, and none can be copied
//! or made outside this module: the verdict stays with the attempt that it is about.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::{fmt, hint::black_box, net::IpAddr};

use rand_core::TryCryptoRng;

use super::{
    Asked, Keys, PendingLink,
    purpose::{Asks, New, Permitted, Purpose, Request},
    step::{Cause, Change, Committed, Expect, Permission, Refused, Spend, Step},
};
use crate::{
    BatchEntry, ClientId, Commitment, CredentialId, Error, Proof, Record, Scopes, Statement,
    client::{credentials::Kept, record::damaged},
    sigma::{batch, statement::Stated},
    verify,
};

/// An attempt whose client the host looks up.
#[must_use]
pub struct Wanted {
    client_id: ClientId,
    /// The credential that is named.
    credential: Option<CredentialId>,
    purpose: Purpose,
    decoy: &'static [u8; Commitment::LEN],
    keys: Arc<Keys>,
    now: u64,
    source: Option<IpAddr>,
}

impl Wanted {
    pub(super) const fn new(
        client_id: ClientId,
        credential: Option<CredentialId>,
        purpose: Purpose,
        decoy: &'static [u8; Commitment::LEN],
        keys: Arc<Keys>,
        now: u64,
    ) -> Self {
        Self {
            client_id,
            credential,
            purpose,
            decoy,
            keys,
            now,
            source: None,
        }
    }

    /// Where the attempt comes from, as the host knows and not as the client says. A client with allowed
    /// sources is not let in from elsewhere, and not where nobody told: that is denied, after the same work.
    pub const fn coming_from(mut self, source: Option<IpAddr>) -> Self {
        self.source = source;
        self
    }

    /// Whose record is looked up.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Whether the host looks up as well what a second device left with this client.
    #[must_use]
    pub const fn wants_pending_link(&self) -> bool {
        let Purpose::Asked(request) = &self.purpose else {
            return false;
        };
        matches!(
            request.to,
            Asks::Link {
                new: New::Kept(_),
                ..
            }
        )
    }

    /// What a second device left with this client, where it is wanted.
    pub fn with_pending_link(mut self, pending: Option<PendingLink>) -> Self {
        if let Purpose::Asked(request) = &mut self.purpose
            && let Asks::Link {
                new: New::Kept(kept),
                ..
            } = &mut request.to
        {
            *kept = pending.map(Box::new);
        }
        self
    }

    /// What the host has found, of whatever status. The record may be cached, or come from a replica of
    /// the store: the step decides. `decode` decodes one commitment, of the client or one that stands in
    /// where there is no active client or not the credential that was named: by
    /// [`Commitment::from_bytes`], or through a cache. Of a record that has its commitment decoded it is
    /// asked for the stand-ins only.
    ///
    /// # Errors
    /// What `decode` gives for a stand-in; [`Error::Unavailable`] when the record is damaged.
    pub fn found(
        self,
        record: Option<impl Into<Record>>,
        decode: impl FnOnce(&[u8; Commitment::LEN]) -> Result<Commitment, Error>,
    ) -> Result<Check, Error> {
        let record = record.map(Into::into);
        let found = Named::among(record, self.credential.as_ref(), self.now, self.source);
        let kept = found.as_ref().map(|named| named.commitment());
        let commitment = match kept {
            Ok(Kept::Decoded(commitment)) => commitment,
            Ok(Kept::Bytes(bytes)) => decode(&bytes).map_err(|_| damaged())?,
            Err(_) => decode(self.decoy)?,
        };
        Ok(Check {
            client_id: self.client_id,
            purpose: self.purpose,
            commitment,
            found,
            keys: Some(self.keys),
            now: self.now,
        })
    }
}

/// The client is there and may try, by this credential.
struct Named {
    record: Record,
    /// Its place among the record's.
    at: usize,
    expires_at: Option<u64>,
}

impl Named {
    fn among(
        record: Option<Record>,
        named: Option<&CredentialId>,
        now: u64,
        source: Option<IpAddr>,
    ) -> Result<Self, Cause> {
        let at = match named {
            None => Some(0),
            Some(id) => place_of(id, record.as_ref()),
        };
        let record = record.ok_or(Cause::UnknownClient)?;
        if !record.is_active() {
            return Err(Cause::InactiveClient);
        }
        let at = at.ok_or(Cause::UnknownCredential)?;
        let expires_at = record.expiry_of(&record.credentials()[at]);
        if expires_at.is_some_and(|at| at <= now) {
            return Err(Cause::Expired);
        }
        if !record.permits_source(source) {
            return Err(Cause::Source);
        }
        Ok(Self {
            record,
            at,
            expires_at,
        })
    }

    fn commitment(&self) -> Kept {
        self.record.credentials()[self.at].commitment
    }
}

/// Where the credential of this id is. Whoever is there, as many ids are worked out as a client may have
/// credentials: the time tells neither whether there is such a client nor how many it has.
fn place_of(id: &CredentialId, record: Option<&Record>) -> Option<usize> {
    let credentials = record.map_or(&[][..], Record::credentials);
    let mut found = None;
    for place in 0..Record::MAX_CREDENTIALS {
        let credential = credentials.get(place);
        let commitment = credential.map_or(&[0; Commitment::LEN], |one| one.commitment());
        let is_it = black_box(CredentialId::of(commitment)) == *id;
        if is_it && credential.is_some() {
            found = Some(place);
        }
    }
    found
}

/// An attempt whose proof is to be verified: alone, in a batch, on any thread.
#[must_use]
pub struct Check {
    client_id: ClientId,
    purpose: Purpose,
    /// Of the client, or a decoy.
    commitment: Commitment,
    found: Result<Named, Cause>,
    keys: Option<Arc<Keys>>,
    now: u64,
}

impl Check {
    pub(super) fn of_enrolment(asked: Asked, by: Permission) -> Self {
        Self::of_permitted(asked, by, Purpose::Enrol)
    }

    pub(super) fn of_reset(asked: Asked, by: Permission, record: Record) -> Self {
        Self::of_permitted(asked, by, |permitted| Purpose::Reset(permitted, record))
    }

    fn of_permitted(asked: Asked, by: Permission, to: impl FnOnce(Permitted) -> Purpose) -> Self {
        let Asked {
            client_id,
            commitment,
            proof,
            name,
            attributes,
            now,
        } = asked;
        let purpose = to(Permitted {
            by,
            commitment,
            name,
            attributes,
            proof,
        });
        Self {
            client_id,
            purpose,
            commitment,
            found: Err(Cause::UnknownClient),
            keys: None,
            now,
        }
    }

    /// Looks at one equation, whatever was found; and where that holds and another credential is to be
    /// enrolled, at that of the new one.
    pub fn verify(self) -> Checked {
        let first = self.equation().verify();
        self.conclude(first)
    }

    /// The equation that decides: of the client's commitment, or of its decoy.
    fn equation(&self) -> Equation<'_> {
        let (statement, proof) = self.purpose.stated(&self.client_id);
        Equation {
            commitment: &self.commitment,
            statement,
            proof,
        }
    }

    /// What follows from the equation that decides. Whether the proof of a new credential holds is looked at
    /// only for who holds one that is enrolled.
    fn conclude(self, holds: bool) -> Checked {
        let holds = holds && self.purpose.new_one_holds(&self.client_id, self.now);
        Checked { of: self, holds }
    }
}

/// Verifies attempts of any kind together. Where all are good that costs about half; otherwise, and when
/// the random source fails, each is looked at alone. The verdicts are in the order of the attempts. Their
/// answers should leave together, so that none tells how the others ended.
pub fn verify_batch<R: TryCryptoRng + ?Sized>(checks: Vec<Check>, rng: &mut R) -> Vec<Checked> {
    let equations: Vec<_> = checks.iter().map(Check::equation).collect();
    let entries: Vec<_> = equations.iter().map(Equation::entry).collect();
    let verdicts = match batch::verify_batch(&entries, rng) {
        Ok(verdicts) => verdicts.iter().map(Result::is_ok).collect(),
        Err(_) => equations.iter().map(Equation::verify).collect::<Vec<_>>(),
    };
    let attempts = checks.into_iter().zip(verdicts);
    attempts
        .map(|(check, holds)| check.conclude(holds))
        .collect()
}

struct Equation<'a> {
    commitment: &'a Commitment,
    statement: Stated<'a>,
    proof: &'a Proof,
}

impl Equation<'_> {
    fn verify(&self) -> bool {
        verify(self.commitment, &self.statement, self.proof).is_ok()
    }

    fn entry(&self) -> BatchEntry<'_, dyn Statement + '_> {
        BatchEntry {
            commitment: self.commitment,
            statement: &self.statement,
            proof: self.proof,
        }
    }
}

/// An attempt with its verdict.
#[must_use]
pub struct Checked {
    of: Check,
    holds: bool,
}

impl Checked {
    /// Whose attempt it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.of.client_id
    }

    #[cfg(test)]
    pub(super) const fn brings_a_credential(&self) -> bool {
        match &self.of.purpose {
            Purpose::Asked(request) => {
                matches!(request.to, Asks::Rotate { .. } | Asks::Link { .. })
            }
            Purpose::Enrol(_) | Purpose::Reset(..) => false,
        }
    }

    #[cfg(test)]
    pub(super) const fn holds(&self) -> bool {
        self.holds
    }

    /// What the store has to do. Nothing is accepted yet.
    ///
    /// # Errors
    /// [`Refused::Denied`] when the client is not there or not active, or its proof is not good. The store
    /// has nothing to do then; the challenge stays as it was.
    pub fn settle(self) -> Result<Commit, Refused> {
        let Self { of, holds } = self;
        let (client_id, now) = (of.client_id, of.now);
        match of.purpose {
            Purpose::Enrol(_) | Purpose::Reset(..) if !holds => Err(Refused::Denied(Cause::Proof)),
            Purpose::Enrol(permitted) => Ok(enrolment(client_id, permitted, now)),
            Purpose::Reset(permitted, record) => reset(client_id, permitted, record, now),
            Purpose::Asked(request) => asked(client_id, request, of.found, of.keys, holds, now),
        }
    }
}

fn enrolment(client_id: ClientId, permitted: Permitted, now: u64) -> Commit {
    let record = Record::enrolled(&permitted.commitment, permitted.name, now);
    let record = record.saying(permitted.attributes);
    Commit {
        credential: record.first().id(),
        since: record.first().since(),
        step: Step {
            client_id,
            expect: Expect::Absent(permitted.by),
            spend: None,
            change: Change::Insert(record.clone()),
        },
        record,
    }
}

fn reset(
    client_id: ClientId,
    permitted: Permitted,
    before: Record,
    now: u64,
) -> Result<Commit, Refused> {
    let mut record = before.clone().saying(permitted.attributes);
    match record.reset(&permitted.commitment, permitted.name, now) {
        Ok(()) => {}
        Err(Error::Denied) => return Err(Refused::Denied(Cause::Credentials)),
        Err(error) => return Err(Refused::Failed(error)),
    }
    Ok(Commit {
        credential: record.first().id(),
        since: record.first().since(),
        step: Step {
            client_id,
            expect: Expect::Unrevoked {
                permission: permitted.by,
                version: before.version(),
                generation: before.generation(),
                status: before.status(),
            },
            spend: None,
            change: Change::Replace(record.clone()),
        },
        record,
    })
}

fn asked(
    client_id: ClientId,
    request: Request,
    found: Result<Named, Cause>,
    keys: Option<Arc<Keys>>,
    holds: bool,
    now: u64,
) -> Result<Commit, Refused> {
    let denied = |cause| Err(Refused::Denied(cause));
    let Named {
        record,
        at,
        expires_at,
    } = match found {
        Ok(named) => named,
        Err(cause) => return denied(cause),
    };
    if matches!(request.to, Asks::Authenticate { agreed: false }) {
        return denied(Cause::Binding);
    }
    if !holds {
        return denied(Cause::Proof);
    }
    let Some(keys) = keys else {
        return denied(Cause::Challenge);
    };
    let spend = Spend::of(&request.challenge, &keys, &client_id);
    let named = &record.credentials()[at];
    let proven = named.id();
    let outcome = request.outcome(&record, proven, named.since(), now)?;
    Ok(Commit {
        credential: outcome.credential,
        since: outcome.since,
        step: Step {
            client_id,
            expect: Expect::Unchanged {
                version: record.version(),
                generation: record.generation(),
                credential: proven,
                expires_at,
                joined: outcome.joined,
            },
            spend: Some(spend),
            change: outcome.change,
        },
        record: outcome.record,
    })
}

/// A step that the store has to take, and then to be told here.
#[must_use]
pub struct Commit {
    step: Step,
    record: Record,
    credential: CredentialId,
    since: u32,
}

impl Commit {
    /// Of a login that was held: this credential had proven, and stays as it is.
    pub(super) const fn of_held(
        step: Step,
        record: Record,
        credential: CredentialId,
        since: u32,
    ) -> Self {
        Self {
            step,
            record,
            credential,
            since,
        }
    }

    /// What the store has to do.
    #[must_use]
    pub const fn step(&self) -> &Step {
        &self.step
    }

    /// The record as it will be after the step: whose proof holds, and nobody else's.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// What the client may do by the credential that has proven.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        scopes(&self.record, &self.credential)
    }

    /// The credential that the step accepts: what a session that is written in it names.
    #[must_use]
    pub const fn credential_id(&self) -> &CredentialId {
        &self.credential
    }

    /// The version that this credential came with.
    #[must_use]
    pub const fn since(&self) -> u32 {
        self.since
    }

    /// The generation of the client after the step.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.record.generation()
    }

    /// Tells what the store did.
    ///
    /// # Errors
    /// [`Refused`], for every answer but [`Committed::Done`].
    pub fn done(self, committed: Committed) -> Result<Accepted, Refused> {
        committed.answer()?;
        let proven = match self.step.expect {
            Expect::Unchanged { credential, .. } => Some(credential),
            Expect::Absent(_) | Expect::Unrevoked { .. } => None,
        };
        Ok(Accepted {
            client_id: self.step.client_id,
            proven,
            record: self.record,
            credential: self.credential,
            since: self.since,
        })
    }
}

/// A client that was accepted: what sessions and tokens are made from, by value, so that one acceptance
/// is good for one.
#[must_use]
pub struct Accepted {
    client_id: ClientId,
    proven: Option<CredentialId>,
    record: Record,
    credential: CredentialId,
    since: u32,
}

impl Accepted {
    /// Who it is.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The record after the step.
    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    /// The credential that was proven, or that has just taken its place.
    #[must_use]
    pub const fn credential_id(&self) -> &CredentialId {
        &self.credential
    }

    /// What it may do by this credential.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        scopes(&self.record, &self.credential)
    }

    /// The credential that was proven, which a rotation has taken away; none where an invitation was shown instead.
    #[must_use]
    pub const fn proven(&self) -> Option<&CredentialId> {
        self.proven.as_ref()
    }

    /// The version that this credential came with: what sessions and tokens name beside it.
    #[must_use]
    pub const fn since(&self) -> u32 {
        self.since
    }

    /// The generation of the client: what sessions and tokens name beside it.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.record.generation()
    }

    /// Client id and record, for who keeps them.
    #[must_use]
    pub fn into_parts(self) -> (ClientId, Record) {
        (self.client_id, self.record)
    }
}

/// What a credential may do; one that has unlinked itself may do nothing any longer.
fn scopes(record: &Record, credential: &CredentialId) -> Scopes {
    let credential = record.credential(Some(credential));
    credential.map_or_else(Scopes::default, |one| record.scopes_of(one))
}

macro_rules! silent {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(an attempt)"))
            }
        }
    )*};
}
// An attempt holds proofs that may still be good.
silent!(Wanted, Check, Checked, Commit);

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Accepted({})", self.client_id)
    }
}
