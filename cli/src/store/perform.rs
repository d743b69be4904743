//! What an operator asks, through the running server or, where none runs or the store is shared, on the store itself.

use std::io;

use twofapi_client::{Failure, FailureKind};
use twofapi_server::{
    ClientsAtRest, Clock, EmbeddedStore, StorePlace, SystemClock,
    admin::{Request, Response, ask, execute, look},
};

use super::{Reached, file::NOTHING_SPENT};
use crate::runtime::block_on;

impl Reached {
    /// Sees that somebody answers for it.
    pub(crate) fn answers(&self) -> Result<(), Failure> {
        self.perform(Request::List { after: None }).map(drop)
    }

    /// Has it done.
    pub(crate) fn perform(&self, request: Request) -> Result<Response, Failure> {
        let response = block_on(async {
            match self {
                Self::File(place) => on_a_file(place, request).await,
                Self::Shared(shared, keys) => {
                    let store = shared.open(keys.clone(), NOTHING_SPENT).await?;
                    Ok(execute(&*store, request, SystemClock::new().wall()).await)
                }
            }
        })??;
        match response {
            Response::Failed { code, message } => {
                let kind = match code.as_str() {
                    "unavailable" => FailureKind::Unavailable,
                    _ => FailureKind::BadInput,
                };
                Err(Failure::new(kind, code, message))
            }
            response => Ok(response),
        }
    }
}

async fn on_a_file(place: &StorePlace, request: Request) -> Result<Response, Failure> {
    match ask(place, &request)
        .await
        .map_err(|error| no_answer(&error))?
    {
        Some(response) => Ok(response),
        None if request.only_looks() => Ok(look(&ClientsAtRest::open(place)?, &request)),
        None => {
            let store = EmbeddedStore::open_at(place, NOTHING_SPENT)?;
            Ok(execute(&store, request, SystemClock::new().wall()).await)
        }
    }
}

pub(super) fn no_answer(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let message = format!("cannot ask the running server: {error}");
        Failure::new(FailureKind::Unavailable, "untrusted_server", message)
    } else {
        Failure::unavailable(format!("the running server does not answer: {error}"))
    }
}
