//! redis-2fapi does what every host does.

use redis::{Connection, RedisResult, Value};
use std::sync::Arc;
use twofapi_conformance::{Act, Answer, HostUnderTest, Issued, run};
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

    fn another(&self) -> Box<dyn HostUnderTest + Send> {
        Box::new(Self::to(Arc::clone(&self.server)))
    }
}

#[test]
fn redis_2fapi_does_what_every_host_does() {
    let server = Arc::new(Server::start(""));
    run("redis-2fapi", &mut Redis::to(server)).assert_conformance();
}
