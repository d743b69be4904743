//! Policies give the right answer when a scan runs in parallel.

use twofapi_tests_pg::{Client, Server};

#[test]
fn a_parallel_scan_over_a_million_rows_gives_the_right_answer_with_both_policy_forms() {
    let server = Server::start("max_parallel_workers = 4\nmax_parallel_workers_per_gather = 4");
    let database = server.database();
    let mut admin = database.connect();
    let alice = Client::enrolled(&mut admin, "alice");
    let app = database.role("app");
    admin
        .batch_execute(
            "CREATE TABLE direct (owner text, n int);
             INSERT INTO direct SELECT CASE WHEN n % 4 = 0 THEN 'alice' ELSE 'bob' END, n
                 FROM generate_series(1, 1000000) n;
             CREATE TABLE once AS SELECT * FROM direct;
             ANALYZE direct; ANALYZE once;
             ALTER TABLE direct ENABLE ROW LEVEL SECURITY;
             ALTER TABLE once ENABLE ROW LEVEL SECURITY;
             CREATE POLICY own ON direct USING (owner = twofapi.current_client());
             CREATE POLICY own ON once USING (owner = (SELECT twofapi.current_client()));
             GRANT SELECT ON direct, once TO PUBLIC",
        )
        .unwrap();
    let mut connection = database.connect_as(&app);
    connection
        .batch_execute(
            "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
             SET min_parallel_table_scan_size = 0",
        )
        .unwrap();
    assert!(alice.log_in(&mut connection));
    for (table, parallel) in [("direct", false), ("once", true)] {
        let query = format!("SELECT count(*), sum(n)::bigint FROM {table}");
        let row = connection.query_one(&query, &[]).unwrap();
        assert_eq!(row.get::<_, i64>(0), 250_000, "{table}");
        assert_eq!(row.get::<_, i64>(1), 125_000_500_000, "{table}");
        let plan: Vec<String> = connection
            .query(&format!("EXPLAIN (ANALYZE, COSTS OFF) {query}"), &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let plan = plan.join("\n");
        let launched = plan.contains("Parallel Seq Scan") && !plan.contains("Workers Launched: 0");
        assert_eq!(launched, parallel, "{plan}");
    }
}
