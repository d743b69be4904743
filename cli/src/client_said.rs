//! What an operator says of a client, as options that several commands have.

use std::{
    str::FromStr,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use twofapi_server::admin::Said;

/// Options by which something is said of a client.
#[derive(Args, Debug)]
pub(crate) struct SaidArgs {
    /// From when on it is let in no longer: a time from now such as 90d, a day such as 2027-01-31, a
    /// moment such as 2027-01-31T12:00:00Z, or never
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<Expiry>,
    /// What it may do, in words separated by blanks; empty for nothing
    #[arg(long, alias = "scope", value_name = "WORDS")]
    pub(crate) scopes: Option<String>,
    /// What its tokens say besides: a JSON object; {} for nothing
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// From where it is let in: addresses such as 192.0.2.0/24 or 2001:db8::1, separated by blanks;
    /// empty for everywhere
    #[arg(long, alias = "source", value_name = "ADDRESSES")]
    sources: Option<String>,
    /// How often it may ask, in a minute; 0 for as often as it likes
    #[arg(long, alias = "per-minute", value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Whose client it is; empty for nobody's
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

impl SaidArgs {
    /// What is said at this second.
    pub(crate) fn said(&self, now: u64) -> Said {
        let expires_at = self.expires.map(|expiry| expiry.at(now));
        Said {
            expires_at: expires_at.map(Option::unwrap_or_default),
            scopes: self.scopes.as_deref().map(words),
            claims: self.claims.clone(),
            sources: self.sources.as_deref().map(words),
            requests_per_minute: self.requests_per_minute,
            tenant: self.tenant.clone(),
        }
    }
}

pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// When something expires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expiry {
    Never,
    /// In so many seconds.
    In(u64),
    /// In Unix seconds.
    At(u64),
}

impl Expiry {
    /// In Unix seconds, and not 0, which means never to a store.
    pub(crate) fn at(self, now: u64) -> Option<u64> {
        match self {
            Self::Never => None,
            Self::In(seconds) => Some(now.saturating_add(seconds)),
            Self::At(seconds) => Some(seconds.max(1)),
        }
    }
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "never" {
            return Ok(Self::Never);
        }
        if let Ok(time) = humantime::parse_duration(text) {
            return Ok(Self::In(time.as_secs()));
        }
        let day = format!("{text}T00:00:00Z");
        let moment = humantime::parse_rfc3339(text).or_else(|_| humantime::parse_rfc3339(&day));
        let since = |moment: SystemTime| moment.duration_since(UNIX_EPOCH);
        match moment.map(since) {
            Ok(Ok(seconds)) => Ok(Self::At(seconds.as_secs())),
            _ => Err(
                "say a time from now such as 90d, a day such as 2027-01-31, a moment such as \
                 2027-01-31T12:00:00Z, or never"
                    .into(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_time_from_now_a_day_a_moment_or_never() {
        for (text, at) in [
            ("never", None),
            ("90d", Some(100 + 90 * 86_400)),
            ("1h 30m", Some(100 + 5400)),
            ("2026-11-18", Some(1_794_960_000)),
            ("2026-11-18T11:06:40Z", Some(1_795_000_000)),
            ("1970-01-01", Some(1)),
        ] {
            let expiry: Expiry = text.parse().unwrap();
            assert_eq!(expiry.at(100), at, "{text}");
        }
        for bad in [
            "",
            "90",
            "tomorrow",
            "2026-13-01",
            "-1d",
            "2026-11-18T11:06",
            "1960-01-01",
        ] {
            assert!(bad.parse::<Expiry>().is_err(), "{bad}");
        }
    }
}
