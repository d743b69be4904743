//! Which store a command works on, and how it is reached: a file of one machine, or an engine that servers share.

mod clients;
mod contents;
mod file;
mod perform;
#[cfg_attr(not(feature = "shared-stores"), path = "no_shared.rs")]
mod shared;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use clap::Args;
use twofapi_client::{Failure, private_file};
use twofapi_server::{EmbeddedStore, OperatorKeys, Store, StorePlace};

pub(crate) use file::NOTHING_SPENT;
pub(crate) use shared::Shared;

/// Which store a command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct StoreArgs {
    /// The store: a file (redb:PATH or PATH), or one that servers share
    /// (postgres://USER@HOST/DATABASE, redis://HOST/0) [default: 2fapi/2fapi.redb in your data directory]
    #[arg(
        long = "store",
        value_name = "FILE|URL",
        env = "TWOFAPI_STORE",
        hide_env_values = true
    )]
    store: Option<StoreName>,
    /// A file whose first line is what --store would be given: for a URL that has a password in it
    #[arg(long, value_name = "FILE", env = "TWOFAPI_STORE_FILE")]
    store_file: Option<PathBuf>,
    /// The operator's keys, which a shared store needs: `2fapi keys new FILE` makes them
    #[arg(long, value_name = "FILE", env = "TWOFAPI_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// The configuration file: what is said nowhere else is taken from it (`2fapi config example`)
    #[arg(long, value_name = "FILE", env = "TWOFAPI_CONFIG")]
    config: Option<PathBuf>,
}

/// More than any name of a store has.
const NAME_MAX: usize = 16 * 1024;

/// A store by its name.
#[derive(Clone)]
enum StoreName {
    File(PathBuf),
    Shared(Shared),
}

impl StoreName {
    /// The one that the first line of a file says.
    fn in_file(path: &Path) -> Result<Self, Failure> {
        let contents = private_file::read(path, NAME_MAX)?;
        let line = contents.split(|byte| *byte == b'\n').next();
        let line = line.and_then(|line| std::str::from_utf8(line).ok());
        let wrong = |reason: &str| {
            Failure::bad_input(format!("{} names no store: {reason}", path.display()))
        };
        match line.map(str::trim) {
            None | Some("") => Err(wrong("its first line is the URL or the file")),
            Some(name) => name.parse().map_err(|error: String| wrong(&error)),
        }
    }
}

/// It may have a password in it.
impl std::fmt::Debug for StoreName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Shared(_) => f.write_str("a shared store"),
        }
    }
}

impl FromStr for StoreName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let scheme = name.split_once("://").map(|(scheme, _)| scheme);
        match (scheme, name.strip_prefix("redb:")) {
            (Some(scheme), _) => Shared::parse(scheme, name).map(Self::Shared),
            (None, Some(path)) => Ok(Self::File(path.into())),
            (None, None) => Ok(Self::File(name.into())),
        }
    }
}

/// A store that a command was told to work on.
pub(crate) enum Reached {
    File(StorePlace),
    Shared(Shared, OperatorKeys),
}

/// A store that is open, the place of its file if it has one, and the keys that it was opened with if it needs them.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) place: Option<Arc<StorePlace>>,
    pub(crate) keys: Option<OperatorKeys>,
}

impl StoreArgs {
    /// A store that may have to be made, where that is a file.
    pub(crate) fn make(&self) -> Result<Reached, Failure> {
        self.reached(file::make)
    }

    /// A store that is there; commands that only look do not make one.
    pub(crate) fn find(&self) -> Result<Reached, Failure> {
        self.reached(file::find)
    }

    fn reached(
        &self,
        file: fn(Option<&PathBuf>) -> Result<StorePlace, Failure>,
    ) -> Result<Reached, Failure> {
        match self.named()? {
            None => file(None).map(Reached::File),
            Some(StoreName::File(path)) => file(Some(&path)).map(Reached::File),
            Some(StoreName::Shared(shared)) => {
                let keys = self.keys_for(&shared)?;
                Ok(Reached::Shared(shared, keys))
            }
        }
    }

    /// Which store was named, on the command line or in a file.
    fn named(&self) -> Result<Option<StoreName>, Failure> {
        let Some(path) = &self.store_file else {
            return Ok(self.store.clone());
        };
        if self.store.is_some() {
            return Err(Failure::bad_input(
                "the store is named twice: by store and by store_file; leave one of them out",
            ));
        }
        StoreName::in_file(path).map(Some)
    }

    /// What can be known to be wrong without looking for the store.
    pub(crate) fn checked(&self) -> Result<(), Failure> {
        match self.named()? {
            Some(StoreName::Shared(shared)) => self.keys_for(&shared).map(drop),
            Some(StoreName::File(_)) | None => self.keys().map(drop),
        }
    }

    /// The shared store that was named, for what only such a one has.
    pub(crate) fn shared(&self) -> Result<(Shared, OperatorKeys), Failure> {
        match self.named()? {
            Some(StoreName::Shared(shared)) => {
                let keys = self.keys_for(&shared)?;
                Ok((shared, keys))
            }
            Some(StoreName::File(_)) | None => Err(Failure::bad_input(
                "that is for a store that servers share: name it with --store \
                 postgres://USER@HOST/DATABASE or redis://HOST/0",
            )),
        }
    }

    /// For what names a store in another way.
    fn of(store: StoreName, key_file: Option<PathBuf>) -> Self {
        Self {
            store: Some(store),
            store_file: None,
            key_file,
            config: None,
        }
    }

    /// The operator's keys, if there is a key file.
    pub(crate) fn keys(&self) -> Result<Option<OperatorKeys>, Failure> {
        let read = |file: &PathBuf| OperatorKeys::read(file);
        self.key_file
            .as_ref()
            .map(read)
            .transpose()
            .map_err(Into::into)
    }

    fn keys_for(&self, shared: &Shared) -> Result<OperatorKeys, Failure> {
        shared.keep_its_password()?;
        self.keys()?.ok_or_else(|| {
            Failure::bad_input(
                "a shared store needs the operator's keys: name them with --key-file FILE; `2fapi \
                 keys new FILE` makes them once, and every server gets the same file",
            )
        })
    }
}

/// Whether the name of a store may have a password in it.
pub(crate) fn has_password(name: &str) -> bool {
    let Some((_, rest)) = name.split_once("://") else {
        return false;
    };
    let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || name.to_ascii_lowercase().contains("password=")
}

/// The name of a store as it can be shown.
pub(crate) fn without_password(name: &str) -> String {
    match (has_password(name), name.split_once("://")) {
        (true, Some((scheme, rest))) => match rest.rsplit_once('@') {
            // Where it ends is not sure when there is more than a user before the `@`.
            Some((user, host)) if !rest.contains('?') && !user.contains(['@', '/']) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{user}:…@{host}")
            }
            _ => format!("{scheme}://…"),
        },
        _ => name.into(),
    }
}

impl Reached {
    /// Opens it for a server.
    pub(crate) async fn open(self, spent_capacity: u32) -> Result<Opened, Failure> {
        match self {
            Self::File(place) => Ok(Opened {
                store: Arc::new(EmbeddedStore::open_at(&place, spent_capacity)?),
                place: Some(Arc::new(place)),
                keys: None,
            }),
            Self::Shared(shared, keys) => Ok(Opened {
                store: shared.open(keys.clone(), spent_capacity).await?,
                place: None,
                keys: Some(keys),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_file_or_by_its_url() {
        for (name, shown) in [
            ("a/b.redb", "a/b.redb"),
            ("redb:/var/lib/x", "/var/lib/x"),
            ("postgres", "postgres"),
        ] {
            let name: StoreName = name.parse().unwrap();
            assert_eq!(format!("{name:?}"), shown);
        }
        for url in ["mysql://u:s3cret@h/d", "http://u:s3cret@h/"] {
            let said = url.parse::<StoreName>().unwrap_err();
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn the_password_of_a_store_is_not_shown() {
        for (name, shown) in [
            ("/var/lib/x", "/var/lib/x"),
            ("postgres://u@h/d?schema=s", "postgres://u@h/d?schema=s"),
            ("postgres://u:s3cret@h/d", "postgres://u:…@h/d"),
            ("redis://:s3cret@h/0", "redis://:…@h/0"),
            ("postgres://u:s3cret@h/d?x=1", "postgres://…"),
            ("postgres://u:a@s3cret@h/d", "postgres://…"),
            ("postgres://u:a/s3cret@h/d", "postgres://…"),
            ("postgres://h/d?password=s3cret", "postgres://…"),
            ("postgres://h/d?PASSWORD=s3@cret", "postgres://…"),
        ] {
            assert_eq!(without_password(name), shown);
        }
    }

    #[cfg(feature = "shared-stores")]
    #[test]
    fn the_password_of_a_store_is_not_in_debug_output() {
        let name: StoreName = "postgres://u:s3cret@h/d".parse().unwrap();
        assert!(!format!("{name:?}").contains("s3cret"));
    }
}
