//! redis-2fapi does what every host does.

use redis::{Connection, RedisResult, Value};
use std::{collections::HashMap, sync::Arc};
use twofapi_conformance::{Act, Answer, By, Devices, HostUnderTest, Issued, run};
use twofapi_crypto_core::AuthenticationBinding;
use twofapi_tests_redis::Server;

use crate::{ask, whoami, word};

/// A connection of a client, and an operator's beside it.
struct Redis {
    server: Arc<Server>,
    connection: Connection,
    operator: Connection,
}

impl Redis {
    fn to(server: Arc<Server>) -> Self {
        Self {
            connection: server.connect(),
            operator: server.connect(),
            server,
        }
    }
}

/// The code of protocol.md, section 13, of an answer of Redis.
fn answer(result: RedisResult<Value>) -> Answer {
    let error = match result {
        Ok(_) => return Answer::Accepted,
        Err(error) => error,
    };
    let message = error.to_string();
    Answer::refused(match word(&error).as_str() {
        "DENIED" => "denied",
        "EXISTS" => "already_enrolled",
        "INACTIVE" => "not_active",
        "LIMIT" => "throttled",
        "ERR" if message.contains("client id must be") => "invalid_client_id",
        "ERR" if message.contains(", got ") => "invalid_length",
        "ERR" => "invalid_encoding",
        other => panic!("{other}: {message}"),
    })
}

impl HostUnderTest for Redis {
    fn binding(&self) -> AuthenticationBinding {
        AuthenticationBinding::none()
    }

    fn enroll(&mut self, client_id: &str, commitment: &[u8], proof: &[u8]) -> Answer {
        let (commitment, proof) = (hex::encode(commitment), hex::encode(proof));
        let words = ["2FAPI.ENROLL", client_id, &commitment, "PROOF", &proof];
        answer(ask(&mut self.operator, &words))
    }

    fn challenge(&mut self, client_id: &str) -> Result<Issued, Answer> {
        let challenge = redis::cmd("2FAPI.CHALLENGE")
            .arg(client_id)
            .query::<(String, String)>(&mut self.connection);
        match challenge {
            Ok((id, nonce)) => Ok(Issued {
                id,
                nonce: hex::decode(nonce).expect("hex"),
            }),
            Err(error) => Err(answer(Err(error))),
        }
    }

    fn authenticate(&mut self, client_id: &str, challenge_id: &str, proof: &[u8]) -> Answer {
        let proof = hex::encode(proof);
        let words = ["2FAPI.VERIFY", client_id, challenge_id, &proof];
        answer(ask(&mut self.connection, &words))
    }

    fn rotate(
        &mut self,
        client_id: &str,
        challenge_id: &str,
        proof_old: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
    ) -> Answer {
        let [old, new, possession] = [proof_old, commitment_new, proof_new].map(hex::encode);
        let words = [
            "2FAPI.ROTATE",
            client_id,
            challenge_id,
            &old,
            &new,
            &possession,
        ];
        answer(ask(&mut self.connection, &words))
    }

    fn operate(&mut self, client_id: &str, act: Act) -> Answer {
        let command = match act {
            Act::Suspend => "2FAPI.SUSPEND",
            Act::Resume => "2FAPI.RESUME",
            Act::Revoke => "2FAPI.REVOKE",
        };
        answer(ask(&mut self.operator, &[command, client_id]))
    }

    fn version(&mut self, client_id: &str) -> Option<u32> {
        let (_, version): (String, u32) = redis::cmd("2FAPI.STATUS")
            .arg(client_id)
            .arg("VERSION")
            .query(&mut self.operator)
            .expect("an answer");
        (version > 0).then_some(version)
    }

    fn whoami(&mut self) -> Option<String> {
        whoami(&mut self.connection)
    }

    fn devices(&mut self) -> Option<&mut dyn Devices> {
        Some(self)
    }

    fn another(&self) -> Box<dyn HostUnderTest + Send> {
        Box::new(Self::to(Arc::clone(&self.server)))
    }
}

impl Redis {
    /// What the client's connection is told of a command about a challenge, by the credential that is named.
    fn says(&mut self, command: &str, by: By<'_>, more: &[&str]) -> Answer {
        let mut words = vec![command, by.client_id, by.challenge_id];
        words.extend(more);
        words.extend(by.credential_id.iter().flat_map(|id| ["CREDENTIAL", id]));
        answer(ask(&mut self.connection, &words))
    }
}

impl Devices for Redis {
    fn authenticate_by(&mut self, by: By<'_>, proof: &[u8]) -> Answer {
        self.says("2FAPI.VERIFY", by, &[&hex::encode(proof)])
    }

    fn link(
        &mut self,
        by: By<'_>,
        proof: &[u8],
        commitment_new: &[u8],
        joining: Option<(&[u8], &str)>,
    ) -> Answer {
        let (proof, commitment) = (hex::encode(proof), hex::encode(commitment_new));
        let joining = joining.map(|(proof, name)| (hex::encode(proof), name));
        let mut words = vec![&*proof, &commitment];
        if let Some((proof, name)) = &joining {
            words.extend(["PROOF", proof, "NAME", name]);
        }
        self.says("2FAPI.LINK", by, &words)
    }

    fn unlink(&mut self, by: By<'_>, proof: &[u8], commitment_old: &[u8]) -> Answer {
        let words = [proof, commitment_old].map(hex::encode);
        self.says("2FAPI.UNLINK", by, &[&words[0], &words[1]])
    }

    fn offer(&mut self, challenge_id: &str) -> Answer {
        answer(ask(&mut self.connection, &["2FAPI.OFFER", challenge_id]))
    }

    fn pending(&mut self) -> String {
        let pending: HashMap<String, Value> = redis::cmd("2FAPI.PENDING")
            .query(&mut self.connection)
            .expect("a session");
        redis::from_redis_value(pending["state"].clone()).expect("a text")
    }

    fn join(
        &mut self,
        client_id: &str,
        challenge_id: &str,
        commitment: &[u8],
        proof: &[u8],
        name: &str,
    ) -> Answer {
        let by = By {
            client_id,
            challenge_id,
            credential_id: None,
        };
        let words = [commitment, proof].map(hex::encode);
        self.says("2FAPI.JOIN", by, &[&words[0], &words[1], name])
    }

    fn credentials(&mut self) -> Vec<String> {
        let listed: Vec<HashMap<String, Value>> = redis::cmd("2FAPI.CREDENTIALS")
            .query(&mut self.connection)
            .expect("a session");
        let ids = listed.iter().map(|one| one["credential_id"].clone());
        ids.map(|id| redis::from_redis_value(id).expect("a text"))
            .collect()
    }
}

#[test]
fn redis_2fapi_does_what_every_host_does() {
    let server = Arc::new(Server::start(""));
    run("redis-2fapi", &mut Redis::to(server)).assert_conformance();
}
