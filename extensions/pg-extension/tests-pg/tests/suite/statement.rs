//! A statement sees one identity throughout, or fails: never a part of its rows under one and a part
//! under another.

use std::{
    io::Read as _,
    thread,
    time::{Duration, Instant},
};

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database};

use crate::{current_client, database, refusal};

const ENDED: &str = "28000";

/// A table of so many rows of alice's, under a policy; a role that may use it; alice.
struct Scene {
    database: Database,
    admin: Connection,
    app: Connection,
    alice: Client,
}

fn scene(rows: u32) -> Scene {
    let database = database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let role = database.role("app");
    admin
        .batch_execute(&format!(
            "CREATE TABLE big (owner text, n int);
             INSERT INTO big SELECT 'alice', n FROM generate_series(1, {rows}) n;
             ALTER TABLE big ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON big USING (owner = twofapi.current_client());
             GRANT SELECT, INSERT, UPDATE, DELETE ON big TO {role};
             GRANT CREATE ON SCHEMA public TO {role}"
        ))
        .unwrap();
    let app = database.connect_as(&role);
    Scene {
        database,
        admin,
        app,
        alice,
    }
}

impl Scene {
    /// Runs a statement that takes a while, and suspends alice in the middle of it.
    fn suspended_in_the_middle_of(&mut self, statement: &str) -> (String, String) {
        assert!(self.alice.log_in(&mut self.app));
        let Self { admin, app, .. } = self;
        let refusal = thread::scope(|scope| {
            let suspend = scope.spawn(|| {
                let running = Instant::now() + Duration::from_secs(10);
                let asleep = "SELECT count(*) FROM pg_stat_activity
                              WHERE datname = current_database() AND wait_event = 'PgSleep'";
                while admin.query_one(asleep, &[]).unwrap().get::<_, i64>(0) == 0 {
                    assert!(Instant::now() < running, "{statement} does not run");
                }
                admin
                    .batch_execute("SELECT twofapi.suspend_client('alice')")
                    .unwrap();
            });
            let result = if statement.starts_with("COPY") {
                copied(app, statement)
            } else {
                app.batch_execute(statement)
            };
            suspend.join().unwrap();
            refusal(result)
        });
        assert_eq!(current_client(&mut self.app), None);
        self.admin
            .batch_execute("SELECT twofapi.resume_client('alice')")
            .unwrap();
        refusal
    }
}

fn copied(connection: &mut Connection, statement: &str) -> Result<(), postgres::Error> {
    let mut rows = connection.copy_out(statement)?;
    let mut into = Vec::new();
    rows.read_to_end(&mut into)
        .map(|_| ())
        .map_err(|error| *error.into_inner().unwrap().downcast().unwrap())
}

#[test]
fn a_statement_whose_session_is_ended_in_the_middle_fails() {
    let mut s = scene(20);
    for statement in [
        "SELECT pg_sleep(0.05) FROM big",
        "COPY (SELECT n, pg_sleep(0.05) FROM big) TO STDOUT",
        "UPDATE big SET n = n + 1 WHERE pg_sleep(0.05 + n * 0) IS NOT NULL",
        "DELETE FROM big WHERE pg_sleep(0.05 + n * 0) IS NOT NULL",
        "CREATE TEMP TABLE copied AS SELECT n, pg_sleep(0.05)::text FROM big",
        // Asked once, for all rows.
        "SELECT pg_sleep(0.05) FROM big WHERE owner = (SELECT twofapi.current_client())",
        "DO $$ BEGIN
             PERFORM twofapi.current_client();
             PERFORM pg_sleep(1);
         END $$",
        "DO $$ DECLARE row record; BEGIN
             FOR row IN SELECT * FROM big LOOP PERFORM pg_sleep(0.05); END LOOP;
         END $$",
    ] {
        let (code, message) = s.suspended_in_the_middle_of(statement);
        assert_eq!(code, ENDED, "{statement}: {message}");
    }
    let unchanged = "SELECT count(*) = 20 AND sum(n) = 210 FROM big";
    assert!(s.admin.query_one(unchanged, &[]).unwrap().get::<_, bool>(0));
}

#[test]
fn a_statement_fails_in_the_middle_and_not_only_at_its_end() {
    let mut s = scene(2000);
    let began = Instant::now();
    let (code, _) = s.suspended_in_the_middle_of("SELECT pg_sleep(0.02) FROM big");
    assert_eq!(code, ENDED);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_statement_during_which_the_session_expires_fails() {
    let mut s = scene(20);
    let role = s.database.name.clone() + "_app";
    s.admin
        .batch_execute(&format!("ALTER ROLE {role} SET twofapi.session_ttl = 1"))
        .unwrap();
    let mut app = s.database.connect_as(&role);
    assert!(s.alice.log_in(&mut app));
    let (code, _) = refusal(app.query("SELECT pg_sleep(0.1) FROM big", &[]));
    assert_eq!(code, ENDED);
    let seen = app.query("SELECT * FROM big", &[]).unwrap();
    assert_eq!(seen.len(), 0);
}

#[test]
fn functions_that_ask_for_a_policy_are_part_of_the_statement() {
    for (language, body) in [
        ("sql VOLATILE", "SELECT twofapi.current_client() LIMIT 1"),
        ("sql STABLE", "SELECT twofapi.current_client() LIMIT 1"),
        (
            "plpgsql VOLATILE",
            "BEGIN RETURN twofapi.current_client(); END",
        ),
        (
            "plpgsql STABLE",
            "BEGIN RETURN twofapi.current_client(); END",
        ),
        (
            "plpgsql VOLATILE",
            "DECLARE c text; BEGIN SELECT twofapi.current_client() INTO c; RETURN c; END",
        ),
    ] {
        let mut s = scene(20);
        s.admin
            .batch_execute(&format!(
                "CREATE FUNCTION tenant() RETURNS text LANGUAGE {language} AS $$ {body} $$;
                 ALTER POLICY own ON big USING (owner = tenant())"
            ))
            .unwrap();
        let (code, message) = s.suspended_in_the_middle_of("SELECT pg_sleep(0.05) FROM big");
        assert_eq!(code, ENDED, "{language} {body}: {message}");
    }
}

#[test]
fn nobody_logs_in_or_out_in_the_middle_of_the_rows() {
    let mut s = scene(20);
    assert!(s.alice.log_in(&mut s.app));
    let out = "SELECT n, CASE WHEN n = 7 THEN twofapi.logout() END FROM big";
    assert_eq!(refusal(s.app.query(out, &[])).0, ENDED);
    assert_eq!(current_client(&mut s.app), None);

    // Two rows are nobody's. The policy comes first, and the proof is looked at for the first of them.
    s.admin
        .batch_execute(
            "INSERT INTO big VALUES (NULL, 0), (NULL, 100);
             ALTER POLICY own ON big USING (owner IS NOT DISTINCT FROM twofapi.current_client())",
        )
        .unwrap();
    let challenge = s.alice.challenge(&mut s.app);
    let proof = s.alice.proof(&challenge);
    let sneak = "SELECT n FROM big
                 WHERE twofapi.authenticate('alice', CASE WHEN n < 1000 THEN $1 END, $2)";
    let refused = refusal(s.app.query(sneak, &[&challenge.id, &proof]));
    assert_eq!(refused.0, ENDED);
    assert_eq!(current_client(&mut s.app), None);
}

#[test]
fn a_function_may_look_log_in_and_look_again() {
    let mut s = scene(3);
    s.app
        .batch_execute(
            "CREATE FUNCTION log_in(challenge text, proof bytea) RETURNS bigint
             LANGUAGE plpgsql AS $$
             BEGIN
                 IF twofapi.current_client() IS NOT NULL THEN RAISE 'somebody is here'; END IF;
                 IF NOT twofapi.authenticate('alice', challenge, proof) THEN RAISE 'denied'; END IF;
                 IF twofapi.current_client() <> 'alice' THEN RAISE 'somebody else is here'; END IF;
                 RETURN (SELECT count(*) FROM big);
             END $$",
        )
        .unwrap();
    for query in ["SELECT log_in($1, $2)", "SELECT * FROM log_in($1, $2)"] {
        s.app.batch_execute("SELECT twofapi.logout()").unwrap();
        let challenge = s.alice.challenge(&mut s.app);
        let proof = s.alice.proof(&challenge);
        let row = s.app.query_one(query, &[&challenge.id, &proof]).unwrap();
        assert_eq!(row.get::<_, i64>(0), 3, "{query}");
    }
}

#[test]
fn statements_one_after_the_other_may_see_different_clients() {
    let mut s = scene(3);
    let bob = Client::enrolled(&mut s.admin, "bob");
    let mut transaction = s.app.transaction().unwrap();
    for client in [&s.alice, &bob, &s.alice] {
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
                .authenticate(&mut transaction, &challenge, &proof)
                .unwrap()
        );
        let seen = transaction.query("SELECT * FROM big", &[]).unwrap().len();
        assert_eq!(seen, if client.id.as_str() == "alice" { 3 } else { 0 });
    }
    transaction.commit().unwrap();
}

#[test]
fn an_error_that_is_caught_leaves_nothing_behind() {
    let mut s = scene(3);
    assert!(s.alice.log_in(&mut s.app));
    s.app
        .batch_execute(
            "DO $$
             BEGIN
                 FOR i IN 1..50 LOOP
                     BEGIN
                         PERFORM n / (n - 1) FROM big;
                     EXCEPTION WHEN division_by_zero THEN NULL;
                     END;
                 END LOOP;
                 PERFORM twofapi.logout();
                 ASSERT twofapi.current_client() IS NULL;
                 ASSERT (SELECT count(*) FROM big) = 0;
             END $$",
        )
        .unwrap();
}

#[test]
fn a_cursor_fails_when_it_goes_on_after_its_session_ended() {
    for own in [
        "owner = twofapi.current_client()",
        "owner = (SELECT twofapi.current_client())",
    ] {
        let mut s = scene(10);
        s.admin
            .batch_execute(&format!("ALTER POLICY own ON big USING ({own})"))
            .unwrap();
        let open = "BEGIN; DECLARE c CURSOR FOR SELECT * FROM big";
        for end in ["SELECT twofapi.logout()", "by an administrator"] {
            assert!(s.alice.log_in(&mut s.app));
            s.app.batch_execute(open).unwrap();
            assert_eq!(s.app.query("FETCH 3 FROM c", &[]).unwrap().len(), 3);
            if end.starts_with("SELECT") {
                s.app.batch_execute(end).unwrap();
            } else {
                s.admin
                    .batch_execute("SELECT twofapi.suspend_client('alice')")
                    .unwrap();
            }
            let (code, message) = refusal(s.app.query("FETCH 3 FROM c", &[]));
            assert_eq!(code, ENDED, "{own}, {end}: {message}");
            s.app.batch_execute("ROLLBACK").unwrap();
        }
        s.admin
            .batch_execute("SELECT twofapi.resume_client('alice')")
            .unwrap();
        // A cursor that is closed, or ends with its transaction, is nobody's any more.
        assert!(s.alice.log_in(&mut s.app));
        s.app.batch_execute(open).unwrap();
        assert_eq!(s.app.query("FETCH 3 FROM c", &[]).unwrap().len(), 3);
        s.app
            .batch_execute("SELECT twofapi.logout(); COMMIT; SELECT * FROM big")
            .unwrap();
    }
}
