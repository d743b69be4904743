//! Each of them ends at each of its steps, before it or after it, as a process that is killed and a disk that is full do.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use twofapi_crypto_core::{ClientId, Record};

use super::{clients, filled, is_served, named};
use crate::{
    moving::{abort, back_up, copy, revive, serve_again},
    store::{
        Clear, Contents, Cursor, EmbeddedContents, Invitation, Mark, SigningKeyRecord, StoreError,
    },
};

/// How many calls are still answered, over all stores, and whether the next one is done all the same.
struct Fuse {
    left: AtomicUsize,
    done_all_the_same: bool,
}

/// A store that fails from some call on.
struct Cut<'a> {
    store: &'a EmbeddedContents,
    fuse: &'a Fuse,
}

impl Cut<'_> {
    async fn call<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let gone = || Err(StoreError("cut off".into()));
        match self.fuse.left.load(Ordering::Relaxed) {
            usize::MAX => gone(),
            0 => {
                self.fuse.left.store(usize::MAX, Ordering::Relaxed);
                if self.fuse.done_all_the_same {
                    answer.await?;
                }
                gone()
            }
            left => {
                self.fuse.left.store(left - 1, Ordering::Relaxed);
                answer.await
            }
        }
    }
}

#[async_trait]
impl Contents for Cut<'_> {
    async fn mark(&self) -> Result<Option<Mark>, StoreError> {
        self.call(self.store.mark()).await
    }
    async fn change_mark(
        &self,
        before: Option<&Mark>,
        after: Option<&Mark>,
    ) -> Result<(), StoreError> {
        self.call(self.store.change_mark(before, after)).await
    }
    async fn client(&self, id: &ClientId) -> Result<Option<Record>, StoreError> {
        self.call(self.store.client(id)).await
    }
    async fn clients_after(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        self.call(self.store.clients_after(after, limit)).await
    }
    async fn invitations(
        &self,
        from: Cursor,
    ) -> Result<(Vec<Invitation>, Option<Cursor>), StoreError> {
        self.call(self.store.invitations(from)).await
    }
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        self.call(self.store.signing_keys()).await
    }
    async fn clear(&self, under: &Mark, what: Clear) -> Result<(), StoreError> {
        self.call(self.store.clear(under, what)).await
    }
    async fn put_clients(
        &self,
        under: &Mark,
        clients: &[(ClientId, Record)],
    ) -> Result<(), StoreError> {
        self.call(self.store.put_clients(under, clients)).await
    }
    async fn put_invitations(
        &self,
        under: &Mark,
        invitations: &[Invitation],
    ) -> Result<(), StoreError> {
        self.call(self.store.put_invitations(under, invitations))
            .await
    }
    async fn put_signing_keys(
        &self,
        under: &Mark,
        keys: &[SigningKeyRecord],
    ) -> Result<(), StoreError> {
        self.call(self.store.put_signing_keys(under, keys)).await
    }
}

/// Each step, and whether what fails there is done all the same.
fn steps() -> impl Iterator<Item = Fuse> {
    (0..1000).flat_map(|left| {
        [false, true].map(|done_all_the_same| Fuse {
            left: AtomicUsize::new(left),
            done_all_the_same,
        })
    })
}

fn silent() -> impl FnMut(u64) + Send {
    |_| {}
}

async fn is_whole(from: &dyn Contents, to: &dyn Contents) {
    assert!(clients(to).await == clients(from).await);
    let invitations =
        async |of: &dyn Contents| of.invitations(Vec::new()).await.expect("it works").0;
    assert_eq!(invitations(to).await, invitations(from).await);
    let keys = async |of: &dyn Contents| of.signing_keys().await.expect("it works");
    let (kept, there) = (keys(from).await, keys(to).await);
    assert_eq!(there.len(), 2);
    for (one, other) in kept.iter().zip(&there) {
        assert_eq!((&one.kid, one.algorithm), (&other.kid, other.algorithm));
        assert_eq!(one.seed.as_bytes(), other.seed.as_bytes());
    }
}

#[tokio::test]
async fn a_copy_that_ends_anywhere_is_whole_or_refused_and_goes_on_or_is_taken_back() {
    let source = filled().await;
    for fuse in steps() {
        let target = EmbeddedContents::in_memory();
        let (from, to) = (
            Cut {
                store: &source,
                fuse: &fuse,
            },
            Cut {
                store: &target,
                fuse: &fuse,
            },
        );
        let cut = copy(named(&from, "from"), named(&to, "to"), &mut silent()).await;
        let there = clients(&target).await;
        let (left, served) = (is_served(&source).await, is_served(&target).await);
        // Never is one served beside the other, and never a part.
        assert!(!left || !served || there.is_empty());
        if served && !there.is_empty() {
            is_whole(&source, &target).await;
        }
        if cut.is_ok() {
            assert!(served && !left);
            return;
        }
        let whole = served && !there.is_empty();
        // Taken back, the source is served and the target is not.
        let taken_back = abort(named(&source, "from"), Some(named(&target, "to")), "to").await;
        assert_eq!(taken_back.is_ok(), !left && !whole, "{taken_back:?}");
        if !whole {
            assert!(is_served(&source).await);
            assert!(!is_served(&target).await || clients(&target).await.is_empty());
            // And begun again, it ends.
            let again = copy(named(&source, "from"), named(&target, "to"), &mut silent()).await;
            assert_eq!(
                again.expect("it goes on").clients,
                clients(&source).await.len() as u64
            );
        }
        assert!(is_served(&target).await && !is_served(&source).await);
        is_whole(&source, &target).await;
        let was = source.mark().await.expect("it works");
        source
            .change_mark(was.as_ref(), None)
            .await
            .expect("it works");
    }
    panic!("it has no end");
}

#[tokio::test]
async fn what_puts_something_in_beside_another_is_refused() {
    let (source, target) = (filled().await, EmbeddedContents::in_memory());
    let slow = Mark::filling("from").expect("randomness");
    target
        .change_mark(None, Some(&slow))
        .await
        .expect("it works");
    let copied = copy(named(&source, "from"), named(&target, "to"), &mut silent()).await;
    copied.expect("it takes over");
    // The one that was slower neither changes nor ends anything.
    let client = [(super::id("client-1"), super::record())];
    assert!(target.put_clients(&slow, &client).await.is_err());
    assert!(target.clear(&slow, Clear::Everything).await.is_err());
    assert!(target.change_mark(Some(&slow), None).await.is_err());
    is_whole(&source, &target).await;
}

#[tokio::test]
async fn nothing_is_copied_where_it_would_be_mixed_or_lost() {
    let (source, other) = (filled().await, filled().await);
    let said = copy(named(&source, "from"), named(&other, "to"), &mut silent()).await;
    let said = said.expect_err("it is refused").to_string();
    assert!(said.contains("not empty"), "{said}");
    assert!(is_served(&source).await && is_served(&other).await);
    // A store cannot be copied to itself.
    let empty = EmbeddedContents::in_memory();
    let said = copy(named(&empty, "a"), named(&empty, "b"), &mut silent()).await;
    let said = said.expect_err("it is refused").to_string();
    assert!(said.contains("one store"), "{said}");
    assert!(is_served(&empty).await);
    // One that was moved is moved nowhere else.
    let target = EmbeddedContents::in_memory();
    let copied = copy(named(&source, "from"), named(&target, "to"), &mut silent()).await;
    copied.expect("it works");
    let said = copy(
        named(&source, "from"),
        named(&empty, "elsewhere"),
        &mut silent(),
    )
    .await;
    let said = said.expect_err("it is refused").to_string();
    assert!(said.contains("moved to to"), "{said}");
    assert!(is_served(&empty).await);
    // What is whole is not taken back.
    let said = abort(named(&source, "from"), Some(named(&target, "to")), "to").await;
    let said = said.expect_err("it is refused").to_string();
    assert!(said.contains("it is whole"), "{said}");
    assert!(!is_served(&source).await);
}

#[tokio::test]
async fn a_backup_that_ends_anywhere_is_whole_or_none() {
    let source = filled().await;
    for fuse in steps() {
        let file = EmbeddedContents::in_memory();
        let into = Cut {
            store: &file,
            fuse: &fuse,
        };
        let next = async |after: Option<&ClientId>| source.clients_after(after, 500).await;
        let cut = back_up(next, &into, 7, &mut silent()).await;
        let mark = file.mark().await.expect("it works");
        match mark {
            Some(Mark::Backup { made_at: 7 }) => {
                assert!(clients(&file).await == clients(&source).await);
                // What would be of use to a thief is left out.
                assert!(file.signing_keys().await.expect("it works").is_empty());
                assert!(
                    file.invitations(Vec::new())
                        .await
                        .expect("it works")
                        .0
                        .is_empty()
                );
            }
            Some(Mark::Filling { .. }) => assert!(cut.is_err()),
            None => assert!(clients(&file).await.is_empty()),
            other => panic!("{other:?}"),
        }
        if cut.is_ok() {
            return;
        }
    }
    panic!("it has no end");
}

#[tokio::test]
async fn a_store_that_its_engine_restored_is_served_when_all_of_it_is_void_and_not_before() {
    for fuse in steps() {
        let store = filled().await;
        let cut = Cut {
            store: &store,
            fuse: &fuse,
        };
        let revived = revive(named(&cut, "store"), Some(7), &mut silent()).await;
        let begun = !is_served(&store).await;
        // Nobody gets around it.
        if revived.is_err()
            && begun
            && store.mark().await.expect("it works") != Some(Mark::Restored { since: 7 })
        {
            assert!(serve_again(named(&store, "store")).await.is_err());
        }
        // Given once more, with or without its time once it has begun, it ends.
        let since = (!begun).then_some(7);
        let again = revive(named(&store, "store"), since, &mut silent()).await;
        assert_eq!(again.expect("it goes on"), 7);
        for (_, record) in clients(&store).await {
            assert!(record.generation() >= 1 << 16 && record.is_active());
        }
        assert!(store.signing_keys().await.expect("it works").is_empty());
        assert!(
            store
                .invitations(Vec::new())
                .await
                .expect("it works")
                .0
                .is_empty()
        );
        assert!(!is_served(&store).await);
        serve_again(named(&store, "store")).await.expect("it works");
        assert!(is_served(&store).await);
        if revived.is_ok() {
            return;
        }
    }
    panic!("it has no end");
}
