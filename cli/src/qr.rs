//! A text as a QR code for a terminal.

use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};

/// The code, in half blocks with the margin that scanners need; `None` for what is too long. With colours it is
/// black on white whatever the terminal's are; without, it is for a dark background.
pub(super) fn of(text: &str, has_colours: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let mut image = code.render::<Dense1x2>();
    if !has_colours {
        image
            .dark_color(Dense1x2::Light)
            .light_color(Dense1x2::Dark);
    }
    let drawn = image.quiet_zone(true).build();
    if !has_colours {
        return Some(drawn);
    }
    let lines = drawn.lines();
    let lines = lines.map(|line| format!("\x1b[38;5;16;48;5;231m{line}\x1b[0m"));
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_the_code_within_its_margin() {
        let text = "2fapi-link:1:ch-6afd8738e6d9c4dff7246cd9.alice:133166f9e02f2a5e6187a605fe27fb39:https://a.example";
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let width = code.width();
        let colours = code.to_colors();
        let is_dark = |x: usize, y: usize| {
            let inside = (4..width + 4).contains(&x) && (4..width + 4).contains(&y);
            inside && colours[(y - 4) * width + x - 4] == qrcode::Color::Dark
        };
        for has_colours in [true, false] {
            let drawn = of(text, has_colours).unwrap();
            assert_eq!(drawn.contains('\x1b'), has_colours);
            for (row, line) in drawn.lines().enumerate() {
                let cells = line.trim_start_matches("\x1b[38;5;16;48;5;231m");
                let cells = cells.trim_end_matches("\x1b[0m");
                assert_eq!(cells.chars().count(), width + 8);
                for (x, cell) in cells.chars().enumerate() {
                    let (upper, lower) = match cell {
                        '█' => (true, true),
                        '▀' => (true, false),
                        '▄' => (false, true),
                        ' ' => (false, false),
                        other => panic!("{other:?}"),
                    };
                    // What is drawn is what is dark, or with no colours what is light.
                    assert_eq!(upper == has_colours, is_dark(x, 2 * row), "{x} {row}");
                    if 2 * row + 1 < width + 8 {
                        assert_eq!(lower == has_colours, is_dark(x, 2 * row + 1), "{x} {row}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_longest_code_has_a_picture_and_what_is_too_long_has_none() {
        assert!(of(&"x".repeat(820), true).is_some());
        assert!(of(&"x".repeat(4000), true).is_none());
    }
}
