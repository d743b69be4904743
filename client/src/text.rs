//! Text of others.

/// Text from elsewhere, made safe for a terminal: no control characters, and not too much.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(500)
        .collect()
}
