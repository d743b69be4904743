//! The documented default file: every setting with what it is for, what it is unless it is said, and the
//! variable that goes over it. It is made of the options of `2fapi serve`, so that it cannot lag behind.

use std::fmt::Write;

use clap::{Arg, Command};

use super::layer::{is_list, is_switch, key, names_a_file, settings};

const HEAD: &str = "\
# The configuration of `2fapi serve`, and of the operator's commands: --config FILE or TWOFAPI_CONFIG names it.
#
# Every setting is here, as it is unless something else is said. A key is the option of `2fapi serve` of the same
# name; the variable beside it goes over the file, and the option over both. A key that is not known, or a value that
# is wrong, ends the command.
#
# Secrets have no place here: put them into files of their own that only the service's user can read, into
# variables, or into systemd's credentials, which are found by themselves (LoadCredential=2fapi.key_file:/…).
";

/// What settings without a default may look like.
const LOOKS: &[(&str, &str)] = &[
    ("audience", "https://api.example.com"),
    ("allow_origin", "https://app.example.com"),
    ("issuer", "https://api.example.com"),
    ("store", "postgres://twofapi@db.example.com/twofapi"),
    ("store_file", "/etc/2fapi/store"),
    ("key_file", "/etc/2fapi/keys"),
    ("max_connections_per_source", "256"),
    ("workload_rules", "/etc/2fapi/workloads.toml"),
    ("subnet_rate_limit", "160"),
    ("subnet_rate_burst", "800"),
    ("trusted_proxies", "10.0.0.0/8"),
    ("operations_listen", "127.0.0.1:9250"),
];

pub(super) fn example(program: &Command) -> String {
    let mut text = HEAD.to_owned();
    for arg in settings(program) {
        let help = arg.get_long_help().or(arg.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        text.push('\n');
        for line in wrapped(&help) {
            let _ = writeln!(text, "# {line}");
        }
        let variable = arg.get_env().unwrap_or_default().to_string_lossy();
        let _ = writeln!(text, "# [{variable}]\n#{} = {}", key(arg), value(arg));
    }
    text
}

fn value(arg: &Arg) -> String {
    if is_switch(arg) {
        return "false".into();
    }
    let default = arg.get_default_values().first();
    let default = default.map(|value| value.to_string_lossy().into_owned());
    let looks = LOOKS.iter().find(|(name, _)| *name == key(arg));
    let text = default
        .or(looks.map(|(_, looks)| (*looks).to_owned()))
        .unwrap_or_else(|| match names_a_file(arg) {
            true => format!("/etc/2fapi/{}", key(arg)),
            false => String::new(),
        });
    let text = match text.parse::<u64>() {
        Ok(_) => text,
        Err(_) => format!("\"{text}\""),
    };
    match is_list(arg) {
        true => format!("[{text}]"),
        false => text,
    }
}

/// Lines of at most so many characters.
fn wrapped(text: &str) -> Vec<String> {
    const WIDTH: usize = 110;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use clap::CommandFactory;

    use super::{
        super::layer::{Layer, innermost},
        *,
    };
    use crate::Cli;

    #[test]
    fn the_file_in_the_documentation_is_the_one_that_is_shown() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/2fapi.toml");
        assert_eq!(
            fs::read_to_string(path).unwrap_or_default(),
            example(&Cli::command()),
            "make it anew: 2fapi config example > docs/2fapi.toml"
        );
    }

    #[test]
    fn every_line_of_it_can_be_said() {
        let program = Cli::command();
        let text = example(&program);
        let is_setting =
            |line: &&str| line.starts_with('#') && !line.starts_with("# ") && *line != "#";
        let said: Vec<_> = text
            .lines()
            .filter(is_setting)
            .map(|line| &line[1..])
            .collect();
        assert_eq!(said.len(), settings(&program).count());
        assert!(said.len() > 15);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, said.join("\n").as_bytes()).unwrap();
        let line = ["2fapi", "serve", "--config", file.path().to_str().unwrap()];
        let matches = program.clone().try_get_matches_from(line).unwrap();
        let layer = Layer::read(&program, &matches).unwrap();
        assert_eq!(layer.of_file(), said.len());
        // What is said is what it is anyway, wherever there is a default.
        let under = layer
            .under(program.clone())
            .try_get_matches_from(line)
            .unwrap();
        for arg in settings(&program).filter(|arg| !arg.get_default_values().is_empty()) {
            let of = |matches| {
                innermost(matches)
                    .get_raw(key(arg))
                    .unwrap()
                    .collect::<Vec<_>>()
            };
            assert_eq!(of(&under), of(&matches), "{}", key(arg));
        }
    }

    #[test]
    fn a_setting_has_one_name() {
        for arg in settings(&Cli::command()) {
            let key = key(arg);
            assert_eq!(arg.get_long().unwrap().replace('-', "_"), key);
            let variable = format!("TWOFAPI_{}", key.to_uppercase());
            assert_eq!(arg.get_env().unwrap().to_str(), Some(variable.as_str()));
            assert!(arg.get_help().is_some(), "{key} says nothing of itself");
        }
    }
}
