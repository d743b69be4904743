//! `2FAPI.INFO`, and the same figures as a section of `INFO`.

use std::sync::atomic::Ordering;

use twofapi_crypto_core::ceremony::SpentStats;

use super::common::IN_CLUSTER;
use crate::{
    counters,
    host::{Arguments, Ctx, auth, commands::offers_acl_category, info::Field},
    rules::failure::Failure,
    session, settings,
    store::{challenges, pending},
    unproved, workers,
};

pub(super) fn info(ctx: Ctx<'_>, _: &Arguments<'_>) -> Result<(), Failure> {
    let fields = report();
    ctx.reply_map(fields.len());
    for (name, field) in fields {
        ctx.reply_bytes(name.as_bytes());
        match field {
            Field::Number(number) => ctx.reply_integer(number),
            Field::Text(text) => ctx.reply_bytes(text.as_bytes()),
        }
    }
    Ok(())
}

/// The figures of this node, since it started.
pub(crate) fn report() -> Vec<(&'static str, Field)> {
    let number = |count: usize| Field::Number(i64::try_from(count).unwrap_or(i64::MAX));
    let yes_no = |yes| Field::Text(if yes { "yes" } else { "no" });
    let spent = challenges::stats().unwrap_or(SpentStats {
        capacity: 0,
        held: 0,
    });
    vec![
        ("version", Field::Text(env!("CARGO_PKG_VERSION"))),
        ("challenges_issued", Field::Number(counters::ISSUED.get())),
        ("proofs_accepted", Field::Number(counters::ACCEPTED.get())),
        ("attempts_denied", Field::Number(counters::DENIED.get())),
        (
            "attempts_throttled",
            Field::Number(counters::THROTTLED.get()),
        ),
        (
            "attempts_abandoned",
            Field::Number(counters::ABANDONED.get()),
        ),
        ("clients_enrolled", Field::Number(counters::ENROLLED.get())),
        (
            "commitments_rotated",
            Field::Number(counters::ROTATED.get()),
        ),
        ("credentials_linked", Field::Number(counters::LINKED.get())),
        (
            "credentials_unlinked",
            Field::Number(counters::UNLINKED.get()),
        ),
        ("clients_reset", Field::Number(counters::RESET.get())),
        ("devices_joined", Field::Number(counters::JOINED.get())),
        ("links_pending", number(pending::count())),
        ("sessions", number(session::count())),
        ("spent_capacity", Field::Number(spent.capacity.into())),
        ("spent_accepted", Field::Number(spent.held.into())),
        ("verify_threads", number(workers::threads())),
        ("unproved_connections", number(unproved::count())),
        ("verify_waiting", number(workers::waiting())),
        ("acl_mapping", yes_no(settings::acl_mapping())),
        ("require_proof", yes_no(settings::require_proof())),
        (
            "cluster_routing",
            yes_no(IN_CLUSTER.load(Ordering::Relaxed)),
        ),
        ("acl_category", yes_no(offers_acl_category())),
        ("auth_by_proof", yes_no(auth::is_offered())),
        ("before_auth", yes_no(settings::before_auth())),
    ]
}
