//! What two devices and a host agree on to link and unlink credentials: proofs of each purpose shown as each
//! other, ids, numbers, codes and names, worked out here by themselves.

use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha512};
use twofapi_crypto_core::{GENERATOR_G, commit};

use super::{
    LONGEST, lp, random, rng, scalar,
    sigma::{AUDIENCE, Refused, no_encodings, prover::Proven},
};
use crate::cases::{
    CredentialIdCase, LinkCodeCase, LinkNumberCase, LinkingFile, NoLinkCode,
    PurposeName::{self, Authentication, Enrolment, Joining, Linking, Rotation, Unlinking},
    Reason, SigmaCase,
};

pub(super) fn file() -> LinkingFile {
    let rng = &mut rng("linking");
    let accepted = accepted(rng);
    let mut refused = Refused::default();
    let of = |name: &str| {
        let index = accepted.iter().position(|case| case.name() == name);
        &accepted[index.unwrap_or_default()]
    };
    let each = [
        of("enrolment"),
        of("authentication"),
        of("rotation"),
        of("linking"),
        of("unlinking"),
        of("joining"),
    ];
    other_purposes(&mut refused, &each);
    for of in &each[3..] {
        other_statements(&mut refused, rng, of);
        out_of_range(&mut refused, of);
    }
    LinkingFile {
        suite: LinkingFile::SUITE.into(),
        accepted: accepted.iter().map(Proven::accepted).collect(),
        rejected: refused.into_cases(),
        credential_ids: credential_ids(rng),
        no_credential_ids: no_credential_ids(),
        link_numbers: link_numbers(rng),
        link_codes: link_codes(),
        no_link_codes: no_link_codes(),
        credential_names: names(),
        no_credential_names: no_names(),
    }
}

/// What the channel binding of a purpose begins with, and whether a commitment follows.
const fn begins(purpose: PurposeName) -> (&'static [u8], bool) {
    match purpose {
        Enrolment => (b"enrollment", false),
        Authentication => (b"", false),
        Rotation => (b"rotation:", true),
        Linking => (b"rotation:\x01", true),
        Unlinking => (b"rotation:\x03", true),
        Joining => (b"rotation:\x05", false),
    }
}

/// By one credential, about one other, at one host, over one nonce: whatever tells them apart is the purpose.
fn accepted(rng: &mut ChaCha20Rng) -> Vec<Proven> {
    let nonce: [u8; 16] = random(rng);
    let one = Proven::new(
        rng,
        "",
        Authentication,
        "alice@example.com",
        &nonce,
        AUDIENCE,
    );
    let other = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
    let bound = |purpose, binding: &[u8]| {
        let (prefix, about_one) = begins(purpose);
        [prefix, if about_one { &other } else { &[] }, binding].concat()
    };
    let mut cases = Vec::new();
    for purpose in [
        Enrolment,
        Authentication,
        Rotation,
        Linking,
        Unlinking,
        Joining,
    ] {
        cases.push(one.proving(|p| {
            p.called(purpose.as_str(), purpose);
            (p.nonce, p.binding) = match purpose {
                Enrolment => (Vec::new(), bound(Enrolment, b"")),
                _ => (nonce.to_vec(), bound(purpose, AUDIENCE)),
            };
        }));
    }
    let exporter: [u8; 32] = random(rng);
    let with_exporter = [AUDIENCE, &lp(&exporter)].concat();
    for (purpose, longest) in [(Linking, 982), (Unlinking, 982), (Joining, 1014)] {
        let longest = vec![b'x'; longest];
        for (what, nonce, binding) in [
            ("no-binding", &nonce[..], &b""[..]),
            ("exporter", &nonce, &with_exporter),
            ("longest-binding", &nonce, &longest),
            ("nonce-64", &[7; 64], AUDIENCE),
        ] {
            let name = format!("{}-{what}", purpose.as_str());
            let binding = bound(purpose, binding);
            cases.push(Proven::new(rng, &name, purpose, "alice", nonce, &binding));
        }
        let name = format!("{}-hedged", purpose.as_str());
        let binding = bound(purpose, AUDIENCE);
        let case = Proven::new(rng, &name, purpose, LONGEST, &nonce, &binding);
        cases.push(case.hedged(rng));
    }
    // The credential that goes is the one that proves.
    let itself = one.commitment();
    cases.push(one.proving(|p| {
        p.called("unlinking-itself", Unlinking);
        p.binding = [&b"rotation:\x03"[..], &itself, AUDIENCE].concat();
    }));
    cases
}

/// A proof of each purpose, shown for the statement of each other and as a statement of each other.
fn other_purposes(refused: &mut Refused, each: &[&Proven]) {
    for proven in each {
        for expected in each {
            let (is, as_what) = (proven.purpose(), expected.purpose());
            let new = [Linking, Unlinking, Joining];
            // Those of before are in the file of proofs.
            if is == as_what || !(new.contains(&is) || new.contains(&as_what)) {
                continue;
            }
            let case = expected.bare(&proven.proof());
            let name = format!("{}-as-{}", is.as_str(), as_what.as_str());
            refused.add(proven, name, Reason::Equation, case);

            let reason = match (is, as_what) {
                (Enrolment, _) | (_, Enrolment) => Reason::NonceLength,
                // 01 and 03 begin no element, and no authentication is long enough behind 05.
                (Linking | Unlinking, Rotation) => Reason::PointEncoding,
                _ => Reason::Binding,
            };
            let case = SigmaCase {
                purpose: as_what,
                ..proven.bare(&proven.proof())
            };
            let name = format!(
                "{}-where-{}-is-expected-valid-equation",
                is.as_str(),
                as_what.as_str()
            );
            refused.add(proven, name, reason, case);
        }
    }
}

/// Shown for another client, host, challenge or credential.
fn other_statements(refused: &mut Refused, rng: &mut ChaCha20Rng, of: &Proven) {
    let what = of.purpose().as_str();
    let (prefix, about_one) = begins(of.purpose());
    let mut shown = |name: &str, change: &dyn Fn(&mut SigmaCase)| {
        let mut case = of.bare(&of.proof());
        change(&mut case);
        refused.add(of, format!("{what}-{name}"), Reason::Equation, case);
    };
    let with_binding = |binding: &[u8]| {
        let kept = &of.binding[..prefix.len() + if about_one { 32 } else { 0 }];
        hex::encode([kept, binding].concat())
    };
    shown("other-client", &|c| c.client_id = "bob@example.com".into());
    shown("other-nonce", &|c| c.nonce = hex::encode([9; 16]));
    shown("other-audience", &|c| {
        c.channel_binding = with_binding(b"aud:https://api.example.org");
    });
    shown("audience-removed", &|c| {
        c.channel_binding = with_binding(b"")
    });
    shown("with-exporter", &|c| {
        c.channel_binding = with_binding(&[AUDIENCE, &lp(&[1; 32])].concat());
    });
    let other = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
    shown("by-another-credential", &|c| {
        c.commitment = hex::encode(other)
    });
    if about_one {
        shown("about-another-commitment", &|c| {
            c.channel_binding = hex::encode([prefix, &other, AUDIENCE].concat());
        });
    }
}

/// Statements that there are not, with equations that hold.
fn out_of_range(refused: &mut Refused, of: &Proven) {
    let what = of.purpose().as_str();
    let (prefix, about_one) = begins(of.purpose());
    let mut other = |name: &str, reason, change: &dyn Fn(&mut Proven)| {
        let other = of.proving(change);
        let name = format!("{what}-{name}-valid-equation");
        refused.add(of, name, reason, other.bare(&other.proof()));
    };
    for len in [0, 15, 65] {
        let name = format!("nonce-length-{len}");
        other(&name, Reason::NonceLength, &|p| p.nonce = vec![7; len]);
    }
    other("client-id-colon", Reason::ClientId, &|p| {
        p.client_id = "al:ice".into();
    });
    let kept = prefix.len() + if about_one { 32 } else { 0 };
    other("binding-too-long", Reason::Binding, &|p| {
        p.binding.resize(1025, b'x');
    });
    other("bound-to-enrollment", Reason::Binding, &|p| {
        p.binding.truncate(kept);
        p.binding.extend(b"enrollment");
    });
    other("bound-to-rotation", Reason::Binding, &|p| {
        p.binding.truncate(kept);
        p.binding.extend(b"rotation:");
    });
    other("of-a-byte-that-says-nothing", Reason::Binding, &|p| {
        p.binding[9] = 7
    });
    other("cut-short", Reason::Binding, &|p| p.binding.truncate(9));
    if about_one {
        other("to-31-bytes", Reason::Binding, &|p| {
            p.binding.truncate(10 + 31)
        });
        other("to-the-identity", Reason::Identity, &|p| {
            p.binding[10..42].fill(0)
        });
        let mut one = [0; 32];
        one.copy_from_slice(&of.binding[10..42]);
        for (how, bytes) in no_encodings(&one) {
            let name = format!("to-{how}");
            other(&name, Reason::PointEncoding, &|p| {
                p.binding[10..42].copy_from_slice(&bytes);
            });
        }
    }
}

fn hashed(domain: &str, pieces: &[&[u8]]) -> [u8; 64] {
    Sha512::digest([domain.as_bytes(), &pieces.concat()].concat()).into()
}

fn credential_ids(rng: &mut ChaCha20Rng) -> Vec<CredentialIdCase> {
    let mut commitments = vec![("generator-g".to_owned(), GENERATOR_G)];
    for i in 0..8 {
        let drawn = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
        commitments.push((format!("credential-{i}"), drawn));
    }
    let case = |(name, commitment): (String, [u8; 32])| CredentialIdCase {
        name,
        commitment: hex::encode(commitment),
        credential_id: hex::encode(&hashed("2FApi-v1.0-CredentialId", &[&commitment])[..16]),
    };
    commitments.into_iter().map(case).collect()
}

fn no_credential_ids() -> Vec<String> {
    let good = "0123456789abcdef0123456789abcdef";
    vec![
        String::new(),
        good[1..].into(),
        format!("{good}0"),
        format!(" {}", &good[1..]),
        good.to_uppercase(),
        good.replacen('0', "g", 1),
        good.replacen("01", "é", 1),
        format!("0x{}", &good[2..]),
        "first".into(),
    ]
}

fn link_numbers(rng: &mut ChaCha20Rng) -> Vec<LinkNumberCase> {
    let mut case = |name: String, small: bool| loop {
        let id: [u8; 12] = random(rng);
        let challenge_id = format!("ch-{}", hex::encode(id));
        let commitment = commit(&scalar(rng), &scalar(rng)).compress().to_bytes();
        let digest = hashed(
            "2FApi-v1.0-LinkNumber",
            &[&lp(challenge_id.as_bytes()), &commitment],
        );
        let first = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        let number = format!("{:06}", first % 1_000_000);
        if !small || number.starts_with("00") {
            return LinkNumberCase {
                name,
                challenge_id,
                commitment: hex::encode(commitment),
                number,
            };
        }
    };
    let mut cases: Vec<_> = (0..8).map(|i| case(format!("number-{i}"), false)).collect();
    cases.push(case("number-with-zeros-in-front".into(), true));
    cases
}

const CHALLENGE_ID: &str = "ch-6afd8738e6d9c4dff7246cd9";
const NONCE: &str = "133166f9e02f2a5e6187a605fe27fb39";
const HOST: &str = "https://api.example.com";

fn link_codes() -> Vec<LinkCodeCase> {
    let (longest_nonce, longest_audience) = ("0f".repeat(64), "x".repeat(512));
    [
        ("code", "alice", NONCE, HOST),
        ("code-of-a-mail-address", "a.b+c@example.com", NONCE, HOST),
        ("code-of-the-longest-client-id", LONGEST, NONCE, HOST),
        (
            "code-with-a-port",
            "alice",
            NONCE,
            "https://api.example.com:8443",
        ),
        ("code-of-ipv6", "alice", NONCE, "http://[::1]:8080"),
        ("code-of-no-origin", "alice", NONCE, "db.example/2fapi"),
        ("code-of-colons", "alice", NONCE, ":::"),
        ("code-of-the-longest-nonce", "alice", &longest_nonce, HOST),
        (
            "code-of-the-longest-audience",
            "alice",
            NONCE,
            &longest_audience,
        ),
    ]
    .map(|(name, client_id, nonce, audience)| LinkCodeCase {
        name: name.into(),
        code: format!("2fapi-link:1:{CHALLENGE_ID}.{client_id}:{nonce}:{audience}"),
        challenge_id: CHALLENGE_ID.into(),
        client_id: client_id.into(),
        nonce: nonce.into(),
        audience: audience.into(),
    })
    .into()
}

fn no_link_codes() -> Vec<NoLinkCode> {
    let good = format!("2fapi-link:1:{CHALLENGE_ID}.alice:{NONCE}:{HOST}");
    let with = |from: &str, to: &str| good.replacen(from, to, 1);
    [
        ("no-code", "prefix", String::new()),
        ("another-version", "prefix", with(":1:", ":2:")),
        ("prefix-in-capitals", "prefix", with("2fapi", "2FAPI")),
        ("blank-in-front", "prefix", format!(" {good}")),
        (
            "challenge-id-in-capitals",
            "challenge id",
            with("6afd", "6AFD"),
        ),
        ("challenge-id-without-ch", "challenge id", with("ch-", "")),
        ("challenge-id-too-short", "challenge id", with("cd9.", "c.")),
        ("no-client-id", "client id", with(".alice", "")),
        ("client-id-empty", "client id", with(".alice", ".")),
        ("client-id-reserved", "client id", with(".alice", ".2fapi")),
        ("client-id-two-dots", "client id", with("alice", "a..b")),
        (
            "nonce-in-capitals",
            "nonce",
            with(NONCE, &NONCE.to_uppercase()),
        ),
        ("nonce-15-bytes", "nonce", with(NONCE, &NONCE[2..])),
        ("nonce-65-bytes", "nonce", with(NONCE, &"00".repeat(65))),
        ("nonce-odd", "nonce", with(NONCE, &NONCE[1..])),
        ("nonce-no-hex", "nonce", with("1331", "133g")),
        ("nonce-not-ascii", "nonce", with("1331", "13é")),
        (
            "audience-missing",
            "audience",
            with(&format!(":{HOST}"), ""),
        ),
        ("audience-of-none", "audience", with(HOST, "")),
        ("audience-with-a-blank", "audience", with(".com", ".com ")),
        ("audience-in-two-lines", "audience", with(".com", ".com\n")),
        ("audience-of-513", "audience", with(HOST, &"x".repeat(513))),
        ("audience-cyrillic", "audience", with("api", "\u{430}pi")),
    ]
    .map(|(name, reason, code)| NoLinkCode {
        name: name.into(),
        reason: reason.into(),
        code,
    })
    .into()
}

fn names() -> Vec<String> {
    let all: String = (0x21_u8..0x7f).map(char::from).collect();
    vec![
        "a".into(),
        "Ann's phone".into(),
        "two  blanks".into(),
        "<script>alert(1)</script>".into(),
        all[..64].into(),
        all[30..].into(),
    ]
}

fn no_names() -> Vec<String> {
    [
        "",
        " ",
        " a",
        "a ",
        "a\n",
        "a\tb",
        "a\0b",
        "\u{7f}",
        "\u{1b}[2J",
        "caf\u{e9}",
        "a\u{a0}b",
        "a\u{202e}b",
        "a\u{200b}",
        "\u{feff}a",
    ]
    .map(String::from)
    .into_iter()
    .chain([String::from("x").repeat(65)])
    .collect()
}
