//! Spent sets: scripts of operations on `ceremony::SpentSet`.

use twofapi_crypto_core::{
    ChallengeKey, ClientId, ShareTag, SpentKey,
    ceremony::{Committed, Epoch, OwnedSpentSet, Spend},
};

use super::{Report, array, names_are_unique, refusal};
use crate::cases::{FileError, SpentFile, SpentScript, SpentStep};

pub(super) fn run(file: &SpentFile, report: &mut Report) -> Result<(), FileError> {
    names_are_unique(file.scripts.iter().map(|script| &script.name))?;
    for script in &file.scripts {
        play(script, report);
    }
    Ok(())
}

fn play(script: &SpentScript, report: &mut Report) {
    let epoch = match array("epoch", &script.epoch) {
        Ok(epoch) => Epoch::from_bytes(epoch),
        Err(what) => return report.disagree(&script.name, what),
    };
    let mut owned = OwnedSpentSet::new(script.capacity, epoch);
    for (at, step) in script.steps.iter().enumerate() {
        match take(&mut owned, step) {
            Ok(true) => report.accepted += 1,
            Ok(false) => report.rejected += 1,
            Err(what) => report.disagree(&format!("{}, step {}", script.name, at + 1), what),
        }
    }
}

/// Whether the step, which came out as the script says, was one that accepts.
fn take(owned: &mut OwnedSpentSet, step: &SpentStep) -> Result<bool, String> {
    match step {
        SpentStep::At {
            now,
            draws,
            epoch,
            clock,
        } => {
            let draws = draws.as_deref().map(|it| array("draws", it)).transpose()?;
            let mut drawn = false;
            let at = owned.set().at(*now, || {
                drawn = true;
                Ok(Epoch::from_bytes(draws.unwrap_or([0; Epoch::LEN])))
            });
            let at = at.map_err(refusal)?;
            if drawn != draws.is_some() {
                return Err(format!("a new epoch was drawn: {drawn}"));
            }
            if *at.epoch.as_bytes() != array("epoch", epoch)? || at.now != *clock {
                let epoch = hex::encode(at.epoch.as_bytes());
                return Err(format!("the epoch is {epoch}, the clock {}", at.now));
            }
            Ok(true)
        }
        SpentStep::Accept {
            now,
            key,
            client,
            expires_at,
            epoch,
            answer,
            retry_after,
        } => {
            let spend = Spend {
                key: SpentKey::from_bytes(array("key", key)?),
                expires_at: *expires_at,
                epoch: Epoch::from_bytes(array("epoch", epoch)?),
                share: share_of(client)?,
            };
            let committed = owned.set().accept(&spend, *now);
            let (ours, wait) = said(committed);
            if ours != answer || wait.is_some_and(|wait| *retry_after != Some(wait)) {
                return Err(format!("the answer is {committed:?}"));
            }
            Ok(ours == "done")
        }
        SpentStep::Fill {
            now,
            client,
            first,
            count,
            expires_at,
            epoch,
        } => {
            let epoch = Epoch::from_bytes(array("epoch", epoch)?);
            let share = share_of(client)?;
            let last = first.saturating_add(u64::from(*count));
            for index in *first..last {
                let mut key = [0; SpentKey::LEN];
                key[..8].copy_from_slice(&index.to_be_bytes());
                let spend = Spend {
                    key: SpentKey::from_bytes(key),
                    expires_at: *expires_at,
                    epoch,
                    share,
                };
                let committed = owned.set().accept(&spend, *now);
                if committed != Committed::Done {
                    return Err(format!("the answer to number {index} is {committed:?}"));
                }
            }
            Ok(true)
        }
    }
}

/// A tag as hosts give it; which one is no matter, as long as clients have different ones.
fn share_of(client: &str) -> Result<ShareTag, String> {
    let client_id = ClientId::parse(client).map_err(refusal)?;
    Ok(ChallengeKey::from_bytes([7; ChallengeKey::LEN]).share_tag(&client_id))
}

fn said(committed: Committed) -> (&'static str, Option<u32>) {
    match committed {
        Committed::Done => ("done", None),
        Committed::Spent => ("spent", None),
        Committed::Expired => ("expired", None),
        Committed::StaleEpoch => ("stale_epoch", None),
        Committed::Full { retry_after } => ("full", Some(retry_after)),
        _ => ("no answer of a spent set", None),
    }
}
