//! Proofs and tokens in texts that others may read: overwritten, and nothing else is touched.

/// A proof has 96 bytes.
const PROOF_IN_HEX: usize = 192;
const PROOF_IN_BASE64: usize = 128;
/// No part of a token that is worth hiding is shorter.
const SIGNATURE: usize = 43;
const HIDDEN: u8 = b'*';

/// Overwrites every proof in hexadecimal or base64 and the signature of every token, and says whether
/// there was one.
///
/// All of them are long runs of letters and digits: looking at every so many bytes finds them.
pub(crate) fn mask(text: &mut [u8]) -> bool {
    let mut found = false;
    let mut at = SIGNATURE - 1;
    while at < text.len() {
        if !in_run(text, at) {
            at += SIGNATURE;
            continue;
        }
        let (start, end) = run_around(text, at);
        at = end + SIGNATURE;
        if let Some((from, to)) = signature(text, start, end).or_else(|| proof(text, start, end)) {
            if let Some(place) = text.get_mut(from..to) {
                place.fill(HIDDEN);
            }
            found = true;
            at = to + SIGNATURE;
        }
    }
    found
}

/// A copy with everything overwritten that [`mask`] finds, or `None` when there is nothing.
pub(crate) fn masked(text: &[u8]) -> Option<Vec<u8>> {
    let worth_a_copy = text.len() >= SIGNATURE && {
        let mut at = SIGNATURE - 1;
        let mut long = false;
        while at < text.len() && !long {
            if in_run(text, at) {
                let (start, end) = run_around(text, at);
                long = end - start >= SIGNATURE;
                at = end;
            }
            at += SIGNATURE;
        }
        long
    };
    if !worth_a_copy {
        return None;
    }
    let mut copy = text.to_vec();
    mask(&mut copy).then_some(copy)
}

/// The letters of hexadecimal and of both kinds of base64.
fn in_run(text: &[u8], at: usize) -> bool {
    text.get(at)
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte))
}

fn run_around(text: &[u8], at: usize) -> (usize, usize) {
    let mut start = at;
    while start > 0 && in_run(text, start - 1) {
        start -= 1;
    }
    let mut end = at;
    while in_run(text, end) {
        end += 1;
    }
    (start, end)
}

fn proof(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let run = text.get(start..end)?;
    // Of bytea's own form, \x3132…, the x belongs to the run.
    let escaped = start.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'\\');
    let (digits, from) = match run.strip_prefix(b"x") {
        Some(digits) if escaped => (digits, start + 1),
        _ => (run, start),
    };
    let hex = digits.iter().all(u8::is_ascii_hexdigit);
    let is_one = match digits.len() {
        PROOF_IN_HEX => hex,
        PROOF_IN_BASE64 => !hex,
        _ => false,
    };
    is_one.then_some((from, end))
}

/// Of a JWT, the third part; the other two are no secrets.
fn signature(text: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let dot = |at: usize| text.get(at) == Some(&b'.');
    // The run may be any of the three parts.
    let mut first = start;
    for _ in 0..2 {
        if first >= 2 && dot(first - 1) && in_run(text, first - 2) {
            first = run_around(text, first - 2).0;
        }
    }
    if !text.get(first..)?.starts_with(b"eyJ") {
        return None;
    }
    let header = run_around(text, first).1;
    if !dot(header) || !in_run(text, header + 1) {
        return None;
    }
    let claims = run_around(text, header + 1).1;
    if !dot(claims) || !in_run(text, claims + 1) {
        return None;
    }
    let secret = (claims + 1, run_around(text, claims + 1).1);
    (end <= secret.1).then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        mask(&mut bytes);
        assert_eq!(
            masked(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec()),
            bytes
        );
        String::from_utf8(bytes).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    proptest! {
        #[test]
        fn a_proof_is_masked_wherever_it_stands_and_nothing_else(
            proof in proptest::collection::vec(any::<u8>(), 96),
            before in "[ -~]{0,200}",
            after in "[ -~]{0,200}",
        ) {
            for (open, close) in [(r"'\x", "'"), (r"E'\\x", "'::bytea"), ("decode('", "', 'hex')")] {
                for digits in [hex(&proof), hex(&proof).to_uppercase()] {
                    let text = format!("{before} {open}{digits}{close} {after}");
                    let stars = "*".repeat(192);
                    let expected = format!("{} {open}{stars}{close} {}", shown(&before), shown(&after));
                    prop_assert_eq!(shown(&text), expected);
                }
            }
        }

        #[test]
        fn a_proof_in_base64_is_masked(proof in proptest::collection::vec(any::<u8>(), 96)) {
            let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
            let text: String = proof
                .chunks(3)
                .flat_map(|three| {
                    let all = three.iter().fold(0_usize, |all, byte| all << 8 | usize::from(*byte));
                    [18, 12, 6, 0].map(|shift| alphabet[all >> shift & 63])
                })
                .collect();
            prop_assert_eq!(shown(&format!("decode('{text}', 'base64')")), format!("decode('{}', 'base64')", "*".repeat(128)));
        }

        #[test]
        fn the_signature_of_a_token_is_masked(
            header in "eyJ[A-Za-z0-9_-]{3,100}",
            claims in "[A-Za-z0-9_-]{10,300}",
            signature in "[A-Za-z0-9_-]{86}",
            before in "[ a-z]{0,60}",
        ) {
            let text = format!("{before} 'Bearer {header}.{claims}.{signature}'");
            let expected = format!("{before} 'Bearer {header}.{claims}.{}'", "*".repeat(86));
            prop_assert_eq!(shown(&text), expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut text in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = masked(&text);
            mask(&mut text);
        }
    }

    #[test]
    fn other_long_words_stay() {
        for text in [
            "SELECT 1/0 AS evil_statement",
            &format!("'{}'", "a".repeat(191)),
            &format!("'{}'", "a".repeat(193)),
            &format!("sha512 {}", "0".repeat(128)),
            &format!("{}.{}", "x".repeat(90), "y".repeat(90)),
            &"word ".repeat(1000),
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
