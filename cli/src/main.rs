//! The command `2fapi`.

fn main() -> std::process::ExitCode {
    twofapi_cli::main()
}
