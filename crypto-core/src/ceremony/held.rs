//! A login by several methods: what a client has proven by one of them is held until it has proven the next, in
//! bytes that the host gives to the client and keeps nothing of.
//!
//! They name a challenge of their own, which is spent when the login is accepted: so they are good once, for minutes,
//! and not beyond the epoch of the spent set. What has to be proven besides, and how far that is, are the host's
//! own bytes within.

use alloc::{boxed::Box, vec::Vec};
use core::net::IpAddr;

use hmac::Mac;
use rand_core::TryCryptoRng;

use super::{
    Accepted, Commit, Keys, Terms,
    step::{Cause, Change, Expect, Refused, Spend, Step},
};
use crate::{
    Challenge, ChallengeId, ChallengeTtl, ClientId, CredentialId, Error, Record,
    client::codec::Rest,
};

const HELD_DST: &[u8] = b"2FApi-v1.0-Held";
const LAYOUT: u8 = 1;
const TAG_LEN: usize = 32;

/// A client that has proven something, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who it is.
    pub client_id: ClientId,
    /// The credential that was proven.
    pub credential: CredentialId,
    /// The version that it came with.
    pub since: u32,
    /// The generation of the client.
    pub generation: u32,
}

impl Holder {
    /// The client that was accepted: it gets no session by that.
    #[must_use]
    pub fn accepted(accepted: Accepted) -> Self {
        Self {
            credential: *accepted.credential_id(),
            since: accepted.since(),
            generation: accepted.generation(),
            client_id: accepted.into_parts().0,
        }
    }
}

/// What a client has proven, given back by it. That it has proven the rest is the host's to see, before
/// [`found`](Self::found).
#[must_use]
pub struct Held {
    holder: Holder,
    challenge: Challenge,
    spend: Spend,
    more: Box<[u8]>,
    now: u64,
}

impl Held {
    /// The most that a host has to say within.
    pub const MORE_MAX: usize = 4096;

    /// Whose these bytes say that they are, to find the keys under which they were written. Nothing is known of it
    /// before [`Terms::held`].
    #[must_use]
    pub fn said_client(bytes: &[u8]) -> Option<ClientId> {
        let body = bytes.get(..bytes.len().checked_sub(TAG_LEN)?)?;
        read(body).ok().map(|(_, holder, _)| holder.client_id)
    }

    /// Who it is.
    #[must_use]
    pub const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// What the host said within.
    #[must_use]
    pub fn more(&self) -> &[u8] {
        &self.more
    }

    /// What the next method may bind its proof to: a challenge of this client, which is good once.
    #[must_use]
    pub const fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// When it is over, in Unix seconds.
    #[must_use]
    pub fn expires_at(&self) -> u32 {
        self.challenge.id.expires_at()
    }

    /// What the store has to do for the login to be accepted, by the record that was found. The host has seen
    /// everything that was still to be proven.
    ///
    /// # Errors
    /// [`Refused::Denied`] when the client is not what it was when it proved the first, or comes from where it may
    /// not.
    pub fn found(
        self,
        record: Option<impl Into<Record>>,
        source: Option<IpAddr>,
    ) -> Result<Commit, Refused> {
        let denied = |cause| Err(Refused::Denied(cause));
        let Holder {
            client_id,
            credential,
            since,
            generation,
        } = self.holder;
        let Some(record) = record.map(Into::into) else {
            return denied(Cause::UnknownClient);
        };
        if !record.honours(Some(&credential), since, generation, self.now) {
            return denied(Cause::Changed);
        }
        if !record.permits_source(source) {
            return denied(Cause::Source);
        }
        let Some(named) = record.credential(Some(&credential)) else {
            return denied(Cause::UnknownCredential);
        };
        let step = Step {
            client_id,
            expect: Expect::Unchanged {
                version: record.version(),
                generation,
                credential,
                expires_at: record.expiry_of(named),
                joined: None,
            },
            spend: Some(self.spend),
            change: Change::None,
        };
        Ok(Commit::of_held(step, record, credential, since))
    }
}

impl core::fmt::Debug for Held {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Held({})", self.holder.client_id)
    }
}

impl Terms {
    /// Holds what a client has proven, for so long: the bytes are for the client, and whoever has them may prove
    /// the rest in its place. `more` comes back as it is; it can be read, and not changed.
    ///
    /// # Errors
    /// [`Error::InvalidLength`] for more than [`Held::MORE_MAX`] bytes; [`Error::Unavailable`] when the random
    /// source fails or the clock is beyond the year 2106.
    pub fn hold<R: TryCryptoRng + ?Sized>(
        &self,
        keys: &Keys,
        now: u64,
        ttl: ChallengeTtl,
        holder: &Holder,
        more: &[u8],
        rng: &mut R,
    ) -> Result<Vec<u8>, Error> {
        if more.len() > Held::MORE_MAX {
            return Err(Error::InvalidLength {
                what: "what a login is held with",
                expected: "at most 4096 bytes",
                actual: more.len(),
            });
        }
        let challenge = keys.issue(&holder.client_id, now, ttl, rng)?;
        Ok(write(keys, challenge.id, holder, more))
    }

    /// The same login with something else within, as good once as before and for no longer.
    #[must_use]
    pub fn hold_on(&self, keys: &Keys, held: &Held, more: &[u8]) -> Option<Vec<u8>> {
        let id = held.challenge.id;
        (more.len() <= Held::MORE_MAX).then(|| write(keys, id, &held.holder, more))
    }

    /// Reads what [`Terms::hold`] wrote, while it lasts.
    ///
    /// # Errors
    /// [`Refused::Denied`] for what was not written here, or is over.
    pub fn held(&self, keys: &Keys, now: u64, bytes: &[u8]) -> Result<Held, Refused> {
        let denied = || Refused::Denied(Cause::Challenge);
        let at = bytes.len().checked_sub(TAG_LEN).ok_or_else(denied)?;
        let (body, tag) = bytes.split_at(at);
        let (id, holder, more) = read(body).map_err(|_| denied())?;
        let mac = keys.mac(id, HELD_DST).ok_or_else(denied)?;
        mac.chain_update(body)
            .verify_truncated_left(tag)
            .map_err(|_| denied())?;
        // As long as a challenge may live; how long this one does stands in its id.
        let challenge = keys
            .recompute(&holder.client_id, id, now, LONGEST, self.skew())
            .map_err(|_| denied())?;
        let spend = Spend::of(&challenge, keys, &holder.client_id);
        Ok(Held {
            holder,
            challenge,
            spend,
            more: more.into(),
            now,
        })
    }
}

const LONGEST: ChallengeTtl = ChallengeTtl::LONGEST;

/// 1 ‖ challenge id ‖ credential id ‖ since (4) ‖ generation (4) ‖ LP1(client id) ‖ more ‖ tag.
fn write(keys: &Keys, id: ChallengeId, holder: &Holder, more: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(LAYOUT);
    out.extend(id.as_bytes());
    out.extend(holder.credential.as_bytes());
    out.extend(holder.since.to_be_bytes());
    out.extend(holder.generation.to_be_bytes());
    let client_id = holder.client_id.as_bytes();
    // At most 128.
    out.push(client_id.len() as u8);
    out.extend(client_id);
    out.extend(more);
    // The id was issued by one of these keys, or read under one.
    if let Some(mac) = keys.mac(id, HELD_DST) {
        let tag = mac.chain_update(&out).finalize().into_bytes();
        out.extend(&tag[..TAG_LEN]);
    }
    out
}

fn read(body: &[u8]) -> Result<(ChallengeId, Holder, &[u8]), Error> {
    let mut rest = Rest(body);
    if rest.u8()? != LAYOUT {
        return Err(Error::Denied);
    }
    let id = ChallengeId::from_bytes(rest.array()?);
    let credential = CredentialId::from_bytes(rest.array()?);
    let (since, generation) = (rest.u32()?, rest.u32()?);
    let client_id = ClientId::from_bytes(rest.short()?)?;
    let holder = Holder {
        client_id,
        credential,
        since,
        generation,
    };
    Ok((id, holder, rest.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Attributes, Sources,
        ceremony::{
            Keys, Root,
            scene::{NOW, Scene, cause, drawn, id_of},
        },
        testing::rng,
    };
    use alloc::{sync::Arc, vec};
    use proptest::prelude::*;

    fn minutes(seconds: u32) -> ChallengeTtl {
        ChallengeTtl::from_seconds(seconds).unwrap()
    }

    impl Scene {
        /// What `alice` holds after a login by her phone.
        fn hold(&mut self, more: &[u8]) -> Vec<u8> {
            let wanted = self.login(&drawn(1), None);
            let holder = Holder::accepted(self.carry_out(wanted).unwrap());
            let rng = &mut rng(77);
            self.terms
                .hold(&self.keys, self.now, minutes(300), &holder, more, rng)
                .unwrap()
        }

        fn held(&self, bytes: &[u8]) -> Result<Held, Refused> {
            self.terms.held(&self.keys, self.now, bytes)
        }

        fn finish(&mut self, bytes: &[u8]) -> Result<Accepted, Refused> {
            let record = Some(self.record.clone());
            let commit = self.held(bytes)?.found(record, None)?;
            self.commit(commit)
        }
    }

    #[test]
    fn a_login_that_is_held_is_accepted_once() {
        let mut scene = Scene::new();
        let bytes = scene.hold(b"knowledge");
        let held = scene.held(&bytes).unwrap();
        assert_eq!(held.holder().client_id, scene.id);
        assert_eq!(held.holder().credential, id_of(&drawn(1)));
        assert_eq!(
            (held.more(), held.expires_at()),
            (&b"knowledge"[..], NOW as u32 + 300)
        );
        // Two that have come as far: one is accepted.
        let record = Some(scene.record.clone());
        let other = held.found(record, None).unwrap();
        let accepted = scene.finish(&bytes).unwrap();
        assert_eq!(accepted.credential_id(), &id_of(&drawn(1)));
        assert_eq!(cause(scene.commit(other)), Cause::Spent);
        assert_eq!(cause(scene.finish(&bytes)), Cause::Spent);
    }

    #[test]
    fn what_goes_on_is_the_same_login_and_lasts_no_longer() {
        let mut scene = Scene::new();
        let first = scene.hold(b"1");
        scene.now = NOW + 200;
        let held = scene.held(&first).unwrap();
        let second = scene.terms.hold_on(&scene.keys, &held, b"2").unwrap();
        let again = scene.held(&second).unwrap();
        assert_eq!(
            (again.more(), again.expires_at()),
            (&b"2"[..], held.expires_at())
        );
        assert!(scene.finish(&second).is_ok());
        assert_eq!(cause(scene.finish(&first)), Cause::Spent);
        assert_eq!(scene.terms.hold_on(&scene.keys, &again, &[0; 4097]), None);
    }

    #[test]
    fn it_ends_with_its_time_its_epoch_and_what_its_client_was() {
        let mut scene = Scene::with_both();
        let bytes = scene.hold(b"");
        let at = |scene: &Scene, now| scene.terms.held(&scene.keys, now, &bytes).is_ok();
        assert!(at(&scene, NOW + 299));
        assert!(!at(&scene, NOW + 300) && !at(&scene, NOW - 601));
        let anew = Keys::derive(
            &[Root::new(0, [1; 32])],
            crate::ceremony::Epoch::from_bytes([9; 16]),
        );
        let anew = Arc::new(anew.unwrap());
        assert!(scene.terms.held(&anew, NOW, &bytes).is_err());

        let original = scene.record.clone();
        let mut after = |change: &dyn Fn(&mut Record), expected| {
            scene.record = original.clone();
            change(&mut scene.record);
            assert_eq!(cause(scene.finish(&bytes)), expected);
        };
        let phone = id_of(&drawn(1));
        after(&|record| drop(record.suspend()), Cause::Changed);
        after(
            &|record| drop((record.suspend(), record.resume())),
            Cause::Changed,
        );
        after(
            &|record| drop(record.rotate(&phone, drawn(9).commitment())),
            Cause::Changed,
        );
        after(&|record| drop(record.unlink(&phone)), Cause::Changed);
        after(
            &|record| drop(record.set_expiry(&phone, Some(NOW))),
            Cause::Changed,
        );
        let sources = || Sources::new(vec!["192.0.2.0/24".parse().unwrap()]).unwrap();
        let said = || Attributes {
            sources: sources(),
            ..Attributes::default()
        };
        after(&|record| drop(record.set_attributes(said())), Cause::Source);
    }

    #[test]
    fn a_change_between_the_look_up_and_the_step_is_seen() {
        let mut scene = Scene::new();
        let bytes = scene.hold(b"");
        let record = Some(scene.record.clone());
        let commit = scene.held(&bytes).unwrap().found(record, None).unwrap();
        scene.record.end_sessions().unwrap();
        assert_eq!(cause(scene.commit(commit)), Cause::Changed);
        let commit = scene.held(&bytes).unwrap().found(None::<Record>, None);
        assert!(matches!(commit, Err(Refused::Denied(Cause::UnknownClient))));
    }

    #[test]
    fn its_challenge_is_none_that_a_proof_may_answer() {
        let mut scene = Scene::new();
        let bytes = scene.hold(b"");
        let held = scene.held(&bytes).unwrap();
        // Longer than ordinary challenges live: its id is not taken for one of them.
        let far = scene.keys.recompute(
            &scene.id,
            held.challenge().id,
            NOW,
            ChallengeTtl::default(),
            0,
        );
        assert!(far.is_err());
    }

    proptest! {
        #[test]
        fn any_changed_bit_is_refused(at: prop::sample::Index, bit in 0_u8..8, cut: prop::sample::Index) {
            let mut scene = Scene::new();
            let mut bytes = scene.hold(b"more");
            prop_assert!(scene.held(&bytes[..cut.index(bytes.len())]).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(scene.held(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Scene::new().held(&bytes).is_err());
        }
    }
}
