//! A picture of times: one bar for each way, on a scale of tenfold steps, as SVG.

use std::fmt::Write as _;

const LEFT: f64 = 210.0;
const WIDTH: f64 = 470.0;
const ROW: f64 = 34.0;
const TOP: f64 = 64.0;

/// Bars for times in microseconds; the first one is ours.
pub(crate) fn chart(title: &str, below: &str, bars: &[(&str, f64)]) -> String {
    let least = bars.iter().map(|(_, time)| *time).fold(f64::MAX, f64::min);
    let most = bars.iter().map(|(_, time)| *time).fold(0.0, f64::max);
    let (from, to) = (least.log10().floor(), most.log10().ceil());
    let at = |time: f64| LEFT + WIDTH * (time.log10() - from) / (to - from).max(1.0);
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 58.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 {height}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"14\" role=\"img\" aria-label=\"{title}\">\n\
         <rect width=\"760\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"20\" y=\"30\" font-size=\"17\" font-weight=\"600\" fill=\"#1a1a1a\">{title}</text>\n"
    );
    for step in from as i32..=to as i32 {
        let x = at(10_f64.powi(step));
        let label = time(10_f64.powi(step));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666\" font-size=\"12\">{label}</text>",
            TOP - 8.0,
            bottom + 17.0,
        );
    }
    for (row, (name, took)) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let (end, middle) = (at(*took), y + ROW / 2.0 + 1.0);
        let colour = if row == 0 { "#0b6e4f" } else { "#9aa5b1" };
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\" fill=\"#1a1a1a\">{name}</text>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"20\" rx=\"3\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{middle:.1}\" fill=\"#1a1a1a\">{}</text>",
            LEFT - 10.0,
            y + 2.0,
            end - LEFT,
            end + 8.0,
            time(*took),
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"20\" y=\"{:.1}\" fill=\"#666\" font-size=\"12\">{below}</text>\n</svg>",
        bottom + 44.0
    );
    svg
}

fn time(microseconds: f64) -> String {
    match microseconds {
        long if long >= 9_995.0 => format!("{:.0} ms", long / 1000.0),
        long if long >= 999.5 => format!("{:.1} ms", long / 1000.0),
        short if short >= 99.5 => format!("{short:.0} µs"),
        short if short == short.round() => format!("{short:.0} µs"),
        short => format!("{short:.1} µs"),
    }
}

/// The processor of this machine, as it calls itself.
pub(crate) fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let name = line
        .and_then(|line| line.split_once(':'))
        .map(|(_, name)| name.trim());
    name.unwrap_or("an unknown processor").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_times_have_longer_bars() {
        let svg = chart(
            "t",
            "b",
            &[("ours", 70.0), ("twice", 140.0), ("long", 21_000.0)],
        );
        let bars: Vec<f64> = svg
            .split("<rect x=")
            .skip(1)
            .map(|bar| {
                let width = bar
                    .split("width=\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next());
                width.and_then(|width| width.parse().ok()).expect("a width")
            })
            .collect();
        assert!(bars.len() == 3 && bars.is_sorted_by(|one, next| one < next));
        assert!(svg.contains("70 µs") && svg.contains("140 µs") && svg.contains("21 ms"));
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    }
}
