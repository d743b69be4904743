//! What a backup of the engine brings back is made void, and a store that came back is served again.

use super::{Named, PAGE};
use crate::store::{Clear, Mark, StoreError};

/// Makes void what a store brings back that its engine has restored from a backup of `since` (Unix seconds): sessions and
/// tokens, invitations, signing keys, challenges. Of a store where that is done already, nothing is. Gives when the backup
/// was made.
///
/// # Errors
/// [`StoreError`]; also when nobody says when that was.
pub async fn revive(
    store: Named<'_>,
    since: Option<u64>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, StoreError> {
    let contents = store.contents;
    let was = contents.mark().await?;
    let since = match (&was, since) {
        (Some(Mark::Restored { since }), _) => return Ok(*since),
        (Some(Mark::Reviving { since }), _) => *since,
        (None, Some(since)) => since,
        (None, None) => {
            return Err(store.says(
                "nothing says that it was restored: if it came back from a backup of its engine, say when that was begun, \
                 with --since; all sessions and tokens end then",
            ));
        }
        (Some(mark), _) => return Err(store.says(mark.refusal())),
    };
    let reviving = Mark::Reviving { since };
    contents.change_mark(was.as_ref(), Some(&reviving)).await?;
    contents.clear(&reviving, Clear::AllButClients).await?;
    let (mut count, mut last) = (0, None);
    loop {
        let mut page = contents.clients_after(last.as_ref(), PAGE).await?;
        let Some((id, _)) = page.last() else { break };
        last = Some(id.clone());
        for (_, record) in &mut page {
            record.outlive_restore();
        }
        contents.put_clients(&reviving, &page).await?;
        count += page.len() as u64;
        progress(count);
    }
    contents
        .change_mark(Some(&reviving), Some(&Mark::Restored { since }))
        .await?;
    Ok(since)
}

/// Has a restored store served again.
///
/// # Errors
/// [`StoreError`]; also where it was not restored.
pub async fn serve_again(store: Named<'_>) -> Result<(), StoreError> {
    let was = store.contents.mark().await?;
    match &was {
        Some(Mark::Restored { .. }) => store.contents.change_mark(was.as_ref(), None).await,
        Some(mark) => Err(store.says(mark.refusal())),
        None => Err(store.says("it was not restored, and is served as ever")),
    }
}
