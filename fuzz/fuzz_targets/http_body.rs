//! The bodies and the challenge names that the HTTP service reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twofapi_server::{ChallengeName, Fields};

fuzz_target!(|body: &[u8]| {
    if let Ok(mut fields) = Fields::parse(body) {
        let _ = fields.client_id();
        let _ = fields.commitment("commitment");
        let _ = fields.proof("proof");
        let _ = fields.text("challenge_id");
        let _ = fields.end("nothing else");
    }
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(name) = ChallengeName::parse(text)
    {
        assert_eq!(name.to_string(), text);
    }
});
