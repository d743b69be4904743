//! Nothing but an accepted proof gives a connection an identity.

use postgres::Client as Connection;
use twofapi_tests_pg::{Client, Database};

use crate::{current_client, database, refusal};

/// A table of two owners behind a policy, and a role that is no superuser and owns nothing.
fn scene() -> (Database, Connection, Client) {
    let database = database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let _bob = Client::enrolled(&mut admin, "bob");
    let app = database.role("app");
    admin
        .batch_execute(&format!(
            "CREATE TABLE public.my_data (owner text, note text);
             INSERT INTO public.my_data VALUES ('alice', 'a'), ('bob', 'b');
             ALTER TABLE public.my_data ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON public.my_data USING (owner = twofapi.current_client());
             GRANT SELECT ON public.my_data TO PUBLIC;
             GRANT CREATE ON SCHEMA public TO {app};
             GRANT TEMPORARY ON DATABASE {} TO {app}",
            database.name
        ))
        .unwrap();
    let connection = database.connect_as(&app);
    (database, connection, alice)
}

fn owners(connection: &mut Connection) -> Vec<String> {
    connection
        .query("SELECT owner FROM public.my_data ORDER BY 1", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

/// Nobody before and after; alice, once she proved it.
fn still_sees_only_what_it_should(connection: &mut Connection, alice: &Client) {
    assert_eq!(owners(connection), Vec::<String>::new());
    assert!(alice.log_in(connection));
    assert_eq!(owners(connection), ["alice"]);
}

#[test]
fn a_policy_shows_the_owners_rows_only() {
    let (_database, mut connection, alice) = scene();
    still_sees_only_what_it_should(&mut connection, &alice);
}

#[test]
fn set_and_set_config_give_no_identity() {
    let (_database, mut connection, alice) = scene();
    for name in [
        "twofapi.current_client",
        "twofapi.client_id",
        "twofapi.session",
    ] {
        let (code, _) = refusal(connection.batch_execute(&format!("SET {name} = 'bob'")));
        assert_eq!(code, "42602");
        let set = format!("SELECT set_config('{name}', 'bob', false)");
        let (code, _) = refusal(connection.batch_execute(&set));
        assert_eq!(code, "42602");
    }
    still_sees_only_what_it_should(&mut connection, &alice);
}

#[test]
fn settings_are_the_superusers() {
    let (_database, mut connection, _) = scene();
    for (name, value) in [
        ("challenge_ttl", "900"),
        ("session_scope", "'session'"),
        ("session_ttl", "3600"),
        ("audience", "'x'"),
        ("audit_log", "off"),
        ("log_events", "off"),
    ] {
        let (code, _) = refusal(connection.batch_execute(&format!("SET twofapi.{name} = {value}")));
        assert_eq!(code, "42501", "{name}");
    }
    let (code, _) = refusal(connection.batch_execute("SET twofapi.spent_capacity = 100"));
    assert_eq!(code, "55P02");
}

#[test]
fn custom_settings_of_other_names_give_no_identity() {
    let (_database, mut connection, alice) = scene();
    connection
        .batch_execute("SET app.current_client = 'bob'; SET my.twofapi = 'bob'")
        .unwrap();
    still_sees_only_what_it_should(&mut connection, &alice);
}

#[test]
fn a_function_of_the_same_name_in_public_gives_no_identity() {
    let (_database, mut connection, alice) = scene();
    connection
        .batch_execute(
            "CREATE FUNCTION public.current_client() RETURNS text LANGUAGE sql AS $$SELECT 'bob'$$;
             SET search_path = public, twofapi",
        )
        .unwrap();
    still_sees_only_what_it_should(&mut connection, &alice);
}

#[test]
fn a_function_of_the_same_name_in_pg_temp_gives_no_identity() {
    let (_database, mut connection, alice) = scene();
    connection
        .batch_execute(
            "CREATE FUNCTION pg_temp.current_client() RETURNS text LANGUAGE sql AS $$SELECT 'bob'$$;
             SET search_path = pg_temp, twofapi",
        )
        .unwrap();
    still_sees_only_what_it_should(&mut connection, &alice);
}

#[test]
fn a_temporary_table_named_clients_enrols_nobody() {
    let (_database, mut connection, alice) = scene();
    let stranger = Client::new("bob");
    connection
        .batch_execute(
            "CREATE TEMPORARY TABLE clients (client_id text PRIMARY KEY, commitment bytea,
                 commitment_version int, status text);
             SET search_path = pg_temp, twofapi, public",
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO clients VALUES ('bob', $1, 1, 'active'), ('mallory', $1, 1, 'active')",
            &[&stranger.commitment()],
        )
        .unwrap();
    assert!(!stranger.log_in(&mut connection));
    assert!(!Client::new("mallory").log_in(&mut connection));
    still_sees_only_what_it_should(&mut connection, &alice);
}

#[test]
fn no_search_path_changes_what_the_functions_do() {
    let (database, mut connection, alice) = scene();
    let mut admin = database.connect();
    admin
        .batch_execute(
            "CREATE SCHEMA evil;
             CREATE FUNCTION evil.yes(text, text) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
             CREATE OPERATOR evil.= (FUNCTION = evil.yes, LEFTARG = text, RIGHTARG = text);
             CREATE TABLE evil.clients (client_id text, status text);
             SET search_path = evil, pg_catalog",
        )
        .unwrap();
    let carol = Client::enrolled(&mut admin, "carol");
    admin
        .query_one("SELECT twofapi.suspend_client('carol')", &[])
        .unwrap();
    // With the operator above, this would have suspended everybody.
    connection
        .batch_execute("SET search_path = evil, pg_catalog")
        .unwrap();
    still_sees_only_what_it_should(&mut connection, &alice);
    assert!(!carol.log_in(&mut connection));
}

#[test]
fn a_security_definer_caller_has_no_other_identity() {
    let (database, mut connection, alice) = scene();
    database
        .connect()
        .batch_execute(
            "CREATE FUNCTION public.whoami() RETURNS text LANGUAGE sql SECURITY DEFINER
                 SET search_path = pg_catalog AS $$SELECT twofapi.current_client()$$",
        )
        .unwrap();
    let whoami = |connection: &mut Connection| -> Option<String> {
        connection
            .query_one("SELECT public.whoami()", &[])
            .unwrap()
            .get(0)
    };
    assert_eq!(whoami(&mut connection), None);
    assert!(alice.log_in(&mut connection));
    assert_eq!(whoami(&mut connection), Some("alice".into()));
}

#[test]
fn set_role_gives_no_other_identity() {
    let (database, mut connection, alice) = scene();
    let bob = database.role("bob");
    let app: String = connection
        .query_one("SELECT session_user::text", &[])
        .unwrap()
        .get(0);
    database
        .connect()
        .batch_execute(&format!("GRANT {bob} TO {app}"))
        .unwrap();
    connection
        .batch_execute(&format!("SET ROLE {bob}"))
        .unwrap();
    still_sees_only_what_it_should(&mut connection, &alice);
    connection.batch_execute("RESET ROLE").unwrap();
    assert_eq!(owners(&mut connection), ["alice"]);
}

#[test]
fn a_backend_does_not_know_anothers_session() {
    let (database, mut connection, alice) = scene();
    assert!(alice.log_in(&mut connection));
    assert_eq!(current_client(&mut database.connect()), None);
}

#[test]
fn a_revoked_client_is_never_enrolled_again() {
    let (database, ..) = scene();
    let mut admin = database.connect();
    admin
        .batch_execute("SELECT twofapi.revoke_client('bob')")
        .unwrap();
    let (code, _) = refusal(Client::new("bob").enrol(&mut admin));
    assert_eq!(code, "23505");
    let (code, _) = refusal(admin.batch_execute("SELECT twofapi.resume_client('bob')"));
    assert_eq!(code, "55000");
}
