//! The session follows the transaction tree, and ends when it should.

use std::{
    thread,
    time::{Duration, Instant},
};

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database};

use crate::{current_client, database, refusal};

fn logged_in() -> (Database, Connection, Client) {
    let database = database();
    let mut connection = database.connect();
    let alice = Client::enrolled(&mut connection, "alice");
    assert!(alice.log_in(&mut connection));
    (database, connection, alice)
}

fn alice() -> Option<String> {
    Some("alice".into())
}

fn log_in_within(transaction: &mut postgres::Transaction<'_>, client: &Client) {
    let row = transaction
        .query_one(
            "SELECT challenge_id, nonce FROM twofapi.challenge($1)",
            &[&client.id.as_str()],
        )
        .unwrap();
    let challenge = twofapi_tests_pg::Challenge {
        id: row.get(0),
        nonce: row.get(1),
        binding: Vec::new(),
    };
    let proof = client.proof(&challenge);
    assert!(
        client
            .authenticate(transaction, &challenge, &proof)
            .unwrap()
    );
}

#[test]
fn a_session_lasts_across_transactions() {
    let (_database, mut connection, _) = logged_in();
    assert_eq!(current_client(&mut connection), alice());
    connection
        .batch_execute("BEGIN; SELECT 1; ROLLBACK")
        .unwrap();
    assert!(connection.batch_execute("SELECT 1/0").is_err());
    assert_eq!(current_client(&mut connection), alice());
}

#[test]
fn a_session_opened_in_an_aborted_transaction_is_closed() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    let mut transaction = connection.transaction().unwrap();
    log_in_within(&mut transaction, &client);
    assert_eq!(current_client(&mut transaction), alice());
    transaction.rollback().unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_session_opened_in_a_statement_that_fails_is_closed() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    let challenge = client.challenge(&mut connection);
    let failing = "SELECT twofapi.authenticate($1, $2, $3), 1 / (random() * 0)::int";
    let proof = client.proof(&challenge);
    let id = client.id.as_str();
    refusal(connection.query_one(failing, &[&id, &challenge.id, &proof]));
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_session_opened_after_a_savepoint_that_is_rolled_back_is_closed() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    let mut transaction = connection.transaction().unwrap();
    transaction
        .batch_execute("SAVEPOINT a; SAVEPOINT b")
        .unwrap();
    log_in_within(&mut transaction, &client);
    transaction.batch_execute("RELEASE b").unwrap();
    assert_eq!(current_client(&mut transaction), alice());
    transaction.batch_execute("ROLLBACK TO a").unwrap();
    assert_eq!(current_client(&mut transaction), None);
    transaction.commit().unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_released_savepoint_keeps_the_session() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    let mut transaction = connection.transaction().unwrap();
    transaction.batch_execute("SAVEPOINT a").unwrap();
    log_in_within(&mut transaction, &client);
    transaction
        .batch_execute("RELEASE a; SAVEPOINT c; ROLLBACK TO c")
        .unwrap();
    assert_eq!(current_client(&mut transaction), alice());
    transaction.commit().unwrap();
    assert_eq!(current_client(&mut connection), alice());
}

#[test]
fn a_block_that_catches_an_exception_closes_what_was_opened_in_it() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    let challenge = client.challenge(&mut connection);
    let proof = hex::encode(client.proof(&challenge));
    let block = format!(
        "DO $$ BEGIN
             BEGIN
                 PERFORM twofapi.authenticate('alice', '{}', decode('{proof}', 'hex'));
                 ASSERT twofapi.current_client() = 'alice';
                 RAISE division_by_zero;
             EXCEPTION WHEN division_by_zero THEN NULL;
             END;
             ASSERT twofapi.current_client() IS NULL;
         END $$",
        challenge.id
    );
    connection.batch_execute(&block).unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_prepared_transaction_takes_its_session_with_it() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    let mut transaction = connection.transaction().unwrap();
    log_in_within(&mut transaction, &client);
    transaction
        .batch_execute("PREPARE TRANSACTION 'with a session'")
        .unwrap();
    drop(transaction);
    assert_eq!(current_client(&mut connection), None);
    connection
        .batch_execute("COMMIT PREPARED 'with a session'")
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_change_of_a_client_cannot_be_prepared() {
    let (_database, mut connection, _) = logged_in();
    connection
        .batch_execute("BEGIN; SELECT twofapi.suspend_client('alice')")
        .unwrap();
    let (code, message) = refusal(connection.batch_execute("PREPARE TRANSACTION 'x'"));
    assert_eq!(code, "0A000", "{message}");
    assert_eq!(current_client(&mut connection), alice());
}

#[test]
fn an_attempt_ends_the_session_that_was_open() {
    let (_database, mut connection, client) = logged_in();
    let challenge = client.challenge(&mut connection);
    let stranger = Client::new("alice").proof(&challenge);
    assert!(
        !client
            .authenticate(&mut connection, &challenge, &stranger)
            .unwrap()
    );
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn transaction_scope_ends_the_session_with_the_transaction() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    connection
        .batch_execute("SET twofapi.session_scope = 'transaction'")
        .unwrap();
    let mut transaction = connection.transaction().unwrap();
    log_in_within(&mut transaction, &client);
    let scope: String = transaction
        .query_one("SELECT scope FROM twofapi.session()", &[])
        .unwrap()
        .get(0);
    assert_eq!(scope, "transaction");
    transaction.commit().unwrap();
    assert_eq!(current_client(&mut connection), None);
    assert!(client.log_in(&mut connection));
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn logging_out_ends_the_session_for_good() {
    let (_database, mut connection, _) = logged_in();
    let mut transaction = connection.transaction().unwrap();
    let ended: bool = transaction
        .query_one("SELECT twofapi.logout()", &[])
        .unwrap()
        .get(0);
    assert!(ended);
    transaction.rollback().unwrap();
    assert_eq!(current_client(&mut connection), None);
    let ended: bool = connection
        .query_one("SELECT twofapi.logout()", &[])
        .unwrap()
        .get(0);
    assert!(!ended);
}

#[test]
fn statements_that_hand_the_connection_over_end_the_session() {
    let (_database, mut connection, client) = logged_in();
    for statement in [
        "DISCARD ALL",
        "RESET ALL",
        "SET SESSION AUTHORIZATION DEFAULT",
        "SET SESSION AUTHORIZATION postgres",
        "RESET SESSION AUTHORIZATION",
        "DO $$ BEGIN EXECUTE 'RESET ALL'; END $$",
    ] {
        connection.batch_execute("SELECT twofapi.logout()").unwrap();
        assert!(client.log_in(&mut connection));
        connection.batch_execute(statement).unwrap();
        assert_eq!(current_client(&mut connection), None, "{statement}");
    }
}

#[test]
fn statements_that_hand_nothing_over_keep_the_session() {
    let (_database, mut connection, _) = logged_in();
    for statement in [
        "DISCARD PLANS",
        "RESET work_mem",
        "SET work_mem = '8MB'",
        "RESET ROLE",
    ] {
        connection.batch_execute(statement).unwrap();
        assert_eq!(current_client(&mut connection), alice(), "{statement}");
    }
}

#[test]
fn a_session_is_no_other_session_users() {
    let (database, mut connection, _) = logged_in();
    let other = database.role("other");
    let set = format!("SELECT set_config('session_authorization', '{other}', false)");
    connection.batch_execute(&set).unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_session_ends_when_its_time_is_over() {
    let mut connection = database().connect();
    let client = Client::enrolled(&mut connection, "alice");
    connection
        .batch_execute("SET twofapi.session_ttl = 1")
        .unwrap();
    assert!(client.log_in(&mut connection));
    assert_eq!(current_client(&mut connection), alice());
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_session_shows_whose_it_is_and_until_when() {
    let (_database, mut connection, _) = logged_in();
    let row = connection
        .query_one(
            "SELECT client_id, scope, now() - since < '1 minute', expires_at - since = '15 minutes'
             FROM twofapi.session()",
            &[],
        )
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "alice");
    assert_eq!(row.get::<_, String>(1), "session");
    assert!(row.get::<_, bool>(2) && row.get::<_, bool>(3));
    connection.batch_execute("SELECT twofapi.logout()").unwrap();
    assert!(
        connection
            .query("SELECT * FROM twofapi.session()", &[])
            .unwrap()
            .is_empty()
    );
}

#[test]
fn suspending_elsewhere_ends_the_session_at_the_next_statement() {
    let (database, mut connection, _) = logged_in();
    let mut admin = database.connect();
    admin
        .batch_execute("BEGIN; SELECT twofapi.suspend_client('alice')")
        .unwrap();
    assert_eq!(current_client(&mut connection), alice());
    admin.batch_execute("COMMIT").unwrap();
    assert_eq!(current_client(&mut connection), None);
    admin
        .batch_execute("SELECT twofapi.resume_client('alice')")
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn a_suspension_that_is_committed_while_the_proof_is_looked_at_lets_nobody_in() {
    let (database, mut connection, alice) = logged_in();
    let mut admin = database.connect();
    let suspend = admin
        .prepare("SELECT twofapi.suspend_client('alice')")
        .unwrap();
    let mut accepted = 0;
    for round in 0..1500_u64 {
        admin
            .batch_execute("SELECT twofapi.resume_client('alice')")
            .unwrap();
        let challenge = alice.challenge(&mut connection);
        let proof = alice.proof(&challenge);
        thread::scope(|scope| {
            scope.spawn(|| admin.query_one(&suspend, &[]).unwrap());
            // At every distance from the suspension's commit, which takes longer than an attempt.
            let attempt_at = Instant::now() + Duration::from_micros(round % 1000);
            while Instant::now() < attempt_at {
                std::hint::spin_loop();
            }
            accepted += u32::from(
                alice
                    .authenticate(&mut connection, &challenge, &proof)
                    .unwrap(),
            );
        });
        assert_eq!(current_client(&mut connection), None, "round {round}");
    }
    assert!(
        (1..1500).contains(&accepted),
        "one of them always came first: {accepted} of 1500 were accepted"
    );
}

#[test]
fn a_suspension_that_is_rolled_back_ends_nothing() {
    let (database, mut connection, _) = logged_in();
    let mut admin = database.connect();
    admin
        .batch_execute("BEGIN; SELECT twofapi.suspend_client('alice'); ROLLBACK")
        .unwrap();
    admin
        .batch_execute(
            "BEGIN; SAVEPOINT a; SELECT twofapi.suspend_client('alice'); ROLLBACK TO a; COMMIT",
        )
        .unwrap();
    assert_eq!(current_client(&mut connection), alice());
}

#[test]
fn revoking_elsewhere_ends_the_session_and_within_a_repeatable_read_transaction_too() {
    let (database, mut connection, client) = logged_in();
    connection
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .unwrap();
    database
        .connect()
        .batch_execute("SELECT twofapi.revoke_client('alice')")
        .unwrap();
    assert_eq!(current_client(&mut connection), None);
    connection.batch_execute("COMMIT").unwrap();
    assert!(!client.log_in(&mut connection));
}

#[test]
fn rotating_elsewhere_ends_the_session_and_only_the_new_credential_is_good() {
    let (database, mut connection, old) = logged_in();
    let mut elsewhere = database.connect();
    let mut client = Client {
        id: old.id.clone(),
        credential: copy(&old),
    };
    assert!(client.rotate(&mut elsewhere));
    assert_eq!(current_client(&mut connection), None);
    assert!(!old.log_in(&mut connection));
    assert!(client.log_in(&mut connection));
}

pub(crate) fn copy(client: &Client) -> twofapi_crypto_core::Credential {
    let credential = &client.credential;
    twofapi_crypto_core::Credential::from_bytes(
        credential.secret_bytes().as_ref(),
        credential.blinding_bytes().as_ref(),
    )
    .unwrap()
}

#[test]
fn changing_the_table_by_hand_ends_the_session_as_well() {
    for change in [
        "UPDATE twofapi.clients SET status = 'suspended' WHERE client_id = 'alice'",
        "DELETE FROM twofapi.clients WHERE client_id = 'alice'",
        "TRUNCATE twofapi.clients",
        "SET session_replication_role = replica; DELETE FROM twofapi.clients",
    ] {
        let (database, mut connection, _) = logged_in();
        database.connect().batch_execute(change).unwrap();
        assert_eq!(current_client(&mut connection), None, "{change}");
    }
}

#[test]
fn a_statement_over_a_great_many_clients_ends_their_sessions_when_it_commits_and_not_before() {
    let (database, mut connection, _) = logged_in();
    let mut admin = database.connect();
    let all = "UPDATE twofapi.clients SET status = 'suspended'";
    admin
        .batch_execute(&format!(
            "INSERT INTO twofapi.clients (client_id, commitment, commitment_version, status)
                 SELECT 'many-' || n, commitment, 1, 'active'
                 FROM generate_series(1, 20000) n, twofapi.clients;
             BEGIN; {all}; ROLLBACK;
             BEGIN; SAVEPOINT s; {all}; ROLLBACK TO s; COMMIT"
        ))
        .unwrap();
    assert_eq!(current_client(&mut connection), alice());
    admin.batch_execute(all).unwrap();
    assert_eq!(current_client(&mut connection), None);
}

#[test]
fn another_clients_changes_end_nothing() {
    let (database, mut connection, _) = logged_in();
    let mut admin = database.connect();
    let _bob = Client::enrolled(&mut admin, "bob");
    admin
        .batch_execute("SELECT twofapi.suspend_client('bob')")
        .unwrap();
    assert_eq!(current_client(&mut connection), alice());
    let elsewhere = crate::database();
    let mut admin = elsewhere.connect();
    let _namesake = Client::enrolled(&mut admin, "alice");
    admin
        .batch_execute("SELECT twofapi.revoke_client('alice')")
        .unwrap();
    assert_eq!(current_client(&mut connection), alice());
}
