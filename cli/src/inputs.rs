//! What comes in on the command line as hex or as a channel binding, parsed once.

use clap::Args;
use twofapi_crypto_core::{Audience, AuthenticationBinding, Commitment, Nonce, Proof};

use twofapi_client::Failure;

/// Bytes from hex digits of either case, with or without `0x` or PostgreSQL's `\x` before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HexBytes(pub(super) Vec<u8>);

pub(super) fn parse_hex(text: &str) -> Result<HexBytes, String> {
    let text = text.trim();
    let digits = text
        .strip_prefix("\\x")
        .or_else(|| text.strip_prefix("0x"))
        .unwrap_or(text);
    if let Some((position, character)) = digits
        .chars()
        .enumerate()
        .find(|(_, character)| !character.is_ascii_hexdigit())
    {
        return Err(format!(
            "expected hex digits, got {character:?} at position {}",
            position + 1
        ));
    }
    hex::decode(digits).map(HexBytes).map_err(|_| {
        format!(
            "expected an even number of hex digits (two for each byte), got {}",
            digits.len()
        )
    })
}

pub(super) fn parse_commitment(text: &str) -> Result<Commitment, String> {
    Commitment::from_bytes(&parse_hex(text)?.0).map_err(|error| error.to_string())
}

pub(super) fn parse_nonce(text: &str) -> Result<Nonce, String> {
    Nonce::from_bytes(&parse_hex(text)?.0).map_err(|error| error.to_string())
}

pub(super) fn parse_proof(text: &str) -> Result<Proof, String> {
    Proof::from_bytes(&parse_hex(text)?.0).map_err(|error| error.to_string())
}

/// What an authentication or a rotation is bound to beside the nonce.
#[derive(Args)]
pub(super) struct BindingArgs {
    /// The host's audience, such as https://api.example.com; leave it out where the host has none
    #[arg(long, conflicts_with_all = ["channel_binding", "enrollment"])]
    audience: Option<Audience>,
    /// The channel binding in hex, as the host gives it; instead of --audience
    #[arg(long, value_name = "HEX", value_parser = parse_hex, conflicts_with = "enrollment")]
    channel_binding: Option<HexBytes>,
    /// The tls-exporter value of the connection (RFC 9266) in hex
    #[arg(long, value_name = "HEX", value_parser = parse_hex, conflicts_with = "enrollment")]
    exporter: Option<HexBytes>,
}

impl BindingArgs {
    pub(super) fn binding(&self) -> Result<AuthenticationBinding, Failure> {
        let binding = match (&self.audience, &self.channel_binding) {
            (Some(audience), _) => AuthenticationBinding::for_audience(audience),
            (None, Some(bytes)) => AuthenticationBinding::from_bytes(&bytes.0)?,
            (None, None) => AuthenticationBinding::none(),
        };
        match &self.exporter {
            Some(exporter) => Ok(binding.with_exporter(&exporter.0)?),
            None => Ok(binding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_is_taken_as_postgresql_prints_it() {
        for text in ["0aFf", "\\x0aff", "0x0AFF", " 0aff\n"] {
            assert_eq!(parse_hex(text), Ok(HexBytes(vec![0x0a, 0xff])), "{text:?}");
        }
        assert_eq!(parse_hex(""), Ok(HexBytes(vec![])));
    }

    #[test]
    fn what_is_not_hex_is_named() {
        assert!(parse_hex("0ag0").unwrap_err().contains("'g' at position 3"));
        assert!(parse_hex("abc").unwrap_err().contains("even number"));
        assert!(parse_hex("\\x\\x00").is_err());
        assert!(
            parse_nonce("00")
                .unwrap_err()
                .contains("16 to 64 bytes, got 1")
        );
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "\\PC{0,80}") {
            let _ = (parse_hex(&text), parse_commitment(&text), parse_nonce(&text), parse_proof(&text));
        }
    }
}
