//! Prints host × behaviour from the results that the tests of the hosts have left.

fn main() -> std::process::ExitCode {
    match twofapi_conformance::table() {
        Ok(table) => {
            println!("{table}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("there are no results yet ({error}); `make conformance` makes them");
            std::process::ExitCode::FAILURE
        }
    }
}
