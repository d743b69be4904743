//! The clients of a store, read one after the other for a backup: from the running server, from a file that no server has
//! open, or from an engine.

use std::sync::Arc;

use twofapi_client::Failure;
use twofapi_crypto_core::{ClientId, Record};
use twofapi_server::{
    ClientsAtRest, Store, StoreError, StorePlace,
    admin::{Request, Response, ask},
};

use super::{Reached, file::NOTHING_SPENT};

/// So many are read at once.
const PAGE: usize = 1000;

/// Where clients are read.
pub(crate) enum Clients<'a> {
    Served(&'a StorePlace),
    AtRest(ClientsAtRest),
    Shared(Arc<dyn Store>),
}

impl Reached {
    /// Its clients, wherever they are.
    pub(crate) async fn clients(&self) -> Result<Clients<'_>, Failure> {
        match self {
            Self::File(place) => {
                let served = ask(place, &Request::List { after: None }).await;
                let served = served.map_err(|error| super::perform::no_answer(&error))?;
                match served {
                    Some(_) => Ok(Clients::Served(place)),
                    None => Ok(Clients::AtRest(ClientsAtRest::open(place)?)),
                }
            }
            Self::Shared(shared, keys) => {
                let opened = shared.open(keys.clone(), NOTHING_SPENT).await?;
                Ok(Clients::Shared(opened))
            }
        }
    }
}

impl Clients<'_> {
    /// Some that come after this one, in the order of their ids.
    pub(crate) async fn after(
        &self,
        after: Option<&ClientId>,
    ) -> Result<Vec<(ClientId, Record)>, StoreError> {
        match self {
            Self::Served(place) => served(place, after).await,
            Self::AtRest(clients) => clients.after(after, PAGE),
            Self::Shared(store) => store.clients_after(after, PAGE).await,
        }
    }
}

async fn served(
    place: &StorePlace,
    after: Option<&ClientId>,
) -> Result<Vec<(ClientId, Record)>, StoreError> {
    let after = after.map(|id| id.as_str().to_owned());
    let answer = ask(place, &Request::Export { after }).await;
    let gone = || StoreError("the running server ended meanwhile; begin again".into());
    let answer = answer.map_err(|error| StoreError(error.to_string()))?;
    match answer.ok_or_else(gone)? {
        Response::Exported { clients, .. } => clients.iter().map(exported).collect(),
        Response::Failed { message, .. } => Err(StoreError(message)),
        _ => Err(unread()),
    }
}

fn exported((id, record): &(String, String)) -> Result<(ClientId, Record), StoreError> {
    let bytes = hex::decode(record).map_err(|_| unread())?;
    let record = Record::from_bytes(&bytes).map_err(|_| unread())?;
    Ok((ClientId::parse(id).map_err(|_| unread())?, record))
}

fn unread() -> StoreError {
    StoreError("the running server gave an answer of another version of 2fapi".into())
}
