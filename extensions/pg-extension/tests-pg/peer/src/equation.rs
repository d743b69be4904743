//! What no login can do without: the equation of one proof. No challenge, no spent set, no session and
//! no audit: what two round trips with this one come to is as far as a login can ever get.

use std::cell::Cell;

use pgrx::pg_extern;
use twofapi_crypto_core::{ClientId, Commitment, Enrolment, Proof, verify};

thread_local! {
    /// Decoded once, as for a client that the connection knows.
    static COMMITMENT: Cell<Option<Commitment>> = const { Cell::new(None) };
}

/// Whether the proof of possession holds.
#[pg_extern]
fn equation_alone(client_id: &str, commitment: &[u8], proof: &[u8]) -> bool {
    let known = COMMITMENT
        .get()
        .filter(|known| known.as_bytes() == commitment)
        .or_else(|| Commitment::from_bytes(commitment).ok());
    COMMITMENT.set(known);
    let (Some(commitment), Ok(client_id), Ok(proof)) =
        (known, ClientId::parse(client_id), Proof::from_bytes(proof))
    else {
        return false;
    };
    let statement = Enrolment {
        client_id: &client_id,
    };
    verify(&commitment, &statement, &proof).is_ok()
}
