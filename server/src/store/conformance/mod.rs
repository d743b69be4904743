//! What every store does, one sentence each, over whatever [`StoreUnderTest`] lends: a store is fit for use
//! when its adapter passes. [`store_conformance!`](crate::store_conformance) makes a test of each sentence.
//!
//! The steps are those that the ceremonies of the core make, with real proofs.

mod clients;
mod crash;
mod invitations;
mod links;
mod person;
mod sessions;
mod signing_keys;
mod spent;
mod subject;

pub use clients::*;
pub use crash::*;
pub use invitations::*;
pub use links::*;
#[cfg(test)]
pub(super) use person::Person;
pub use sessions::*;
pub use signing_keys::*;
pub use spent::*;
pub use subject::{CAPACITY, DurableStoreUnderTest, ROOM, StoreUnderTest};

/// Makes a test of each sentence of the battery. The path leads to an `async fn(capacity: u32)` that gives
/// an empty store for each; with `durable` before it, the store is also ended and opened again; with `divided`, its places for
/// spent challenges are divided among clients, so that nothing is said of when they are full, nor of what takes many of one
/// client's.
#[macro_export]
macro_rules! store_conformance {
    (durable $open:path) => {
        $crate::store_conformance!($open);
        $crate::store_conformance!($open =>
            what_was_acknowledged_is_there_after_a_crash
            an_enrolment_that_is_cut_off_is_whole_or_not_there
            no_challenge_is_accepted_twice_with_a_crash_between
            a_session_that_was_ended_is_not_back_after_a_crash
        );
    };
    ($open:path) => {
        $crate::store_conformance!(divided $open);
        $crate::store_conformance!($open =>
            a_full_spent_set_says_when_to_come_again_and_loses_nothing
        );
        $crate::store_conformance!($crate::conformance::ROOM, $open =>
            of_too_many_sessions_of_a_client_those_that_are_over_first_go
        );
    };
    (divided $open:path) => {
        $crate::store_conformance!($open =>
            a_client_is_found_as_it_was_enrolled
            a_client_id_is_enrolled_once
            of_many_enrolments_of_one_client_id_one_is_done
            pages_of_clients_are_in_order_and_complete
            a_status_changes_as_the_rules_say
            a_revoked_client_id_is_never_enrolled_again
            of_many_rotations_of_one_version_one_is_done
            a_rotation_spends_its_challenge_in_the_same_action
            what_an_operator_says_of_a_client_is_kept
            a_step_of_before_sessions_were_ended_is_refused
            a_credential_that_was_linked_is_let_in_until_it_is_unlinked
            of_many_changes_of_one_version_one_is_done
            a_link_by_a_credential_that_is_being_unlinked_is_not_done
            an_expired_client_or_credential_is_not_let_in_by_the_step
            a_client_has_one_offer_and_a_newer_one_takes_its_place
            what_is_pending_is_gone_when_its_time_is_over
            of_many_that_join_one_is_first
            a_link_of_what_joined_uses_it_up
            a_link_of_what_has_clashed_meanwhile_is_not_done
            an_invitation_enrols_its_client_once
            an_invitation_is_good_for_its_client_id_alone
            an_invitation_that_has_expired_is_good_no_longer
            a_refused_enrolment_leaves_its_invitation_good
            of_many_enrolments_by_one_invitation_one_is_done
            an_invitation_to_reset_replaces_all_credentials_once
            an_invitation_of_one_kind_is_none_of_the_other
            a_client_has_one_invitation_to_reset_it_and_a_newer_one_voids_it
            invitations_of_a_client_can_be_cancelled
            an_invitation_to_reset_ends_with_its_time_and_with_the_client
            of_many_resets_by_one_invitation_one_is_done
            signing_keys_are_kept_by_the_time_at_which_they_activate
            a_signing_key_is_added_only_to_those_that_its_maker_knows
            of_many_first_signing_keys_one_is_kept
            a_look_up_says_that_the_signing_keys_have_changed
            a_challenge_is_accepted_once
            of_many_steps_with_one_challenge_one_is_done
            of_a_login_and_a_rotation_with_one_challenge_one_is_done
            a_step_of_a_record_that_was_changed_is_refused
            a_client_that_was_suspended_before_the_step_is_not_let_in
            a_challenge_that_has_expired_is_refused
            a_challenge_of_a_spent_set_that_was_lost_is_refused
            a_login_lists_its_session_and_no_other
            a_step_that_is_refused_lists_no_session
            a_session_is_over_with_its_time
            a_session_that_was_ended_is_gone_and_the_others_are_not
            a_session_that_was_ended_is_not_back_when_the_spent_set_is_lost
        );
        $crate::store_conformance!($crate::conformance::ROOM, $open =>
            of_many_logins_with_one_challenge_one_session_is_listed
        );
    };
    ($open:path => $($sentence:ident)*) => {
        $crate::store_conformance!($crate::conformance::CAPACITY, $open => $($sentence)*);
    };
    ($capacity:expr, $open:path => $($sentence:ident)*) => {$(
        #[test]
        fn $sentence() {
            $crate::conformance::run(async {
                let mut subject = $open($capacity).await;
                $crate::conformance::$sentence(&mut subject).await;
            });
        }
    )*};
}

/// Runs a sentence on threads of its own, so that what is done at once really is.
///
/// # Panics
/// When there are no threads, or the sentence is not true.
pub fn run(sentence: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(sentence);
}
