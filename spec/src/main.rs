//! Writes the generated vector files or the constants of the TypeScript packages, or checks vector files:
//! `cargo run -p twofapi-spec -- generate [DIRECTORY]`, `… -- constants`, `… -- check FILE...`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use twofapi_spec::{TYPESCRIPT_FILES, check, generate::files, typescript};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["generate"] => generate(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))),
        ["generate", directory] => generate(Path::new(directory)),
        ["constants"] => constants(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))),
        ["check", ref files @ ..] if !files.is_empty() => check_all(files),
        _ => {
            eprintln!("usage: twofapi-spec generate [DIRECTORY] | constants | check FILE...");
            ExitCode::from(2)
        }
    }
}

fn generate(directory: &Path) -> ExitCode {
    write_all(
        files()
            .into_iter()
            .map(|(name, text)| (directory.join(name), text)),
    )
}

fn constants(root: &Path) -> ExitCode {
    write_all(TYPESCRIPT_FILES.map(|name| (root.join(name), typescript())))
}

fn write_all(files: impl IntoIterator<Item = (PathBuf, String)>) -> ExitCode {
    for (path, text) in files {
        if let Err(error) = fs::write(&path, text) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::from(3);
        }
        println!("wrote {}", path.display());
    }
    ExitCode::SUCCESS
}

/// Says how each file came out, and what disagrees; fails when something does.
fn check_all(files: &[&str]) -> ExitCode {
    let mut agreed = true;
    for file in files {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("cannot read {file}: {error}");
                return ExitCode::from(3);
            }
        };
        match check(&text) {
            Ok(report) => {
                println!("{file}: {report}");
                for wrong in &report.disagreements {
                    eprintln!("{file}: {}: {}", wrong.name, wrong.what);
                }
                agreed &= report.disagreements.is_empty();
            }
            Err(error) => {
                eprintln!("{file}: {error}");
                return ExitCode::from(2);
            }
        }
    }
    if agreed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
