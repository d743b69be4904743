//! Writes the JavaScript glue of the WebAssembly module: `twofapi-wasm-bindgen INPUT.wasm DIRECTORY`.
//!
//! It is the library behind the command `wasm-bindgen`, without the command's HTTP server and test
//! runner, in the version that the lock file says.

use std::{env, process::ExitCode};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let (Some(input), Some(directory), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: twofapi-wasm-bindgen INPUT.wasm DIRECTORY");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .out_name("twofapi")
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true);
    match bindgen.web(true).and_then(|web| web.generate(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::from(3)
        }
    }
}
