//! Credential files, which may come from anywhere; nothing is opened, so no key is derived.
#![no_main]

libfuzzer_sys::fuzz_target!(|contents: &[u8]| {
    let _ = twofapi_client::credential::CredentialFile::parse(contents);
});
