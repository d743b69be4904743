//! What is left of a copy, a backup and a restore that end at any of their steps, and what becomes of a store that came
//! back.

mod cut_off;
mod replay;

use twofapi_crypto_core::{ClientId, Commitment, Credential, CredentialName, Record};

use super::Named;
use crate::store::{
    Contents, EmbeddedContents, Invitation, InvitationKind, Mark, SigningAlgorithm,
    SigningKeyRecord,
};

fn commitment() -> Commitment {
    let credential = Credential::generate(&mut getrandom::SysRng).expect("randomness");
    *credential.commitment()
}

fn record() -> Record {
    Record::enrolled(&commitment(), CredentialName::unnamed(), 1)
}

fn id(name: &str) -> ClientId {
    ClientId::parse(name).expect("a client id")
}

fn named<'a>(contents: &'a dyn Contents, name: &'a str) -> Named<'a> {
    Named { contents, name }
}

/// A store with clients, of more than one page, an invitation of each kind and a signing key.
async fn filled() -> EmbeddedContents {
    let store = EmbeddedContents::in_memory();
    let mark = Mark::filling("nowhere").expect("randomness");
    let client = record();
    let clients: Vec<_> = (0..super::PAGE + 2)
        .map(|n| (id(&format!("client-{n}")), client.clone()))
        .collect();
    let invitation = |key, kind| Invitation {
        key: [key; 32],
        client_id: id("client-1"),
        kind,
        expires_at: 9_000_000_000,
    };
    let invitations = [
        invitation(1, InvitationKind::Enrol),
        invitation(2, InvitationKind::Reset),
    ];
    let key = |algorithm, at| SigningKeyRecord::generate(algorithm, at).expect("randomness");
    let keys = [
        key(SigningAlgorithm::EdDsa, 1),
        key(SigningAlgorithm::Es256, 2),
    ];
    let done = async {
        store.change_mark(None, Some(&mark)).await?;
        store.put_clients(&mark, &clients).await?;
        store.put_invitations(&mark, &invitations).await?;
        store.put_signing_keys(&mark, &keys).await?;
        store.change_mark(Some(&mark), None).await
    };
    done.await.expect("it works");
    store
}

async fn clients(of: &dyn Contents) -> Vec<(ClientId, Record)> {
    of.clients_after(None, usize::MAX).await.expect("it works")
}

/// Whether a server would start on it.
async fn is_served(store: &dyn Contents) -> bool {
    store.mark().await.expect("it works").is_none()
}
