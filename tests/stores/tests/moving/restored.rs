//! A store that its engine brought back as it once was: nothing that was issued since then or before is good, and whoever
//! was shut out since is shut out again before anybody is served.

use std::process::Command;

use twofapi_crypto_core::Error;
use twofapi_server::{
    Clear, ClientsAtRest, Contents, EmbeddedContents, EnrolmentPermission, Mark, RecordChange,
    Service, Store, StorePlace, change_record, invite,
    moving::{Audit, Named, apply, back_up, look, restore, revive, serve_again},
};
use twofapi_tests_pg::bin_dir;
use twofapi_tests_stores::{Alice, log_in};

use crate::place::{ALL, Kind, Place, is_refused};

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

fn named(contents: &dyn Contents) -> Named<'_> {
    Named {
        contents,
        name: "the store",
    }
}

/// What servers log of a suspension, a second after the backup.
fn audit(since: u64, id: &str) -> Audit {
    let at = humantime::format_rfc3339_seconds(
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(since + 1),
    );
    let line = format!(
        r#"{{"timestamp":"{at}","fields":{{"message":"changed by the operator","client_id":"{id}","what":"revoked","status":"revoked","version":1,"generation":1}}}}"#
    );
    let mut audit = Audit::default();
    audit.read(line.as_bytes()).expect("memory");
    audit
}

/// Who was there before the backup, and what they hold.
struct Before {
    alice: Alice,
    bob: Alice,
    token: String,
    invited: String,
}

async fn fill(service: &Service, store: &dyn Store) -> Before {
    let alice = Alice::enrolled_at(service).await;
    let bob = Alice::called("bob").enrolled(service).await;
    let (name, proof) = alice.proven(service).await;
    let token = log_in(service, &name, &proof).await.expect("she is let in");
    let invited = invite(store, &"carl".parse().expect("an id"), now(), 3600).await;
    Before {
        alice,
        bob,
        token: token.jwt.to_string(),
        invited: invited.expect("it works").expose().to_owned(),
    }
}

/// What has to be true of it in the end.
async fn is_in_order(place: &Place, before: &Before, later_token: Option<&str>) {
    let (service, store) = place.service().await;
    for token in [Some(before.token.as_str()), later_token]
        .into_iter()
        .flatten()
    {
        is_refused(service.authenticate(token, None).await);
    }
    let (name, proof) = before.alice.proven(&service).await;
    let token = log_in(&service, &name, &proof)
        .await
        .expect("she is let in");
    service
        .authenticate(&token.jwt, None)
        .await
        .expect("it is good");
    let (name, proof) = before.bob.proven(&service).await;
    assert_eq!(
        log_in(&service, &name, &proof).await.map(drop),
        Err(Error::Denied)
    );
    let carl = Alice::called("carl");
    is_refused(
        carl.enrol_by(&service, EnrolmentPermission::Token(&before.invited))
            .await,
    );
    assert_eq!(
        store.clients_after(None, 9).await.expect("it works").len(),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_engine_brought_back_is_void_and_who_was_revoked_since_is_out() {
    for kind in [Kind::Postgres, Kind::Redis, Kind::RedisOfManyBuckets] {
        let place = Place::new(kind, "the store").await;
        let (service, store) = place.service().await;
        let before = fill(&service, &*store).await;
        let spent = before.alice.proven(&service).await;
        let unused = before.alice.proven(&service).await;
        log_in(&service, &spent.0, &spent.1)
            .await
            .expect("she is let in");
        let since = now();
        let contents = place.contents().await;
        // Nobody says when the backup was made: nothing is done to a store that may be in use.
        let said = revive(named(&*contents), None, &mut |_| {}).await;
        assert!(
            said.expect_err("it is refused")
                .to_string()
                .contains("--since")
        );
        store.check().await.expect("it is served");

        let revived = revive(named(&*contents), Some(since), &mut |_| {}).await;
        assert_eq!(revived.expect("it works"), since);
        // Also for a server that had it open.
        is_refused(log_in(&service, &unused.0, &unused.1).await);
        let said = place.refused().await;
        assert!(said.contains("2fapi store restored"), "{said}");
        let found = look(named(&*contents), &audit(since, "bob")).await;
        assert_eq!(found.expect("it works").len(), 1);
        assert!(place.store().await.is_err());
        apply(named(&*contents), &audit(since, "bob"))
            .await
            .expect("it works");
        serve_again(named(&*contents)).await.expect("it works");
        // What was open goes on; what it had issued before is over.
        for (name, proof) in [&spent, &unused] {
            assert_eq!(
                log_in(&service, name, proof).await.map(drop),
                Err(Error::Denied)
            );
        }
        is_in_order(&place, &before, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_restored_into_a_store_of_any_kind() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = StorePlace::find(&directory.path().join("backup")).expect("a place");
    let from = Place::new(Kind::File, "from").await;
    let (service, store) = from.service().await;
    let before = fill(&service, &*store).await;
    let since = now();
    let into = EmbeddedContents::open(&file).expect("it opens");
    // While it is served.
    let next = async |after: Option<&_>| store.clients_after(after, 1).await;
    let backed_up = back_up(next, &into, since, &mut |_| {}).await;
    assert_eq!(backed_up.expect("it works"), 2);
    drop(into);
    // What is done since is lost, but for what the log says of it.
    let changed = change_record(&*store, &before.bob.id, &RecordChange::Revoke).await;
    changed.expect("it works");
    let ended = change_record(&*store, &before.alice.id, &RecordChange::EndSessions).await;
    ended.expect("it works");
    let (name, proof) = before.alice.proven(&service).await;
    let later = log_in(&service, &name, &proof)
        .await
        .expect("she is let in");

    for kind in ALL {
        let to = Place::new(kind, "the store").await;
        let (backup, made_at) = ClientsAtRest::open_backup(&file).expect("it is one");
        let contents = to.contents().await;
        let restored = restore(&backup, made_at, "backup", named(&*contents), &mut |_| {}).await;
        assert_eq!(restored.expect("it works"), 2);
        drop((backup, contents));
        let said = to.refused().await;
        assert!(said.contains("2fapi store restored"), "{kind:?}: {said}");
        let contents = to.contents().await;
        apply(named(&*contents), &audit(since, "bob"))
            .await
            .expect("it works");
        serve_again(named(&*contents)).await.expect("it works");
        drop(contents);
        is_in_order(&to, &before, Some(&later.jwt)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_postgresql_is_restored_and_put_in_order() {
    let (from, to) = (
        crate::postgres_place::Place::with_a_store().await,
        tokio::task::spawn_blocking(|| {
            crate::postgres_place::Place::on(crate::postgres_place::server())
        })
        .await
        .expect("a database"),
    );
    let from = Place::of_postgres(from);
    let (service, store) = from.service().await;
    let before = fill(&service, &*store).await;
    let spent = before.alice.proven(&service).await;
    log_in(&service, &spent.0, &spent.1)
        .await
        .expect("she is let in");
    let since = now();
    let (source, target) = (
        from.postgres_name(),
        to.config.get_dbname().expect("a name"),
    );
    let host = crate::postgres_place::server().dir().display().to_string();
    let program = |name: &str| {
        let mut program = Command::new(bin_dir().join(name));
        program.args(["-h", &host, "-U", "postgres"]);
        program
    };
    let dumped = program("pg_dump")
        .args(["-Fp", &source])
        .output()
        .expect("pg_dump");
    assert!(dumped.status.success(), "{dumped:?}");
    let sql = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(sql.path(), &dumped.stdout).expect("a file");
    let path = sql.path().to_str().expect("text");
    let loaded = program("psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-d", target, "-f", path])
        .output()
        .expect("psql");
    assert!(loaded.status.success(), "{loaded:?}");

    let to = Place::of_postgres(crate::postgres_place::Place {
        keys: from.keys.clone(),
        ..to
    });
    let contents = to.contents().await;
    let revived = revive(named(&*contents), Some(since), &mut |_| {}).await;
    revived.expect("it works");
    apply(named(&*contents), &audit(since, "bob"))
        .await
        .expect("it works");
    serve_again(named(&*contents)).await.expect("it works");
    let (served, _store) = to.service().await;
    assert_eq!(
        log_in(&served, &spent.0, &spent.1).await.map(drop),
        Err(Error::Denied)
    );
    is_in_order(&to, &before, None).await;
}

#[tokio::test]
async fn what_has_a_mark_says_so_and_is_taken_for_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = StorePlace::find(&directory.path().join("2fapi.redb")).expect("a place");
    let contents = EmbeddedContents::open(&file).expect("it opens");
    drop(contents);
    let said = ClientsAtRest::open_backup(&file)
        .err()
        .expect("it is none")
        .to_string();
    assert!(said.contains("it is no backup"), "{said}");
    let contents = EmbeddedContents::open(&file).expect("it opens");
    let backup = Mark::Backup { made_at: 1 };
    contents
        .change_mark(None, Some(&backup))
        .await
        .expect("it works");
    let revived = revive(named(&contents), Some(1), &mut |_| {}).await;
    assert!(
        revived
            .expect_err("it is a backup")
            .to_string()
            .contains("it is a backup")
    );
    assert!(
        contents
            .clear(&Mark::Restored { since: 1 }, Clear::Everything)
            .await
            .is_err()
    );
}
