//! The file of `2fapi apply`: what an operator says of clients, each under its id.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use serde::Deserialize;
use twofapi_client::Failure;
use twofapi_crypto_core::{Claims, ClientId, Error, Scopes, Source, Sources, Tenant};
use twofapi_server::admin::{AttributesView, Said};

use crate::client_said::Expiry;

/// More than any list of clients that people keep by hand.
const MAX: u64 = 64 << 20;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    clients: BTreeMap<String, Written>,
}

/// A client as the file has it: what it does not say is not said of the client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    scopes: Vec<String>,
    expires: Option<Moment>,
    claims: Option<Object>,
    #[serde(default)]
    sources: Vec<String>,
    requests_per_minute: Option<u32>,
    tenant: Option<String>,
    suspended: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Moment {
    Text(String),
    Date(toml::value::Datetime),
}

/// JSON as a text, which has null as well, or as a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Object {
    Text(String),
    Table(BTreeMap<String, serde_json::Value>),
}

/// What is wanted of a client.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) client_id: ClientId,
    pub(super) attributes: AttributesView,
    /// Whether it is kept out, where the file says.
    pub(super) suspended: Option<bool>,
}

/// Reads the file.
///
/// # Errors
/// Bad input for what is no such file, with the client that it is about.
pub(super) fn read(path: &Path) -> Result<Vec<Wanted>, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::bad_input(format!("cannot read {}: {error}", path.display()))
    };
    let length = fs::metadata(path).map_err(|error| cannot(&error))?.len();
    if length > MAX {
        return Err(cannot(&"it is too long"));
    }
    let text = fs::read_to_string(path).map_err(|error| cannot(&error))?;
    parse(&text).map_err(|wrong| Failure::bad_input(format!("{}: {wrong}", path.display())))
}

fn parse(text: &str) -> Result<Vec<Wanted>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let clients = file.clients.into_iter();
    clients
        .map(|(id, written)| {
            let client_id: Result<ClientId, Error> = id.parse();
            let client_id = client_id.map_err(|error| format!("clients.{id:?}: {error}"))?;
            wanted(client_id, written).map_err(|wrong| format!("clients.{id:?}: {wrong}"))
        })
        .collect()
}

fn wanted(client_id: ClientId, written: Written) -> Result<Wanted, String> {
    let said = |error: Error| error.to_string();
    let scopes = Scopes::new(written.scopes.iter().map(String::as_str)).map_err(said)?;
    let sources = written
        .sources
        .iter()
        .map(|source| source.parse::<Source>());
    let sources = sources.collect::<Result<Vec<_>, _>>().map_err(said)?;
    let sources = Sources::new(sources).map_err(said)?;
    let claims = match written.claims {
        None => Claims::default(),
        Some(Object::Text(text)) => Claims::parse(&text).map_err(said)?,
        Some(Object::Table(table)) => {
            let text = serde_json::to_string(&table).map_err(|error| error.to_string())?;
            Claims::parse(&text).map_err(said)?
        }
    };
    let expires_at = match written.expires {
        None => None,
        Some(Moment::Text(text)) => fixed(&text)?,
        Some(Moment::Date(date)) => fixed(&date.to_string())?,
    };
    let tenant: Option<Result<Tenant, Error>> = written.tenant.map(|tenant| tenant.parse());
    let tenant = tenant.transpose().map_err(said)?;
    Ok(Wanted {
        client_id,
        attributes: AttributesView {
            expires_at,
            scopes: scopes.iter().map(str::to_owned).collect(),
            claims: serde_json::from_str(claims.as_str()).ok(),
            sources: sources.as_slice().iter().map(ToString::to_string).collect(),
            requests_per_minute: written.requests_per_minute.filter(|number| *number != 0),
            tenant: tenant.map(|tenant| tenant.as_str().to_owned()),
        },
        suspended: written.suspended,
    })
}

/// A time that is the same whenever the file is applied.
fn fixed(text: &str) -> Result<Option<u64>, String> {
    let expiry: Expiry = text.parse()?;
    match expiry {
        Expiry::In(_) => Err(format!(
            "expires = {text:?} is another time whenever the file is applied: say a day such as 2027-01-31 or a \
             moment such as 2027-01-31T12:00:00Z"
        )),
        Expiry::Never | Expiry::At(_) => Ok(expiry.at(0)),
    }
}

/// All of it, for a client of which something else was said before.
pub(super) fn said(attributes: &AttributesView) -> Said {
    let AttributesView {
        expires_at,
        scopes,
        claims,
        sources,
        requests_per_minute,
        tenant,
    } = attributes.clone();
    Said {
        expires_at: Some(expires_at.unwrap_or_default()),
        scopes: Some(scopes),
        claims: Some(claims.map(|claims| claims.to_string()).unwrap_or_default()),
        sources: Some(sources),
        requests_per_minute: Some(requests_per_minute.unwrap_or_default()),
        tenant: Some(tenant.unwrap_or_default()),
    }
}

/// A client as the file would have it.
pub(super) fn written(client_id: &str, attributes: &AttributesView, suspended: bool) -> String {
    let mut out = format!("[clients.{}]\n", text(client_id));
    let list = |all: &[String]| {
        let all: Vec<_> = all.iter().map(|one| text(one)).collect();
        format!("[{}]", all.join(", "))
    };
    let mut say = |name: &str, value: String| {
        // To a string nothing fails.
        let _ = writeln!(out, "{name} = {value}");
    };
    if suspended {
        say("suspended", "true".into());
    }
    if let Some(at) = attributes.expires_at {
        say("expires", text(&crate::client_view::time(Some(at))));
    }
    if !attributes.scopes.is_empty() {
        say("scopes", list(&attributes.scopes));
    }
    if let Some(claims) = &attributes.claims {
        say("claims", text(&claims.to_string()));
    }
    if !attributes.sources.is_empty() {
        say("sources", list(&attributes.sources));
    }
    if let Some(requests) = attributes.requests_per_minute {
        say("requests_per_minute", requests.to_string());
    }
    if let Some(tenant) = &attributes.tenant {
        say("tenant", text(tenant));
    }
    out
}

/// A basic string of TOML: that of JSON, in which DEL is no control character.
fn text(text: &str) -> String {
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"
[clients.alice]
scopes = ["reports:read", "write"]
expires = 2027-01-31
sources = ["192.0.2.7"]
requests_per_minute = 60
tenant = "acme"
suspended = true
[clients.alice.claims]
role = "web_user"
[clients."bob@example.com"]
claims = '{"team": null}'
"#;

    #[test]
    fn what_is_written_is_read_and_written_alike() {
        let all = parse(ALL).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].attributes.expires_at, Some(1_801_353_600));
        assert_eq!(all[0].attributes.sources, ["192.0.2.7/32"]);
        let again: String = all
            .iter()
            .map(|one| {
                let suspended = one.suspended == Some(true);
                written(one.client_id.as_str(), &one.attributes, suspended)
            })
            .collect();
        let again = parse(&again).unwrap();
        assert_eq!(
            (&again[0], &again[1].attributes),
            (&all[0], &all[1].attributes)
        );
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn what_nobody_knows_and_what_cannot_be_is_refused_with_its_client() {
        for (bad, named) in [
            ("[client.alice]", "client"),
            ("[clients.alice]\nscope = []", "scope"),
            ("[clients.alice]\nscopes = \"a\"", "scopes"),
            ("[clients.alice]\nscopes = [\"a b\"]", "alice"),
            ("[clients.\"2fapi\"]", "2fapi"),
            ("[clients.alice]\nexpires = \"90d\"", "another time"),
            ("[clients.alice]\nsources = [\"192.0.2.1/24\"]", "alice"),
            ("[clients.alice]\nclaims = '{\"sub\": \"bob\"}'", "alice"),
            ("[clients.alice]\nclaims = '[]'", "alice"),
            ("[clients.alice]\n[clients.alice]", "alice"),
            ("[clients.alice]\ntenant = \"a b\"", "alice"),
        ] {
            let wrong = parse(bad).unwrap_err();
            assert!(wrong.contains(named), "{bad}: {wrong}");
        }
    }
}
