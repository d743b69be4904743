//! pg_2fapi does what every host does.

use postgres::{Client as Connection, types::ToSql};
use twofapi_conformance::{Act, Answer, By, Devices, HostUnderTest, Issued, run};
use twofapi_crypto_core::AuthenticationBinding;
use twofapi_tests_pg::{Database, bin_dir};

use crate::{current_client, database};

/// A connection of a client, and a superuser's beside it.
struct Sql {
    database: Database,
    connection: Connection,
    operator: Connection,
}

impl Sql {
    fn to(database: Database) -> Self {
        Self {
            connection: database.connect(),
            operator: database.connect(),
            database,
        }
    }
}

/// The code of protocol.md, section 13, of an answer in SQL.
fn answer(result: Result<bool, postgres::Error>) -> Answer {
    let error = match result {
        Ok(true) => return Answer::Accepted,
        Ok(false) => return Answer::refused("denied"),
        Err(error) => error,
    };
    let error = error.as_db_error().expect("an error of the server");
    let message = error.message();
    Answer::refused(match error.code().code() {
        "22023" if message.contains("client id must be") => "invalid_client_id",
        "22023" if message.contains(", got ") => "invalid_length",
        "22023" => "invalid_encoding",
        "23505" => "already_enrolled",
        "53400" => "throttled",
        "55000" if message.contains("client is") => "not_active",
        other => panic!("{other}: {message}"),
    })
}

impl HostUnderTest for Sql {
    fn binding(&self) -> AuthenticationBinding {
        AuthenticationBinding::none()
    }

    fn enroll(&mut self, client_id: &str, commitment: &[u8], proof: &[u8]) -> Answer {
        let row = self.operator.query_one(
            "SELECT twofapi.enroll($1, $2, $3)",
            &[&client_id, &commitment, &proof],
        );
        answer(row.map(|row| row.get(0)))
    }

    fn challenge(&mut self, client_id: &str) -> Result<Issued, Answer> {
        let row = self.connection.query_one(
            "SELECT challenge_id, nonce FROM twofapi.challenge($1)",
            &[&client_id],
        );
        match row {
            Ok(row) => Ok(Issued {
                id: row.get(0),
                nonce: row.get(1),
            }),
            Err(error) => Err(answer(Err(error))),
        }
    }

    fn authenticate(&mut self, client_id: &str, challenge_id: &str, proof: &[u8]) -> Answer {
        let row = self.connection.query_one(
            "SELECT twofapi.authenticate($1, $2, $3)",
            &[&client_id, &challenge_id, &proof],
        );
        answer(row.map(|row| row.get(0)))
    }

    fn rotate(
        &mut self,
        client_id: &str,
        challenge_id: &str,
        proof_old: &[u8],
        commitment_new: &[u8],
        proof_new: &[u8],
    ) -> Answer {
        let row = self.connection.query_one(
            "SELECT twofapi.rotate_commitment($1, $2, $3, $4, $5)",
            &[
                &client_id,
                &challenge_id,
                &proof_old,
                &commitment_new,
                &proof_new,
            ],
        );
        answer(row.map(|row| row.get(0)))
    }

    fn operate(&mut self, client_id: &str, act: Act) -> Answer {
        let function = match act {
            Act::Suspend => "suspend_client",
            Act::Resume => "resume_client",
            Act::Revoke => "revoke_client",
        };
        // What it returns is whether anything changed.
        let row = self
            .operator
            .query_one(&format!("SELECT twofapi.{function}($1)"), &[&client_id]);
        answer(row.map(|_| true))
    }

    fn version(&mut self, client_id: &str) -> Option<u32> {
        let row = self.operator.query_opt(
            "SELECT commitment_version FROM twofapi.clients WHERE client_id = $1",
            &[&client_id],
        );
        let version: i32 = row.expect("an answer")?.get(0);
        Some(version.try_into().expect("a version is not negative"))
    }

    fn whoami(&mut self) -> Option<String> {
        current_client(&mut self.connection)
    }

    fn devices(&mut self) -> Option<&mut dyn Devices> {
        Some(self)
    }

    fn another(&self) -> Box<dyn HostUnderTest + Send> {
        Box::new(Self::to(self.database.clone()))
    }
}

impl Sql {
    /// What a function answers on the client's connection.
    fn says(&mut self, call: &str, parameters: &[&(dyn ToSql + Sync)]) -> Answer {
        let row = self.connection.query_one(call, parameters);
        answer(row.map(|row| row.get(0)))
    }
}

impl Devices for Sql {
    fn authenticate_by(&mut self, by: By<'_>, proof: &[u8]) -> Answer {
        self.says(
            "SELECT twofapi.authenticate($1, $2, $3, credential_id => $4)",
            &[&by.client_id, &by.challenge_id, &proof, &by.credential_id],
        )
    }

    fn link(
        &mut self,
        by: By<'_>,
        proof: &[u8],
        commitment_new: &[u8],
        joining: Option<(&[u8], &str)>,
    ) -> Answer {
        let (proof_new, name) = joining.unzip();
        self.says(
            "SELECT twofapi.link_credential($1, $2, $3, $4, $5, $6, $7)",
            &[
                &by.client_id,
                &by.challenge_id,
                &proof,
                &commitment_new,
                &proof_new,
                &name,
                &by.credential_id,
            ],
        )
    }

    fn unlink(&mut self, by: By<'_>, proof: &[u8], commitment_old: &[u8]) -> Answer {
        self.says(
            "SELECT twofapi.unlink_credential($1, $2, $3, $4, $5)",
            &[
                &by.client_id,
                &by.challenge_id,
                &proof,
                &commitment_old,
                &by.credential_id,
            ],
        )
    }

    fn offer(&mut self, challenge_id: &str) -> Answer {
        self.says("SELECT twofapi.offer_link($1)", &[&challenge_id])
    }

    fn pending(&mut self) -> String {
        let row = self
            .connection
            .query_one("SELECT state FROM twofapi.pending_link()", &[]);
        row.expect("a session").get(0)
    }

    fn join(
        &mut self,
        client_id: &str,
        challenge_id: &str,
        commitment: &[u8],
        proof: &[u8],
        name: &str,
    ) -> Answer {
        self.says(
            "SELECT twofapi.join_link($1, $2, $3, $4, $5)",
            &[&client_id, &challenge_id, &commitment, &proof, &name],
        )
    }

    fn credentials(&mut self) -> Vec<String> {
        let ids = "SELECT credential_id FROM twofapi.credentials()";
        let rows = self.connection.query(ids, &[]).expect("an answer");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

#[test]
fn pg_2fapi_does_what_every_host_does() {
    let folder = bin_dir();
    let major = postgres_major(&folder);
    let report = run(&format!("pg_2fapi {major}"), &mut Sql::to(database()));
    report.assert_conformance();
}

fn postgres_major(bin_dir: &std::path::Path) -> String {
    let output = std::process::Command::new(bin_dir.join("postgres"))
        .arg("--version")
        .output()
        .expect("the server's version");
    let text = String::from_utf8(output.stdout).expect("text");
    let number = text.split_whitespace().nth(2).expect("a version");
    number.split('.').next().unwrap_or(number).to_owned()
}
