//! How the claims of a token become a client id: a text with claims in braces, from which nobody can make the
//! id of another workload by choosing odd values.

use serde_json::{Map, Value};
use twofapi_crypto_core::ClientId;

use super::rules::{RuleError, claim};

/// A client id with places for claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// By its name, or as a JSON pointer where it begins with a slash.
    Claim(String),
}

impl Template {
    /// Reads `text{claim}text`. It begins with a text, and between two claims there is a dot or an `@`, which no value
    /// has after it is written: so two workloads that differ in a claim never have one id.
    pub(super) fn parse(text: &str) -> Result<Self, RuleError> {
        let wrong = |what: &str| RuleError::new(format!("the client id {text:?} {what}"));
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| wrong("has a { without its }"))?;
            if name.is_empty() || name.contains('{') {
                return Err(wrong("has no name of a claim between { and }"));
            }
            parts.push(Part::Text(before.into()));
            parts.push(Part::Claim(name.into()));
            rest = after;
        }
        parts.push(Part::Text(rest.into()));
        let texts: Vec<_> = parts.iter().step_by(2).collect();
        let separates =
            |part: &&&Part| matches!(part, Part::Text(text) if text.contains(['.', '@']));
        let between = texts.get(1..texts.len() - 1).unwrap_or_default();
        if !between.iter().all(|part| separates(&part)) {
            return Err(wrong(
                "needs a dot or an @ between two claims, so that no two workloads have one id",
            ));
        }
        let template = Self(parts);
        // Values are of letters, digits, - and _ at least.
        template
            .filled(|_| Some("x".into()))
            .ok_or_else(|| wrong("is no client id when its claims are put in"))?;
        match template.prefix().is_empty() {
            true => Err(wrong("has to begin with a text of yours, such as ci.")),
            false => Ok(template),
        }
    }

    /// What comes before the first claim.
    pub(super) fn prefix(&self) -> &str {
        match self.0.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// Whether both can give one client id, whatever the claims are. Said too often rather than too seldom.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.prefix(), other.prefix());
        match (self.0.len(), other.0.len()) {
            (1, 1) => one == two,
            (1, _) => one.starts_with(two),
            (_, 1) => two.starts_with(one),
            _ => one.starts_with(two) || two.starts_with(one),
        }
    }

    /// The client id of these claims; `None` where one is missing, or it would be none.
    pub(super) fn client_id(&self, claims: &Map<String, Value>) -> Option<ClientId> {
        self.filled(|name| written(claim(claims, name)?))
    }

    fn filled(&self, value: impl Fn(&str) -> Option<String>) -> Option<ClientId> {
        let mut id = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => id.push_str(text),
                Part::Claim(name) => id.push_str(&value(name)?),
            }
        }
        ClientId::parse(&id).ok()
    }
}

/// A value as it stands in a client id: letters, digits, `-` and `_` as they are, every other byte as `+` and two hex
/// digits. So different values are different texts.
fn written(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if text.is_empty() {
        return None;
    }
    let mut written = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => written.push(byte.into()),
            _ => written.push_str(&format!("+{byte:02x}")),
        }
    }
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(template: &str, claims: Value) -> Option<String> {
        let template = Template::parse(template).ok()?;
        let id = template.client_id(claims.as_object()?)?;
        Some(id.as_str().to_owned())
    }

    #[test]
    fn claims_are_put_in_so_that_different_values_are_different_ids() {
        let repository =
            json!({ "repository": "octo-org/octo.repo", "n": 7, "a/b": { "c.d": "x" } });
        assert_eq!(
            id("gha.{repository}", repository.clone()).as_deref(),
            Some("gha.octo-org+2focto+2erepo")
        );
        assert_eq!(id("ci.{n}", repository.clone()).as_deref(), Some("ci.7"));
        assert_eq!(
            id("k8s.{/a~1b/c.d}@x", repository).as_deref(),
            Some("k8s.x@x")
        );
        assert_eq!(id("fixed", json!({})).as_deref(), Some("fixed"));

        let both = |a: &str, b: &str| id("k8s.{a}.{b}", json!({ "a": a, "b": b })).unwrap();
        let pairs = [
            ("a.b", "c"),
            ("a", "b.c"),
            ("a+2eb", "c"),
            ("a", "b"),
            ("A", "b"),
            ("a.", "b"),
            ("a", ".b"),
            ("a\u{e9}", "b"),
            ("a\u{0}", "b"),
            ("a\n", "b"),
            ("../a", "b"),
        ];
        for (n, one) in pairs.iter().enumerate() {
            for two in &pairs[..n] {
                assert_ne!(both(one.0, one.1), both(two.0, two.1));
            }
        }
    }

    #[test]
    fn what_is_missing_empty_no_text_or_too_long_gives_no_id() {
        for claims in [
            json!({}),
            json!({ "a": "" }),
            json!({ "a": null }),
            json!({ "a": true }),
            json!({ "a": ["x"] }),
            json!({ "a": { "b": "x" } }),
            json!({ "a": "x".repeat(200) }),
            json!({ "a": "/".repeat(50) }),
        ] {
            assert_eq!(id("ci.{a}", claims.clone()), None, "{claims}");
        }
    }

    #[test]
    fn templates_that_could_mix_two_workloads_up_are_refused() {
        for bad in [
            "",
            "{a}",
            "{a}.x",
            "ci.{a}{b}",
            "ci.{a}-{b}",
            "ci.{a",
            "ci.{}",
            "ci.{{a}}",
            "ci..{a}",
            "2fapi.{a}",
            "ci {a}",
            ".{a}",
            "ci.{a}..",
            "ci.{a}.{b}x{c}",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
        for good in [
            "ci",
            "ci.{a}",
            "ci-{a}",
            "ci.{a}.{b}",
            "ci.{a}@{b}.x",
            "ci.{a}x",
        ] {
            assert!(Template::parse(good).is_ok(), "{good}");
        }
        let overlap = |a: &str, b: &str| {
            let (a, b) = (Template::parse(a).unwrap(), Template::parse(b).unwrap());
            assert_eq!(a.overlaps(&b), b.overlaps(&a));
            a.overlaps(&b)
        };
        assert!(overlap("ci.{a}", "ci.{b}.x"));
        assert!(overlap("ci.{a}", "ci.x{b}"));
        assert!(overlap("ci.{a}", "ci.fixed"));
        assert!(overlap("ci", "ci"));
        assert!(!overlap("ci.{a}", "gha.{a}"));
        assert!(!overlap("ci", "ci.{a}"));
        assert!(!overlap("ci.one", "ci.two"));
    }
}
