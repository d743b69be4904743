//! A store is copied to another one, which is served in its place from then on.

use super::{Named, PAGE};
use crate::store::{Clear, Mark, StoreError};

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// So many clients.
    pub clients: u64,
    /// So many invitations.
    pub invitations: u64,
    /// So many signing keys.
    pub signing_keys: u64,
}

/// Copies what lasts of a store into an empty one, or goes on where copying was cut off. The source is marked before
/// anything is copied, and takes nothing from then on. `progress` is told how many clients were copied.
///
/// # Errors
/// [`StoreError`], with what the operator can do; the target is not used by any server then, and neither is the source
/// once it was marked, unless [`abort`] takes that back.
pub async fn copy(
    from: Named<'_>,
    to: Named<'_>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Copied, StoreError> {
    let target_was = to.contents.mark().await?;
    match &target_was {
        None => to.see_that_it_is_empty().await?,
        Some(Mark::Filling { from: name, .. }) if name == from.name => {}
        Some(mark) => return Err(to.says(mark.refusal())),
    }
    let source_was = from.contents.mark().await?;
    match &source_was {
        None => {}
        Some(Mark::Moved { to: name }) if name == to.name => {}
        Some(mark) => return Err(from.says(mark.refusal())),
    }
    let filling = Mark::filling(from.name)?;
    to.contents
        .change_mark(target_was.as_ref(), Some(&filling))
        .await?;
    // What has changed by that is the same store under another name.
    if from.contents.mark().await? != source_was {
        to.contents
            .change_mark(Some(&filling), target_was.as_ref())
            .await?;
        return Err(StoreError(format!(
            "{} and {} are one store",
            from.name, to.name
        )));
    }
    let moved = Mark::Moved {
        to: to.name.to_owned(),
    };
    let copied = async {
        from.contents
            .change_mark(source_was.as_ref(), Some(&moved))
            .await?;
        to.contents.clear(&filling, Clear::Everything).await?;
        let copied = put_all(from, to, &filling, progress).await?;
        compare(from, to).await?;
        to.contents.change_mark(Some(&filling), None).await?;
        Ok(copied)
    };
    copied.await.map_err(|StoreError(reason)| {
        StoreError(format!(
            "{reason}. It is not whole: until it is, nothing is served from {} nor from {}. Give the same command once \
             more, or take it back with --abort",
            from.name, to.name
        ))
    })
}

async fn put_all(
    from: Named<'_>,
    to: Named<'_>,
    under: &Mark,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Copied, StoreError> {
    let mut copied = Copied::default();
    let mut last = None;
    loop {
        let page = from.contents.clients_after(last.as_ref(), PAGE).await?;
        let Some((id, _)) = page.last() else { break };
        last = Some(id.clone());
        to.contents.put_clients(under, &page).await?;
        copied.clients += page.len() as u64;
        progress(copied.clients);
    }
    let mut next = Some(Vec::new());
    while let Some(cursor) = next {
        let (page, after) = from.contents.invitations(cursor).await?;
        if !page.is_empty() {
            to.contents.put_invitations(under, &page).await?;
        }
        copied.invitations += page.len() as u64;
        next = after;
    }
    let keys = from.contents.signing_keys().await?;
    to.contents.put_signing_keys(under, &keys).await?;
    copied.signing_keys = keys.len() as u64;
    Ok(copied)
}

/// Sees that each has what the other has: an operator takes the source away next.
async fn compare(from: Named<'_>, to: Named<'_>) -> Result<(), StoreError> {
    let differ = |what: &str| StoreError(format!("what was copied is not the same: {what}"));
    let mut last = None;
    loop {
        let before = from.contents.clients_after(last.as_ref(), PAGE).await?;
        let after = to.contents.clients_after(last.as_ref(), PAGE).await?;
        if before != after {
            return Err(differ("its clients"));
        }
        let Some((id, _)) = before.last() else { break };
        last = Some(id.clone());
    }
    let before = from.contents.signing_keys().await?;
    let after = to.contents.signing_keys().await?;
    let same = before.iter().zip(&after).all(|(one, other)| {
        (&one.kid, one.activates_at, one.algorithm)
            == (&other.kid, other.activates_at, other.algorithm)
            && one.seed.as_bytes() == other.seed.as_bytes()
    });
    match same && before.len() == after.len() {
        true => Ok(()),
        false => Err(differ("its signing keys")),
    }
}

/// Takes back that a store was moved, as long as what it was moved to is not whole, so that it is served again. Of a target
/// that is lost, its name is enough.
///
/// # Errors
/// [`StoreError`], and nothing was taken back, where the target is whole or another one.
pub async fn abort(
    from: Named<'_>,
    to: Option<Named<'_>>,
    to_name: &str,
) -> Result<(), StoreError> {
    let source_was = from.contents.mark().await?;
    match &source_was {
        Some(Mark::Moved { to: name }) if name == to_name => {}
        Some(mark) => return Err(from.says(mark.refusal())),
        None => return Err(from.says("it was not moved, and is served as ever")),
    }
    if let Some(to) = to {
        match to.contents.mark().await? {
            Some(Mark::Filling { run, from: name }) if name == from.name => {
                // Whoever is still copying does not end it any more.
                let was = Mark::Filling { run, from: name };
                let aborted = Mark::filling(from.name)?;
                to.contents.change_mark(Some(&was), Some(&aborted)).await?;
            }
            None if to.is_empty().await? => {}
            None => {
                return Err(to.says(format!(
                    "it is whole, and may have taken changes that {} has not: copy it back into an empty store instead",
                    from.name
                )));
            }
            Some(mark) => return Err(to.says(mark.refusal())),
        }
    }
    from.contents.change_mark(source_was.as_ref(), None).await
}
