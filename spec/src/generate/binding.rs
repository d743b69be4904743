//! Audiences and the bindings that follow from them, written out by hand.

use super::{lp, random, rng};
use crate::cases::{BindingCase, BindingFile, NamedBinding, OriginCase};

const AUDIENCE: &str = "https://api.example.com";

pub(super) fn file() -> BindingFile {
    let rng = &mut rng("binding");
    let exporter: [u8; 32] = random(rng);
    let bound = |audience: &str| [b"aud:", audience.as_bytes()].concat();
    let longest = "x".repeat(512);
    let bindings = [
        ("no-audience", None, None, Vec::new()),
        ("origin", Some(AUDIENCE), None, bound(AUDIENCE)),
        ("exporter-alone", None, Some(exporter), lp(&exporter)),
        (
            "origin-and-exporter",
            Some(AUDIENCE),
            Some(exporter),
            [bound(AUDIENCE), lp(&exporter)].concat(),
        ),
        ("one-character", Some("x"), None, bound("x")),
        ("512-characters", Some(&longest), None, bound(&longest)),
        ("first-and-last-character", Some("!~"), None, bound("!~")),
        (
            "no-origin",
            Some("db.example/2fapi"),
            None,
            bound("db.example/2fapi"),
        ),
        (
            "like-another-purpose",
            Some("rotation:"),
            None,
            bound("rotation:"),
        ),
    ]
    .map(|(name, audience, exporter, binding)| BindingCase {
        name: name.into(),
        audience: audience.map(Into::into),
        exporter: exporter.map(hex::encode),
        jwk: None,
        thumbprint: None,
        binding: Some(hex::encode(binding)),
        code: None,
    });
    let too_long = "x".repeat(513);
    let (length, encoding) = ("invalid_length", "invalid_encoding");
    let invalid = [
        ("audience-empty", "", None, length),
        ("audience-513-characters", &too_long, None, length),
        ("audience-blank", "api example", None, encoding),
        (
            "audience-trailing-blank",
            "https://api.example.com ",
            None,
            encoding,
        ),
        (
            "audience-newline",
            "https://api.example.com\n",
            None,
            encoding,
        ),
        ("audience-delete", "api\u{7f}", None, encoding),
        (
            "audience-not-ascii",
            "https://b\u{fc}cher.example",
            None,
            encoding,
        ),
        ("exporter-0", AUDIENCE, Some(0), length),
        ("exporter-31", AUDIENCE, Some(31), length),
        ("exporter-33", AUDIENCE, Some(33), length),
    ]
    .map(
        |(name, audience, exporter, code): (_, _, Option<usize>, _)| BindingCase {
            name: name.into(),
            audience: Some(audience.into()),
            exporter: exporter.map(|len| "07".repeat(len)),
            jwk: None,
            thumbprint: None,
            binding: None,
            code: Some(code.into()),
        },
    );
    let ours = bound(AUDIENCE);
    let with = |more: &[u8]| [&ours, more].concat();
    let named = [
        ("the-hosts", Some(AUDIENCE), ours.clone(), true),
        (
            "the-hosts-and-an-exporter",
            Some(AUDIENCE),
            with(&lp(&exporter)),
            true,
        ),
        ("none", Some(AUDIENCE), Vec::new(), false),
        ("an-exporter-alone", Some(AUDIENCE), lp(&exporter), false),
        (
            "a-shorter-audience",
            Some(AUDIENCE),
            bound("https://api.example.co"),
            false,
        ),
        (
            "a-longer-audience",
            Some(AUDIENCE),
            with(b".evil.example"),
            false,
        ),
        (
            "another-audience",
            Some(AUDIENCE),
            bound("https://api.example.org"),
            false,
        ),
        (
            "in-capitals",
            Some(AUDIENCE),
            bound("https://API.example.com"),
            false,
        ),
        ("with-a-slash", Some(AUDIENCE), with(b"/"), false),
        (
            "an-exporter-of-31-bytes",
            Some(AUDIENCE),
            with(&lp(&exporter[..31])),
            false,
        ),
        (
            "an-exporter-of-33-bytes",
            Some(AUDIENCE),
            with(&lp(&[7; 33])),
            false,
        ),
        ("an-exporter-of-none", Some(AUDIENCE), with(&lp(&[])), false),
        (
            "an-exporter-cut-short",
            Some(AUDIENCE),
            with(&lp(&exporter)[..35]),
            false,
        ),
        (
            "an-exporter-and-more",
            Some(AUDIENCE),
            with(&[lp(&exporter), vec![0]].concat()),
            false,
        ),
        ("no-audience-none", None, Vec::new(), true),
        ("no-audience-any", None, b"x".to_vec(), true),
        ("no-audience-an-audience", None, ours.clone(), true),
        ("no-audience-1024-bytes", None, vec![7; 1024], true),
        ("no-audience-1025-bytes", None, vec![7; 1025], false),
        (
            "no-audience-enrollment",
            None,
            b"enrollment".to_vec(),
            false,
        ),
        ("no-audience-rotation", None, b"rotation:x".to_vec(), false),
    ]
    .map(|(name, audience, binding, permitted)| NamedBinding {
        name: format!("named-{name}"),
        audience: audience.map(Into::into),
        binding: hex::encode(binding),
        permitted,
    });
    let origins = [
        ("https://api.example.com", AUDIENCE),
        ("https://api.example.com/", AUDIENCE),
        ("https://api.example.com/2fapi/v1/", AUDIENCE),
        ("HTTPS://API.Example.COM:443/", AUDIENCE),
        (
            "https://api.example.com:8443/x",
            "https://api.example.com:8443",
        ),
        ("https://api.example.com:80", "https://api.example.com:80"),
        ("http://localhost:7250", "http://localhost:7250"),
        ("http://localhost:80/", "http://localhost"),
        ("http://127.0.0.1:7250/", "http://127.0.0.1:7250"),
        ("http://[::1]:7250", "http://[::1]:7250"),
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]"),
        ("https://[2001:DB8:0:0:1::1]", "https://[2001:db8::1:0:0:1]"),
        (
            "https://[2001:db8:0:0:1:0:0:1]:443",
            "https://[2001:db8::1:0:0:1]",
        ),
        ("https://[::ffff:192.0.2.1]", "https://[::ffff:c000:201]"),
        (
            "https://xn--bcher-kva.example",
            "https://xn--bcher-kva.example",
        ),
        ("https://api.example.com.", "https://api.example.com."),
    ]
    .map(|(address, audience)| OriginCase {
        address: address.into(),
        audience: Some(audience.into()),
    });
    let no_origins = [
        "",
        "api.example.com",
        "/2fapi",
        "ftp://api.example.com",
        "https://",
        "https://user@api.example.com",
        "https://user:word@api.example.com",
        "https://api.example.com/?x=1",
        "https://api.example.com/#x",
        "https://api.example.com:65536",
    ]
    .map(|address| OriginCase {
        address: address.into(),
        audience: None,
    });
    BindingFile {
        suite: BindingFile::SUITE.into(),
        bindings: bindings.into(),
        invalid: invalid.into(),
        named: named.into(),
        origins: origins.into(),
        no_origins: no_origins.into(),
    }
}

/// The binding of a login whose token is to be bound to a key: the keys and thumbprints are those of RFC 8037, appendix
/// A.3, and RFC 9449.
pub(super) fn of_keys() -> BindingFile {
    let exporter: [u8; 32] = random(&mut rng("binding of keys"));
    let audience = [b"aud:", AUDIENCE.as_bytes()].concat();
    let ed25519 = (
        serde_json::json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }),
        "90facafea9b1556698540f70c0117a22ea37bd5cf3ed3c47093c1707282b4b89",
    );
    let p256 = (
        serde_json::json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        }),
        "d1970e08e459358cbe0d6a6aab7d236722461d33747761e0941577ba282e0382",
    );
    let key = |thumbprint: &str| {
        let bytes = hex::decode(thumbprint).unwrap_or_default();
        lp(&[b"dpop:", &bytes[..]].concat())
    };
    let of_host = || Some(AUDIENCE.to_owned());
    let cases = [
        ("ed25519", of_host(), None, &ed25519),
        ("p-256", of_host(), None, &p256),
        ("after-an-exporter", of_host(), Some(exporter), &p256),
        ("no-audience", None, None, &ed25519),
    ];
    let bindings = cases.map(|(name, host, exporter, (jwk, thumbprint))| {
        let mut binding = match host {
            Some(_) => audience.clone(),
            None => Vec::new(),
        };
        binding.extend(exporter.iter().flat_map(|exporter| lp(exporter)));
        binding.extend(key(thumbprint));
        BindingCase {
            name: name.into(),
            audience: host,
            exporter: exporter.map(hex::encode),
            jwk: Some(jwk.clone()),
            thumbprint: Some((*thumbprint).into()),
            binding: Some(hex::encode(binding)),
            code: None,
        }
    });
    // That of a key is computed by the host, and is none that a caller names.
    let named = [
        ("a-key", key(p256.1)),
        (
            "an-exporter-and-a-key",
            [lp(&exporter), key(p256.1)].concat(),
        ),
        (
            "a-key-and-an-exporter",
            [key(p256.1), lp(&exporter)].concat(),
        ),
    ]
    .map(|(name, more)| NamedBinding {
        name: format!("named-{name}"),
        audience: of_host(),
        binding: hex::encode([&audience[..], &more].concat()),
        permitted: false,
    });
    BindingFile {
        suite: BindingFile::SUITE.into(),
        bindings: bindings.into(),
        invalid: Vec::new(),
        named: named.into(),
        origins: Vec::new(),
        no_origins: Vec::new(),
    }
}
