//! What an operator is shown of clients, for people and for programs.

use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use twofapi_server::admin::{
    AttributesView, ClientDetails, ClientView, CredentialView, SessionView,
};

#[derive(Serialize)]
pub(crate) struct Clients {
    pub(crate) clients: Vec<ClientView>,
}

impl fmt::Display for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |of: fn(&ClientView) -> &str, least| {
            let widths = self.clients.iter().map(|client| of(client).len());
            widths.max().unwrap_or(0).max(least)
        };
        let id = widest(|client| &client.client_id, "CLIENT".len());
        write!(f, "{:id$}  {:9}  VERSION  COMMITMENT", "CLIENT", "STATUS")?;
        for client in &self.clients {
            write!(
                f,
                "\n{:id$}  {:9}  {:>7}  {}",
                client.client_id, client.status, client.commitment_version, client.commitment
            )?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
pub(crate) struct SessionsView {
    pub(crate) client_id: String,
    pub(crate) sessions: Vec<SessionView>,
    pub(crate) ended: u64,
}

impl fmt::Display for SessionsView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:32}  {:32}  {:20}  {:20}  FROM",
            "SESSION", "CREDENTIAL", "SINCE", "EXPIRES"
        )?;
        for session in &self.sessions {
            let source = session
                .source
                .map_or("-".into(), |source| source.to_string());
            write!(
                f,
                "\n{}  {}  {:20}  {:20}  {source}",
                session.session_id,
                session.credential_id,
                time(Some(session.issued_at)),
                time(Some(session.expires_at)),
            )?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
pub(crate) struct OneView {
    #[serde(flatten)]
    pub(crate) client: ClientView,
    #[serde(flatten)]
    pub(crate) details: ClientDetails,
    pub(crate) changed: bool,
}

impl fmt::Display for OneView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClientView {
            client_id,
            status,
            commitment_version,
            commitment,
        } = &self.client;
        write!(
            f,
            "client      {client_id}\nstatus      {status}\ncommitment  {commitment} (version \
             {commitment_version})"
        )?;
        attributes(&self.details.attributes, f)?;
        write!(
            f,
            "\n\nCREDENTIAL                        SINCE  CREATED               EXPIRES               NAME"
        )?;
        for credential in &self.details.credentials {
            let CredentialView {
                credential_id,
                name,
                created,
                since,
                expires_at,
                scopes,
                ..
            } = credential;
            let created = time((*created != 0).then_some(*created));
            let expires = time(*expires_at);
            write!(
                f,
                "\n{credential_id}  {since:>5}  {created:20}  {expires:20}  {name}"
            )?;
            match scopes.as_deref() {
                None => {}
                Some([]) => write!(f, "\n    no scopes")?,
                Some(scopes) => write!(f, "\n    no scopes but {}", scopes.join(" "))?,
            }
        }
        Ok(())
    }
}

/// Those that there are, a line each.
fn attributes(said: &AttributesView, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let AttributesView {
        expires_at,
        scopes,
        claims,
        sources,
        requests_per_minute,
        tenant,
    } = said;
    if expires_at.is_some() {
        write!(f, "\nexpires     {}", time(*expires_at))?;
    }
    if !scopes.is_empty() {
        write!(f, "\nscopes      {}", scopes.join(" "))?;
    }
    if let Some(claims) = claims {
        // What is not ASCII is written as an escape: a terminal is steered by more than controls.
        write!(f, "\nclaims      {}", ascii(&claims.to_string()))?;
    }
    if !sources.is_empty() {
        write!(f, "\nsources     {}", sources.join(" "))?;
    }
    if let Some(requests) = requests_per_minute {
        write!(f, "\nrequests    {requests} a minute")?;
    }
    if let Some(tenant) = tenant {
        write!(f, "\ntenant      {tenant}")?;
    }
    Ok(())
}

/// JSON with the same meaning, of printable ASCII alone. (Controls are escaped in JSON already, but DEL.)
pub(crate) fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if (' '..='~').contains(&character) {
            out.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// A second since 1970 as people write it.
pub(crate) fn time(seconds: Option<u64>) -> String {
    let Some(seconds) = seconds else {
        return "-".into();
    };
    let latest = 253_402_300_799; // The last second of the year 9999.
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds <= latest => humantime::format_rfc3339_seconds(time).to_string(),
        _ => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_shown_in_printable_ascii_and_mean_the_same() {
        let claims = serde_json::json!({ "a": "é\u{202e}\u{7f}\u{1f600}\n\u{1b}" });
        let shown = ascii(&claims.to_string());
        assert!(
            shown.bytes().all(|byte| (0x20..=0x7e).contains(&byte)),
            "{shown}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            claims
        );
    }

    #[test]
    fn a_time_is_a_date_as_long_as_there_is_one() {
        assert_eq!(time(None), "-");
        assert_eq!(time(Some(1_795_000_000)), "2026-11-18T11:06:40Z");
        assert_eq!(time(Some(253_402_300_799)), "9999-12-31T23:59:59Z");
        for far in [253_402_300_800, u64::MAX] {
            assert_eq!(time(Some(far)), far.to_string());
        }
    }
}
