//! A backup: the clients of a store in a file of their own. Nothing in it is secret, for signing keys, invitations and
//! challenges would be made void when it is restored, and are left out.

use twofapi_crypto_core::{ClientId, Record};

use super::{Named, PAGE};
use crate::store::{Clear, ClientsAtRest, Contents, Mark, StoreError};

/// Puts clients, as `next` gives those after another one, into a file that was just made. Each is as it was at some moment
/// from `made_at` on: what was done since then is what a restore asks about. The file is no backup until it is whole.
///
/// # Errors
/// [`StoreError`].
pub async fn back_up(
    mut next: impl AsyncFnMut(Option<&ClientId>) -> Result<Vec<(ClientId, Record)>, StoreError>,
    into: &dyn Contents,
    made_at: u64,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, StoreError> {
    let filling = Mark::filling("a store")?;
    into.change_mark(None, Some(&filling)).await?;
    let (mut count, mut last) = (0, None);
    loop {
        let page = next(last.as_ref()).await?;
        let Some((id, _)) = page.last() else { break };
        last = Some(id.clone());
        into.put_clients(&filling, &page).await?;
        count += page.len() as u64;
        progress(count);
    }
    into.change_mark(Some(&filling), Some(&Mark::Backup { made_at }))
        .await?;
    Ok(count)
}

/// Puts a backup into an empty store, or goes on where that was cut off: nothing that was issued since the backup or before
/// is good there, and it is not served until somebody has looked at what was done since.
///
/// # Errors
/// [`StoreError`]; no server uses the store then.
pub async fn restore(
    backup: &ClientsAtRest,
    made_at: u64,
    backup_name: &str,
    into: Named<'_>,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, StoreError> {
    let was = into.contents.mark().await?;
    match &was {
        None => into.see_that_it_is_empty().await?,
        Some(Mark::Filling { from, .. }) if from == backup_name => {}
        Some(mark) => return Err(into.says(mark.refusal())),
    }
    let filling = Mark::filling(backup_name)?;
    let into = into.contents;
    into.change_mark(was.as_ref(), Some(&filling)).await?;
    into.clear(&filling, Clear::Everything).await?;
    let (mut count, mut last) = (0, None);
    loop {
        let mut page = backup.after(last.as_ref(), PAGE)?;
        let Some((id, _)) = page.last() else { break };
        last = Some(id.clone());
        for (_, record) in &mut page {
            record.outlive_restore();
        }
        into.put_clients(&filling, &page).await?;
        count += page.len() as u64;
        progress(count);
    }
    let restored = Mark::Restored { since: made_at };
    into.change_mark(Some(&filling), Some(&restored)).await?;
    Ok(count)
}
