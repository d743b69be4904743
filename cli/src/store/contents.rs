//! What of a store lasts, opened to be moved or put in order.

use std::path::PathBuf;

use twofapi_client::Failure;
use twofapi_server::{Contents, EmbeddedContents, moving::Named};

use super::{Reached, StoreArgs, StoreName};

/// Contents that are open, and what their store is called.
pub(crate) struct OpenContents {
    contents: Box<dyn Contents>,
    name: String,
}

impl OpenContents {
    pub(crate) fn named(&self) -> Named<'_> {
        Named {
            contents: &*self.contents,
            name: &self.name,
        }
    }
}

impl StoreArgs {
    /// The store that is named so: by its file or its URL, or by `@` and a file whose first line says it.
    pub(crate) fn called(name: &str, key_file: Option<PathBuf>) -> Result<Self, Failure> {
        let store = match name.strip_prefix('@') {
            Some(file) => StoreName::in_file(file.as_ref())?,
            None => name
                .parse()
                .map_err(|error: String| Failure::bad_input(error))?,
        };
        Ok(Self::of(store, key_file))
    }
}

impl Reached {
    /// What it is called: nothing secret.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(place) => place.path().display().to_string(),
            Self::Shared(shared, _) => shared.shown(),
        }
    }

    /// Whether there is something of that name. What a shared store has of it is said when it is opened.
    pub(crate) fn exists(&self) -> bool {
        match self {
            Self::File(place) => place.exists(),
            Self::Shared(..) => true,
        }
    }

    /// Opens it, whatever its mark; a file that is not there is made.
    pub(crate) async fn contents(&self) -> Result<OpenContents, Failure> {
        let contents = match self {
            Self::File(place) => Box::new(EmbeddedContents::open(place)?),
            Self::Shared(shared, keys) => shared.contents(keys.clone()).await?,
        };
        Ok(OpenContents {
            contents,
            name: self.name(),
        })
    }
}
