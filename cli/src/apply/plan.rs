//! What has to be done for clients to be as a file says.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use twofapi_server::admin::{AttributesView, Request};

use super::file::{Wanted, said};

/// What is to become of one client.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Planned {
    pub(super) client_id: String,
    #[serde(flatten)]
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub(super) enum What {
    /// It is as the file says.
    Nothing,
    /// It is enrolled, and something else was said of it.
    Change { changes: Vec<String> },
    /// It is not enrolled.
    Invite { says: Vec<String> },
    /// It was revoked, for ever.
    Revoked,
}

/// A client as the store has it: its status, and what was said of it.
pub(super) type Now = Option<(String, AttributesView)>;

impl Planned {
    pub(super) fn new(wanted: &Wanted, now: &Now) -> Self {
        let none = AttributesView::default();
        let what = match now {
            None => What::Invite {
                says: differences(&none, &wanted.attributes),
            },
            Some((status, _)) if status == "revoked" => What::Revoked,
            Some((status, before)) => {
                let mut changes = differences(before, &wanted.attributes);
                match (wanted.suspended, status.as_str()) {
                    (Some(true), "active") => changes.push("is suspended".into()),
                    (Some(false), "suspended") => changes.push("is resumed".into()),
                    _ => {}
                }
                match changes.is_empty() {
                    true => What::Nothing,
                    false => What::Change { changes },
                }
            }
        };
        Self {
            client_id: wanted.client_id.as_str().to_owned(),
            what,
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, what, lines): (_, _, &[String]) = match &self.what {
            What::Nothing => return Ok(()),
            What::Change { changes } => ('~', "changes", changes),
            What::Invite { says } => ('+', "is not enrolled", says),
            What::Revoked => ('!', "was revoked and stays so", &[]),
        };
        write!(f, "{sign} {} {what}", self.client_id)?;
        lines.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// What has to be asked of the store, one after the other.
pub(super) fn requests(wanted: &Wanted, now: &Now) -> Vec<Request> {
    let client_id = || wanted.client_id.as_str().to_owned();
    let Some((status, before)) = now else {
        return Vec::new();
    };
    let mut all = Vec::new();
    if !differences(before, &wanted.attributes).is_empty() {
        all.push(Request::SetAttributes {
            client_id: client_id(),
            said: said(&wanted.attributes),
        });
    }
    match (wanted.suspended, status.as_str()) {
        (Some(true), "active") => all.push(Request::Suspend {
            client_id: client_id(),
        }),
        (Some(false), "suspended") => all.push(Request::Resume {
            client_id: client_id(),
        }),
        _ => {}
    }
    all
}

/// What is added (+), taken away (-), or another (→). The order of words means nothing.
fn differences(before: &AttributesView, after: &AttributesView) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = |name: &str, before: &[String], after: &[String]| {
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (before.iter().collect(), after.iter().collect());
        let gone = before.difference(&after).map(|word| format!("-{word}"));
        let come = after.difference(&before).map(|word| format!("+{word}"));
        let both: Vec<_> = gone.chain(come).collect();
        if !both.is_empty() {
            found.push(format!("{name} {}", both.join(" ")));
        }
    };
    words("scopes", &before.scopes, &after.scopes);
    words("sources", &before.sources, &after.sources);
    let time = |at: Option<u64>| at.map(|at| crate::client_view::time(Some(at)));
    let claims = |said: &AttributesView| {
        let claims = said.claims.as_ref();
        claims.map(|claims| crate::client_view::ascii(&claims.to_string()))
    };
    let number = |said: &AttributesView| said.requests_per_minute.map(|number| number.to_string());
    for (name, before, after) in [
        ("expires", time(before.expires_at), time(after.expires_at)),
        ("claims", claims(before), claims(after)),
        ("requests per minute", number(before), number(after)),
        ("tenant", before.tenant.clone(), after.tenant.clone()),
    ] {
        match (before, after) {
            (Some(before), Some(after)) if before != after => {
                found.push(format!("{name} {before} → {after}"));
            }
            (None, Some(after)) => found.push(format!("{name} +{after}")),
            (Some(before), None) => found.push(format!("{name} -{before}")),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(scopes: &[&str], tenant: Option<&str>, suspended: Option<bool>) -> Wanted {
        Wanted {
            client_id: "alice".parse().unwrap(),
            attributes: AttributesView {
                scopes: scopes.iter().map(|scope| (*scope).into()).collect(),
                tenant: tenant.map(str::to_owned),
                ..AttributesView::default()
            },
            suspended,
        }
    }

    #[test]
    fn a_plan_says_what_comes_and_what_goes_and_nothing_twice() {
        let before = wanted(&["a", "b"], Some("acme"), None);
        let now = Some(("active".to_owned(), before.attributes.clone()));
        let same = wanted(&["b", "a"], Some("acme"), Some(false));
        assert_eq!(Planned::new(&same, &now).what, What::Nothing);
        assert!(requests(&same, &now).is_empty());
        let other = wanted(&["b", "c"], None, Some(true));
        let planned = Planned::new(&other, &now);
        assert_eq!(
            planned.to_string(),
            "~ alice changes\n    scopes -a +c\n    tenant -acme\n    is suspended"
        );
        assert_eq!(requests(&other, &now).len(), 2);
        let invited = Planned::new(&other, &None).to_string();
        assert_eq!(invited, "+ alice is not enrolled\n    scopes +b +c");
        let revoked = Some(("revoked".to_owned(), before.attributes));
        assert_eq!(Planned::new(&other, &revoked).what, What::Revoked);
    }
}
