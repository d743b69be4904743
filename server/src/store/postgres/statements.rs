//! What is said to PostgreSQL: each call of the store is one statement in one transaction, so that it needs one round
//! trip and no state of the connection. Times are the server's, in whole Unix seconds.

use twofapi_crypto_core::{ChallengeTtl, ceremony::Terms};

use super::schema::SchemaName;
use crate::store::session::Session;

/// The clock that all servers of the store go by.
const NOW: &str = "floor(extract(epoch FROM clock_timestamp()))::bigint";

/// The row with the epoch, among those of accepted challenges. It never expires.
const HEAD: &str = "share = 0 AND key = ''";

/// A clock that is further behind the mark than this many seconds was set back.
const SET_BACK: u32 = 60;

/// Expired entries that one statement takes away.
const PURGED_AT_ONCE: u32 = 10_000;

/// What is acknowledged was written to disk, whatever the role or the database is set to.
const DURABLE: &str =
    "durable AS MATERIALIZED (SELECT pg_catalog.set_config('synchronous_commit', 'on', true))";

/// What may be lost waits for no disk and no standby: now and then a login has to log that the sequence went on.
const MAY_BE_LOST: &str = "may_be_lost AS MATERIALIZED \
     (SELECT pg_catalog.set_config('synchronous_commit', 'off', true))";

/// The statements of a store in one schema.
pub(super) struct Statements {
    pub(super) look_up: String,
    pub(super) clients_after: String,
    pub(super) replace_record: String,
    pub(super) make_room_for_invitation: String,
    pub(super) invite: String,
    pub(super) invited_to: String,
    pub(super) cancel_invitations: String,
    pub(super) pending_link: String,
    pub(super) offer_link: String,
    pub(super) replace_pending_link: String,
    pub(super) signing_keys: String,
    pub(super) turn: String,
    pub(super) add_signing_key: String,
    pub(super) remove_signing_key: String,
    pub(super) seal_signing_key: String,
    pub(super) epoch: String,
    pub(super) begin_epoch: String,
    pub(super) purge: String,
    pub(super) enrol: String,
    pub(super) reset: String,
    pub(super) login: String,
    pub(super) change: String,
    pub(super) link_joined: String,
    pub(super) session: String,
    pub(super) sessions: String,
    pub(super) look_up_with_session: String,
    pub(super) end_sessions: String,
    pub(super) trim_sessions: String,
    pub(super) check: String,
}

impl Statements {
    pub(super) fn of(schema: &SchemaName) -> Self {
        let s = schema.as_str();
        // An epoch is of one run of one server and of one file of the table: what was restored from elsewhere is
        // of another. As a number: how a time is written depends on the session's time zone.
        let incarnation = format!(
            "(extract(epoch FROM pg_postmaster_start_time())::text || ' ' || pg_relation_filepath('{s}.spent'))"
        );
        // How many entries were ever made. What of them is gone was counted with the epoch that was begun then.
        let made = format!("(SELECT last_value - (NOT is_called)::integer FROM {s}.spent_number)");
        // Greater than any that a copy of the store had which a backup has taken the place of.
        let renumbered = format!("signing_keys_number = greatest(signing_keys_number + 1, {NOW})");
        // Sessions of another epoch are gone with it.
        let listed = format!(
            "FROM {s}.sessions one, {s}.spent head \
              WHERE client_id = $1 AND one.expires_at > {NOW} AND {HEAD} AND head.epoch = one.epoch \
                AND incarnation = {incarnation} AND mark <= {NOW} + {SET_BACK}"
        );
        let not_moved = format!("NOT EXISTS (SELECT FROM {s}.about WHERE moved_to IS NOT NULL)");
        Self {
            // One row, whether there is a client or not, with the number of the list of signing keys; and none of a
            // store that has a mark.
            look_up: format!(
                "SELECT record, signing_keys_number FROM {s}.about LEFT JOIN {s}.clients ON client_id = $1 \
                  WHERE moved_to IS NULL"
            ),
            clients_after: format!(
                "SELECT client_id, record FROM {s}.clients WHERE client_id > $1 \
                 ORDER BY client_id LIMIT $2"
            ),
            // $1 client id, $2 record that was read, $3 to $7 what takes its place.
            replace_record: format!(
                "WITH {DURABLE} \
                 UPDATE {s}.clients SET record = $3, status = $4, version = $5, generation = $6, \
                        credential_ids = $7, changed_at = now() \
                   FROM durable WHERE client_id = $1 AND record = $2 AND {not_moved} RETURNING 1"
            ),
            // $1 key, $2 client id, $3 whether it is to reset: what a new invitation takes the place of, and some of
            // those that expired by $4 (the server's time) as well as by the clock here.
            make_room_for_invitation: format!(
                "DELETE FROM {s}.invitations WHERE key = $1 OR ($3 AND is_reset AND client_id = $2) OR key IN \
                   (SELECT key FROM {s}.invitations WHERE expires_at <= least($4, {NOW} - 86400) LIMIT 10)"
            ),
            // $4 here is when it expires.
            invite: format!(
                "INSERT INTO {s}.invitations (key, client_id, is_reset, expires_at) \
                 SELECT $1, $2, $3, $4 WHERE {not_moved} RETURNING 1"
            ),
            invited_to: format!(
                "SELECT is_reset FROM {s}.about LEFT JOIN {s}.invitations \
                   ON key = $1 AND client_id = $2 AND expires_at > {NOW} WHERE moved_to IS NULL"
            ),
            cancel_invitations: format!(
                "WITH {DURABLE}, \
                 voided AS (DELETE FROM {s}.invitations USING durable \
                   WHERE client_id = $1 AND {not_moved} RETURNING expires_at) \
                 SELECT (SELECT count(*) FROM voided WHERE expires_at > {NOW}) FROM {s}.about WHERE moved_to IS NULL"
            ),
            pending_link: format!(
                "SELECT pending FROM {s}.pending_links WHERE client_id = $1 AND until > {NOW} AND {not_moved}"
            ),
            offer_link: format!(
                "WITH over AS (DELETE FROM {s}.pending_links WHERE client_id IN \
                   (SELECT client_id FROM {s}.pending_links WHERE until <= {NOW} - 60 AND client_id <> $1 \
                     LIMIT 10 FOR UPDATE SKIP LOCKED)) \
                 INSERT INTO {s}.pending_links (client_id, pending, until) SELECT $1, $2, $3 WHERE {not_moved} \
                 ON CONFLICT (client_id) DO UPDATE SET pending = EXCLUDED.pending, until = EXCLUDED.until"
            ),
            replace_pending_link: format!(
                "UPDATE {s}.pending_links SET pending = $3, until = $4 \
                  WHERE client_id = $1 AND pending = $2 AND until > {NOW} AND {not_moved} RETURNING 1"
            ),
            signing_keys: format!(
                "SELECT kid, activates_at, sealed, algorithm FROM {s}.signing_keys ORDER BY activates_at, kid"
            ),
            // Whoever makes an invitation or adds a signing key waits for whoever is doing so.
            turn: format!(
                "WITH {DURABLE} SELECT FROM {s}.about, durable FOR NO KEY UPDATE OF about"
            ),
            // $5: what other keys there are, sorted.
            add_signing_key: format!(
                "WITH added AS (INSERT INTO {s}.signing_keys (kid, activates_at, sealed, algorithm) \
                   SELECT $1, $2, $3, $4 \
                    WHERE ARRAY(SELECT kid FROM {s}.signing_keys ORDER BY kid) = $5 AND {not_moved} \
                   ON CONFLICT (kid) DO NOTHING RETURNING 1) \
                 UPDATE {s}.about SET {renumbered} FROM added RETURNING 1"
            ),
            remove_signing_key: format!(
                "WITH gone AS (DELETE FROM {s}.signing_keys WHERE kid = $1 AND {not_moved} RETURNING 1) \
                 UPDATE {s}.about SET {renumbered} FROM gone"
            ),
            seal_signing_key: format!(
                "WITH {DURABLE} UPDATE {s}.signing_keys SET sealed = $3 FROM durable \
                  WHERE kid = $1 AND sealed = $2 AND {not_moved} RETURNING 1"
            ),
            epoch: format!(
                "SELECT epoch, greatest(mark, {NOW}) FROM {s}.spent \
                  WHERE {HEAD} AND incarnation = {incarnation} AND mark <= {NOW} + {SET_BACK}"
            ),
            // $1: an epoch, for whoever comes first.
            begin_epoch: format!(
                "INSERT INTO {s}.spent AS kept (share, key, expires_at, epoch, mark, counted, incarnation) \
                 VALUES (0, '', 9223372036854775807, $1, {NOW}, \
                         {made} - (SELECT count(*) FROM {s}.spent WHERE NOT ({HEAD}) AND expires_at > {NOW}), \
                         {incarnation}) \
                 ON CONFLICT (share, key) DO UPDATE \
                   SET epoch = EXCLUDED.epoch, mark = EXCLUDED.mark, counted = EXCLUDED.counted, \
                       incarnation = EXCLUDED.incarnation \
                 WHERE kept.incarnation IS DISTINCT FROM EXCLUDED.incarnation \
                    OR kept.mark > EXCLUDED.mark + {SET_BACK}"
            ),
            // Raises the mark, counts what has expired since it was raised last, and takes away what expired by so much
            // that no clock makes it alive again. Those from beyond what a challenge can live are of a clock that was
            // set back, and of an epoch that is over. Where many are held they are counted anew: what was cut off in
            // the middle has a number and no entry. $1: capacity.
            purge: format!(
                "WITH over AS (DELETE FROM {s}.sessions WHERE (client_id, id) IN \
                   (SELECT client_id, id FROM {s}.sessions WHERE expires_at <= {NOW} - {SET_BACK} \
                     LIMIT {PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED)), \
                 gone AS (DELETE FROM {s}.spent WHERE (share, key) IN \
                   (SELECT share, key FROM {s}.spent WHERE NOT ({HEAD}) AND (expires_at <= {NOW} - {SET_BACK} \
                       OR expires_at > {NOW} + {LONGEST} + {SET_BACK}) \
                     LIMIT {PURGED_AT_ONCE} FOR UPDATE SKIP LOCKED)), \
                 clock AS MATERIALIZED (SELECT {NOW} AS now) \
                 UPDATE {s}.spent AS head SET mark = greatest(mark, now), \
                        counted = CASE WHEN {made} - counted >= $1 / 2 \
                          THEN {made} - (SELECT count(*) FROM {s}.spent WHERE NOT ({HEAD}) AND expires_at > now) \
                          ELSE counted + (SELECT count(*) FROM {s}.spent \
                            WHERE NOT ({HEAD}) AND expires_at > head.mark AND expires_at <= now) END \
                   FROM clock WHERE {HEAD} AND incarnation = {incarnation} AND mark <= now + {SET_BACK}"
            ),
            enrol: step(s, &incarnation, &made, &not_moved, Kind::Enrol),
            reset: step(s, &incarnation, &made, &not_moved, Kind::Reset),
            login: step(s, &incarnation, &made, &not_moved, Kind::Login),
            change: step(s, &incarnation, &made, &not_moved, Kind::Change),
            link_joined: step(s, &incarnation, &made, &not_moved, Kind::LinkJoined),
            session: format!("SELECT session {listed} AND id = $2"),
            sessions: format!("SELECT session {listed}"),
            // As a look-up, with the session if that is listed.
            look_up_with_session: format!(
                "SELECT record, signing_keys_number, (SELECT session {listed} AND id = $2) \
                   FROM {s}.about LEFT JOIN {s}.clients ON client_id = $1 WHERE moved_to IS NULL"
            ),
            end_sessions: format!(
                "WITH ended AS (DELETE FROM {s}.sessions WHERE client_id = $1 AND id = ANY ($2) RETURNING expires_at) \
                 SELECT count(*) FROM ended WHERE expires_at > {NOW}"
            ),
            trim_sessions: format!(
                "DELETE FROM {s}.sessions WHERE client_id = $1 AND id IN \
                   (SELECT id FROM {s}.sessions WHERE client_id = $1 AND id IN \
                     (SELECT id FROM {s}.sessions WHERE client_id = $1 ORDER BY expires_at DESC, id OFFSET {}) \
                     FOR UPDATE SKIP LOCKED)",
                Session::MOST_OF_ONE
            ),
            check: format!(
                "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean, \
                        (SELECT moved_to FROM {s}.about)"
            ),
        }
    }
}

/// A client's sessions beyond so many are taken away, a few at a time: not each login is to wait for it.
const MANY_SESSIONS: usize = Session::MOST_OF_ONE + 31;

/// The longest that an entry may be ahead of the clock.
const LONGEST: u32 = ChallengeTtl::MAX_SECONDS + Terms::MAX_SKEW;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Enrol,
    Reset,
    Login,
    Change,
    LinkJoined,
}

/// A step as one statement, which answers one row of what it found.
fn step(s: &str, incarnation: &str, made: &str, not_moved: &str, kind: Kind) -> String {
    let record = |from: u32| {
        let of = |n| format!("${}", from + n);
        [of(0), of(1), of(2), of(3), of(4)]
    };
    match kind {
        // $1 client id, $2 invitation or NULL, $3 to $7 the record.
        Kind::Enrol => {
            let [bytes, status, version, generation, ids] = record(3);
            format!(
                "WITH {DURABLE}, \
                 invitation AS MATERIALIZED (SELECT FROM {s}.invitations \
                   WHERE key = $2 AND client_id = $1 AND NOT is_reset AND expires_at > {NOW} FOR UPDATE), \
                 invited AS MATERIALIZED (SELECT FROM durable \
                   WHERE $2::bytea IS NULL OR EXISTS (SELECT FROM invitation)), \
                 made AS (INSERT INTO {s}.clients (client_id, record, status, version, generation, credential_ids) \
                   SELECT $1, {bytes}, {status}, {version}, {generation}, {ids} FROM invited WHERE {not_moved} \
                   ON CONFLICT (client_id) DO NOTHING RETURNING 1), \
                 used AS (DELETE FROM {s}.invitations USING made WHERE key = $2 RETURNING 1) \
                 SELECT EXISTS (SELECT FROM invited), EXISTS (SELECT FROM made), {not_moved}, \
                        (SELECT count(*) FROM used)"
            )
        }
        // $1 client id, $2 invitation or NULL, $3 version, $4 generation, $5 status, $6 to $10 the record.
        Kind::Reset => {
            let [bytes, status, version, generation, ids] = record(6);
            format!(
                "WITH {DURABLE}, \
                 invitation AS MATERIALIZED (SELECT FROM {s}.invitations \
                   WHERE key = $2 AND client_id = $1 AND is_reset AND expires_at > {NOW} FOR UPDATE), \
                 invited AS MATERIALIZED (SELECT FROM durable \
                   WHERE $2::bytea IS NULL OR EXISTS (SELECT FROM invitation)), \
                 made AS (UPDATE {s}.clients SET record = {bytes}, status = {status}, version = {version}, \
                     generation = {generation}, credential_ids = {ids}, changed_at = now() FROM invited \
                   WHERE client_id = $1 AND version = $3 AND generation = $4 AND status = $5 AND {not_moved} \
                   RETURNING 1), \
                 used AS (DELETE FROM {s}.invitations USING made WHERE key = $2 RETURNING 1) \
                 SELECT EXISTS (SELECT FROM invited), EXISTS (SELECT FROM made), {not_moved}, \
                        (SELECT count(*) FROM used)"
            )
        }
        // $1 client id, $2 version, $3 generation, $4 credential id, $5 expiry or NULL; $6 key, $7 expiry, $8 epoch and
        // $9 share of the challenge; $10 capacity, $11 share of one client; $12 to $16 the record; $17 what joined. Of a login: $12 id, $13 expiry and
        // $14 bytes of a session, or NULL.
        Kind::Login | Kind::Change | Kind::LinkJoined => {
            let changes = kind != Kind::Login;
            let (safety, of_safety, locked) = match changes {
                true => (
                    format!("{DURABLE}, "),
                    ", durable",
                    "FOR NO KEY UPDATE OF c",
                ),
                false => (format!("{MAY_BE_LOST}, "), ", may_be_lost", ""),
            };
            // What a second device left is locked, so that it is used up once.
            let (joined, of_joined) = match kind {
                Kind::LinkJoined => (
                    format!(
                        "joined AS MATERIALIZED (SELECT FROM {s}.pending_links \
                           WHERE client_id = $1 AND pending = $17 AND until > {NOW} FOR UPDATE), "
                    ),
                    ", joined",
                ),
                _ => (String::new(), ""),
            };
            let [bytes, status, version, generation, ids] = record(12);
            let made_change = match changes {
                true => format!(
                    ", made AS (UPDATE {s}.clients SET record = {bytes}, status = {status}, version = {version}, \
                         generation = {generation}, credential_ids = {ids}, changed_at = now() FROM spent \
                       WHERE spent.live AND client_id = $1 AND version = $2 AND generation = $3 RETURNING 1)"
                ),
                false => String::new(),
            };
            // Where a client has many sessions, that is said, and those that are over first are taken away.
            let (opened, of_one) = match kind {
                Kind::Login => (
                    format!(
                        ", opened AS (INSERT INTO {s}.sessions (client_id, id, expires_at, epoch, session) \
                           SELECT $1, $12, $13, $8, $14 FROM spent WHERE spent.live AND $12::bytea IS NOT NULL)"
                    ),
                    format!(
                        "CASE WHEN $12::bytea IS NOT NULL AND (SELECT live FROM spent) THEN \
                           EXISTS (SELECT FROM {s}.sessions WHERE client_id = $1 OFFSET {MANY_SESSIONS}) END"
                    ),
                ),
                _ => (String::new(), "NULL::boolean".into()),
            };
            let used_joined = match kind {
                Kind::LinkJoined => format!(
                    ", used AS (DELETE FROM {s}.pending_links USING made WHERE client_id = $1)"
                ),
                _ => String::new(),
            };
            let done = match changes {
                true => "(SELECT count(*) FROM made) = 1",
                false => "true",
            };
            format!(
                "WITH {safety}{joined}\
                 head AS MATERIALIZED (SELECT mark, {made} - counted AS held FROM {s}.spent \
                   WHERE {HEAD} AND epoch = $8 AND incarnation = {incarnation} AND mark <= {NOW} + {SET_BACK}), \
                 client AS MATERIALIZED (SELECT FROM {s}.clients c{of_safety}{of_joined} \
                   WHERE client_id = $1 AND status = 0 AND version = $2 AND generation = $3 \
                     AND $4 = ANY (credential_ids) AND ($5::bigint IS NULL OR {NOW} < $5) AND {not_moved} {locked}), \
                 room AS MATERIALIZED (SELECT CASE \
                     WHEN held >= $10 THEN false \
                     WHEN held < $10 / 2 THEN true \
                     ELSE (SELECT count(*) FROM (SELECT FROM {s}.spent WHERE share = $9 LIMIT $11) AS own) < $11 \
                   END AS free FROM head), \
                 spent AS (INSERT INTO {s}.spent (share, key, expires_at) \
                   SELECT $9, $6, $7 FROM head, client, room \
                    WHERE room.free AND $7 > greatest(head.mark, {NOW}) AND $7 <= {NOW} + {LONGEST} \
                   ON CONFLICT (share, key) DO NOTHING \
                   RETURNING expires_at > greatest((SELECT mark FROM head), {NOW}) AS live, \
                             nextval('{s}.spent_number')){made_change}{used_joined}{opened} \
                 SELECT EXISTS (SELECT FROM client), EXISTS (SELECT FROM head), (SELECT live FROM spent), \
                        NOT EXISTS (SELECT FROM head WHERE $7 > greatest(mark, {NOW})) OR $7 > {NOW} + {LONGEST}, \
                        EXISTS (SELECT FROM {s}.spent WHERE share = $9 AND key = $6), \
                        (SELECT free FROM room), \
                        CASE WHEN NOT (SELECT free FROM room) THEN \
                          (SELECT min(expires_at) FROM {s}.spent \
                            WHERE NOT ({HEAD}) AND expires_at > {NOW} AND ((SELECT held FROM head) >= $10 OR share = $9)) END, \
                        {NOW}, {done}, {of_one}"
            )
        }
    }
}
