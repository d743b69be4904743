//! What of a store in Redis lasts, for who moves it, fills it or puts it in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use redis::Value;
use twofapi_crypto_core::{ClientId, Record};

use super::{
    about::{self, About, one},
    connection::Connections,
    keys,
    layout::{Bucket, kept, record},
    pages,
    place::Place,
    said::{Said, unexpected},
    scripts::Name,
    signing_keys::{self, to_bytes},
};
use crate::{
    operator_keys::OperatorKeys,
    store::{
        api::{Invitation, InvitationKind, StoreError, failed},
        contents::{Clear, Contents, Cursor, interrupted},
        mark::Mark,
        sealed::SealedKey,
        signing_key::SigningKeyRecord,
    },
};

/// Buckets that are asked at once.
const AT_ONCE: usize = 64;
/// Keys that one script takes away, or clients that it puts in.
const IN_A_SCRIPT: usize = 256;

/// The contents of a store in Redis.
pub struct RedisContents {
    connections: Connections,
    keys: OperatorKeys,
    about: About,
}

impl RedisContents {
    /// Connects to the store that is there, of this version and under these keys, whatever its mark.
    ///
    /// # Errors
    /// [`StoreError`], saying what the operator can do.
    pub async fn open(url: &str, keys: OperatorKeys) -> Result<Self, StoreError> {
        let connections = Connections::to(Place::parse(url).map_err(StoreError)?);
        let (about, _) = about::look_at_store(&connections, &keys).await?;
        Ok(Self {
            connections,
            keys,
            about,
        })
    }

    fn said(script: Name, under: &Mark, bucket: Bucket) -> Said {
        Said::new(script, under.to_text().as_bytes(), bucket)
    }

    /// What a bucket says of itself that has this mark, or none.
    fn text(&self, mark: Option<&Mark>) -> Vec<u8> {
        mark.map_or_else(
            || self.about.id.to_vec(),
            |mark| mark.to_text().into_bytes(),
        )
    }

    /// Says each of these, many at once. That they are safe is seen to when the mark is taken away under which they are
    /// said.
    async fn say_all(&self, all: Vec<Said>) -> Result<(), StoreError> {
        let ask = async |said: Said| self.connections.ask(&said).await;
        stream::iter(all.into_iter().map(ask))
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |answer| match answer.is_done()? {
                true => Ok(()),
                false => Err(interrupted()),
            })
            .await
    }

    /// Has servers that have the store open read the signing keys again.
    async fn renumber_signing_keys(&self, under: &Mark) -> Result<(), StoreError> {
        let first = self.about.buckets.first();
        let (keys, number) = (first.signing_keys(), first.signing_keys_number());
        // One of no name goes, which leaves a number beyond all before.
        let none = Self::said(Name::RemoveKey, under, first)
            .key(keys)
            .key(number);
        let number = self.connections.ask(&none.with("")).await?.number(0)?;
        let said = self.about.buckets.all().skip(1).map(|bucket| {
            let key = bucket.signing_keys_number();
            Self::said(Name::NumberKeys, under, bucket)
                .key(key)
                .number(number)
        });
        self.say_all(said.collect()).await
    }

    /// What each bucket says of itself.
    async fn abouts(&self) -> Result<Vec<(Bucket, Vec<u8>)>, StoreError> {
        let ask = async |bucket: Bucket| {
            let found = about::about(&self.connections, &bucket).await?;
            Ok((bucket, found))
        };
        stream::iter(self.about.buckets.all().map(ask))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }
}

#[async_trait]
impl Contents for RedisContents {
    async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let abouts = self.abouts().await?;
        let mut marks = abouts.iter().filter(|(_, found)| *found != self.about.id);
        let Some((_, found)) = marks.next() else {
            return Ok(None);
        };
        super::said::mark(found).map(Some).ok_or_else(interrupted)
    }

    async fn change_mark(
        &self,
        before: Option<&Mark>,
        after: Option<&Mark>,
    ) -> Result<(), StoreError> {
        let (from, to) = (self.text(before), self.text(after));
        let filling = |mark: Option<&Mark>| matches!(mark, Some(Mark::Filling { .. }));
        let takes_over = filling(before) && filling(after);
        // One that was cut off has left some buckets as they were before it, or after it.
        let expected = |found: &[u8]| {
            found == from
                || found == to
                || (found == self.about.id && before.is_some())
                || (takes_over && filling(super::said::mark(found).as_ref()))
        };
        let abouts = self.abouts().await?;
        let begun = abouts.iter().any(|(_, found)| *found == from);
        let over = abouts.iter().all(|(_, found)| *found == to);
        if !(begun || over) || !abouts.iter().all(|(_, found)| expected(found)) {
            return Err(interrupted());
        }
        let first = self.about.buckets.first();
        let marks = abouts
            .into_iter()
            .map(|(bucket, found)| Said::new(Name::Mark, &found, bucket).with(to.clone()));
        self.say_all(marks.collect()).await?;
        // Each node is waited for; alone it has all buckets.
        let buckets: Vec<_> = match self.connections.place.is_cluster() {
            true => self.about.buckets.all().collect(),
            false => vec![first],
        };
        let fence = async |bucket: Bucket| {
            let said = Said::new(Name::Mark, &to, bucket).with(to.clone());
            let safety = self.about.safety;
            self.connections.ask_safely(&said, safety).await.map(drop)
        };
        stream::iter(buckets.into_iter().map(fence))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.about.buckets.of(id).client(id));
        match one(&self.connections, get).await? {
            Value::BulkString(kept) => record(&kept).map(Some),
            Value::Nil => Ok(None),
            _ => Err(unexpected()),
        }
    }

    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        pages::clients_after(&self.connections, &self.about.buckets, after, limit).await
    }

    async fn invitations(
        &self,
        from: Cursor,
    ) -> Result<(Vec<Invitation>, Option<Cursor>), StoreError> {
        let damaged = || StoreError("an invitation is damaged".into());
        let (keys, next) = keys::some(&self.connections, &self.about.buckets, &from).await?;
        let mut invitations = Vec::new();
        let mut seen = BTreeSet::new();
        for key in keys {
            let Some(id) = key.name.strip_prefix("invitations:") else {
                continue;
            };
            if !seen.insert(id.to_owned()) {
                continue;
            }
            let client_id = ClientId::parse(id).map_err(failed)?;
            let mut get = redis::cmd("HGETALL");
            get.arg(key.bucket.key(&key.name));
            let kept: HashMap<Vec<u8>, String> =
                redis::from_redis_value(one(&self.connections, get).await?)
                    .map_err(|_| damaged())?;
            for (key, permits) in kept {
                let (kind, expires_at) = permits.split_at_checked(1).ok_or_else(damaged)?;
                invitations.push(Invitation {
                    key: key.try_into().map_err(|_| damaged())?,
                    client_id: client_id.clone(),
                    kind: match kind {
                        "e" => InvitationKind::Enrol,
                        "r" => InvitationKind::Reset,
                        _ => return Err(damaged()),
                    },
                    expires_at: expires_at.parse().map_err(|_| damaged())?,
                });
            }
        }
        Ok((invitations, next))
    }

    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let kept = signing_keys::kept(&self.connections, &self.about.buckets).await?;
        let unsealed = kept
            .into_iter()
            .map(|kept| kept.unsealed(&self.keys, &self.about.id));
        unsealed.collect()
    }

    async fn clear(&self, under: &Mark, what: Clear) -> Result<(), StoreError> {
        let mut from = Some(Cursor::new());
        while let Some(cursor) = from {
            let (keys, next) = keys::some(&self.connections, &self.about.buckets, &cursor).await?;
            let mut by_bucket: BTreeMap<u16, (Bucket, Vec<String>)> = BTreeMap::new();
            for key in keys {
                let stays = match key.name.as_str() {
                    "about" | "store" | "fence" | "signing-keys-number" => true,
                    "ids" => what == Clear::AllButClients,
                    name => what == Clear::AllButClients && name.starts_with("client:"),
                };
                if !stays {
                    let (bucket, gone) = by_bucket
                        .entry(key.bucket.number)
                        .or_insert_with(|| (key.bucket.clone(), Vec::new()));
                    gone.push(bucket.key(&key.name));
                }
            }
            let mut said = Vec::new();
            for (bucket, gone) in by_bucket.into_values() {
                for gone in gone.chunks(IN_A_SCRIPT) {
                    let clear = Self::said(Name::Clear, under, bucket.clone());
                    said.push(gone.iter().cloned().fold(clear, Said::key));
                }
            }
            self.say_all(said).await?;
            from = next;
        }
        self.renumber_signing_keys(under).await
    }

    async fn put_clients(
        &self,
        under: &Mark,
        clients: &[(ClientId, Record)],
    ) -> Result<(), StoreError> {
        let mut by_bucket: BTreeMap<u16, Vec<&(ClientId, Record)>> = BTreeMap::new();
        for client in clients {
            let number = self.about.buckets.of(&client.0).number;
            by_bucket.entry(number).or_default().push(client);
        }
        let mut said = Vec::new();
        for (number, clients) in by_bucket {
            let bucket = self.about.buckets.number(number);
            for clients in clients.chunks(IN_A_SCRIPT) {
                let ids = bucket.ids();
                let fill = Self::said(Name::Fill, under, bucket.clone()).key(ids);
                let put = |fill: Said, (id, record): &&(ClientId, Record)| {
                    fill.key(bucket.client(id))
                        .with(id.as_bytes())
                        .with(kept(record))
                };
                said.push(clients.iter().fold(fill, put));
            }
        }
        self.say_all(said).await
    }

    async fn put_invitations(
        &self,
        under: &Mark,
        invitations: &[Invitation],
    ) -> Result<(), StoreError> {
        let said = invitations.iter().map(|invitation| {
            let bucket = self.about.buckets.of(&invitation.client_id);
            super::invite(
                Said::new(Name::Invite, under.to_text().as_bytes(), bucket),
                invitation,
            )
        });
        self.say_all(said.collect()).await
    }

    async fn put_signing_keys(
        &self,
        under: &Mark,
        keys: &[SigningKeyRecord],
    ) -> Result<(), StoreError> {
        let first = self.about.buckets.first();
        for (at, key) in keys.iter().enumerate() {
            let kept = SealedKey::sealed(key, &self.keys, &self.about.id)?;
            let add = Self::said(Name::AddKey, under, first.clone())
                .key(first.signing_keys())
                .key(first.signing_keys_number())
                .with(kept.kid.as_bytes())
                .with(to_bytes(&kept));
            let others = keys[..at].iter().map(|other| other.kid.as_bytes());
            self.say_all(vec![others.fold(add, Said::with)]).await?;
        }
        Ok(())
    }
}
