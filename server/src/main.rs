//! The command `2fapi`.

fn main() -> std::process::ExitCode {
    twofapi_server::cli::main()
}
