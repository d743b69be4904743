//! Running the battery, and the table of what came out.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{HostUnderTest, behaviours, devices};

/// How one host did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The host, as the table names it.
    pub host: String,
    /// Behaviour to why it failed; nothing where it did not.
    pub outcomes: BTreeMap<String, Option<String>>,
}

impl Report {
    /// Panics with what failed, if anything did.
    ///
    /// # Panics
    /// When the host does not do what every host does.
    pub fn assert_conformance(&self) {
        self.assert_conformance_but(&[]);
    }

    /// The same for a host that is known not to show these behaviours yet: each of them must fail, so that
    /// none is left in the list when it is mended.
    ///
    /// # Panics
    /// When another one fails, or one of these does not.
    pub fn assert_conformance_but(&self, missing: &[&str]) {
        let failed: Vec<_> = self
            .outcomes
            .iter()
            .filter(|(name, _)| !missing.contains(&name.as_str()))
            .filter_map(|(name, outcome)| outcome.as_ref().map(|why| format!("{name}: {why}")))
            .collect();
        assert!(failed.is_empty(), "{}:\n{}", self.host, failed.join("\n"));
        for name in missing {
            let shown = self.outcomes.get(*name).is_some_and(Option::is_none);
            assert!(!shown, "{} shows {name} by now", self.host);
        }
    }

    fn keep(&self) -> std::io::Result<()> {
        fs::create_dir_all(folder())?;
        let name: String = self
            .host
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        fs::write(
            folder().join(format!("{name}.json")),
            serde_json::to_string_pretty(self)?,
        )
    }
}

/// Runs every behaviour against the host, and keeps the result for the table.
///
/// # Panics
/// When the result cannot be kept.
pub fn run(name: &str, host: &mut dyn HostUnderTest) -> Report {
    let mut outcomes = BTreeMap::new();
    let of_devices = match host.devices() {
        Some(_) => devices::ALL,
        None => &[],
    };
    for (behaviour, check) in behaviours::ALL.iter().chain(of_devices) {
        let outcome = catch_unwind(AssertUnwindSafe(|| check(host)));
        let why = outcome.err().map(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            text.unwrap_or("it panicked").to_owned()
        });
        outcomes.insert((*behaviour).to_owned(), why);
    }
    let report = Report {
        host: name.to_owned(),
        outcomes,
    };
    report.keep().expect("the result is kept");
    report
}

/// The table of every result that is kept: a line per behaviour, a column per host.
///
/// # Errors
/// When the results cannot be read.
pub fn table() -> std::io::Result<String> {
    let mut reports = Vec::new();
    for entry in fs::read_dir(folder())? {
        let text = fs::read_to_string(entry?.path())?;
        let report: Report = serde_json::from_str(&text)?;
        reports.push(report);
    }
    reports.sort_by(|a, b| a.host.cmp(&b.host));
    let mut lines = Vec::new();
    for (number, report) in reports.iter().enumerate() {
        lines.push(format!("{:>2}  {}", number + 1, report.host));
    }
    let numbers = |cell: &dyn Fn(usize) -> String| -> String {
        (0..reports.len())
            .map(|at| format!("{:>4}", cell(at)))
            .collect()
    };
    lines.push(format!(
        "\n{:<64}{}",
        "behaviour",
        numbers(&|at| (at + 1).to_string())
    ));
    for name in behaviours::names() {
        let cell = |at: usize| match reports[at].outcomes.get(name) {
            Some(None) => "ok".to_owned(),
            Some(Some(_)) => "NO".to_owned(),
            None => "-".to_owned(),
        };
        lines.push(format!("{:<64}{}", name.replace('_', " "), numbers(&cell)));
    }
    Ok(lines.join("\n"))
}

/// Beside what cargo builds.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")));
    target.join("conformance")
}
