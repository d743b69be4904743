//! OPAQUE (RFC 9807) over Ristretto255: what the server does of its two messages.

use std::{collections::HashMap, hint::black_box};

use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialFinalization, CredentialRequest,
    CredentialResponse, ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
    argon2::Argon2, ciphersuite::CipherSuite,
};
use rand_core::OsRng;
use sha2::Sha512;

use super::{CLIENTS, client};
use crate::host::Host;

struct Suite;

impl CipherSuite for Suite {
    type OprfCs = opaque_ke::Ristretto255;
    type KeyExchange = opaque_ke::TripleDh<opaque_ke::Ristretto255, Sha512>;
    // The client's work alone.
    type Ksf = Argon2<'static>;
}

const PASSWORD: &[u8] = b"correct horse battery staple";

pub(crate) fn opaque() -> impl FnMut(&Host) {
    let mut rng = OsRng;
    let setup = ServerSetup::<Suite>::new(&mut rng);
    let id = client(7);
    let asked = ClientRegistration::<Suite>::start(&mut rng, PASSWORD).expect("a registration");
    let answered = ServerRegistration::<Suite>::start(&setup, asked.message, id.as_bytes());
    let finished = asked.state.finish(
        &mut rng,
        PASSWORD,
        answered.expect("an answer").message,
        ClientRegistrationFinishParameters::default(),
    );
    let kept = ServerRegistration::finish(finished.expect("registered").message).serialize();
    let clients: HashMap<_, _> = (0..CLIENTS)
        .map(|number| (client(number), kept.clone()))
        .collect();

    let asked = ClientLogin::<Suite>::start(&mut rng, PASSWORD).expect("a login");
    let request = asked.message.serialize();
    let begin = move |rng: &mut OsRng, request: &[u8], kept: &[u8]| {
        let request = CredentialRequest::<Suite>::deserialize(request).expect("a request");
        let kept = ServerRegistration::<Suite>::deserialize(kept).expect("a record");
        let parameters = ServerLoginParameters::default();
        let begun = ServerLogin::start(
            rng,
            &setup,
            Some(kept),
            request,
            b"client-00000007",
            parameters,
        );
        begun.expect("an answer")
    };
    let begun = begin(&mut rng, &request, &kept);
    let response = CredentialResponse::deserialize(&begun.message.serialize()).expect("a response");
    let parameters = ClientLoginFinishParameters::default();
    let finished = asked.state.finish(&mut rng, PASSWORD, response, parameters);
    let finalization = finished.expect("the password").message.serialize();
    let state = begun.state;
    // The server's first message is drawn anew each time; its second one takes up where that of before ended, because
    // the client's answer is to that.
    move |host| {
        let again = begin(&mut OsRng, &request, &clients[&id]);
        black_box(again.message.serialize());
        let finalization =
            CredentialFinalization::<Suite>::deserialize(&finalization).expect("a message");
        let finished = state
            .clone()
            .finish(finalization, ServerLoginParameters::default());
        black_box(finished.expect("the client").session_key);
        host.let_in(&id);
    }
}
