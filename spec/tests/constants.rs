//! The constants of the TypeScript packages are those of the core.

use std::{fs, path::Path};

use twofapi_spec::{TYPESCRIPT_FILES, typescript};

#[test]
fn the_constants_in_typescript_are_those_of_the_core() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in TYPESCRIPT_FILES {
        let text = fs::read_to_string(root.join(file)).expect(file);
        assert!(
            text == typescript(),
            "{file} is not what `cargo run -p twofapi-spec -- constants` writes"
        );
    }
}
