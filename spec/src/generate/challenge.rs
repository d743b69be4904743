//! Challenges that are live, and ids and times that are refused.

use twofapi_crypto_core::{ChallengeKey, ChallengeTtl, ClientId};

use super::{LONGEST, random, rng};
use crate::cases::{ChallengeCase, ChallengeFile};

/// Challenges of the default life.
pub(super) fn file() -> ChallengeFile {
    living(ChallengeTtl::default(), "challenge", 4_294_967_000)
}

/// Challenges of another life.
pub(super) fn of_ttl(seconds: u32) -> ChallengeFile {
    let ttl = ChallengeTtl::from_seconds(seconds).unwrap_or_default();
    let domain = format!("challenge of {seconds} seconds");
    living(ttl, &domain, u64::from(u32::MAX - seconds))
}

/// `last` is the last moment at which one is issued.
fn living(ttl: ChallengeTtl, domain: &str, last: u64) -> ChallengeFile {
    let rng = &mut rng(domain);
    let (mut live, mut refused) = (Vec::new(), Vec::new());
    for (client, issued_at) in [
        ("alice@example.com", 1_795_000_000_u64),
        ("a", 1),
        (LONGEST, last),
        ("0190f3a1-7c2e-7b40-9d55-2f6f0c1a77aa", 2_147_483_647),
    ] {
        let key: [u8; 32] = random(rng);
        let Ok(client_id) = ClientId::parse(client) else {
            continue;
        };
        let challenge_key = ChallengeKey::from_bytes(key);
        let Ok(issued) = challenge_key.issue(&client_id, issued_at, ttl, rng) else {
            continue;
        };
        let at = |name: &str, now: u64| ChallengeCase {
            name: format!("{name}-at-{issued_at}"),
            challenge_key: hex::encode(key),
            client_id: client.into(),
            challenge_id: issued.id.to_string(),
            now,
            nonce: None,
        };
        let expiry = u64::from(issued.id.expires_at());
        for (name, now) in [
            ("just-issued", issued_at),
            ("half-way", issued_at + u64::from(ttl.seconds() / 2)),
            ("last-second", expiry - 1),
        ] {
            live.push(ChallengeCase {
                nonce: Some(hex::encode(issued.nonce.as_bytes())),
                ..at(name, now)
            });
        }
        for (name, now) in [
            ("expired", expiry),
            ("a-second-late", expiry + 1),
            ("long-expired", expiry + 86_400),
            // The last that every language of a surface counts exactly.
            ("clock-of-the-future", (1 << 53) - 1),
            ("not-issued-yet", issued_at - 1),
            ("clock-of-1970", 0),
        ] {
            refused.push(at(name, now));
        }
        let text = issued.id.to_string();
        for (name, id) in [
            ("no-prefix", text[3..].to_owned()),
            ("prefix-in-capitals", text.replace("ch-", "CH-")),
            (
                "digits-in-capitals",
                format!("ch-{}", text[3..].to_uppercase()),
            ),
            ("too-short", text[..26].to_owned()),
            ("too-long", format!("{text}0")),
            ("not-hex", format!("{}g", &text[..26])),
            ("empty", String::new()),
            ("leading-blank", format!(" {text}")),
            ("trailing-newline", format!("{text}\n")),
            ("with-client", format!("{text}.{client}")),
            ("not-ascii", format!("{}é", &text[..25])),
        ] {
            // The digits of some ids have no letters, which capitals would leave as they are.
            if id != text {
                refused.push(ChallengeCase {
                    challenge_id: id,
                    ..at(&format!("id-{name}"), issued_at)
                });
            }
        }
    }
    ChallengeFile {
        suite: ChallengeFile::SUITE.into(),
        ttl: ttl.seconds(),
        live,
        refused,
    }
}
