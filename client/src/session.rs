//! A session that is kept on disk, as `2fapi login --save` does for `2fapi whoami`: one file for each
//! client.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use twofapi_crypto_core::ClientId;
use zeroize::Zeroizing;

use crate::{Failure, credential, private_file};

const FORMAT: &str = "2fapi-session";
const VERSION: u64 = 1;
const MAX_FILE: usize = 64 * 1024;

/// What a login gave, and at which server.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    format: String,
    version: u64,
    /// Whose it is.
    pub client_id: String,
    /// The URL of the server that gave the token; it is sent to no other.
    pub server: String,
    /// The token.
    pub access_token: Zeroizing<String>,
    /// Unix seconds by this machine's clock.
    pub expires_at: u64,
}

impl Session {
    /// A session of this client.
    #[must_use]
    pub fn new(
        client_id: &ClientId,
        server: String,
        access_token: Zeroizing<String>,
        expires_at: u64,
    ) -> Self {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            client_id: client_id.to_string(),
            server,
            access_token,
            expires_at,
        }
    }

    /// Keeps it in the place of the client's session before.
    ///
    /// # Errors
    /// Unavailable when it cannot be written.
    pub fn save(&self, client_id: &ClientId) -> Result<PathBuf, Failure> {
        let path = path(client_id)?;
        if let Some(directory) = path.parent() {
            private_file::create_directory(directory)?;
        }
        // Allocated once: growing would leave copies of the token behind.
        let mut contents = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        serde_json::to_writer_pretty(&mut *contents, self)
            .map_err(|error| Failure::unavailable(format!("cannot write JSON: {error}")))?;
        contents.push(b'\n');
        private_file::replace(&path, &contents, None)?;
        Ok(path)
    }

    /// The session that was kept last.
    ///
    /// # Errors
    /// Bad input when there is none, or the file is something else.
    pub fn load(client_id: &ClientId) -> Result<Self, Failure> {
        let path = path(client_id)?;
        let contents = private_file::read(&path, MAX_FILE).map_err(|failure| {
            if failure.code() == "no_such_file" {
                Failure::bad_input(format!(
                    "there is no saved session of {client_id}: `2fapi login {client_id} --save` \
                     makes one"
                ))
            } else {
                failure
            }
        })?;
        // The file holds a token, so the error does not quote it.
        let session: Option<Self> = serde_json::from_slice(&contents).ok();
        session
            .filter(|session| {
                session.format == FORMAT
                    && session.version == VERSION
                    && session.client_id == client_id.as_str()
            })
            .ok_or_else(|| {
                Failure::bad_input(format!(
                    "{} is not a session of {client_id}: `2fapi login {client_id} --save` makes one",
                    path.display()
                ))
            })
    }
}

fn path(client_id: &ClientId) -> Result<PathBuf, Failure> {
    Ok(credential::data_directory()?
        .join("sessions")
        .join(format!("{client_id}.json")))
}
