//! Writes the generated vector files: `cargo run -p twofapi-spec -- generate [DIRECTORY]`.

use std::{env, fs, path::PathBuf, process::ExitCode};

use twofapi_spec::generate::files;

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let directory = match (args.next().as_deref(), args.next(), args.next()) {
        (Some("generate"), None, None) => {
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"))
        }
        (Some("generate"), Some(directory), None) => PathBuf::from(directory),
        _ => {
            eprintln!("usage: twofapi-spec generate [DIRECTORY]");
            return ExitCode::from(2);
        }
    };
    for (name, text) in files() {
        let path = directory.join(name);
        if let Err(error) = fs::write(&path, text) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::from(3);
        }
        println!("wrote {}", path.display());
    }
    ExitCode::SUCCESS
}
